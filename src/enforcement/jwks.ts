import type { KeyObject } from 'node:crypto';
import { callOwner, tellNobody } from './callbacks.ts';
import type { Clock } from './feed-types.ts';
import {
  algorithmOf,
  fits,
  importPublicKey,
  type Jwk,
  type PublicMembers,
  publicMembers,
  type SignatureAlgorithm,
} from './token-signatures.ts';

/** A key of an issuer. What was verified with it is void once it is `retired`: the issuer no longer lists it. */
export type IssuerKey = {
  readonly kid: string | undefined;
  /** The JWK's own `alg`: then for nothing else. */
  readonly alg: string | undefined;
  readonly members: PublicMembers;
  readonly object: KeyObject;
  retired: boolean;
};

export type FoundKey =
  | { readonly kind: 'key'; readonly key: IssuerKey }
  /** The issuer has no such key. */
  | { readonly kind: 'unknown' }
  /** Its keys cannot be had, which says nothing about the token. */
  | { readonly kind: 'unavailable' };

export type IssuerKeys = {
  readonly find: (wanted: WantedKey) => Promise<FoundKey>;
  /** Whether what was verified with `key` still stands. Starts a refresh in the background when one is due. */
  readonly stands: (key: IssuerKey) => boolean;
  /** Fetches at once: for who knows that they changed. A failure keeps what is known. */
  readonly reload: () => Promise<void>;
};

export type WantedKey = {
  readonly kid: string | undefined;
  readonly algorithm: SignatureAlgorithm;
};

/** Older key sets are fetched again in the background. */
export const keySetFreshMs = 10 * 60_000;
/** An issuer that does not answer: its last key set is used this long, then nothing of it can be verified. */
export const keySetStaleMaxMs = 60 * 60_000;
/** Between two fetches of the same key set, however many unknown `kid`s arrive. */
export const keySetCooldownMs = 10_000;

/**
 * The keys of one issuer. One fetch at a time and per `keySetCooldownMs`; an unknown `kid` causes one, so that rotation
 * needs no restart and junk causes no storm.
 */
export function createIssuerKeys(options: {
  readonly fetchKeys: () => Promise<readonly Jwk[]>;
  readonly clock: Clock;
  readonly onTrouble: (cause: unknown) => void;
  /** Between two fetches; absent: `keySetCooldownMs`. */
  readonly cooldownMs?: number;
}): IssuerKeys {
  const { clock, cooldownMs = keySetCooldownMs } = options;
  let keys: readonly IssuerKey[] = [];
  let loadedAtMs = Number.NEGATIVE_INFINITY;
  let triedAtMs = Number.NEGATIVE_INFINITY;
  let failed = false;
  let loading: Promise<void> | undefined;

  const ageMs = () => clock.monotonicMs() - loadedAtMs;

  /** Resolves when the newest answer is in, or at once while the cooldown lasts. */
  function refresh(): Promise<void> {
    if (loading) return loading;
    if (clock.monotonicMs() - triedAtMs < cooldownMs) return Promise.resolve();
    triedAtMs = clock.monotonicMs();
    loading = load().finally(() => {
      loading = undefined;
    });
    return loading;
  }

  async function load(): Promise<void> {
    try {
      keys = replaceKeys(keys, await options.fetchKeys());
      loadedAtMs = clock.monotonicMs();
      failed = false;
    } catch (cause) {
      failed = true;
      callOwner(() => options.onTrouble(cause), tellNobody);
    }
  }

  return {
    async reload() {
      await loading;
      await load();
    },
    async find(wanted) {
      if (ageMs() > keySetStaleMaxMs) await refresh();
      if (ageMs() > keySetStaleMaxMs) return { kind: 'unavailable' };
      if (ageMs() > keySetFreshMs) void refresh();
      const known = select(keys, wanted);
      if (known) return known;
      await refresh();
      return select(keys, wanted) ?? { kind: failed ? 'unavailable' : 'unknown' };
    },
    stands(key) {
      const age = ageMs();
      if (age > keySetFreshMs) void refresh();
      return !key.retired && age <= keySetStaleMaxMs;
    },
  };
}

/** Keys that are listed again stay the same objects, those that are not are retired. One that is listed twice is one. */
function replaceKeys(before: readonly IssuerKey[], jwks: readonly Jwk[]): readonly IssuerKey[] {
  const known = new Map(before.map((key) => [identityOf(key), key]));
  const after = new Map<string, IssuerKey>();
  for (const jwk of jwks) {
    const key = issuerKey(jwk);
    if (key) after.set(identityOf(key), known.get(identityOf(key)) ?? key);
  }
  for (const [identity, key] of known) key.retired = !after.has(identity);
  return [...after.values()];
}

const identityOf = ({ kid, alg, members }: IssuerKey): string => JSON.stringify([kid, alg, members]);

/** `undefined` for a key that is not there to verify (RFC 7517 §4.2, §4.3). A published private key is nobody's any more. */
function issuerKey(jwk: Jwk): IssuerKey | undefined {
  const { kid, alg, use, key_ops: operations } = jwk;
  if (use !== undefined && use !== 'sig') return undefined;
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify')))
    return undefined;
  const members = publicMembers(jwk);
  const object = members && importPublicKey(members);
  return (
    object && {
      kid: typeof kid === 'string' ? kid : undefined,
      alg: typeof alg === 'string' ? alg : undefined,
      members,
      object,
      retired: false,
    }
  );
}

/** Without `kid` the key must be the only one that fits: trying several would let one token cost many verifications. */
function select(keys: readonly IssuerKey[], { kid, algorithm }: WantedKey): FoundKey | undefined {
  const fitting = keys.filter(
    (key) =>
      (kid === undefined || key.kid === kid) &&
      (key.alg === undefined || algorithmOf(key.alg) === algorithm) &&
      fits(key.members, algorithm),
  );
  const [key] = fitting;
  return key && fitting.length === 1 ? { kind: 'key', key } : undefined;
}
