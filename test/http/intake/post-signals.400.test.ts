import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Hub, startHub } from '../../support/a-hub.ts';

let hub: Hub;
beforeAll(async () => {
  hub = await startHub();
});
afterAll(() => hub.stop());

const subject = { iss: 'https://idp.example', client_id: 'build-runner' };
const event = 'session-revoked';

/** What it is · the body · what the problem says. */
const bad: readonly (readonly [
  string,
  unknown,
  { readonly status?: number; readonly code: string; readonly path?: string },
])[] = [
  ['no event', { subject }, { code: 'invalid-request', path: '/event' }],
  ['no subject', { event }, { code: 'invalid-request', path: '/subject' }],
  ['an unknown member', { event, subject, severity: 9 }, { code: 'invalid-request', path: '/severity' }],
  ['an unknown event', { event: 'session-revokt', subject }, { code: 'unknown-event-type', path: '/event' }],
  ['a subject that is a list', { event, subject: [] }, { code: 'invalid-request', path: '/subject' }],
  ['a subject that is empty', { event, subject: {} }, { code: 'empty-match', path: '/subject' }],
  [
    'an unknown subject format',
    { event, subject: { format: 'passport', id: 1 } },
    { code: 'unknown-subject-format', path: '/subject/format' },
  ],
  [
    'an unknown agent',
    { event, subject: { agent: 'nobody' } },
    { code: 'unknown-agent', path: '/subject/agent' },
  ],
  [
    'a member of match that there is not',
    { event, subject: { ...subject, email: 'a@b' } },
    { code: 'invalid-request', path: '/subject/email' },
  ],
  [
    'a key that is none',
    { event, subject: { jkt: 'short' } },
    { code: 'invalid-request', path: '/subject/jkt' },
  ],
  [
    'a time in milliseconds',
    { event, subject, event_timestamp: 1_763_764_001_000 },
    { code: 'invalid-request', path: '/event_timestamp' },
  ],
  [
    'a time before time',
    { event, subject, event_timestamp: -1 },
    { code: 'invalid-request', path: '/event_timestamp' },
  ],
  [
    'a time that is text',
    { event, subject, event_timestamp: 'now' },
    { code: 'invalid-request', path: '/event_timestamp' },
  ],
  [
    'data that is not as the event has it',
    { event: 'assurance-level-change', subject, data: { change_direction: 'sideways' } },
    { code: 'invalid-request', path: '/data/change_direction' },
  ],
  [
    'a confidence that there is not',
    { event, subject, confidence: 'sure' },
    { code: 'invalid-request', path: '/confidence' },
  ],
  ['an empty id', { event, subject, id: '' }, { code: 'invalid-request', path: '/id' }],
  ['a long id', { event, subject, id: 'x'.repeat(129) }, { code: 'invalid-request', path: '/id' }],
  [
    'U+0000 in the reason',
    { event, subject, reason: 'a\u0000b' },
    { code: 'unstorable-text', path: '/reason' },
  ],
  [
    'U+0000 in the subject',
    { event, subject: { ...subject, client_id: 'a\u0000b' } },
    { code: 'unstorable-text', path: '/subject/client_id' },
  ],
  [
    'a lone surrogate in the data',
    { event, subject, data: { note: '\ud800' } },
    { code: 'unstorable-text', path: '/data/note' },
  ],
  [
    'data that nests too deep',
    { event, subject, data: { note: [[[[[[[['x']]]]]]]] } },
    { code: 'invalid-request', path: `/data/note${'/0'.repeat(7)}` },
  ],
  [
    'data with too many members',
    { event, subject, data: { note: Array.from({ length: 1_100 }, () => 0) } },
    { code: 'invalid-request', path: '/data' },
  ],
  [
    'data with a text that is too long',
    { event, subject, data: { note: 'x'.repeat(8_193) } },
    { code: 'invalid-request', path: '/data/note' },
  ],
  [
    'an order that lifts two things',
    { event: 'revocation-lifted', subject, data: { revocation_id: 'a', signal_id: 'b' } },
    { code: 'invalid-request', path: '/data' },
  ],
];

