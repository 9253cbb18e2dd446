import type { InstanceDeclaration } from '../core/feed.ts';
import { effects } from '../core/revocation.ts';
import { createRevocationCache } from './cache.ts';
import { callOwner, tellNobody } from './callbacks.ts';
import { systemClock } from './clock.ts';
import { createProofVerifier } from './dpop.ts';
import type { Access } from './enforcer-access.ts';
import { createAdmission } from './enforcer-admission.ts';
import { createAnswers } from './enforcer-answers.ts';
import { type Checker, createChecker } from './enforcer-checker.ts';
import { createTeller } from './enforcer-reports.ts';
import { createJudge, type Route } from './enforcer-judge.ts';
import { mergeIssuers } from './enforcer-issuers.ts';
import { type EnforcerOptions, type EnforcerSettings, readOptions } from './enforcer-options.ts';
import type { CheckedRequest } from './enforcer-request.ts';
import type { Clock, FeedClient, FeedClientOptions, FeedState } from './feed-types.ts';
import { type FastifyHook, guardFastify, type GuardedRequest } from './guards/fastify.ts';
import { createNonces } from './nonce.ts';
import { createRates } from './obligations-rate.ts';
import { createOpenRequests } from './open-requests.ts';
import { type Freshness, postureRefuses } from './posture.ts';
import type { Refusal } from './refusal.ts';
import { createTokenVerifier } from './token.ts';

/** How one route is guarded. */
export type RouteOptions = {
  /** Name of a route class. Default: `standard`. */
  readonly class?: string;
  /** Space-separated; a token must carry all of it. */
  readonly scope?: string;
  /** Proofs need a nonce of ours. */
  readonly nonce?: 'required';
};

/** An enforcement point within this process. */
export type Enforcer = {
  /**
   * Whether a request may pass. A web-standard `Request` or `{ method, url, headers }`. Answer a refusal as it stands
   * (`toResponse`); hold an access until the response is finished, then `close` it (its `guard` does so by itself).
   * Never rejects; throws on a class that was not configured.
   */
  readonly check: (request: CheckedRequest, route?: RouteOptions) => Promise<Access | Refusal>;
  /** An `onRequest` hook: refuses, and cuts responses that are under way. `accessOf` gives what it let pass. */
  readonly fastify: (route?: RouteOptions) => FastifyHook;
  /** The access of a request that a guard let pass. @throws TypeError when no guard saw it. */
  readonly accessOf: (request: GuardedRequest) => Access;
  /** Resolves when a set of revocations is in force for the first time; rejects only by `stop`. */
  readonly ready: (stop?: AbortSignal) => Promise<void>;
  readonly state: () => EnforcerState;
  /** Stops enforcing these orphans: entries of an older epoch of the hub that the present one does not have. Others are left as they are. */
  readonly forgetOrphans: (ids: readonly string[]) => void;
  /** Says goodbye to the hub and sends what is left to report, for 5 s at most. Open requests are not cut, new ones are judged by what is known. Idempotent. */
  readonly close: () => Promise<void>;
};

export type EnforcerState = {
  readonly feed: FeedState;
  /** Milliseconds since all that the hub knew was in force here. */
  readonly staleMs: number;
  /** Classes whose posture refuses requests, or all but reads, at this moment. */
  readonly closedClasses: readonly string[];
  readonly openRequests: number;
  readonly issuers: readonly string[];
  /** Used proofs are known to this process only. */
  readonly replayMemory: 'local';
  readonly mode: 'enforce' | 'report';
};

/** How often expiry and posture of open requests are looked at, and sightings told. */
const tickMs = 1_000;

