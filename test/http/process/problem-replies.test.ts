import { Type } from '@fastify/type-provider-typebox';
import { describe, expect, it } from 'vitest';
import { Problem, type ProblemCode, problemCodes } from '../../../src/core/problem.ts';
import { problemReplies, type ProblemReply } from '../../../src/http/problem-replies.ts';
import { aServer } from './a-server.ts';

const json = { 'content-type': 'application/json' };

async function answerTo(code: ProblemCode) {
  const { app } = aServer();
  app.get('/', { config: { public: true } }, async () => {
    throw new Problem(code, 'Because.', {
      hint: 'Do this.',
      errors: [{ path: '/a', message: 'is wrong' }],
      extra: { nearest: ['b'] },
    });
  });
  return app.inject('/');
}

describe('RFC 9457: every problem is answered by its row of the table', () => {
  const endsTheProcess = (code: ProblemCode) => problemReplies[code].status === 500;

  it.each(problemCodes.filter((code) => !endsTheProcess(code)))('%s', async (code) => {
    const answer = await answerTo(code);
    const { status, title, retryAfterSeconds }: ProblemReply = problemReplies[code];
    expect(answer.statusCode).toBe(status);
    expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(answer.headers['retry-after']).toBe(retryAfterSeconds?.toString());
    expect(answer.json()).toEqual({
      type: `urn:caep-hub:problem:${code}`,
      code,
      title,
      status,
      detail: 'Because.',
      hint: 'Do this.',
      errors: [{ path: '/a', message: 'is wrong' }],
      nearest: ['b'],
    });
  });

  it.each(problemCodes.filter(endsTheProcess))(
    '%s is for the start, and a bug in a request',
    async (code) => {
      const answer = await answerTo(code);
      expect(answer.json()).toEqual({
        type: 'urn:caep-hub:problem:internal-error',
        code: 'internal-error',
        title: 'The hub made a mistake',
        status: 500,
      });
    },
  );
});

