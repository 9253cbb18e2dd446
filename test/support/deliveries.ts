import { randomUUID } from 'node:crypto';
import { insertSets, type NewDelivery } from '../../src/adapters/postgres/delivery-rows.ts';
import { createDeliveryStore } from '../../src/adapters/postgres/delivery-store.ts';
import { streams } from '../../src/adapters/postgres/schema-transmitter.ts';
import { setId, streamId, type StreamId } from '../../src/core/vocabulary.ts';
import type { Claim, EndpointState } from '../../src/transmitter/delivery-ports.ts';
import type { DatabaseFixture } from './databases.ts';

export const now = 1_763_764_000_000;
export const lease = now + 5_000;
const eventType = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked';
export const signedAs = ({ id }: Pick<Claim, 'id'>) => ({ compact: `compact of ${id}`, kid: 'k1' });
export const of = (stream: StreamId, claims: readonly Claim[]) =>
  claims.filter((one) => one.streamId === stream);
export const idsOf = (stream: StreamId, claims: readonly Claim[]) => of(stream, claims).map(({ id }) => id);
export const endpointOf = (stream: StreamId, parts: Partial<EndpointState> = {}): EndpointState => ({
  streamId: stream,
  failuresInRow: 0,
  blockedUntilMs: now,
  isBack: false,
  trying: { sinceMs: now - 7, lastAtMs: now },
  ...parts,
});

/** Streams and SETs on their way, and how each fares. */
export function deliveriesOf(fixture: DatabaseFixture) {
  const store = () =>
    createDeliveryStore({
      database: fixture.database,
      openAuthorization(stream, sealed) {
        const text = Buffer.from(sealed).toString();
        if (text === 'broken') throw new Error('it does not open');
        return `${stream} ${text}`;
      },
    });

  async function aStream(parts: Partial<typeof streams.$inferInsert> = {}): Promise<StreamId> {
    const id = `str_${randomUUID()}`;
    await fixture.database.db.insert(streams).values({
      id,
      receiver: 'token:soc',
      aud: `aud-${id}`,
      eventsDelivered: [eventType],
      method: 'push',
      endpointUrl: parts.method === 'poll' ? null : 'https://receiver.example/events',
      status: 'enabled',
      algorithm: 'RS256',
      defaultSubjects: 'ALL',
      minVerificationInterval: 60,
      lastActivityAtMs: now,
      createdAtMs: now,
      updatedAtMs: now,
      ...parts,
    });
    return streamId(id);
  }

  let made = 0;
  const aSet = (
    stream: StreamId,
    parts: Partial<NewDelivery> & { readonly id?: string } = {},
  ): NewDelivery => {
    const jti = setId(parts.id ?? `set_${(made += 1)}_${randomUUID()}`);
    return {
      streamId: stream,
      eventType,
      principal: 'agent:build-runner',
      denies: false,
      claims: {
        iss: 'https://hub.example',
        jti,
        iat: now / 1_000,
        aud: 'aud',
        txn: 'txn',
        sub_id: { format: 'opaque', id: 'x' },
        events: { [eventType]: {} },
      },
      ...parts,
    };
  };
  const put = (...sets: readonly NewDelivery[]) =>
    fixture.database.transact((tx) => insertSets(tx, sets, now));
  const claim = (
    parts: { nowMs?: number; roomMax?: number; limit?: number; room?: [StreamId, number][] } = {},
  ) =>
    store().claimPushes({
      nowMs: parts.nowMs ?? now,
      untilMs: (parts.nowMs ?? now) + 5_000,
      room: new Map(parts.room),
      roomMax: parts.roomMax ?? 16,
      trialFrom: 5,
      limit: parts.limit ?? 256,
    });
  const delivered = (claims: readonly Claim[]) =>
    store().settle(
      claims.map(({ id, fence }) => ({ id, fence, state: 'delivered' as const })),
      [],
      now,
    );
  const stateOf = async (id: string) => {
    const { rows } = await fixture.database.pool.query(
      'SELECT state, attempts, compact, last_answer FROM hub.deliveries WHERE jti = $1',
      [id],
    );
    return rows[0] as { state: string; attempts: number; compact: string | null; last_answer: unknown };
  };
  return { store, aStream, aSet, put, claim, delivered, stateOf };
}
