import { isProblem, Problem } from '../core/problem.ts';
import type { SigningAlgorithm } from '../core/stream.ts';
import type { Millis } from '../core/vocabulary.ts';
import type { KeyDirectory } from './key-directory.ts';
import { keyStateAt, nextGeneration, servedKeys, signingKeyAt } from './key-life.ts';
import type {
  KeyCraft,
  NewSigningKey,
  PublicJwk,
  SigningKey,
  SigningKeyStore,
  SignWithKey,
} from './key-ports.ts';
import { createOpenSigners } from './open-signers.ts';
import type { By, IsKeyServed, SignSet } from './ports.ts';

/** Superseded ones wait for SETs that are pending; more than so many of an algorithm are not served. */
export const servedKeysMax = 8;
/** Nodes that make the same key at once: one succeeds, the others look again. */
const triesMax = 5;
const dayMs = 24 * 60 * 60_000;
/** `GET /v1/keys` shows retired keys for so long. */
const retiredShownMs = 90 * dayMs;

/** Keys of one purpose: makes, publishes, uses and retires them. `Signer`: a private key, opened. */
export type KeyRing<Signer = SignWithKey> = {
  /**
   * The key that signs now. Makes the first one of an algorithm.
   *
   * @throws Problem `invalid-configuration` when it was sealed under another `SECRETS_KEY`.
   */
  current(algorithm: SigningAlgorithm): Promise<{ readonly kid: string; readonly sign: Signer }>;
  readonly isServed: IsKeyServed;
  /** What is published: at least one key of `firstAlgorithm`, which is made where there is none. */
  jwks(): Promise<readonly PublicJwk[]>;
  /** As the store has them now. */
  list(): Promise<readonly SigningKey[]>;
  rotate(order: RotationOrder): Promise<Rotation>;
  /** Opens every key that is served. @throws Problem `invalid-configuration` when one was sealed under another `SECRETS_KEY`. */
  check(): Promise<void>;
  /** Retires what nobody needs any more, and its private keys with it. */
  sweep(): Promise<void>;
  /** What is being made is not published any more. */
  close(): void;
};

export type RotationOrder = {
  readonly algorithm: SigningAlgorithm;
  /** All keys of the algorithm so far are removed at once and the new one signs at once. */
  readonly compromised: boolean;
  readonly by: Omit<By, 'atMs'>;
};
/** `removed`: the kids that are no longer served. */
export type Rotation = { readonly key: SigningKey; readonly removed: readonly string[] };

export type KeyRingOptions<Signer> = {
  readonly directory: KeyDirectory;
  readonly store: SigningKeyStore;
  readonly craft: KeyCraft<Signer>;
  readonly firstAlgorithm: SigningAlgorithm;
  /** A key signs only when it has been published for so long, and is served for as long after it last signed. */
  readonly overlapMs: Millis;
  readonly nowMs: () => Millis;
};

/** SETs, signed by keys of this ring. */
export const signSets =
  ({ current }: Pick<KeyRing, 'current'>): SignSet =>
  async (claims, algorithm) => {
    const { kid, sign } = await current(algorithm);
    return { compact: await sign(claims), kid };
  };

