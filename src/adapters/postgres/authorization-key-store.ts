import { eq } from 'drizzle-orm';
import type { AuthorizationKey, AuthorizationKeyStore, Jwk } from '../../authorization/ports.ts';
import type { Sealer } from '../system/sealer.ts';
import type { Database } from './database.ts';
import { authorizationKeys } from './schema-clients.ts';

export function createAuthorizationKeyStore(options: {
  readonly database: Database;
  readonly sealer: Sealer;
}): AuthorizationKeyStore {
  const { database, sealer } = options;

  async function read(): Promise<AuthorizationKey | undefined> {
    const [row] = await database.db
      .select()
      .from(authorizationKeys)
      .where(eq(authorizationKeys.current, true));
    if (row === undefined) return undefined;
    const { kid, publicJwk, privateSealed } = row;
    const privateJwk = () => JSON.parse(sealer.open(privateSealed, contextOf(kid))) as Jwk;
    return { kid, publicJwk, privateJwk };
  }

  return {
    async readOrCreate(make, atMs) {
      const there = await read();
      if (there !== undefined) return there;
      const { kid, publicJwk, privateJwk } = make();
      await database.db
        .insert(authorizationKeys)
        .values({
          kid,
          publicJwk,
          privateSealed: sealer.seal(JSON.stringify(privateJwk), contextOf(kid)),
          createdAtMs: atMs,
          current: true,
        })
        .onConflictDoNothing();
      const key = await read();
      if (key === undefined) throw new Error('the key of the authorization server was not kept');
      return key;
    },
  };
}

const contextOf = (kid: string): string => `authorization-key ${kid}`;
