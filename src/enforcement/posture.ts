import type { Posture } from '../core/feed.ts';
import type { Seconds } from '../core/vocabulary.ts';
import { isJsonObject } from './token-format.ts';

/** How the routes of one class are guarded. */
export type RouteClass = {
  /** What happens to requests that nothing is known against while the hub is silent. */
  readonly posture: Posture;
  /** Before any set of revocations was in force in this process: `refuse`, or let `posture` count from process start. */
  readonly withoutSnapshot: 'refuse' | 'posture';
  /**
   * `required`: only tokens bound to a key, with a proof. `optional`: unbound tokens too; bound ones still need a proof.
   * `none`: somebody in front checks the binding and passes the token on as Bearer.
   */
  readonly binding: 'required' | 'optional' | 'none';
};

/** A route names its class; these are there without configuration. `standard` is the default of a route. */
export const defaultClasses = {
  sensitive: { posture: { fail_closed_after: 60 }, withoutSnapshot: 'refuse', binding: 'required' },
  standard: { posture: { fail_closed_after: 300 }, withoutSnapshot: 'posture', binding: 'required' },
  public: { posture: { fail_open: true }, withoutSnapshot: 'posture', binding: 'required' },
} as const satisfies Record<string, RouteClass>;

/** What is known of the present, for a posture to judge. */
export type Freshness = {
  /** Milliseconds since all that the hub knew was in force here; since process start, if that never was. */
  readonly staleMs: number;
  /** A whole set was in force at some time, from the hub or from disk. */
  readonly hasSet: boolean;
};

/**
 * Whether a request that nothing is known against must wait for better knowledge. What is known to be dead is refused
 * before anybody asks this.
 */
export function postureRefuses(
  routeClass: RouteClass,
  method: string,
  { staleMs, hasSet }: Freshness,
): boolean {
  const { posture } = routeClass;
  if (!hasSet && routeClass.withoutSnapshot === 'refuse') return true;
  if ('fail_open' in posture) return false;
  if ('fail_closed_after' in posture) return isOver(staleMs, posture.fail_closed_after);
  return isOver(staleMs, posture.allow_reads_after) && !isSafe(method);
}

/** What is not known to be recent enough is too old, `NaN` too. */
const isOver = (ms: number, limit: Seconds): boolean => !(ms < limit * 1_000);

/** Whether settings from outside are these, and nothing else: a misspelt one would be one that nobody heeds. */
export function isRouteClass(settings: RouteClass): boolean {
  const { posture, withoutSnapshot, binding, ...unknown } = settings;
  return (
    isPosture(posture) &&
    (withoutSnapshot === 'refuse' || withoutSnapshot === 'posture') &&
    (binding === 'required' || binding === 'optional' || binding === 'none') &&
    Object.keys(unknown).length === 0
  );
}

function isPosture(posture: unknown): boolean {
  const [only, ...others] = isJsonObject(posture) ? Object.entries(posture) : [];
  if (!only || others.length > 0) return false;
  const [name, limit] = only;
  if (name === 'fail_open') return limit === true;
  const isLimit = Number.isInteger(limit) && Number(limit) >= 0 && Number(limit) <= postureSecondsMax;
  return (name === 'fail_closed_after' || name === 'allow_reads_after') && isLimit;
}

/** What the hub takes as a posture. */
const postureSecondsMax = 86_400;

/** Reads only, by definition. @see RFC 9110 §9.2.1 */
export const isSafe = (method: string): boolean => safeMethods.has(method);
const safeMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);
