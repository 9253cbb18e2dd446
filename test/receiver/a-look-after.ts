import { afterAll, afterEach, beforeAll } from 'vitest';
import { createUpstreamStore } from '../../src/adapters/postgres/upstream-store.ts';
import { createUpstreamTurns } from '../../src/adapters/postgres/upstream-turns.ts';
import { createSealer } from '../../src/adapters/system/sealer.ts';
import { sourceId } from '../../src/core/vocabulary.ts';
import { createClients } from '../../src/receiver/clients.ts';
import { createLookAfter, type LookAfter } from '../../src/receiver/look-after.ts';
import type {
  NewUpstream,
  Upstream,
  UpstreamFailure,
  UpstreamSettings,
  UpstreamStore,
} from '../../src/receiver/ports.ts';
import { healthOf } from '../../src/receiver/upstream-reply.ts';
import { transmitterClients } from '../support/a-transmitter-client.ts';
import { aNewUpstream, limitsOf, someSecrets } from '../support/an-upstream.ts';
import type { DatabaseFixture } from '../support/databases.ts';
import {
  startUpstream,
  type Upstream as Peer,
  type UpstreamOptions,
} from '../support/upstream-transmitter.ts';

const start = 1_763_764_000_000;

/** A node that looks after upstreams, with a store and clients of its own. Its clock stands still until somebody sets it. */
export type LookingAfter = {
  nowMs: number;
  readonly hubUrl: string;
  readonly change: { readonly actor: string; readonly atMs: number };
  readonly store: UpstreamStore;
  readonly lookAfter: LookAfter;
  /** Another node. */
  aLookAfter(): LookAfter;
  /** Verification events are asked for and do not come by themselves. */
  aPeer(options?: UpstreamOptions): Promise<Peer>;
  add(peer: Peer, settings?: Partial<UpstreamSettings>, name?: string): Promise<NewUpstream>;
  find(name?: string): Promise<Upstream>;
  /** One round, now. */
  look(name?: string): Promise<'done' | 'failed'>;
  state(): Promise<string>;
  /** The verification event comes. */
  arrive(): Promise<unknown>;
  asked(peer: Peer, method: string, place?: string): Peer['requests'];
  /** Actions about `idp`, oldest first. */
  audited(): Promise<readonly string[]>;
  /** Failures that were told since the test began. */
  told(): readonly UpstreamFailure[];
  lastState(): string;
};

export function lookingAfter(fixture: DatabaseFixture): LookingAfter {
  const announcer = { announce: () => undefined };
  const clients = transmitterClients();
  const change = { actor: 'mara', atMs: start };
  const peers: Peer[] = [];
  const told: UpstreamFailure[] = [];
  const made: { store?: UpstreamStore; lookAfter?: LookAfter } = {};
  let count = 0;
  beforeAll(() => {
    const sealer = createSealer(Buffer.alloc(32, 7));
    made.store = createUpstreamStore({ database: fixture.database, announcer, sealer });
    made.lookAfter = at.aLookAfter();
  });
  afterEach(async () => {
    for (const { name } of await at.store.list()) await at.store.remove(name, change);
    for (const peer of peers.splice(0)) await peer.close();
    told.length = 0;
    at.nowMs = start;
  });
  afterAll(async () => {
    await made.lookAfter?.close();
    await clients.close();
  });
  const at: LookingAfter = {
    nowMs: start,
    hubUrl: 'http://localhost:1',
    change,
    get store() {
      return made.store!;
    },
    get lookAfter() {
      return made.lookAfter!;
    },
    aLookAfter: () =>
      createLookAfter({
        store: at.store,
        turns: createUpstreamTurns({ database: fixture.database, announcer, store: at.store }),
        clientOf: createClients({ store: at.store, open: clients.open }),
        hubUrl: () => at.hubUrl,
        newState: () => `state-${++count}`,
        nowMs: () => at.nowMs,
        chance: () => 1,
        onError(error) {
          throw error;
        },
        onFailure: (_name, failure) => void told.push(failure),
      }),
    async aPeer(options = {}) {
      const peer = await startUpstream({
        authorization: { kind: 'token', token: 'hunter2-token' },
        ...options,
      });
      peer.verifies('never');
      peers.push(peer);
      return peer;
    },
    async add(peer, settings = {}, name = 'idp') {
      const upstream = aNewUpstream(name, { issuer: peer.issuer, ...settings }, at.nowMs);
      await at.store.add(upstream, someSecrets, limitsOf(peer.issuer), change);
      return upstream;
    },
    find: async (name = 'idp') => (await at.store.find(name))!,
    look: async (name = 'idp') => (await at.lookAfter.now(name, { actor: 'hub' })).kind,
    state: async () => healthOf(await at.find(), at.nowMs).state,
    arrive: () => at.store.note(sourceId('idp'), { verifiedAtMs: at.nowMs, failure: null }),
    asked: (peer, method, place = 'streams') =>
      peer.requests.filter((one) => one.place === place && one.method === method),
    async audited() {
      const { rows } = await fixture.database.pool.query<{ action: string }>(
        "SELECT action FROM hub.audit_log WHERE target = 'idp' ORDER BY id",
      );
      return rows.map(({ action }) => action);
    },
    told: () => told,
    lastState: () => `state-${count}`,
  };
  return at;
}
