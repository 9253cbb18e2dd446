import { type IssuerSettings, issuerDefaults, profileDefaults } from '../core/issuer.ts';
import type { FeedState, FeedTrouble } from './feed-types.ts';
import { isLoopback } from './loopback.ts';
import { defaultClasses, type RouteClass } from './posture.ts';
import type { Refusal } from './refusal.ts';

/** An issuer whose tokens are accepted; what is left out comes from its profile, `rfc9068` unless said. */
export type IssuerOption = Partial<IssuerSettings> & Pick<IssuerSettings, 'url'>;

export type EnforcerOptions = {
  /** Base address of the hub: `https`, or `http` on this machine. */
  readonly hub: string;
  /** A token of scope `point`. */
  readonly token: string;
  /** `<point>/<instance>`: how this process is called in receipts. */
  readonly point: string;
  /** What `aud` of a token must contain. */
  readonly audience: string;
  /** Public scheme, host and port of this resource server: DPoP proofs are compared with it, never with a Host header. */
  readonly origin: string;
  /** Issuers besides those that the hub names; for the same URL these count. */
  readonly issuers?: readonly IssuerOption[];
  /** Revocations survive a restart in this file. */
  readonly snapshotFile?: string;
  /** Route classes besides, or instead of, `sensitive`, `standard` and `public`. What a new class leaves out is as in `sensitive`. */
  readonly classes?: { readonly [name: string]: Partial<RouteClass> };
  /** `report` decides, tells and lets pass. Default: `enforce`. */
  readonly mode?: 'enforce' | 'report';
  /** URL of the protected resource metadata, for challenges (RFC 9728 §5.1). */
  readonly resourceMetadata?: string;
  /** How many processes share a restricted rate. Default: 1. */
  readonly replicas?: number;
  /** For how long caches in front of this process repeat an old decision. Default: 0. */
  readonly downstreamCacheSeconds?: number;
  /** Every refusal, also those of report mode and of open requests. Must not throw. */
  readonly onRefusal?: (refusal: Refusal) => void;
  readonly onState?: (state: FeedState) => void;
  /** What went wrong and was survived, for a log: with the hub (`code` of the feed), or with an issuer's keys (`keys`). */
  readonly onTrouble?: (trouble: EnforcerTrouble) => void;
};

export type EnforcerTrouble =
  | FeedTrouble
  | { readonly code: 'keys'; readonly text: string; readonly cause: unknown };

/** The options, checked and made whole. */
export type EnforcerSettings = {
  readonly origin: string;
  readonly issuers: readonly IssuerSettings[];
  readonly classes: ReadonlyMap<string, RouteClass>;
  readonly replicas: number;
};

/** @throws TypeError that names every option that is wrong. */
export function readOptions(options: EnforcerOptions): EnforcerSettings {
  const wrong = [...checks].filter(([, holds]) => !holds(options)).map(([message]) => message);
  if (wrong.length > 0) throw new TypeError(`createEnforcer: ${wrong.join('; ')}`);
  const { sensitive } = defaultClasses;
  const given = Object.entries(options.classes ?? {});
  const names = new Map<string, RouteClass>(Object.entries(defaultClasses));
  for (const [name, settings] of given) names.set(name, { ...(names.get(name) ?? sensitive), ...settings });
  return {
    origin: new URL(options.origin).origin,
    issuers: (options.issuers ?? []).map(wholeIssuer),
    classes: names,
    replicas: options.replicas ?? 1,
  };
}

/** Those of the hub, and ours in front of them. Settings in a shape that we do not know are left out. */
export function mergeIssuers(
  ours: readonly IssuerSettings[],
  hubs: readonly IssuerSettings[],
): readonly IssuerSettings[] {
  const merged = new Map<string, IssuerSettings>();
  for (const issuer of [...hubs.filter(isWhole), ...ours]) merged.set(issuer.url, issuer);
  return [...merged.values()];
}

const wholeIssuer = ({ profile = 'rfc9068', ...more }: IssuerOption): IssuerSettings => ({
  ...issuerDefaults,
  ...profileDefaults[profile],
  profile,
  ...more,
});

function isWhole(issuer: IssuerSettings): boolean {
  const lists = [
    issuer.token_types,
    issuer.algorithms,
    issuer.client_claims,
    issuer.subject_claims,
    issuer.session_claims,
  ];
  const numbers = [issuer.max_token_life, issuer.skew];
  return typeof issuer.url === 'string' && lists.every(Array.isArray) && numbers.every(Number.isFinite);
}

const checks: ReadonlyMap<string, (options: EnforcerOptions) => boolean> = new Map([
  ['hub is an https URL, or an http URL of this machine', ({ hub }) => isSecureUrl(hub)],
  ['token is the text of a hub token', ({ token }) => isText(token)],
  ['point is "<point>/<instance>"', ({ point }) => /^[\w.-]{1,64}\/[\w.-]{1,64}$/.test(point)],
  ['audience is a text', ({ audience }) => isText(audience)],
  ['origin is scheme, host and port only', ({ origin }) => isOrigin(origin)],
  [
    'issuers have an https url, or an http url of this machine',
    ({ issuers = [] }) => issuers.every(({ url }) => isSecureUrl(url)),
  ],
  ['replicas is a whole number from 1', ({ replicas = 1 }) => Number.isInteger(replicas) && replicas >= 1],
]);

const isText = (value: unknown): boolean => typeof value === 'string' && value !== '';

function isSecureUrl(text: string): boolean {
  const url = URL.parse(text);
  return (
    url !== null && (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname)))
  );
}

function isOrigin(text: string): boolean {
  const url = URL.canParse(text) && new URL(text);
  return url && /^https?:$/.test(url.protocol) && (text === url.origin || text === `${url.origin}/`);
}
