import type { FeedEntry, PutEntry, RefusalReport, SightingReport } from '../../../src/core/feed.ts';
import { assembleEnforcer, type Enforcer, type RouteOptions } from '../../../src/enforcement/enforcer.ts';
import type { EnforcerOptions } from '../../../src/enforcement/enforcer-options.ts';
import type { CheckedRequest } from '../../../src/enforcement/enforcer-request.ts';
import type { FeedClient, FeedClientOptions, FeedState } from '../../../src/enforcement/feed-types.ts';
import { type AClient, aClient } from '../dpop/a-client.ts';
import { type AnIssuer, anIssuer, audience } from '../token/an-issuer.ts';

export const origin = 'https://api.example';

/** An enforcer whose news and time come by hand; cache, tokens, proofs and guards are real. */
export type APoint = {
  readonly enforcer: Enforcer;
  readonly put: (entry: Partial<PutEntry> & Pick<PutEntry, 'match'>) => string;
  readonly lift: (id: string) => void;
  readonly time: { nowMs: number; staleMs: number; set: FeedState['set'] };
  readonly client: FeedClientOptions;
  readonly denied: string[];
  readonly reports: RefusalReport[];
  readonly sightings: SightingReport[];
};

export function aPoint(issuer: AnIssuer, options: Partial<EnforcerOptions> = {}): APoint {
  const time: APoint['time'] = { nowMs: Date.now(), staleMs: 0, set: 'hub' };
  const seen = { denied: [] as string[], reports: [] as RefusalReport[], sightings: [] as SightingReport[] };
  let client: FeedClientOptions | undefined;
  const connect = (given: FeedClientOptions): FeedClient => {
    client = given;
    return {
      state: () => ({
        connection: 'open',
        set: time.set,
        applied: undefined,
        fresh: true,
        divergent: false,
        entries: given.cache.size,
        orphans: 0,
        refused: 0,
      }),
      staleMs: () => time.staleMs,
      ready: () => Promise.resolve(),
      denied: (entries) => void seen.denied.push(...entries.map(({ id }) => id)),
      report: (refusal) => void seen.reports.push(refusal),
      sight: (sighting) => void seen.sightings.push(sighting),
      forgetOrphans: (ids) => ids.forEach((id) => given.cache.forgetOrphan(id)),
      close: () => Promise.resolve(),
    };
  };
  const enforcer = assembleEnforcer(
    {
      hub: 'http://127.0.0.1:1',
      token: 'chub_x',
      point: 'charges-api/1',
      audience,
      origin,
      issuers: [issuer.settings()],
      ...options,
    },
    { connect, clock: { nowMs: () => time.nowMs, monotonicMs: () => time.nowMs } },
  );
  if (!client) throw new Error('the enforcer did not connect');
  const { cache, onApplied } = client;
  let seq = 0;
  const apply = (entry: FeedEntry) => {
    cache.apply(entry);
    onApplied?.([entry]);
    return entry.id;
  };
  const common = () => ({ v: 1, position: `7f3a-${(seq += 1)}`, committed_at_ms: time.nowMs });
  return {
    enforcer,
    client,
    time,
    ...seen,
    put: (entry) =>
      apply({
        ...common(),
        op: 'put',
        id: `rev_${seq}`,
        reach: 'chain',
        effect: 'deny',
        reason: 'test',
        signal_id: 'sig_1',
        ...entry,
      }),
    lift: (id) => void apply({ ...common(), op: 'lift', id }),
  };
}

/** An agent with a token bound to its key, and requests that it makes. */
export type AnAgent = {
  readonly client: AClient;
  readonly token: string;
  readonly request: (more?: {
    method?: string;
    path?: string;
    nonce?: string;
    iat?: number;
  }) => Promise<CheckedRequest>;
};

export async function anAgent(issuer: AnIssuer, claims: object = {}): Promise<AnAgent> {
  const client = await aClient();
  const token = await issuer.token({ cnf: { jkt: client.jkt }, ...claims });
  return {
    client,
    token,
    async request({ method = 'GET', path = '/charges', ...claims } = {}) {
      const dpop = await client.proof({ method, url: origin + path, token }, claims);
      return { method, url: path, headers: { authorization: `DPoP ${token}`, dpop } };
    },
  };
}

/** The outcome as one word, and what it said. */
export async function outcomeOf(
  point: APoint,
  request: CheckedRequest | Promise<CheckedRequest>,
  route?: RouteOptions,
) {
  const outcome = await point.enforcer.check(await request, route);
  return outcome.kind === 'access' ? 'access' : outcome.code;
}

export { anIssuer };
