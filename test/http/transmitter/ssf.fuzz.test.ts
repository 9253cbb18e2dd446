import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Hub, startHub } from '../../support/a-hub.ts';
import {
  anSsfReceiver,
  pollMethod,
  pushMethod,
  sendRaw,
  type SsfReceiver,
} from '../../support/an-ssf-receiver.ts';

let hub: Hub;
let receiver: SsfReceiver;
let id: string;
beforeAll(async () => {
  hub = await startHub();
  receiver = await anSsfReceiver(hub);
  id = (await receiver.create()).stream_id;
});
afterAll(() => hub.stop());

const runs = 60;
/** Names that mean something to somebody, with values that are mostly wrong, and some that are nearly right. */
const aValue = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom(
    pollMethod,
    pushMethod,
    'https://receiver.example/x',
    'enabled',
    'disabled',
    '',
    1e308,
    null,
  ),
  fc.record({
    format: fc.constantFrom('email', 'complex', 'opaque', 'aliases', 'iss_sub'),
    user: fc.jsonValue(),
  }),
  fc.record({
    method: fc.constantFrom(pollMethod, pushMethod),
    endpoint_url: fc.webUrl(),
    authorization_header: fc.string(),
  }),
);
const names = [
  'stream_id',
  'delivery',
  'events_requested',
  'events_delivered',
  'description',
  'status',
  'reason',
  'subject',
  'verified',
  'state',
  'aud',
  'constructor',
];
const aBodyOf = (members: readonly string[]) =>
  fc.oneof(
    { weight: 5, arbitrary: fc.dictionary(fc.constantFrom(...members), aValue) },
    { weight: 1, arbitrary: aValue },
  );
const aBody = aBodyOf(names);

it.each([
  ['POST', '/ssf/streams'],
  ['PATCH', '/ssf/streams'],
  ['PUT', '/ssf/streams'],
  ['POST', '/ssf/status'],
  ['POST', '/ssf/subjects/add'],
  ['POST', '/ssf/subjects/remove'],
  ['POST', '/ssf/verify'],
])('%s %s answers whatever comes with one of its statuses', async (method, path) => {
  const expected = [200, 201, 204, 400, 404, 409, 429];
  await fc.assert(
    fc.asyncProperty(aBody, fc.boolean(), async (body, named) => {
      const isObject = typeof body === 'object' && body !== null && !Array.isArray(body);
      const sent =
        named && isObject && method + path !== 'POST/ssf/streams' ? { ...body, stream_id: id } : body;
      const answer = await sendRaw(hub, receiver, {
        method,
        path,
        body: JSON.stringify(sent),
        headers: { 'content-type': 'application/json' },
      });
      expect(expected, await answer.text()).toContain(answer.status);
    }),
    { numRuns: runs },
  );
});

const anId = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom('set_1', '', '__proto__'),
);
const aTime = fc.oneof(fc.maxSafeNat(), aValue);

/** What each takes, now and then as it should be. */
const operations = {
  'POST /ssf/poll/:id': fc.record(
    {
      maxEvents: fc.oneof(fc.integer(), fc.nat(200), aValue),
      // Else it waits.
      returnImmediately: fc.constant(true),
      ack: fc.oneof(fc.array(anId), aValue),
      setErrs: fc.oneof(fc.dictionary(anId, fc.oneof(fc.record({ err: anId }), aValue)), aValue),
    },
    { requiredKeys: ['returnImmediately'] },
  ),
  'POST /v1/streams/:id/replay': fc.record(
    { jtis: fc.oneof(fc.array(anId), aValue), from_ms: aTime, until_ms: aTime },
    { requiredKeys: [] },
  ),
  'POST /v1/streams': aBodyOf([...names, 'receiver', 'algorithm', 'inactivity_timeout']),
  'PATCH /v1/streams/:id': aBodyOf([...names, 'algorithm', 'min_verification_interval']),
  'POST /v1/streams/:id/samples': aBody,
  'POST /v1/streams/:id/verify': aBody,
};

it.each(Object.entries(operations))('%s takes any body', async (operation, aBodyOfIt) => {
  const [method = '', path = ''] = operation.split(' ');
  const token = path.startsWith('/v1') ? hub.adminToken : receiver.token;
  await fc.assert(
    fc.asyncProperty(aBodyOfIt, async (body) => {
      const answer = await hub.call(method, path.replace(':id', id), { token, body });
      expect([200, 201, 202, 204, 400, 404, 409], answer.text).toContain(answer.status);
    }),
    { numRuns: runs },
  );
});

it.each(['GET /ssf/streams', 'DELETE /ssf/streams', 'GET /ssf/status'])(
  '%s takes any query',
  async (operation) => {
    const [method = '', path = ''] = operation.split(' ');
    await fc.assert(
      fc.asyncProperty(fc.webQueryParameters(), fc.string({ unit: 'grapheme' }), async (query, text) => {
        for (const one of [query, `stream_id=${query}`, `stream_id=${encodeURIComponent(text)}`]) {
          const answer = await sendRaw(hub, receiver, { method, path: `${path}?${one}` });
          expect([200, 400, 404], await answer.text()).toContain(answer.status);
        }
      }),
      { numRuns: runs / 3 },
    );
  },
);