export function createKeyRing<Signer>(options: KeyRingOptions<Signer>): KeyRing<Signer> {
  const { directory, store, craft, firstAlgorithm, overlapMs, nowMs } = options;
  const signers = createOpenSigners({ directory, store, craft });
  const making = new Map<SigningAlgorithm, Promise<SigningKey>>();
  let closed = false;

  /** Of those who ask at once on this node, one makes it. */
  function makeFirst(algorithm: SigningAlgorithm): Promise<SigningKey> {
    const underWay = making.get(algorithm);
    if (underWay !== undefined) return underWay;
    const made = findOrMake(algorithm).finally(() => making.delete(algorithm));
    making.set(algorithm, made);
    return made;
  }

  async function findOrMake(algorithm: SigningAlgorithm): Promise<SigningKey> {
    await directory.refresh();
    const there = () => signingKeyAt(directory.all(), algorithm, nowMs());
    const found = there();
    if (found !== undefined) return found;
    await signers.check();
    const { key } = await publish({ algorithm, compromised: false, by: { actor: 'hub' } }, there);
    return key;
  }

  /** Unless `settled` answers the key that another node has made meanwhile: heard of while this one was made, or when it is refused. */
  async function publish(
    { algorithm, compromised, by }: RotationOrder,
    settled: () => SigningKey | undefined,
  ): Promise<Rotation> {
    const made = await craft.make(algorithm);
    for (let tries = 0; tries < triesMax; tries++) {
      if (closed) throw new Problem('shutting-down', 'The hub is shutting down; no key was made.');
      const other = settled();
      if (other !== undefined) return { key: other, removed: [] };
      const key = numbered({ ...made, algorithm }, directory.all(), {
        compromised,
        overlapMs,
        nowMs: nowMs(),
      });
      const change = { ...by, atMs: key.publishedAtMs };
      const removed = await store.add(key, compromised, change);
      await directory.refresh();
      const { privateKey: _, ...published } = key;
      if (removed !== undefined) return { key: published, removed };
    }
    throw new Problem('conflict', 'Others rotate the same keys at this moment.', { hint: 'Try again.' });
  }

  return {
    current(algorithm) {
      const now = () => signingKeyAt(directory.all(), algorithm, nowMs());
      return signers.current(async () => now() ?? makeFirst(algorithm));
    },
    isServed: directory.isServed,
    async jwks() {
      const first =
        signingKeyAt(directory.all(), firstAlgorithm, nowMs()) ?? (await makeFirst(firstAlgorithm));
      const served = directory.all().filter(({ retiredAtMs }) => retiredAtMs === undefined);
      const keys = served.some(({ kid }) => kid === first.kid) ? served : [first, ...served];
      return keys.map(({ publicJwk }) => publicJwk);
    },
    async list() {
      await directory.refresh();
      return directory.all();
    },
    async rotate(order) {
      await directory.refresh();
      if (!order.compromised) {
        refuseHaste(directory.all(), order.algorithm, nowMs());
        await signers.check().catch(refuseToHide);
      }
      return publish(order, () => {
        if (!order.compromised) refuseHaste(directory.all(), order.algorithm, nowMs());
        return undefined;
      });
    },
    check: signers.check,
    async sweep() {
      const atMs = nowMs();
      await store.retireSuperseded(atMs - overlapMs, { actor: 'hub', atMs });
      await store.forget(atMs - retiredShownMs);
    },
    close() {
      closed = true;
      directory.close();
    },
  };
}

function numbered(
  made: Pick<NewSigningKey, 'kid' | 'publicJwk' | 'privateKey' | 'algorithm'>,
  keys: readonly SigningKey[],
  at: { readonly compromised: boolean; readonly overlapMs: Millis; readonly nowMs: Millis },
): NewSigningKey {
  const { algorithm } = made;
  const signsAtOnce = at.compromised || servedKeys(keys, algorithm).length === 0;
  return {
    ...made,
    generation: nextGeneration(keys, algorithm),
    publishedAtMs: at.nowMs,
    signsFromMs: signsAtOnce ? at.nowMs : at.nowMs + at.overlapMs,
  };
}

/** One new key at a time: another one while it waits would only make receivers fetch more. */
function refuseHaste(keys: readonly SigningKey[], algorithm: SigningAlgorithm, nowMs: Millis): void {
  const served = servedKeys(keys, algorithm);
  const waiting = served.find((key) => keyStateAt(key, keys, nowMs) === 'published');
  if (waiting !== undefined) {
    const since = new Date(waiting.signsFromMs).toISOString();
    throw new Problem('conflict', `The next ${algorithm} key is published already and signs from ${since}.`, {
      hint: 'Wait for it. If a key is in wrong hands, rotate with "compromised", which waits for nothing.',
    });
  }
  if (served.length < servedKeysMax) return;
  throw new Problem('conflict', `${served.length} ${algorithm} keys are served already.`, {
    hint: 'Older ones go when no pending SET carries their signature: look for streams that are paused or do not answer.',
  });
}

/** Made next to keys that do not open, a new one would not open on the nodes that have the right secret. */
function refuseToHide(error: unknown): never {
  if (!isProblem(error) || error.code !== 'invalid-configuration') throw error;
  throw new Problem('conflict', error.message, {
    hint: `${error.hint} If that is lost, rotate every algorithm with "compromised".`,
    cause: error,
  });
}
