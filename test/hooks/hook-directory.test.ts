import { expect, it } from 'vitest';
import { sourceDefaults } from '../../src/core/source.ts';
import { sourceId } from '../../src/core/vocabulary.ts';
import { createHookDirectory } from '../../src/hooks/hook-directory.ts';
import type { SpeakingHook } from '../../src/hooks/ports.ts';

const id = sourceId('github');
const hookOf = (killsPerMinute: number): SpeakingHook => ({
  id,
  kind: 'github',
  options: {},
  secrets: [],
  createdAtMs: 0,
  updatedAtMs: 0,
  source: { id, ...sourceDefaults, killsPerMinute },
});

it('a hook speaks with the limits that were announced before it is asked for, though they are still being read', async () => {
  let rows: readonly SpeakingHook[] = [hookOf(30)];
  let onRead: () => void = () => undefined;
  let arrive: () => void = () => undefined;
  const reading = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  const directory = createHookDirectory({
    all: () => rows,
    onRead: (listener) => void (onRead = listener),
    settled: () => reading,
  });
  const found = directory.find('github');
  rows = [hookOf(0)];
  onRead();
  arrive();
  expect((await found)?.source.killsPerMinute).toBe(0);
  expect(await directory.find('nobody')).toBeUndefined();
});
