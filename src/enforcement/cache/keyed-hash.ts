import { randomBytes } from 'node:crypto';

/** Two secret words: whoever chooses `sub` or `jti` values must not be able to choose where they are filed. */
export type HashKey = { readonly low: number; readonly high: number };

export function createHashKey(): HashKey {
  const bytes = randomBytes(8);
  return { low: bytes.readInt32LE(0), high: bytes.readInt32LE(4) };
}

const finalRounds = 3;

/**
 * HalfSipHash-1-3 of the word `kind` followed by `length` bytes at `start`, as 32 unsigned bits. It is what the Linux
 * kernel keys its hash tables with on 32-bit machines, and all of its arithmetic is 32 bits wide, as is JavaScript's.
 *
 * @see Aumasson, Bernstein: SipHash, a fast short-input PRF (2012)
 */
export function keyedHash(key: HashKey, kind: number, view: DataView, start: number, length: number): number {
  let v0 = key.low;
  let v1 = key.high;
  let v2 = 0x6c796765 ^ key.low;
  let v3 = 0x74656462 ^ key.high;
  const words = length >>> 2;
  const steps = words + 2 + finalRounds;
  for (let step = 0; step < steps; step += 1) {
    let word = 0;
    if (step === 0) word = kind;
    else if (step <= words) word = view.getInt32(start + (step - 1) * 4, true);
    else if (step === words + 1) word = lastWord(view, start, length);
    else if (step === words + 2) v2 ^= 0xff;
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
  }
  return (v1 ^ v3) >>> 0;
}

function lastWord(view: DataView, start: number, length: number): number {
  let word = (length + 4) << 24;
  for (let rest = length & 3; rest > 0; rest -= 1) {
    word |= view.getUint8(start + (length & ~3) + rest - 1) << ((rest - 1) * 8);
  }
  return word;
}
