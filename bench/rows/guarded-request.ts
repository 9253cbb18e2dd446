import { verify } from 'node:crypto';
import { allowInsecureRequests, validateJwtAccessToken } from 'oauth4webapi';
import type { RevocationCache } from '../../src/enforcement/cache.ts';
import { assembleEnforcer, type Enforcer } from '../../src/enforcement/enforcer.ts';
import type { FeedClient, FeedClientOptions } from '../../src/enforcement/feed-types.ts';
import type { Line, Row, RowResult, Settings } from '../contract.ts';
import { someEntries } from '../entries.ts';
import { inTurns, perSecond, perSecondSync } from '../measure.ts';
import { type Agent, algorithm, anAgent, type Issuer, origin, startIssuer, takeApart } from '../tokens.ts';

const path = '/charges';
const agentsCount = 64;
/** Fewer than a proof lives, whatever the machine: proofs are signed in the round that uses them. */
const requestsPerRound = 4_000;

export const guardedRequest: Row = {
  name: 'guarded-request',
  title: 'one request through the library: token, DPoP proof, replay, revocations',
  durability: 'none, in memory',
  algorithm: `${algorithm} for token and proof`,
  run,
};

async function run({ quick, progress }: Settings): Promise<RowResult> {
  const live = quick ? 100_000 : 1_000_000;
  const requests = quick ? requestsPerRound / 4 : requestsPerRound;
  const rounds = quick ? 3 : 11;
  const issuer = await startIssuer();
  const enforcer = anEnforcer(issuer, live);
  progress(`${live.toLocaleString('en')} entries are in force`);
  try {
    const agents = Array.from({ length: agentsCount }, (_, number) => anAgent(number));
    const values = await inTurns(rounds, contestants(issuer, enforcer, agents, requests));
    return { lines: linesOf(values, live) };
  } finally {
    await enforcer.close();
    issuer.close();
  }
}

/** One request as both sides take it: headers as Node gives them, and a web-standard `Request`. */
type Presented = {
  readonly agent: Agent;
  readonly token: string;
  readonly proof: string;
};

function contestants(issuer: Issuer, enforcer: Enforcer, agents: readonly Agent[], count: number) {
  const tokens = new Map(agents.map((agent) => [agent, issuer.tokenFor(agent)]));
  const server = { issuer: issuer.url, jwks_uri: issuer.jwksUri };
  const present = (tokenOf: (agent: Agent) => string): readonly Presented[] =>
    Array.from({ length: count }, (_, number) => {
      const agent = agents[number % agents.length] ?? anAgent(number);
      const token = tokenOf(agent);
      return { agent, token, proof: agent.proofFor(token, 'GET', path) };
    });
  const withCachedToken = () => present((agent) => tokens.get(agent) ?? '');
  const withNewToken = () => present(issuer.tokenFor);
  return {
    cached: () => guard(enforcer, withCachedToken()),
    cold: () => guard(enforcer, withNewToken()),
    verifyOnce: () => verifyBare(withCachedToken()),
    oauth4webapi: () => validate(server, withNewToken()),
  };
}

function guard(enforcer: Enforcer, presented: readonly Presented[]): Promise<number> {
  const requests = presented.map(({ token, proof }) => ({
    method: 'GET',
    url: path,
    headers: { authorization: `DPoP ${token}`, dpop: proof },
  }));
  return perSecond(requests.length, async (index) => {
    const request = requests[index];
    const outcome = request && (await enforcer.check(request));
    if (outcome?.kind !== 'access') throw new Error(`refused: ${outcome?.code}`);
    outcome.close();
  });
}

/** The proofs' signatures alone, by keys that are imported already. */
function verifyBare(presented: readonly Presented[]): number {
  const signatures = presented.map(({ agent, proof }) => ({ key: agent.publicKey, ...takeApart(proof) }));
  return perSecondSync(signatures.length, (index) => {
    const it = signatures[index];
    const holds = it && verify('sha256', it.data, { key: it.key, dsaEncoding: 'ieee-p1363' }, it.signature);
    if (holds !== true) throw new Error('a signature does not verify');
  });
}

function validate(
  server: { readonly issuer: string; readonly jwks_uri: string },
  presented: readonly Presented[],
): Promise<number> {
  const requests = presented.map(
    ({ token, proof }) =>
      new Request(origin + path, { headers: { authorization: `DPoP ${token}`, dpop: proof } }),
  );
  return perSecond(requests.length, async (index) => {
    const request = requests[index];
    if (!request) return;
    await validateJwtAccessToken(server, request, origin, {
      requireDPoP: true,
      signingAlgorithms: [algorithm],
      [allowInsecureRequests]: true,
    });
  });
}

function linesOf(
  values: Readonly<Record<'cached' | 'cold' | 'verifyOnce' | 'oauth4webapi', readonly number[]>>,
  live: number,
): readonly Line[] {
  const size = `${live.toLocaleString('en')} live`;
  const verifyOnce = { name: 'one bare verify', values: values.verifyOnce };
  const verifyTwice = { name: 'two bare verifies', values: values.verifyOnce.map((value) => value / 2) };
  const oauth4webapi = { name: 'oauth4webapi', values: values.oauth4webapi };
  const common = { figure: 'requests', unit: '/s' } as const;
  return [
    {
      ...common,
      what: `token known, new proof, ${size}`,
      ours: values.cached,
      baseline: verifyOnce,
      budget: { text: '≥ 0.85', holds: (ratio) => ratio >= 0.85 },
    },
    { ...common, what: `token known, new proof, ${size}`, ours: values.cached, baseline: oauth4webapi },
    { ...common, what: `new token, new proof, ${size}`, ours: values.cold, baseline: verifyTwice },
    { ...common, what: `new token, new proof, ${size}`, ours: values.cold, baseline: oauth4webapi },
  ];
}

/** The library as `createEnforcer` puts it together, but for the hub: the feed is silent and everything is in force. */
function anEnforcer(issuer: Issuer, live: number): Enforcer {
  const connect = ({ cache }: FeedClientOptions): FeedClient => {
    for (const entry of someEntries(live, Date.now())) cache.apply(entry);
    return silentFeed(cache);
  };
  return assembleEnforcer(
    {
      hub: 'http://127.0.0.1:1',
      token: 'unused',
      point: 'bench/1',
      audience: origin,
      origin,
      issuers: [{ url: issuer.url, jwks_uri: issuer.jwksUri }],
    },
    { connect },
  );
}

const silentFeed = (cache: RevocationCache): FeedClient => ({
  state: () => ({
    connection: 'open',
    set: 'hub',
    applied: undefined,
    fresh: true,
    divergent: false,
    entries: cache.size,
    orphans: 0,
    refused: 0,
  }),
  staleMs: () => 0,
  ready: () => Promise.resolve(),
  denied: () => undefined,
  report: () => undefined,
  sight: () => undefined,
  forgetOrphans: () => undefined,
  close: () => Promise.resolve(),
});
