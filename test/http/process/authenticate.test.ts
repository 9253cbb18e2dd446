import { describe, expect, it } from 'vitest';
import { Problem } from '../../../src/core/problem.ts';
import { aServer, bearer, listen, sendRaw } from './a-server.ts';

function aGuardedServer() {
  const made = aServer();
  made.app.get(
    '/v1/signals',
    { config: { scopes: ['signals.read', 'held.release'] } },
    async ({ caller }) => caller.actor,
  );
  made.app.post('/v1/signals', { config: { scopes: ['signals.write'] } }, async () => 'written');
  made.app.get('/healthz', { config: { public: true } }, async () => 'well');
  made.app.get('/v1/audit', { config: { scopes: ['signals.read'] } }, async () => {
    throw new Problem('insufficient-scope', 'Not this one.', { extra: { scope: 'audit.read' } });
  });
  return made;
}

const realm = 'Bearer realm="caep-hub"';

describe('RFC 6750 §3: who may not enter is told how', () => {
  it.each([
    ['no credentials', {}, 401, 'unauthenticated', realm],
    ['an unknown token', bearer('chub_x'), 401, 'unauthenticated', `${realm}, error="invalid_token"`],
    ['an expired token', bearer('chub_expired'), 401, 'unauthenticated', `${realm}, error="invalid_token"`],
    ['a revoked token', bearer('chub_revoked'), 401, 'unauthenticated', `${realm}, error="invalid_token"`],
    [
      'another scheme',
      { authorization: 'Basic YTpi' },
      401,
      'unauthenticated',
      `${realm}, error="invalid_token"`,
    ],
    ['an empty header', { authorization: '' }, 401, 'unauthenticated', `${realm}, error="invalid_token"`],
    ['a prototype', bearer('__proto__'), 401, 'unauthenticated', `${realm}, error="invalid_token"`],
    [
      'two in one header',
      { authorization: 'Bearer a, Bearer b' },
      400,
      'invalid-request',
      `${realm}, error="invalid_request"`,
    ],
  ])('%s', async (_name, headers, status, code, challenge) => {
    const { app } = aGuardedServer();
    const answer = await app.inject({ url: '/v1/signals', headers });
    expect(answer.statusCode).toBe(status);
    expect(answer.json()).toMatchObject({ code, status });
    expect(answer.headers['www-authenticate']).toBe(challenge);
  });

  it('a scope that is missing is named in the challenge', async () => {
    const { app } = aGuardedServer();
    const answer = await app.inject({ method: 'POST', url: '/v1/signals', headers: bearer('chub_reader') });
    expect(answer.statusCode).toBe(403);
    expect(answer.headers['www-authenticate']).toBe(
      `${realm}, error="insufficient_scope", scope="signals.write"`,
    );
    expect(answer.json()).toMatchObject({ code: 'insufficient-scope', scope: 'signals.write' });
  });

  it('what a route refuses by itself is challenged and noted in the same way', async () => {
    const { app, refused } = aGuardedServer();
    const answer = await app.inject({ url: '/v1/audit', headers: bearer('chub_reader') });
    expect(answer.statusCode).toBe(403);
    expect(answer.headers['www-authenticate']).toBe(
      `${realm}, error="insufficient_scope", scope="audit.read"`,
    );
    expect(refused).toEqual([expect.objectContaining({ reason: 'insufficient-scope' })]);
  });

  it('one of the scopes is enough, and admin has all', async () => {
    const { app } = aGuardedServer();
    for (const secret of ['chub_reader', 'chub_admin']) {
      const answer = await app.inject({ url: '/v1/signals', headers: bearer(secret) });
      expect([answer.statusCode, answer.body]).toEqual([200, 'soc']);
    }
  });

  it('each attempt is noted with who it was', async () => {
    const { app, refused } = aGuardedServer();
    await app.inject({ url: '/v1/signals', headers: bearer('chub_revoked') });
    await app.inject({ method: 'POST', url: '/v1/signals', headers: bearer('chub_reader') });
    expect(refused).toEqual([
      { who: 'address:127.0.0.1', reason: 'revoked-token' },
      { who: 'soc', reason: 'insufficient-scope' },
    ]);
  });
});

describe('authentication comes first', () => {
  it('before the body is looked at', async () => {
    const { app } = aGuardedServer();
    const headers = { 'content-type': 'application/json' };
    const answer = await app.inject({
      method: 'POST',
      url: '/v1/signals',
      headers,
      payload: '{"__proto__":',
    });
    expect(answer.statusCode).toBe(401);
  });

  it('before it is told what exists', async () => {
    const { app } = aGuardedServer();
    for (const url of ['/v1/nothing', '/v1', '/v1?x', '/v1/signals/']) {
      expect((await app.inject(url)).statusCode).toBe(401);
      expect((await app.inject({ url, headers: bearer('chub_reader') })).statusCode).toBe(404);
    }
    expect((await app.inject({ method: 'DELETE', url: '/v1/signals' })).statusCode).toBe(401);
    expect((await app.inject('/nothing')).statusCode).toBe(404);
  });

  it('a public route asks nobody', async () => {
    const { app } = aGuardedServer();
    expect((await app.inject({ url: '/healthz', headers: bearer('chub_x') })).statusCode).toBe(200);
  });

  it.each([[undefined], [{}], [{ scopes: [] }], [{ public: true as const, scopes: ['admin' as const] }]])(
    'a route that declares %j does not start',
    async (config) => {
      const { app } = aServer();
      app.get('/v1/open', config === undefined ? {} : { config }, async () => 'open');
      await expect(app.ready()).rejects.toThrow('GET /v1/open must declare');
    },
  );
});

describe('over a real connection', () => {
  const head = 'GET /v1/signals HTTP/1.1\r\nHost: a\r\nConnection: close\r\n';

  it('a second Authorization header is seen, though Node would drop it', async () => {
    const { app } = aGuardedServer();
    const port = await listen(app);
    const answer = await sendRaw(
      port,
      `${head}Authorization: Bearer chub_admin\r\nauthorization: Bearer chub_reader\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
    await app.close();
  });

  it('no byte in the header makes it anything but a refusal', async () => {
    const { app } = aGuardedServer();
    const port = await listen(app);
    for (let byte = 0; byte < 256; byte++) {
      const text = String.fromCharCode(byte);
      const answer = await sendRaw(port, `${head}Authorization: Bearer chub_${text}x\r\n\r\n`);
      expect(answer, `byte ${byte}`).toMatch(/^HTTP\/1.1 40[01] /);
    }
    await app.close();
  });
});