/** An enforcer over any feed client: `createEnforcer` gives it the real one. */
export function assembleEnforcer(options: EnforcerOptions, parts: EnforcerParts): Enforcer {
  const settings = readOptions(options);
  const { clock = systemClock } = parts;
  const { mode = 'enforce' } = options;
  const bug = (text: string) => (cause: unknown) =>
    callOwner(() => options.onTrouble?.({ code: 'callback', text, cause }), tellNobody);
  const open = createOpenRequests({ onFailure: bug('an open request could not be looked at') });
  const nonces = createNonces({ clock });
  const tokens = createTokenVerifier({
    audience: options.audience,
    clock,
    onTrouble: (issuer, cause) =>
      options.onTrouble?.({ code: 'keys', text: `keys of ${issuer} could not be had`, cause }),
  });
  tokens.accept(mergeIssuers(settings.issuers, []));
  const cache = createRevocationCache();
  const feed = parts.connect({
    ...feedOptions(options),
    cache,
    clock,
    declaration: declarationOf(options, settings),
    onConfiguration: ({ issuers, nonce_keys: nonceKeys }) => {
      tokens.accept(mergeIssuers(settings.issuers, issuers));
      nonces.useKeys(nonceKeys);
    },
    onApplied: (entries) => open.entriesApplied(entries),
    onReplaced: () => open.reviewAll(),
  });
  const freshness = freshnessOf(feed);
  const judge = createJudge({
    knowledge: { lookup: cache.lookup, freshness },
    rates: createRates({ clock, replicas: settings.replicas }),
    nowSeconds: () => Math.floor(clock.nowMs() / 1_000),
  });
  const proofs = createProofVerifier({ origin: settings.origin, clock, nonces });
  const { onRefusal } = options;
  const tell = createTeller({ feed, clock, onRefusal, onThrow: bug('onRefusal threw') });
  const { resourceMetadata } = options;
  const answers = createAnswers({ proofs, nonces, resourceMetadata, onRefused: tell.refused });
  const admission = createAdmission({ judge, answers, open, clock, mode });
  const checker = createChecker({
    tokens,
    proofs,
    nonces,
    judge,
    answers,
    admission,
    onAdmitted: tell.admitted,
  });
  const timer = setInterval(() => {
    open.reviewTime();
    tell.flush();
  }, tickMs);
  timer.unref();
  const state = (): EnforcerState => ({
    feed: feed.state(),
    staleMs: feed.staleMs(),
    closedClasses: closedClasses(settings, freshness()),
    openRequests: open.size,
    issuers: tokens.issuers(),
    replayMemory: 'local',
    mode,
  });
  const close = async (): Promise<void> => {
    clearInterval(timer);
    tell.flush();
    await feed.close();
  };
  const { ready, forgetOrphans } = feed;
  return { ...doorsOf(checker, settings), ready, state, forgetOrphans, close };
}

type EnforcerParts = { readonly connect: (options: FeedClientOptions) => FeedClient; readonly clock?: Clock };

function doorsOf(
  checker: Checker,
  settings: EnforcerSettings,
): Pick<Enforcer, 'check' | 'fastify' | 'accessOf'> {
  const accesses = new WeakMap<object, Access>();
  const standard = routeOf({}, settings);
  return {
    check: (request, route) => checker.check(request, route ? routeOf(route, settings) : standard),
    fastify: (route = {}) => guardFastify({ checker, route: routeOf(route, settings), accesses }),
    accessOf({ raw }) {
      const access = accesses.get(raw);
      if (!access) throw new TypeError('accessOf: no guard of this enforcer saw this request');
      return access;
    },
  };
}

/** A set that was in force once stays so: it is asked for until then only. */
function freshnessOf(feed: FeedClient): () => Freshness {
  let hasSet = false;
  return () => {
    hasSet ||= feed.state().set !== 'none';
    return { staleMs: feed.staleMs(), hasSet };
  };
}

const closedClasses = ({ classes }: EnforcerSettings, freshness: Freshness): readonly string[] =>
  [...classes]
    .filter(([, routeClass]) => postureRefuses(routeClass, 'POST', freshness))
    .map(([name]) => name);

function routeOf(
  { class: name = 'standard', scope = '', nonce }: RouteOptions,
  { classes }: EnforcerSettings,
): Route {
  const routeClass = classes.get(name);
  if (!routeClass)
    throw new TypeError(`there is no route class "${name}"; there are ${[...classes.keys()].join(', ')}`);
  return { class: routeClass, scope: scope.split(' ').filter(Boolean), nonce: nonce === 'required' };
}

const feedOptions = ({ hub, token, point, snapshotFile, onState, onTrouble }: EnforcerOptions) => ({
  hub,
  token,
  point,
  ...(snapshotFile !== undefined && { snapshotFile }),
  ...(onState && { onState }),
  ...(onTrouble && { onTrouble }),
});

function declarationOf(
  { downstreamCacheSeconds }: EnforcerOptions,
  { classes }: EnforcerSettings,
): InstanceDeclaration {
  return {
    kind: 'library',
    version: libraryVersion,
    postures: Object.fromEntries([...classes].map(([name, { posture }]) => [name, posture])),
    can: { effects, cut_open_requests: true },
    downstream_cache_seconds: downstreamCacheSeconds ?? 0,
  };
}

const libraryVersion = '0.1.0';
