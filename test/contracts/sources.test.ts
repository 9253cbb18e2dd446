import { expect, it, vi } from 'vitest';
import { createSourceStore } from '../../src/adapters/postgres/source-store.ts';
import { sourceId } from '../../src/core/vocabulary.ts';
import { toSource } from '../../src/sources/schemas.ts';
import { forEachDatabase } from '../support/databases.ts';

const change = { actor: 'mara', atMs: 1_763_764_000_000 };

forEachDatabase('sources', (fixture) => {
  it('gives back every limit, pages by id, and announces that what callers may cause has changed', async () => {
    const announce = vi.fn<(topic: string) => void>();
    const store = createSourceStore({ database: fixture.database, announcer: { announce } });
    const splunk = toSource('splunk', {
      event_types: ['credential-compromise'],
      subject_issuers: ['https://login.example'],
      strongest_effect: 'restrict',
      kills_per_minute: 3,
      soft_effect: 'step_up',
      held_seconds: 600,
      held_default: 'release',
      description: 'scheduled searches',
    });

    expect(await store.put(splunk, change)).toBe('created');
    expect(await store.find(splunk.id)).toEqual(splunk);
    const bare = toSource('splunk', {});
    expect(await store.put(bare, change)).toBe('replaced');
    expect(await store.find(splunk.id)).toEqual(bare);
    expect(bare).toMatchObject({ strongestEffect: 'deny', killsPerMinute: 30, heldDefault: 'discard' });
    expect(announce.mock.calls).toEqual([['tokens'], ['tokens']]);

    await store.put(toSource('elastic', {}), change);
    const first = await store.list({ limit: 1 });
    expect(first.map((source) => source.id)).toEqual(['elastic']);
    expect((await store.list({ after: 'elastic', limit: 5 })).map((source) => source.id)).toEqual(['splunk']);
    expect(await store.find(sourceId('nobody'))).toBeUndefined();
  });
});

it('names the three nearest event types when one is unknown', () => {
  expect(() => toSource('splunk', { event_types: ['session-revoked', 'credential-compromised'] })).toThrow(
    expect.objectContaining({
      code: 'unknown-event-type',
      hint: expect.stringContaining('credential-compromise'),
      errors: [{ path: '/event_types/1', message: 'is unknown' }],
    }),
  );
});

it.each(['', '../etc', 'a b', 'x'.repeat(65), '-x'])('refuses %j as the name of a source', (id) => {
  expect(() => toSource(id, {})).toThrow(expect.objectContaining({ code: 'invalid-request' }));
});
