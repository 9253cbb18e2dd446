import { keyCraft, privateJwkOf } from '../adapters/jose/key-craft.ts';
import { createSigningKeyStore } from '../adapters/postgres/signing-key-store.ts';
import { followRows } from '../adapters/system/follow-rows.ts';
import { createSealer } from '../adapters/system/sealer.ts';
import { accessTokenLifeSeconds } from '../authorization/access-token-settings.ts';
import type { Jwk } from '../authorization/ports.ts';
import { accessTokenAlgorithm } from '../core/access-token-algorithm.ts';
import { isProblem, type Problem } from '../core/problem.ts';
import type { Part } from '../http/readiness.ts';
import type { HubServer } from '../http/server.ts';
import { createKeyDirectory } from '../transmitter/key-directory.ts';
import { keyOverlapMs } from '../transmitter/key-life.ts';
import type { KeyCraft, KeyPurpose } from '../transmitter/key-ports.ts';
import { createKeyRing, type KeyRing, type KeyRingOptions } from '../transmitter/key-ring.ts';
import { keyRoutes } from '../transmitter/key-routes.ts';
import { warn, type Hub } from './platform.ts';

/** A token lives so long, and clocks of nodes differ: what one signed last is good everywhere to its end. */
const tokenKeyOverlapMs = accessTokenLifeSeconds * 1_000 + 60_000;

/** oidc-provider signs by itself, with the private key as it is. */
const tokenCraft: KeyCraft<Jwk> = { make: keyCraft.make, openSigner: privateJwkOf };

export type Keys = {
  readonly sets: KeyRing;
  readonly accessTokens: KeyRing<Jwk> & { onRead(listener: () => void): void };
  sweep(): Promise<void>;
};

/** What is signed with. The first keys are made in the background: nothing but who needs one waits for it. */
export async function wireKeys(server: HubServer, hub: Hub): Promise<Keys> {
  const sets = await openRing(hub, 'sets', {
    sealedFor: 'signing-keys',
    craft: keyCraft,
    firstAlgorithm: 'RS256',
    overlapMs: keyOverlapMs,
  });
  const accessTokens = await openRing(hub, 'access-tokens', {
    sealedFor: 'authorization-keys',
    craft: tokenCraft,
    firstAlgorithm: accessTokenAlgorithm,
    overlapMs: tokenKeyOverlapMs,
  });
  hub.parts.set('store of signing keys', async () => {
    const problem = await doesNotOpen(sets);
    return problem === undefined ? {} : { reasons: [`${problem.message} ${problem.hint ?? ''}`.trim()] };
  });
  hub.parts.set('authorization server', noticeOf(accessTokens));
  const keys = { sets, 'access-tokens': accessTokens };
  await server.register(keyRoutes, { keys, nowMs: hub.clock.nowMs });
  return {
    sets,
    accessTokens,
    async sweep() {
      await sets.sweep();
      await accessTokens.sweep();
    },
  };
}

type RingParts<Signer> = Pick<KeyRingOptions<Signer>, 'craft' | 'firstAlgorithm' | 'overlapMs'> & {
  readonly sealedFor: string;
};

async function openRing<Signer>(
  { database, announcer, clock, log, closers, deriveKey }: Hub,
  purpose: KeyPurpose,
  { sealedFor, ...parts }: RingParts<Signer>,
) {
  const store = createSigningKeyStore({
    database,
    announcer,
    purpose,
    sealer: createSealer(deriveKey(sealedFor)),
  });
  const onError = warn(log, 'the signing keys were not read again');
  const rows = await followRows({ list: store.list, topics: ['keys'], announcer, onError });
  const directory = createKeyDirectory(rows, onError);
  const ring = createKeyRing({ directory, store, nowMs: clock.nowMs, ...parts });
  closers.add(`keys for ${purpose}`, () => ring.close());
  const onNoKey = warn(log, 'the first signing key was not made; whoever needs it makes it');
  void ring.jwks().catch((error: unknown) => {
    if (!isProblem(error) || error.code !== 'shutting-down') onNoKey(error);
  });
  return { ...ring, onRead: directory.onRead };
}

/** Keys that do not open sign nothing, though everything else works. */
async function doesNotOpen({ check }: Pick<KeyRing, 'check'>): Promise<Problem | undefined> {
  try {
    await check();
    return undefined;
  } catch (error) {
    if (isProblem(error) && error.code === 'invalid-configuration') return error;
    throw error;
  }
}

/** Feed, kills and API tokens do without it: only access tokens are not given any more. */
const noticeOf =
  (ring: Pick<KeyRing, 'check'>): Part =>
  async () => {
    const problem = await doesNotOpen(ring);
    if (problem === undefined) return {};
    const remedy = 'caep-hub key rotate --for access-tokens --compromised makes a new key.';
    return { notices: [`${problem.message} No access tokens are given. ${remedy}`] };
  };
