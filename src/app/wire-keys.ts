import { keyCraft } from '../adapters/jose/key-craft.ts';
import { createSigningKeyStore } from '../adapters/postgres/signing-key-store.ts';
import { createSealer } from '../adapters/system/sealer.ts';
import { isProblem } from '../core/problem.ts';
import type { Part } from '../http/readiness.ts';
import type { HubServer } from '../http/server.ts';
import { createKeyDirectory } from '../transmitter/key-directory.ts';
import { createKeyRing, type KeyRing } from '../transmitter/key-ring.ts';
import { keyRoutes } from '../transmitter/key-routes.ts';
import { warn, type Hub } from './platform.ts';

/** What SETs are signed with. The first key is made in the background: nothing but who needs it waits for it. */
export async function wireKeys(server: HubServer, hub: Hub): Promise<KeyRing> {
  const { database, announcer, clock, log, parts, closers } = hub;
  const sealer = createSealer(hub.deriveKey('signing-keys'));
  const store = createSigningKeyStore({ database, announcer, sealer });
  const onError = warn(log, 'the signing keys were not read again');
  const directory = await createKeyDirectory({ store, announcer, onError });
  const keys = createKeyRing({ directory, store, craft: keyCraft, nowMs: clock.nowMs });
  closers.add('signing keys', () => keys.close());
  parts.set('store of signing keys', keysPart(keys));
  await server.register(keyRoutes, { keys, nowMs: clock.nowMs });
  const onNoKey = warn(log, 'the first signing key was not made; whoever needs it makes it');
  void keys.jwks().catch((error: unknown) => {
    if (!isProblem(error) || error.code !== 'shutting-down') onNoKey(error);
  });
  return keys;
}

/** Keys that do not open sign nothing, though everything else works. */
const keysPart =
  (keys: KeyRing): Part =>
  async () => {
    try {
      await keys.check();
      return {};
    } catch (error) {
      if (!isProblem(error) || error.code !== 'invalid-configuration') throw error;
      return { reasons: [`${error.message} ${error.hint ?? ''}`.trim()] };
    }
  };
