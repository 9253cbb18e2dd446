import { describe, expect, it } from 'vitest';
import {
  keyOverlapMs,
  keyStateAt,
  nextGeneration,
  servedKeys,
  signingKeyAt,
  signsUntilMs,
} from '../../src/transmitter/key-life.ts';
import type { SigningKey } from '../../src/transmitter/key-ports.ts';

const startMs = 1_763_764_000_000;

const aKey = (generation: number, parts: Partial<SigningKey> = {}): SigningKey => {
  const algorithm = parts.algorithm ?? 'ES256';
  const kid = `${algorithm}-${generation}`;
  const publicJwk = { kty: 'EC', kid, alg: algorithm, use: 'sig' } as const;
  return { kid, algorithm, generation, publicJwk, publishedAtMs: startMs, signsFromMs: startMs, ...parts };
};

const first = aKey(1);
const next = aKey(2, { publishedAtMs: startMs + 1_000, signsFromMs: startMs + 1_000 + keyOverlapMs });
const statesAt = (keys: readonly SigningKey[], nowMs: number) =>
  keys.map((key) => keyStateAt(key, keys, nowMs));

describe('DESIGN §11: what a key does follows from its times', () => {
  it('a new key is published for the cache time and five minutes before it signs', () => {
    expect(keyOverlapMs).toBe((300 + 5 * 60) * 1_000);
    const keys = [next, first];
    expect(statesAt(keys, startMs)).toEqual(['published', 'signing']);
    expect(statesAt(keys, next.signsFromMs - 1)).toEqual(['published', 'signing']);
    expect(statesAt(keys, next.signsFromMs)).toEqual(['signing', 'superseded']);
  });

  it('one key signs at any time, also when a clock was set back', () => {
    expect(signingKeyAt([next, first], 'ES256', startMs - 60_000)).toBe(first);
    const alone = { ...next, signsFromMs: Number.MAX_SAFE_INTEGER };
    expect(signingKeyAt([alone], 'ES256', startMs)).toBe(alone);
    expect(statesAt([alone], startMs)).toEqual(['signing']);
  });

  it('a retired key is not served and signs nothing', () => {
    const keys = [first, { ...next, retiredAtMs: startMs + 2_000 }];
    expect(statesAt(keys, next.signsFromMs)).toEqual(['signing', 'retired']);
    expect(servedKeys(keys, 'ES256')).toEqual([first]);
    expect(signingKeyAt([{ ...first, retiredAtMs: startMs }], 'ES256', startMs)).toBeUndefined();
  });

  it('algorithms go their own ways', () => {
    const other = aKey(7, { algorithm: 'RS256' });
    const keys = [first, other];
    expect(signingKeyAt(keys, 'RS256', startMs)).toBe(other);
    expect(signingKeyAt(keys, 'EdDSA', startMs)).toBeUndefined();
    expect([nextGeneration(keys, 'RS256'), nextGeneration(keys, 'EdDSA')]).toEqual([8, 1]);
    expect(signsUntilMs(first, keys)).toBeUndefined();
  });

  it('a key signs until the first of its successors', () => {
    const later = aKey(3, { signsFromMs: startMs + 500 });
    expect(signsUntilMs(first, [first, next])).toBe(next.signsFromMs);
    expect(signsUntilMs(first, [first, next, later])).toBe(startMs + 500);
    expect(signsUntilMs(next, [first, next])).toBeUndefined();
  });
});
