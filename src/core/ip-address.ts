/** An address as a number, so that no spelling of it matters. */
export type IpAddress = { readonly family: 4 | 6; readonly value: bigint };

/** All addresses that begin with the same bits. */
export type IpRange = { readonly first: IpAddress; readonly prefixLength: number };

const bitsOf = { 4: 32, 6: 128 } as const;

/**
 * Dotted decimal, or any spelling of IPv6 without brackets and zone. `undefined`: it is no address.
 *
 * @see RFC 4291 §2.2
 */
export function parseIpAddress(text: string): IpAddress | undefined {
  const family = text.includes(':') ? 6 : 4;
  const value = family === 6 ? parseIpv6(text) : parseIpv4(text);
  return value === undefined ? undefined : { family, value };
}

/** `10.0.0.0/8`. Bits behind the prefix must be zero: with others it is unclear what was meant. */
export function parseIpRange(text: string): IpRange | undefined {
  const [, address = '', digits = ''] = /^([0-9A-Fa-f:.]+)\/([0-9]{1,3})$/.exec(text) ?? [];
  const first = parseIpAddress(address);
  const prefixLength = Number(digits);
  if (first === undefined || prefixLength > bitsOf[first.family]) return undefined;
  const isAligned = prefixOf(first, prefixLength) << spareBits(first, prefixLength) === first.value;
  return isAligned ? { first, prefixLength } : undefined;
}

/** The range of one address. */
export const rangeOfOne = (address: IpAddress): IpRange => ({
  first: address,
  prefixLength: bitsOf[address.family],
});

export const contains = ({ first, prefixLength }: IpRange, address: IpAddress): boolean =>
  first.family === address.family && prefixOf(first, prefixLength) === prefixOf(address, prefixLength);

/** The IPv4 address in four bytes of an IPv6 address, counted from its first. */
export function embeddedIpv4(address: IpAddress, byteIndexes: readonly number[]): IpAddress {
  const value = byteIndexes.reduce(
    (sum, index) => (sum << 8n) | ((address.value >> BigInt(120 - 8 * index)) & 0xffn),
    0n,
  );
  return { family: 4, value };
}

const spareBits = ({ family }: IpAddress, prefixLength: number): bigint =>
  BigInt(bitsOf[family] - prefixLength);

const prefixOf = (address: IpAddress, prefixLength: number): bigint =>
  address.value >> spareBits(address, prefixLength);

function parseIpv4(text: string): bigint | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9][0-9]{0,2})$/.test(part))) return undefined;
  const bytes = parts.map(Number);
  if (bytes.some((byte) => byte > 255)) return undefined;
  return bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

function parseIpv6(text: string): bigint | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head, tail] = [parseGroups(halves[0] ?? ''), parseGroups(halves[1] ?? '')];
  if (head === undefined || tail === undefined) return undefined;
  // Only the very end may be dotted decimal.
  if (halves.length === 2 && halves[0]?.includes('.')) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...Array.from({ length: missing }, () => 0n), ...tail];
  return groups.reduce((sum, group) => (sum << 16n) | group, 0n);
}

/** Groups of 16 bits; the last may be an IPv4 address, which counts as two. */
function parseGroups(text: string): bigint[] | undefined {
  if (text === '') return [];
  const parts = text.split(':');
  const last = parts.at(-1) ?? '';
  const dotted = last.includes('.') ? parseIpv4(last) : undefined;
  if (last.includes('.')) {
    if (dotted === undefined) return undefined;
    parts.pop();
  }
  if (!parts.every((part) => /^[0-9A-Fa-f]{1,4}$/.test(part))) return undefined;
  const groups = parts.map((part) => BigInt(`0x${part}`));
  return dotted === undefined ? groups : [...groups, dotted >> 16n, dotted & 0xffffn];
}
