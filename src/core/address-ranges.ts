import { contains, embeddedIpv4, type IpAddress, type IpRange, parseIpRange } from './ip-address.ts';

export type AddressKind =
  | 'global'
  | 'unspecified'
  | 'loopback'
  | 'private'
  | 'shared'
  | 'unique-local'
  | 'link-local'
  | 'multicast'
  | 'documentation'
  | 'benchmarking'
  | 'protocol'
  | 'platform'
  | 'ipv4-mapped'
  | 'ipv4-compatible'
  | '6to4'
  | 'teredo'
  | 'nat64'
  | 'reserved';

/** What an address is for, and who says so. */
export type AddressClass = { readonly kind: AddressKind; readonly section: string };

/**
 * What each address is for: the first row that contains it says so, and every address is in one. Of IPv6 only what
 * is assigned for global unicast is global; what is not listed is reserved.
 *
 * @see https://www.iana.org/assignments/iana-ipv4-special-registry, …/iana-ipv6-special-registry
 */
export const addressRanges: readonly (AddressClass & { readonly range: string })[] = [
  { range: '0.0.0.0/8', kind: 'unspecified', section: 'RFC 791 §3.2' },
  { range: '10.0.0.0/8', kind: 'private', section: 'RFC 1918' },
  { range: '100.64.0.0/10', kind: 'shared', section: 'RFC 6598' },
  { range: '127.0.0.0/8', kind: 'loopback', section: 'RFC 1122 §3.2.1.3' },
  { range: '168.63.129.16/32', kind: 'platform', section: 'the Azure host' },
  { range: '169.254.0.0/16', kind: 'link-local', section: 'RFC 3927' },
  { range: '172.16.0.0/12', kind: 'private', section: 'RFC 1918' },
  { range: '192.0.0.0/24', kind: 'protocol', section: 'RFC 6890 §2.1' },
  { range: '192.0.2.0/24', kind: 'documentation', section: 'RFC 5737' },
  { range: '192.88.99.0/24', kind: '6to4', section: 'RFC 7526' },
  { range: '192.168.0.0/16', kind: 'private', section: 'RFC 1918' },
  { range: '198.18.0.0/15', kind: 'benchmarking', section: 'RFC 2544' },
  { range: '198.51.100.0/24', kind: 'documentation', section: 'RFC 5737' },
  { range: '203.0.113.0/24', kind: 'documentation', section: 'RFC 5737' },
  { range: '224.0.0.0/4', kind: 'multicast', section: 'RFC 5771' },
  { range: '240.0.0.0/4', kind: 'reserved', section: 'RFC 1112 §4' },
  { range: '0.0.0.0/0', kind: 'global', section: 'RFC 791' },
  { range: '::/128', kind: 'unspecified', section: 'RFC 4291 §2.5.2' },
  { range: '::1/128', kind: 'loopback', section: 'RFC 4291 §2.5.3' },
  { range: '::/96', kind: 'ipv4-compatible', section: 'RFC 4291 §2.5.5.1' },
  { range: '::ffff:0:0/96', kind: 'ipv4-mapped', section: 'RFC 4291 §2.5.5.2' },
  { range: '64:ff9b::/96', kind: 'nat64', section: 'RFC 6052 §2.1' },
  { range: '64:ff9b:1::/48', kind: 'nat64', section: 'RFC 8215' },
  { range: '2001::/32', kind: 'teredo', section: 'RFC 4380' },
  { range: '2001:2::/48', kind: 'benchmarking', section: 'RFC 5180' },
  { range: '2001::/23', kind: 'protocol', section: 'RFC 2928' },
  { range: '2001:db8::/32', kind: 'documentation', section: 'RFC 3849' },
  { range: '2002::/16', kind: '6to4', section: 'RFC 3056' },
  { range: '3fff::/20', kind: 'documentation', section: 'RFC 9637' },
  { range: '2000::/3', kind: 'global', section: 'RFC 4291 §2.5.4' },
  { range: 'fc00::/7', kind: 'unique-local', section: 'RFC 4193' },
  { range: 'fe80::/10', kind: 'link-local', section: 'RFC 4291 §2.5.6' },
  { range: 'fec0::/10', kind: 'private', section: 'RFC 3879' },
  { range: 'ff00::/8', kind: 'multicast', section: 'RFC 4291 §2.7' },
  { range: '::/0', kind: 'reserved', section: 'RFC 4291 §2.4' },
];

const rows: readonly (AddressClass & { readonly range: IpRange })[] = addressRanges.map((row) => {
  const range = parseIpRange(row.range);
  if (range === undefined) throw new TypeError(`${row.range} is no range of addresses`);
  return { ...row, range };
});

/** An address behind a translator (NAT64) is global when the IPv4 address in it is, and a kind of its own otherwise. */
export function classifyAddress(address: IpAddress): AddressClass {
  const row = rows.find(({ range }) => contains(range, address));
  if (row === undefined) throw new TypeError('the table lacks a last row');
  const { kind, section, range } = row;
  return kind === 'nat64' ? classifyTranslated(address, { kind, section }, range) : { kind, section };
}

/**
 * Where the IPv4 address is depends on how long the translator's prefix is, which only its operator knows for the
 * local prefix. So each reading counts: one that leads nowhere (0.0.0.0/8) is none, and all others must be global.
 *
 * @see RFC 6052 §2.2
 */
function classifyTranslated(address: IpAddress, own: AddressClass, { prefixLength }: IpRange): AddressClass {
  const places = prefixLength === 96 ? [ipv4Places[96]] : Object.values(ipv4Places);
  const readings = places
    .map((place) => classifyAddress(embeddedIpv4(address, place)))
    .filter(({ kind }) => kind !== 'unspecified');
  const inner = readings.find(({ kind }) => kind !== 'global') ?? readings[0];
  if (inner?.kind === 'global') return inner;
  return { kind: own.kind, section: inner === undefined ? own.section : `${own.section}, ${inner.section}` };
}

/** Length of the prefix → the bytes that hold the IPv4 address; byte 8 is skipped. */
const ipv4Places = {
  48: [6, 7, 9, 10],
  56: [7, 9, 10, 11],
  64: [9, 10, 11, 12],
  96: [12, 13, 14, 15],
} as const;
