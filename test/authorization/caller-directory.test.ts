import { describe, expect, it } from 'vitest';
import { createCallerDirectory } from '../../src/authorization/caller-directory.ts';
import type { SpeakingToken } from '../../src/authorization/ports.ts';
import { sourceDefaults } from '../../src/core/source.ts';
import { sourceId, tokenId } from '../../src/core/vocabulary.ts';

const aToken = (more: Partial<SpeakingToken> = {}): SpeakingToken => ({
  id: tokenId('tok_1'),
  actor: 'soc',
  scopes: ['signals.read'],
  sourceId: sourceId('soc'),
  createdAtMs: 0,
  source: { ...sourceDefaults, id: sourceId('soc') },
  ...more,
});

/** A directory over one token whose look-ups end when the test says so. */
function aDirectory(first: SpeakingToken | undefined) {
  let token = first;
  let announce = () => {};
  let nowMs = 1_000;
  const asked: (() => void)[] = [];
  const directory = createCallerDirectory({
    store: {
      async findBySecret() {
        const read = token;
        await new Promise<void>((resolve) => asked.push(resolve));
        return read;
      },
      noteUsed: async () => undefined,
    },
    announcer: {
      subscribe(_topic, listener) {
        announce = listener;
        return () => undefined;
      },
    },
    nowMs: () => nowMs,
  });
  return {
    directory,
    asked,
    answerAll: () => asked.forEach((answer) => answer()),
    change(to: SpeakingToken | undefined) {
      token = to;
      announce();
    },
    passTo: (ms: number) => void (nowMs = ms),
  };
}

describe('callers', () => {
  it('are asked for once while nothing changes', async () => {
    const { directory, asked, answerAll } = aDirectory(aToken());
    const first = directory.findCaller('secret');
    answerAll();
    expect((await first).kind).toBe('known');
    expect((await directory.findCaller('secret')).kind).toBe('known');
    expect(asked).toHaveLength(1);
  });

  it('that are revoked while they are looked up are not remembered', async () => {
    const { directory, asked, answerAll, change } = aDirectory(aToken());
    const early = directory.findCaller('secret');
    change(aToken({ revokedAtMs: 1_000 }));
    answerAll();
    await early;
    const late = directory.findCaller('secret');
    expect(asked).toHaveLength(2);
    answerAll();
    expect((await late).kind).toBe('revoked');
  });

  it('that are made after somebody tried their secret are let in at once', async () => {
    const { directory, answerAll, change } = aDirectory(undefined);
    const early = directory.findCaller('secret');
    answerAll();
    expect((await early).kind).toBe('unknown');
    change(aToken());
    const late = directory.findCaller('secret');
    answerAll();
    expect((await late).kind).toBe('known');
  });

  it('expire by the clock, also while they are remembered', async () => {
    const { directory, answerAll, passTo } = aDirectory(aToken({ expiresAtMs: 2_000 }));
    const early = directory.findCaller('secret');
    answerAll();
    expect((await early).kind).toBe('known');
    passTo(2_000);
    expect((await directory.findCaller('secret')).kind).toBe('expired');
  });
});
