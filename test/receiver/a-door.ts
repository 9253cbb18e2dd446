import { createHash } from 'node:crypto';
import { Problem } from '../../src/core/problem.ts';
import type { Statement } from '../../src/core/signal.ts';
import { sourceDefaults } from '../../src/core/source.ts';
import { sourceId, upstreamId, type JsonObject } from '../../src/core/vocabulary.ts';
import { createMakeStatement } from '../../src/pipeline/make-statement.ts';
import { createAcceptSet } from '../../src/receiver/accept-set.ts';
import type { Upstream, UpstreamProgress } from '../../src/receiver/ports.ts';
import { createSetKeys } from '../../src/receiver/set-keys.ts';
import type { RecordedSet } from '../../src/receiver/set-ports.ts';
import type { SignOptions, UpstreamKeys } from '../support/upstream-keys.ts';

export const now = 1_763_764_000;
const iss = 'https://idp.example/tenant';
export const caep = (name: string) => `https://schemas.openid.net/secevent/caep/event-type/${name}`;
export const user = { format: 'iss_sub', iss, sub: 'u1' };

export const anUpstream = (parts: Partial<Upstream> = {}): Upstream => ({
  id: upstreamId('up_1'),
  name: sourceId('idp'),
  source: { ...sourceDefaults, id: sourceId('idp'), subjectIssuers: [iss] },
  settings: {
    issuer: iss,
    delivery: 'push',
    algorithm: 'ES256',
    verifyEverySeconds: 3_600,
    subjectInEvent: false,
    typMayBeMissing: false,
  },
  pushAuthorizationSha256: createHash('sha256').digest(),
  paused: false,
  binding: {
    jwksUri: `${iss}/jwks`,
    audience: ['hub'],
    streamId: 'stream-1',
    endpoints: {},
    criticalSubjectMembers: ['tenant'],
    boundAtMs: 0,
  },
  verification: {},
  dueAtMs: 0,
  createdAtMs: 0,
  ...parts,
});

export const claimsOf = (type: string, parts: JsonObject = {}, payload: JsonObject = {}): JsonObject => ({
  iss,
  jti: `j-${Math.random()}`,
  iat: now,
  aud: 'hub',
  txn: 'txn-1',
  sub_id: user,
  events: { [type]: payload },
  ...parts,
});

/** A door whose pipeline and stores remember what reached them. */
export function aDoor(keys: UpstreamKeys, upstream = anUpstream(), failing?: Problem) {
  const handled: Statement[] = [];
  const recorded: RecordedSet[] = [];
  const noted: UpstreamProgress[] = [];
  let fetches = 0;
  let monotonicMs = 0;
  const clock = { nowMs: () => now * 1_000, monotonicMs: () => monotonicMs };
  const setKeys = createSetKeys({
    fetchKeys: async () => {
      fetches += 1;
      return keys.jwks().keys;
    },
    clock,
    async pause(ms) {
      const until = monotonicMs + ms;
      await Promise.resolve();
      monotonicMs = Math.max(monotonicMs, until);
    },
    onTrouble: () => undefined,
  });
  const accept = createAcceptSet({
    store: {
      find: async () => upstream,
      note: async (_name, progress) => void noted.push(progress),
    },
    sets: {
      record: async (set) => {
        if (recorded.some(({ jti }) => jti === set.jti)) return 'repeated';
        recorded.push(set);
        return 'recorded';
      },
      has: async (_name, jti) => recorded.some((set) => set.jti === jti),
    },
    findKey: setKeys.find,
    makeStatement: createMakeStatement({
      nowMs: clock.nowMs,
      newId: () => 'txn-fresh',
      onlyIssuer: () => 'https://tokens.example',
    }),
    handle: async (statement) => {
      if (failing !== undefined) throw failing;
      const earlier = handled.find(({ externalId }) => externalId === statement.externalId);
      if (earlier === undefined) handled.push(statement);
      else if (!Buffer.from(earlier.bodySha256).equals(statement.bodySha256)) {
        throw new Problem('id-reused', 'The id was used for another signal.');
      }
      return { duplicate: earlier !== undefined } as never;
    },
    nowMs: clock.nowMs,
    onAnswer: () => undefined,
  });
  return {
    handled,
    recorded,
    noted,
    fetches: () => fetches,
    pass: (ms: number) => void (monotonicMs += ms),
    send: async (claims: JsonObject | string, options?: SignOptions) =>
      accept(upstream, await keys.sign(claims, options)),
    sendText: (compact: string) => accept(upstream, compact),
  };
}