describe('issue 1: bad input gets a problem that names the field, and changes nothing', () => {
  it.each(bad)('%s', async (_, body, { status = 400, code, path }) => {
    const before = await hub.call('GET', '/v1/signals?limit=1');
    const answered = await hub.call('POST', '/v1/signals', { body });
    expect(answered.body).toMatchObject({ status, code, title: expect.any(String) });
    expect(answered.status).toBe(status);
    expect(answered.headers.get('content-type')).toContain('application/problem+json');
    const errors = answered.body['errors'] as { path: string }[];
    expect(errors.map((error) => error.path)).toContain(path);
    expect((await hub.call('GET', '/v1/signals?limit=1')).text).toBe(before.text);
  });

  it('an unknown event names the three nearest', async () => {
    const { body } = await hub.call('POST', '/v1/signals', { body: { event: 'sesion-revoked', subject } });
    expect(body['nearest']).toHaveLength(3);
    expect(body['nearest']).toContain('session-revoked');
    expect(body['hint']).toContain('session-revoked');
  });

  it.each([
    ['no JSON', '{"event":', 400, 'malformed-json'],
    ['a list', '[]', 400, 'invalid-request'],
    ['nothing', '', 400, 'invalid-request'],
    [
      '__proto__',
      '{"event":"session-revoked","subject":{"iss":"a","__proto__":{"x":1}}}',
      400,
      'malformed-json',
    ],
    [
      'constructor.prototype',
      '{"event":"x","subject":{"constructor":{"prototype":{}}}}',
      400,
      'malformed-json',
    ],
    [
      'deep nesting',
      `{"event":"x","subject":${'{"a":'.repeat(40)}1${'}'.repeat(40)}}`,
      400,
      'malformed-json',
    ],
    [
      'a body over 64 KiB',
      JSON.stringify({ event, subject, reason: 'x'.repeat(70_000) }),
      413,
      'body-too-large',
    ],
  ])('raw: %s', async (_, text, status, code) => {
    const response = await fetch(`${hub.url}/v1/signals`, {
      method: 'POST',
      headers: { authorization: `Bearer ${hub.adminToken}`, 'content-type': 'application/json' },
      body: text,
    });
    expect(await response.json()).toMatchObject({ status, code });
    expect(response.status).toBe(status);
  });

  it('an id with another body is 409 and names the signal', async () => {
    const first = await hub.call('POST', '/v1/signals', { body: { event, subject, id: 'one' } });
    const { status, body } = await hub.call('POST', '/v1/signals', {
      body: { event, subject, id: 'one', reason: 'other' },
    });
    expect(status).toBe(409);
    expect(body).toMatchObject({
      code: 'id-reused',
      signal_id: first.body['signal_id'],
      errors: [{ path: '/id' }],
    });
  });

  it('a token without the scope is 403, none is 401', async () => {
    const made = await hub.call('POST', '/v1/tokens', {
      body: { actor: 'reader', scopes: ['signals.read'] },
    });
    const token = String(made.body['token']);
    const refused = await hub.call('POST', '/v1/signals', { body: { event, subject }, token });
    expect(refused.status).toBe(403);
    expect(refused.headers.get('www-authenticate')).toContain('insufficient_scope');
    expect((await hub.call('POST', '/v1/signals', { body: { event, subject }, token: null })).status).toBe(
      401,
    );
  });

  it('a source may not say what it was not given', async () => {
    const source = { event_types: ['task-ended'], subject_issuers: ['https://idp.example'] };
    const put = await hub.call('PUT', '/v1/sources/narrow', { body: source });
    expect(put.status, put.text).toBeLessThan(300);
    const made = await hub.call('POST', '/v1/tokens', {
      body: { actor: 'ci', scopes: ['signals.write'], source: 'narrow' },
    });
    const token = String(made.body['token']);
    const say = (body: unknown) => hub.call('POST', '/v1/signals', { body, token });
    expect((await say({ event, subject })).body).toMatchObject({
      code: 'source-not-allowed',
      errors: [{ path: '/event' }],
    });
    const stranger = { iss: 'https://other.example', client_id: 'x' };
    expect((await say({ event: 'task-ended', subject: stranger })).body).toMatchObject({
      code: 'source-not-allowed',
      errors: [{ path: '/subject' }],
    });
    expect((await say({ event: 'task-ended', subject })).status).toBe(202);
  });
});
