import { Type } from '@fastify/type-provider-typebox';
import { describe, expect, it } from 'vitest';
import { aServer } from './a-server.ts';

const { app } = aServer();
const seen: unknown[] = [];
const config = { public: true } as const;
app.post(
  '/things',
  { config, schema: { body: Type.Object({}, { additionalProperties: true }) } },
  async (request) => seen.push(request.body),
);
app.get('/things/:name', { config }, async (request) => seen.push(request.params));

const post = (payload: string) =>
  app.inject({ method: 'POST', url: '/things', headers: { 'content-type': 'application/json' }, payload });

describe('text that no store takes is a problem with its place, whatever the route', () => {
  it.each([
    ['{"description":"\\u0000"}', '/description'],
    ['{"description":"a\\ud800b"}', '/description'],
    ['{"list":[{"a/b":"\\udfff"}]}', '/list/0/a~1b'],
    ['{"\\u0000":1}', ''],
    [`{"deep":${'['.repeat(12)}"\\u0000"${']'.repeat(12)}}`, `/deep${'/0'.repeat(12)}`],
    [`{"many":[${'0,'.repeat(5_000)}"\\u0000"]}`, '/many/5000'],
    [`{"long":"${'x'.repeat(20_000)}\\u0000"}`, '/long'],
  ])('body %#', async (payload, path) => {
    const answer = await post(payload);
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({ code: 'unstorable-text', errors: [{ path }] });
    expect(seen).toEqual([]);
  });

  it.each([
    ['/things/a%00b', '/path/name'],
    ['/things/a?cursor=%00', '/query/cursor'],
    ['/things/a?x=1&x=%00', '/query/x/1'],
  ])('%s', async (url, path) => {
    const answer = await app.inject(url);
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({ code: 'unstorable-text', errors: [{ path }] });
    expect(seen).toEqual([]);
  });

  it('what is deep, long or much without such text passes', async () => {
    expect((await post(`{"many":[${'0,'.repeat(5_000)}"\\ud83d\\ude00"]}`)).statusCode).toBe(200);
    expect((await app.inject('/things/%F0%9F%98%80?x=1')).statusCode).toBe(200);
    expect(seen.splice(0)).toHaveLength(2);
  });
});
