import { type AddressKind, classifyAddress } from './address-ranges.ts';
import { parseIpAddress } from './ip-address.ts';
import { type AllowEntry, listsName, opensAddress, plainHostname } from './outbound-allow.ts';
import type { FetchFailure } from './outgoing.ts';

/** Longer ones are refused, in UTF-16 code units. */
export const urlLengthMax = 2_048;

/** Where a request goes. Equal origins have equal destinations. */
export type Destination = {
  readonly origin: string;
  /** A name or an address, without brackets and without the last dot. */
  readonly hostname: string;
  readonly port: number;
  /** `http` is spoken with this machine only, and only where the operator lists it. */
  readonly isTls: boolean;
};

export type JudgedUrl =
  | { readonly kind: 'fine'; readonly url: URL; readonly destination: Destination }
  | {
      readonly kind: 'refused';
      readonly failure: Extract<FetchFailure, 'bad-url' | 'refused-address'>;
      readonly reason: string;
    };

/** Before any connection and look-up: what the URL by itself says. */
export function judgeUrl(text: string, allow: readonly AllowEntry[]): JudgedUrl {
  if (text.length > urlLengthMax) return badUrl(`must have at most ${urlLengthMax} characters`);
  if (!URL.canParse(text)) return badUrl('must be a URL');
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return badUrl('must begin with https://');
  if (url.username !== '' || url.password !== '') return badUrl('must not name a user or a password');
  const isTls = url.protocol === 'https:';
  const hostname = plainHostname(url.hostname);
  const port = url.port === '' ? (isTls ? 443 : 80) : Number(url.port);
  const destination: Destination = { origin: url.origin, hostname, port, isTls };
  if (!isTls && !mayBePlain(destination, allow)) return badUrl('must begin with https://');
  const reason = refuseHostname(destination, allow);
  if (reason !== undefined) return { kind: 'refused', failure: 'refused-address', reason };
  return { kind: 'fine', url, destination };
}

/** Why the hub will never send anything to this URL, to be read behind its name; `undefined`: it may. */
export function refuseEndpoint(text: string, allow: readonly AllowEntry[]): string | undefined {
  const judged = judgeUrl(text, allow);
  return judged.kind === 'refused' ? judged.reason : undefined;
}

/**
 * Why the hub does not go to this address, be it looked up or connected to. What it cannot read it refuses.
 *
 * @see SEC-08
 */
export function refuseAddress(
  text: string,
  { hostname, port, isTls }: Destination,
  allow: readonly AllowEntry[],
): string | undefined {
  const address = parseIpAddress(text);
  if (address === undefined) return 'leads to no address that can be checked';
  const { kind, section } = classifyAddress(address);
  if (!isTls && kind !== 'loopback') return `leads to ${text}, and plain http is for this machine only`;
  if (kind === 'global' || opensAddress(allow, { hostname, port, address, kind })) return undefined;
  return `leads to ${text}, which is ${wordsOf[kind]} (${section})`;
}

const badUrl = (reason: string): JudgedUrl => ({ kind: 'refused', failure: 'bad-url', reason });

function mayBePlain(destination: Destination, allow: readonly AllowEntry[]): boolean {
  const address = parseIpAddress(destination.hostname);
  if (address === undefined) return destination.hostname === 'localhost' && listsName(allow, destination);
  const { kind } = classifyAddress(address);
  return kind === 'loopback' && opensAddress(allow, { ...destination, address, kind });
}

/** Other names say nothing until they are looked up. @see RFC 6761 §6.3 */
function refuseHostname(destination: Destination, allow: readonly AllowEntry[]): string | undefined {
  const { hostname } = destination;
  if (parseIpAddress(hostname) !== undefined) return refuseAddress(hostname, destination, allow);
  if (!/(^|\.)localhost$/.test(hostname)) return undefined;
  const reasons = ['127.0.0.1', '::1'].map((text) => refuseAddress(text, destination, allow));
  return reasons.includes(undefined) ? undefined : reasons[0];
}

const wordsOf: Readonly<Record<AddressKind, string>> = {
  global: 'public',
  unspecified: 'no address of a host',
  loopback: 'this machine',
  private: 'a private address',
  shared: 'an address shared by a provider',
  'unique-local': 'a private address',
  'link-local': 'a link-local address',
  multicast: 'a multicast address',
  documentation: 'an address for documentation',
  benchmarking: 'an address for benchmarks',
  protocol: 'an address of protocols',
  platform: 'an address of the cloud platform',
  'ipv4-mapped': 'an IPv4 address in disguise',
  'ipv4-compatible': 'an IPv4 address in disguise',
  '6to4': 'an IPv4 address in a tunnel',
  teredo: 'an IPv4 address in a tunnel',
  nat64: 'a translated address',
  reserved: 'a reserved address',
};
