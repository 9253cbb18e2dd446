import { Problem } from '../core/problem.ts';
import { sourceId, tokenId, type Millis } from '../core/vocabulary.ts';
import type { TokenStore } from './ports.ts';
import { hashSecret } from './token-secret.ts';

export const adminTokenCharactersMin = 32;

/** There is one, whichever secret it has. */
const bootstrapTokenId = tokenId('tok_admin');
const bootstrapActor = 'admin';

/**
 * Honours the secret that the hub is started with as `admin`, for a person. Another secret than last time replaces it.
 *
 * @throws Problem `invalid-configuration` when this very secret was revoked: it stays dead over restarts.
 */
export async function putBootstrapToken(options: {
  readonly store: Pick<TokenStore, 'putBootstrap'>;
  readonly secret: string;
  /** Where the secret is, for the hint: `ADMIN_TOKEN`, or a path. */
  readonly from: string;
  readonly atMs: Millis;
}): Promise<void> {
  const { store, secret, from, atMs } = options;
  const token = {
    id: bootstrapTokenId,
    actor: bootstrapActor,
    scopes: ['admin'] as const,
    sourceId: sourceId(bootstrapActor),
    createdAtMs: atMs,
    secretHash: hashSecret(secret),
    person: true,
  };
  const outcome = await store.putBootstrap(token, { actor: 'hub', atMs });
  if (outcome !== 'revoked') return;
  throw new Problem('invalid-configuration', `The admin token in ${from} was revoked.`, {
    hint: `Put another secret into ${from}, or remove the file and start again.`,
  });
}
