import type { IssuerSettings } from '../core/issuer.ts';
import { nameShape } from '../core/vocabulary.ts';
import { type IssuerOption, isIssuerOption, isSecureUrl, wholeIssuer } from './enforcer-issuers.ts';
import type { FeedState, FeedTrouble } from './feed-types.ts';
import { defaultClasses, isRouteClass, type RouteClass } from './posture.ts';
import type { Refusal } from './refusal.ts';

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
  /**
   * Issuers besides those that the hub names; for the same URL these count. `max_token_life` and `skew` may only be
   * shorter than the hub's, or than its defaults (a day, 5 s) for an issuer that it does not name: longer ones are cut.
   */
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
  /** Every refusal, also those of report mode and of open requests. What it throws is told as trouble. */
  readonly onRefusal?: (refusal: Refusal) => void;
  readonly onState?: (state: FeedState) => void;
  /** What went wrong and was survived, for a log: with the hub (`code` of the feed), with an issuer's keys (`keys`), or in a callback (`callback`). */
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
  return {
    origin: new URL(options.origin).origin,
    issuers: (options.issuers ?? []).map(wholeIssuer),
    classes: classesOf(options),
    replicas: options.replicas ?? 1,
  };
}

function classesOf({ classes = {} }: EnforcerOptions): ReadonlyMap<string, RouteClass> {
  const { sensitive } = defaultClasses;
  const whole = new Map<string, RouteClass>(Object.entries(defaultClasses));
  for (const [name, settings] of Object.entries(classes))
    whole.set(name, { ...(whole.get(name) ?? sensitive), ...settings });
  return whole;
}

/** With each receipt goes the posture of every class, and the hub takes so many. */
const classesMax = 32;

const checks: ReadonlyMap<string, (options: EnforcerOptions) => boolean> = new Map([
  ['hub is an https URL, or an http URL of this machine', ({ hub }) => isSecureUrl(hub)],
  ['token is the text of a hub token', ({ token }) => isText(token)],
  ['point is "<point>/<instance>"', ({ point }) => /^[\w.-]{1,64}\/[\w.-]{1,64}$/.test(point)],
  ['audience is a text', ({ audience }) => isText(audience)],
  ['origin is scheme, host and port only', ({ origin }) => isOrigin(origin)],
  [
    'issuers have an https url, or an http url of this machine, and settings of the known shape',
    ({ issuers = [] }) => issuers.every(isIssuerOption),
  ],
  [
    'classes are named by up to 64 letters, digits, dots and dashes',
    (options) => [...classesOf(options).keys()].every((name) => nameShape.test(name)),
  ],
  [`classes are at most ${classesMax}`, (options) => classesOf(options).size <= classesMax],
  [
    'classes have one posture of 0 to 86400 whole seconds or fail_open, and a known withoutSnapshot and binding',
    (options) => [...classesOf(options).values()].every(isRouteClass),
  ],
  ['mode is enforce or report', ({ mode = 'enforce' }) => mode === 'enforce' || mode === 'report'],
  ['replicas is a whole number from 1', ({ replicas = 1 }) => Number.isInteger(replicas) && replicas >= 1],
  [
    'downstreamCacheSeconds is a number from 0 to 86400',
    ({ downstreamCacheSeconds: seconds = 0 }) => seconds >= 0 && seconds <= 86_400,
  ],
]);

const isText = (value: unknown): boolean => typeof value === 'string' && value !== '';

function isOrigin(text: string): boolean {
  const url = URL.canParse(text) && new URL(text);
  return url && /^https?:$/.test(url.protocol) && (text === url.origin || text === `${url.origin}/`);
}
