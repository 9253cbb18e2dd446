import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Hub, startHub } from '../../support/a-hub.ts';
import { postLines } from '../../support/post-lines.ts';

let hub: Hub;
beforeAll(async () => {
  hub = await startHub();
});
afterAll(() => hub.stop());

const aValue = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom('session-revoked', 'revocation-lifted', '', 1e308, -1, null, true),
  fc.record({
    format: fc.constantFrom('email', 'complex', 'opaque', 'aliases', 'iss_sub', 'scim'),
    user: fc.jsonValue(),
  }),
  fc.record({ iss: fc.string(), sub: fc.string({ unit: 'binary' }) }),
);
const names = [
  'event',
  'subject',
  'data',
  'event_timestamp',
  'confidence',
  'reason',
  'id',
  'txn',
  '__proto__',
];
const aLine = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.dictionary(fc.constantFrom(...names), aValue).map((line) => JSON.stringify(line)),
  },
  { weight: 2, arbitrary: aValue.map((line) => JSON.stringify(line)) },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 60 }) },
);

it('every line that is not blank gets one answer, and never 500, whatever it holds', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(aLine, { minLength: 1, maxLength: 40 }), fc.boolean(), async (said, dry) => {
      const text = said.join('\n');
      const { status, lines } = await postLines(hub, text, dry ? { query: '?dry_run=true' } : {});
      const numbers = text.split('\n').flatMap((line, index) => (/^[ \t\r]*$/.test(line) ? [] : [index + 1]));
      expect(status).toBe(numbers.length === 0 ? 400 : 200);
      if (numbers.length > 0) expect(lines.map(({ line }) => line)).toEqual(numbers);
      for (const line of lines) expect(line['status'] ?? 202).toBeLessThan(500);
    }),
    { numRuns: 40 },
  );
});

it('bytes of any kind are lines of any kind', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 2_000 }), async (bytes) => {
      const { status } = await postLines(hub, bytes);
      expect([200, 400]).toContain(status);
    }),
    { numRuns: 40 },
  );
  expect(hub.lines.filter((line) => line.includes('mistake of the hub'))).toEqual([]);
});
