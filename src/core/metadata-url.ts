/**
 * Where the metadata of a Transmitter is: its well-known path stands between host and path of the issuer, never behind.
 *
 * @see SSF 1.0 §7.2.1
 */
export function wellKnownMetadataUrl({ origin, pathname }: Pick<URL, 'origin' | 'pathname'>): string {
  return `${origin}/.well-known/ssf-configuration${pathname.replace(/\/$/, '')}`;
}
