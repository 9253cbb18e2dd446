import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { FeedConfiguration } from '../core/feed.ts';
import type { Clock } from './feed-types.ts';
import type { Seconds } from '../core/vocabulary.ts';
import { isJsonObject } from './token-format.ts';

/**
 * DPoP nonces without a store: `kid.(time ‖ HMAC)`. Instances of one point share keys through the hub and accept each
 * other's; until it gives one, and for what was issued before, a random key of this process serves.
 *
 * @see RFC 9449 §8, §9, §11.3
 */
export type Nonces = {
  /** A nonce for now. The same within one second. */
  readonly issue: () => string;
  /** Its age in seconds; `undefined` for one that is not ours or older than `nonceLifeSeconds`. */
  readonly ageOf: (nonce: string) => Seconds | undefined;
  readonly useKeys: (keys: FeedConfiguration['nonce_keys']) => void;
};

export const nonceLifeSeconds = 300;

type NonceKey = {
  readonly kid: string;
  readonly key: Buffer;
  readonly from: Seconds;
  readonly until: Seconds;
};

export function createNonces({ clock }: { readonly clock: Clock }): Nonces {
  const local: NonceKey = {
    kid: localKid,
    key: randomBytes(keyBytes),
    from: 0,
    until: Number.POSITIVE_INFINITY,
  };
  let keys: ReadonlyMap<string, NonceKey> = new Map([[local.kid, local]]);
  let newest = { second: -1, nonce: '' };

  const nowSeconds = () => Math.floor(clock.nowMs() / 1_000);

  /** Of the shared keys in force the one that came last; without any, our own. */
  function currentKey(now: Seconds): NonceKey {
    let current = local;
    for (const key of keys.values()) {
      if (
        key !== local &&
        key.from <= now &&
        now < key.until &&
        (current === local || key.from > current.from)
      ) {
        current = key;
      }
    }
    return current;
  }

  return {
    issue() {
      const second = nowSeconds();
      if (newest.second !== second) newest = { second, nonce: seal(currentKey(second), second) };
      return newest.nonce;
    },
    ageOf(nonce) {
      const parts = nonceShape.exec(nonce);
      const key = keys.get(parts?.[1] ?? '');
      if (!key || !parts?.[2]) return undefined;
      const second = Buffer.from(parts[2], 'base64url').readUInt32BE(0);
      const age = nowSeconds() - second;
      // Replicas' clocks differ a little: what one issued a moment ahead of us is as good as new.
      const inTime = age >= -clockDifferenceSeconds && age <= nonceLifeSeconds && second < key.until;
      return inTime && isEqual(nonce, seal(key, second)) ? Math.max(0, age) : undefined;
    },
    useKeys(shared = []) {
      const usable = shared.filter(isUsable).map(({ kid, key, from, until }) => ({
        kid,
        from,
        until,
        key: Buffer.from(key, 'base64url'),
      }));
      keys = new Map([...usable.map((key) => [key.kid, key] as const), [local.kid, local]]);
      newest = { second: -1, nonce: '' };
    },
  };
}

function seal({ kid, key }: NonceKey, second: Seconds): string {
  const time = Buffer.alloc(4);
  time.writeUInt32BE(second);
  const mac = createHmac('sha256', key).update(time).digest().subarray(0, macBytes);
  return `${kid}.${Buffer.concat([time, mac]).toString('base64url')}`;
}

/** A key that is short, or none at all, is one that others can guess. */
const isUsable = (shared: NonNullable<FeedConfiguration['nonce_keys']>[number]): boolean =>
  isJsonObject(shared) &&
  typeof shared.kid === 'string' &&
  typeof shared.key === 'string' &&
  Buffer.from(shared.key, 'base64url').length >= keyBytes &&
  Number.isFinite(shared.from) &&
  Number.isFinite(shared.until);

const isEqual = (some: string, other: string): boolean =>
  some.length === other.length && timingSafeEqual(Buffer.from(some), Buffer.from(other));

const localKid = 'local';
const keyBytes = 32;
const macBytes = 16;
const clockDifferenceSeconds = 5;
/** Four bytes of time and sixteen of HMAC are 27 characters. */
const nonceShape = /^([\w-]{1,64})\.([\w-]{27})$/;
