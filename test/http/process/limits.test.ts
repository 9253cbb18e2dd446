import { describe, expect, it } from 'vitest';
import { aServer, listen, sendRaw } from './a-server.ts';

async function listening(limits: Parameters<typeof aServer>[0] = {}) {
  const { app } = aServer(limits);
  app.post('/', { config: { public: true } }, async () => ({ done: true }));
  return { port: await listen(app), [Symbol.asyncDispose]: () => app.close() };
}

describe('every limit answers with a problem and ends the connection', () => {
  it.each([
    ['headers that never end', 'POST / HTTP/1.1\r\nHost: a\r\nX-Slow: ', 408, '"code":"request-timeout"'],
    [
      'a body that never ends',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{',
      408,
      '"code":"request-timeout"',
    ],
    [
      'huge headers',
      `POST / HTTP/1.1\r\nHost: a\r\nX-Big: ${'a'.repeat(20_000)}\r\n\r\n`,
      431,
      '"code":"headers-too-large"',
    ],
    ['no HTTP', 'hello\r\n\r\n', 400, '"code":"invalid-request"'],
    ['a request without Host', 'POST / HTTP/1.1\r\n\r\n', 400, ''],
    [
      'both a length and chunks (request smuggling)',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
      '"code":"invalid-request"',
    ],
    [
      'a body announced too long',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n',
      413,
      '"code":"body-too-large"',
    ],
    [
      'a body too long in chunks',
      `POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nFFFF\r\n${'1'.repeat(65_535)}\r\nFFFF\r\n${'1'.repeat(65_535)}\r\n0\r\n\r\n`,
      413,
      '"code":"body-too-large"',
    ],
  ])('%s', async (_name, bytes, status, code) => {
    await using server = await listening({
      limits: { headersMs: 50, requestMs: 100, connectionCheckMs: 10 },
    });
    const answer = await sendRaw(server.port, bytes);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer).toContain(code);
  });
});

describe('every answer', () => {
  it('says that it must not be stored, sniffed or framed, and has no CORS', async () => {
    const { app } = aServer();
    const { headers } = await app.inject({ url: '/nothing', headers: { origin: 'https://evil.example' } });
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    });
    expect(headers).not.toHaveProperty('access-control-allow-origin');
  });

  it.each([
    ['req-1.A_b', true],
    ['a b', false],
    ['a'.repeat(65), false],
    ['{"level":"fatal"}', false],
  ])('echoes a well-shaped request id: %s', async (id, kept) => {
    const { app } = aServer();
    const answer = await app.inject({ url: '/nothing', headers: { 'x-request-id': id } });
    expect(answer.headers['x-request-id'] === id).toBe(kept);
    expect(answer.headers['x-request-id']).toMatch(/^[A-Za-z0-9._-]{1,64}$/);
  });

  it('has its id on a path that cannot be decoded, too', async () => {
    const { app } = aServer();
    const answer = await app.inject({ url: '/%ZZ', headers: { 'x-request-id': 'r1' } });
    expect(answer.headers).toMatchObject({ 'x-request-id': 'r1', 'cache-control': 'no-store' });
  });
});
