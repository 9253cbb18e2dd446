import { DEFAULT_CIPHERS, type SecureContextOptions } from 'node:tls';

/** A certificate, the intermediate ones after it, and its private key: all in PEM. */
export type TlsPair = { readonly cert: string; readonly key: string };

/**
 * TLS 1.2 or later, and no key exchange without forward secrecy; else what Node thinks best, TLS 1.3 before all.
 *
 * @see RFC 9325 §3.1.1, §4.1
 */
export const tlsSettings = ({ cert, key }: TlsPair): SecureContextOptions => ({
  cert,
  key,
  minVersion: 'TLSv1.2',
  ciphers: `${DEFAULT_CIPHERS}:!kRSA`,
});

/** A year, which is what browsers ask for: they then never try plain HTTP at this host. @see RFC 6797 §6.1, RFC 9325 §3.2 */
const strictTransportSeconds = 31_536_000;
export const strictTransport = `max-age=${strictTransportSeconds}`;
