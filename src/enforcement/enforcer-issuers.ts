import { type IssuerSettings, issuerDefaults, profileDefaults } from '../core/issuer.ts';
import { isLoopback } from './loopback.ts';
import { isJsonObject } from './token-format.ts';

/** An issuer whose tokens are accepted; what is left out comes from its profile, `rfc9068` unless said. */
export type IssuerOption = Partial<IssuerSettings> & Pick<IssuerSettings, 'url'>;

export const wholeIssuer = ({ profile = 'rfc9068', ...more }: IssuerOption): IssuerSettings => ({
  ...issuerDefaults,
  ...profileDefaults[profile],
  profile,
  ...more,
});

/** An option that names an issuer whose keys can be fetched, and says nothing of it in a shape that is not known. */
export const isIssuerOption = (option: IssuerOption): boolean =>
  isJsonObject(option) && isSecureUrl(option.url) && isWhole(wholeIssuer(option));

/**
 * Those of the hub, and ours in front of them. Settings in a shape that we do not know are left out.
 *
 * Cut-offs reach ahead, and entries lapse, by what the hub knows of an issuer: a token that lives longer than that, or
 * is dated further ahead, would come back to life. So ours can only be stricter in both.
 */
export function mergeIssuers(
  ours: readonly IssuerSettings[],
  hubs: readonly IssuerSettings[],
): readonly IssuerSettings[] {
  const named = hubs.filter((issuer) => isJsonObject(issuer));
  const merged = new Map<string, IssuerSettings>();
  for (const issuer of named) if (isWhole(issuer)) merged.set(issuer.url, issuer);
  for (const issuer of ours) {
    const { max_token_life: life, skew } = named.find(({ url }) => url === issuer.url) ?? issuerDefaults;
    merged.set(issuer.url, {
      ...issuer,
      max_token_life: stricter(issuer.max_token_life, life),
      skew: stricter(issuer.skew, skew),
    });
  }
  return [...merged.values()];
}

/** An `https` URL, or an `http` one of this machine. */
export function isSecureUrl(text: string): boolean {
  const url = URL.parse(text);
  return (
    url !== null && (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname)))
  );
}

const stricter = (ours: number, hubs: number): number => (isLength(hubs) ? Math.min(ours, hubs) : ours);

function isWhole(issuer: IssuerSettings): boolean {
  const { token_types, algorithms, client_claims, subject_claims, session_claims } = issuer;
  const lists = [token_types, algorithms, client_claims, subject_claims, session_claims];
  const numbers = [issuer.max_token_life, issuer.skew];
  return typeof issuer.url === 'string' && lists.every(Array.isArray) && numbers.every(isLength);
}

const isLength = (value: unknown): value is number =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0;
