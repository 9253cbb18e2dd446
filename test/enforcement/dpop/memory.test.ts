import { describe, expect, it } from 'vitest';
import { createNonces, nonceLifeSeconds } from '../../../src/enforcement/nonce.ts';
import { createReplayMemory } from '../../../src/enforcement/replay.ts';

function aClock() {
  const time = { ms: 1_763_764_000_000, aheadMs: 0 };
  return { time, clock: { nowMs: () => time.ms + time.aheadMs, monotonicMs: () => time.ms } };
}

const used = (jkt: string, jti: string, iat = 1_763_764_000) => ({ jkt, jti, iat });

describe('RFC 9449 §11.1: the memory of used proofs', () => {
  it('knows a proof for at least its span, whenever the sets turn, and forgets it within two', () => {
    for (let phase = 0; phase < 100; phase += 7) {
      const { time, clock } = aClock();
      const memory = createReplayMemory({ clock, spanMs: 100, driftMs: 0, proofsMax: 100 });
      time.ms += phase;
      memory.remember(used('key', 'early'));
      for (let passed = 0; passed < 99; passed += 33) {
        time.ms += 33;
        memory.remember(used('key', `other-${passed}`));
      }
      expect(memory.remember(used('key', 'early'))).toBe('replayed');
      time.ms += 201;
      expect(memory.remember(used('key', 'early'))).toBe('new');
    }
  });

  it('keeps keys apart', () => {
    const memory = createReplayMemory({ clock: aClock().clock, spanMs: 100, driftMs: 0, proofsMax: 100 });
    expect(memory.remember(used('one', 'jti'))).toBe('new');
    expect(memory.remember(used('two', 'jti'))).toBe('new');
    expect(memory.remember(used('one', 'jti'))).toBe('replayed');
  });

  it('a wall clock that is set back does not make what was forgotten new again', () => {
    const { time, clock } = aClock();
    const nowSeconds = () => Math.floor(clock.nowMs() / 1_000);
    const memory = createReplayMemory({ clock, spanMs: 100_000, driftMs: 10_000, proofsMax: 100 });
    const early = used('key', 'early', nowSeconds() + 30);
    expect(memory.remember(early)).toBe('new');
    time.aheadMs -= 10_000;
    expect(memory.remember(used('key', 'other', nowSeconds()))).toBe('new');
    time.aheadMs -= 300_000;
    time.ms += 250_000;
    expect(memory.remember(early)).toBe('replayed');
    time.ms += 100_000;
    expect(memory.remember(used('key', 'later', nowSeconds()))).toBe('new');
    // Forward and back again is back again.
    time.aheadMs += 3_600_000;
    const far = used('key', 'far', nowSeconds());
    expect(memory.remember(far)).toBe('new');
    time.aheadMs -= 3_600_000;
    time.ms += 3_600_000;
    expect(memory.remember(far)).toBe('replayed');
  });

  it('when full refuses what is new and forgets nothing', () => {
    const { time, clock } = aClock();
    const memory = createReplayMemory({ clock, spanMs: 100, driftMs: 0, proofsMax: 2 });
    expect(['a', 'b', 'c', 'a', 'b'].map((jti) => memory.remember(used('key', jti)))).toEqual([
      'new',
      'new',
      'full',
      'replayed',
      'replayed',
    ]);
    time.ms += 100;
    expect(['c', 'a'].map((jti) => memory.remember(used('key', jti)))).toEqual(['new', 'replayed']);
  });
});

describe('RFC 9449 §8: nonces without a store', () => {
  const keyOf = (kid: string, byte: number, from: number, until: number) => ({
    kid,
    key: Buffer.alloc(32, byte).toString('base64url'),
    from,
    until,
  });

  it('are known by their age and die of it', () => {
    const { time, clock } = aClock();
    const nonces = createNonces({ clock });
    const nonce = nonces.issue();
    expect(nonces.ageOf(nonce)).toBe(0);
    time.ms += nonceLifeSeconds * 1_000;
    expect(nonces.ageOf(nonce)).toBe(nonceLifeSeconds);
    time.ms += 1_000;
    expect(nonces.ageOf(nonce)).toBeUndefined();
  });

  it('instances with the same keys accept each other, also while the keys change', () => {
    const { time, clock } = aClock();
    const now = time.ms / 1_000;
    const [some, other] = [createNonces({ clock }), createNonces({ clock })];
    const before = keyOf('before', 1, now - 86_400, now + 600);
    const after = keyOf('after', 2, now + 300, now + 90_000);
    some.useKeys([before]);
    other.useKeys([before, after]);
    const nonce = some.issue();
    expect(nonce.startsWith('before.')).toBe(true);
    expect(other.ageOf(nonce)).toBe(0);
    time.ms += 300_000;
    expect(other.issue().startsWith('after.')).toBe(true);
    expect(other.ageOf(some.issue())).toBe(0);
    expect(some.ageOf(other.issue())).toBeUndefined();
  });

  it('are not accepted from a key whose time was over', () => {
    const { time, clock } = aClock();
    const now = time.ms / 1_000;
    const [late, strict] = [createNonces({ clock }), createNonces({ clock })];
    late.useKeys([keyOf('old', 1, 0, now + 600)]);
    strict.useKeys([keyOf('old', 1, 0, now)]);
    expect(strict.ageOf(late.issue())).toBeUndefined();
  });

  it('issued before the hub gave a key stay good', () => {
    const { clock } = aClock();
    const nonces = createNonces({ clock });
    const nonce = nonces.issue();
    nonces.useKeys([keyOf('shared', 1, 0, 9e9)]);
    expect(nonces.ageOf(nonce)).toBe(0);
  });

  it('cannot be made without the key: another process, another time, another kid', () => {
    const { clock } = aClock();
    const nonces = createNonces({ clock });
    const nonce = nonces.issue();
    expect(nonces.ageOf(createNonces({ clock }).issue())).toBeUndefined();
    for (let index = 0; index < nonce.length; index += 1) {
      const changed = nonce.slice(0, index) + (nonce[index] === 'A' ? 'B' : 'A') + nonce.slice(index + 1);
      expect(nonces.ageOf(changed)).toBeUndefined();
    }
  });
});
