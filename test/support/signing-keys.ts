import { randomUUID } from 'node:crypto';
import { keyCraft } from '../../src/adapters/jose/key-craft.ts';
import { createAnnouncer } from '../../src/adapters/postgres/announcer.ts';
import type { Database } from '../../src/adapters/postgres/database.ts';
import { createSigningKeyStore } from '../../src/adapters/postgres/signing-key-store.ts';
import { followRows } from '../../src/adapters/system/follow-rows.ts';
import { createSealer } from '../../src/adapters/system/sealer.ts';
import { createKeyring } from '../../src/authorization/keyring.ts';
import type { SetClaims } from '../../src/core/set-claims.ts';
import { setId, streamId } from '../../src/core/vocabulary.ts';
import { createKeyDirectory } from '../../src/transmitter/key-directory.ts';
import { createKeyRing, type KeyRing, signSets } from '../../src/transmitter/key-ring.ts';
import { keyOverlapMs } from '../../src/transmitter/key-life.ts';
import type { SignSet } from '../../src/transmitter/ports.ts';
import type { KeyCraft, SigningKeyStore } from '../../src/transmitter/key-ports.ts';

export const sealerOf = (secretsKey: string) => createSealer(createKeyring(secretsKey)('signing-keys'));

export type KeyNode = {
  readonly keys: KeyRing & { readonly sign: SignSet };
  readonly store: SigningKeyStore;
  /** Looks as it does when an announcement was lost. */
  refresh(): Promise<void>;
  close(): void;
};

/** The key ring of one node; the time is `clock.nowMs`. */
export async function aKeyNode(
  database: Database,
  clock: { readonly nowMs: number },
  secretsKey = 's'.repeat(40),
  craft: KeyCraft = keyCraft,
): Promise<KeyNode> {
  const fail = (error: unknown) => {
    throw error;
  };
  const announcer = createAnnouncer({ database, onError: fail });
  const store = createSigningKeyStore({ database, announcer, purpose: 'sets', sealer: sealerOf(secretsKey) });
  const rows = await followRows({ list: store.list, topics: ['keys'], announcer, onError: fail });
  const directory = createKeyDirectory(rows, fail);
  const ring = createKeyRing({
    directory,
    store,
    craft,
    firstAlgorithm: 'RS256',
    overlapMs: keyOverlapMs,
    nowMs: () => clock.nowMs,
  });
  const keys = { ...ring, sign: signSets(ring) };
  return {
    keys,
    store,
    refresh: directory.refresh,
    close() {
      keys.close();
      announcer.close();
    },
  };
}

export const someClaims = (): SetClaims => ({
  iss: 'https://hub.example',
  jti: setId(`set_${randomUUID()}`),
  iat: 1_763_764_000,
  aud: 'https://receiver.example/one',
  txn: 'txn-1',
  toe: 1_763_763_999,
  sub_id: { format: 'email', email: 'zoë@example.com' },
  events: { 'https://schemas.openid.net/secevent/caep/event-type/session-revoked': {} },
});

/** A SET that was signed by a key, in a stream of its own; answers its `jti`. */
export async function putDelivery(
  database: Database,
  { kid, state = 'pending' }: { readonly kid: string; readonly state?: string },
): Promise<string> {
  const stream = streamId(`stream-${randomUUID()}`);
  const claims = someClaims();
  await database.pool.query(
    `INSERT INTO hub.streams (id, receiver, aud, events_delivered, method, status, algorithm, default_subjects,
       min_verification_interval, last_activity_at_ms, created_at_ms, updated_at_ms)
     VALUES ($1, 'r', $1, '{}', 'poll', 'enabled', 'ES256', 'ALL', 60, 0, 0, 0)`,
    [stream],
  );
  await database.pool.query(
    `INSERT INTO hub.deliveries (jti, stream_id, principal, denies, control, event_type, claims, kid, compact, state,
       due_at_ms, created_at_ms)
     VALUES ($1, $2, 'p', false, false, 'e', $3, $4, 'signed', $5, 0, 0)`,
    [claims.jti, stream, claims, kid, state],
  );
  return claims.jti;
}

export async function signatureOf(database: Database, jti: string) {
  const { rows } = await database.pool.query<{ kid: string | null; compact: string | null }>(
    'SELECT kid, compact FROM hub.deliveries WHERE jti = $1',
    [jti],
  );
  return rows[0];
}

export async function settle(database: Database, jti: string): Promise<void> {
  await database.pool.query("UPDATE hub.deliveries SET state = 'delivered' WHERE jti = $1", [jti]);
}
