import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { createMapper } from '../../../src/adapters/jsonata/mapper.ts';
import { rowsOf } from './rows-of.ts';

let mapper: ReturnType<typeof createMapper> | undefined;
afterEach(() => mapper?.close());

const endless = '($f := function($n) { $f($n + 1) }; $f(0))';
const job = (hook: string, mapping: string, body = {}) => ({ hook, mapping, body, context: { headers: {} } });

it('bodies of one hook are mapped one after the other, so that what loops takes one thread and no more', async () => {
  mapper = createMapper({ evaluationMs: 400, waitMs: 60_000 });
  await mapper.check('$');
  const order: string[] = [];
  const note = (name: string) => (outcome: { readonly kind: string }) =>
    void order.push(`${name} ${outcome.kind}`);
  await Promise.all([
    mapper.map(job('loops', endless)).then(note('first')),
    mapper.map(job('loops', endless)).then(note('second')),
    mapper.map(job('other', '{"a": 1}')).then(note('other')),
  ]);
  expect(order).toEqual(['other mapped', 'first failed', 'second failed']);
});

it('so many may wait, and so long; whoever comes then is told to come back', async () => {
  mapper = createMapper({ evaluationMs: 600, waitMs: 100, waitingMax: 1 });
  await mapper.check('$');
  const first = mapper.map(job('loops', endless));
  const second = mapper.map(job('loops', endless));
  expect(await mapper.map(job('other', '1'))).toEqual({ kind: 'busy' });
  expect(await second).toEqual({ kind: 'busy' });
  expect(await first).toMatchObject({ kind: 'failed', code: 'mapping-timeout' });
});

it('who waits when the hub ends is told to come back, and nobody is let in any more', async () => {
  mapper = createMapper();
  const waiting = mapper.map(job('a', '1'));
  await mapper.close();
  expect([await waiting, await mapper.map(job('a', '1'))]).toEqual([{ kind: 'busy' }, { kind: 'busy' }]);
});

describe('what a mapping is given and gives', () => {
  const shared = createMapper({ waitMs: 60_000 });
  afterAll(() => shared.close());

  it.each(rowsOf)('%s', async (_what, mapping, body, values) => {
    const context = { headers: { 'x-event': 'e' }, issuer: 'https://login.example' };
    const outcome = await shared.map({ ...job('rows', mapping, body), context });
    expect(outcome).toEqual({ kind: 'mapped', values });
  });
});
