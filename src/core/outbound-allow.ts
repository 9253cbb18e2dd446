import type { AddressKind } from './address-ranges.ts';
import {
  contains,
  type IpAddress,
  type IpRange,
  parseIpAddress,
  parseIpRange,
  rangeOfOne,
} from './ip-address.ts';

/** What the operator lets be reached although it is not public; `port` absent: any. */
export type AllowEntry =
  | { readonly kind: 'range'; readonly range: IpRange; readonly port?: number }
  | { readonly kind: 'name'; readonly name: string; readonly port?: number };

/** Entries that one variable may list. */
export const allowEntriesMax = 1_000;

/**
 * A name opens these and nothing else: whoever answers for the name must not lead to a cloud's metadata service,
 * which is link-local. What else is needed has to be listed by its address.
 */
const openedByName: ReadonlySet<AddressKind> = new Set(['private', 'shared', 'unique-local', 'loopback']);

/** Comma-separated `host[:port]`, addresses or CIDR ranges; each as an entry, or `undefined` where it is neither. */
export const parseOutboundAllow = (text: string): readonly (AllowEntry | undefined)[] =>
  text.split(',').map((entry) => parseAllowEntry(entry.trim()));

/** Whether an entry opens this address, reached under this name and port. */
export const opensAddress = (
  entries: readonly AllowEntry[],
  at: {
    readonly hostname: string;
    readonly port: number;
    readonly address: IpAddress;
    readonly kind: AddressKind;
  },
): boolean =>
  entries.some(
    (entry) =>
      (entry.port ?? at.port) === at.port &&
      (entry.kind === 'range'
        ? contains(entry.range, at.address)
        : entry.name === at.hostname && openedByName.has(at.kind)),
  );

export const listsName = (
  entries: readonly AllowEntry[],
  at: { readonly hostname: string; readonly port: number },
): boolean =>
  entries.some(
    (entry) => entry.kind === 'name' && entry.name === at.hostname && (entry.port ?? at.port) === at.port,
  );

/** The host of a URL as names are compared: without the brackets of IPv6 and without the last dot. */
export const plainHostname = (hostname: string): string => hostname.replace(/^\[|\]$|\.$/g, '');

function parseAllowEntry(text: string): AllowEntry | undefined {
  const bare = parseIpAddress(text);
  if (bare !== undefined) return { kind: 'range', range: rangeOfOne(bare) };
  if (text.includes('/')) {
    const range = parseIpRange(text);
    return range === undefined ? undefined : { kind: 'range', range };
  }
  const [, host = '', digits] = /^(\[[0-9A-Fa-f:.]+\]|[^\s:[\]@?#\\*]+)(?::([0-9]{1,5}))?$/.exec(text) ?? [];
  const hostname = normalHostname(host);
  const port = digits === undefined ? {} : { port: Number(digits) };
  if (hostname === undefined || port.port === 0 || (port.port ?? 0) > 65_535) return undefined;
  const address = parseIpAddress(hostname);
  return address === undefined
    ? { kind: 'name', name: hostname, ...port }
    : { kind: 'range', range: rangeOfOne(address), ...port };
}

/** As the URL parser spells it, so that `LOCALHOST`, `0x7f.1` and `bücher.example` are compared as they are sent. */
function normalHostname(host: string): string | undefined {
  if (host === '' || !URL.canParse(`https://${host}`)) return undefined;
  return plainHostname(new URL(`https://${host}`).hostname);
}