describe('bad requests name what is wrong', () => {
  const { app } = aServer({ limits: { bodyBytes: 1_000 } });
  app.post(
    '/things/:name',
    {
      config: { public: true },
      schema: {
        body: Type.Object(
          {
            event: Type.String({ minLength: 1 }),
            confidence: Type.Optional(Type.Union([Type.Literal('high'), Type.Literal('low')])),
            deep: Type.Optional(Type.Object({ 'a/b': Type.Integer() })),
            either: Type.Optional(Type.Union([Type.String(), Type.Object({ agent: Type.String() })])),
          },
          { additionalProperties: false },
        ),
        querystring: Type.Object({ limit: Type.Optional(Type.Integer({ minimum: 1 })) }),
      },
    },
    async ({ query }) => ({ limit: query.limit }),
  );
  const post = (payload: string, url = '/things/a', headers: Record<string, string> = json) =>
    app.inject({ method: 'POST', url, headers, payload });

  it.each([
    ['{}', [{ path: '/event', message: 'is missing' }]],
    ['{"event":"a","x~/y":1}', [{ path: '/x~0~1y', message: 'is not a member of this object' }]],
    ['{"event":"a","confidence":"sure"}', [{ path: '/confidence', message: 'must be one of high, low' }]],
    ['{"event":"a","deep":{}}', [{ path: '/deep/a~1b', message: 'is missing' }]],
    ['{"event":"a","either":{}}', [{ path: '/either', message: 'has none of the accepted forms' }]],
    ['[]', [{ path: '', message: 'must be object' }]],
  ])('%s', async (payload, errors) => {
    const answer = await post(payload);
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({
      code: 'invalid-request',
      detail: 'The body is not valid.',
      errors,
    });
  });

  it('a query that does not fit', async () => {
    const answer = await post('{"event":"a"}', '/things/a?limit=none');
    expect(answer.json()).toMatchObject({
      code: 'invalid-request',
      detail: 'The query string is not valid.',
      errors: [{ path: '/query/limit', message: 'must be integer' }],
    });
    expect((await post('{"event":"a"}', '/things/a?limit=7')).json()).toEqual({ limit: 7 });
  });

  it.each([
    ['{"event":', 'It is not JSON.'],
    ['{"event":"a","__proto__":{"x":1}}', 'It has a member named __proto__.'],
    ['{"event":"a","\\u005f_proto__":1}', 'It has a member named __proto__.'],
    [
      '{"event":"a","deep":[{"constructor":{"prototype":{}}}]}',
      'It has a member named constructor.prototype.',
    ],
    [`{"event":${'['.repeat(40)}${']'.repeat(40)}}`, 'It is nested deeper than 32 levels.'],
  ])('%s', async (payload, why) => {
    const answer = await post(payload);
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({
      code: 'malformed-json',
      detail: `The body cannot be read. ${why}`,
    });
  });

  it('bytes that are not UTF-8', async () => {
    const payload = Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]);
    const answer = await app.inject({ method: 'POST', url: '/things/a', headers: json, payload });
    expect(answer.json()).toMatchObject({
      code: 'malformed-json',
      detail: 'The body cannot be read. It is not UTF-8.',
    });
  });

  it.each([
    ['a body over the limit', 413, 'body-too-large', () => post(`{"event":"${'a'.repeat(1_000)}"}`)],
    [
      'a form',
      415,
      'unsupported-media-type',
      () => post('a=b', '/things/a', { 'content-type': 'text/plain' }),
    ],
    ['a body without type', 415, 'unsupported-media-type', () => post('{}', '/things/a', {})],
    ['a path that is badly encoded', 400, 'invalid-request', () => post('{}', '/things/%ZZ')],
    ['a path segment too long', 414, 'uri-too-long', () => post('{}', `/things/${'a'.repeat(600)}`)],
    ['no such path', 404, 'not-found', () => app.inject('/nothing')],
  ] as const)('%s', async (_name, status, code, send) => {
    const answer = await send();
    expect(answer.statusCode).toBe(status);
    expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
    expect(answer.json()).toMatchObject({ code, status });
  });

  it('RFC 9110 §15.5.6: a method that the path lacks is answered with those it has', async () => {
    const answer = await app.inject({ method: 'DELETE', url: '/things/a?x=/v1' });
    expect(answer.statusCode).toBe(405);
    expect(answer.headers['allow']).toBe('POST');
    expect(answer.json()).toMatchObject({ code: 'method-not-allowed' });
  });
});

describe('mistakes of the hub', () => {
  it('are answered bare, and logged with their cause and without the parameters of statements', async () => {
    const { app, lines } = aServer();
    app.get('/', { config: { public: true } }, async () => {
      const cause = Object.assign(new Error('duplicate key'), { code: '23505', detail: 'Key (x)=(hunter2)' });
      throw new Error('Failed query: insert into hub.x\nparams: hunter2,1', { cause });
    });
    const answer = await app.inject('/');
    expect(answer.statusCode).toBe(500);
    expect(answer.body).not.toContain('query');
    const logged = lines.find((line) => line.includes('mistake'));
    expect(JSON.parse(logged ?? '{}')).toMatchObject({
      level: 'error',
      err: { message: 'Failed query: insert into hub.x', cause: { message: 'duplicate key', code: '23505' } },
    });
    expect(logged).not.toContain('hunter2');
  });

  it('an error that an adapter explains is a problem that says when to come back', async () => {
    const { app } = aServer({
      explainError: () => new Problem('storage-unavailable', 'The database is gone.'),
    });
    app.get('/', { config: { public: true } }, async () => {
      throw new Error('Connection terminated');
    });
    const answer = await app.inject('/');
    expect(answer.statusCode).toBe(503);
    expect(answer.headers['retry-after']).toBe('1');
  });
});
