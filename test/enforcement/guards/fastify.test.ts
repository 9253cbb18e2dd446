import { once } from 'node:events';
import { connect as connectHttp2, constants } from 'node:http2';
import { request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import Fastify, { type FastifyInstance } from 'fastify';
import * as fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { EnforcerOptions } from '../../../src/enforcement/index.ts';
import type { AnIssuer } from '../token/an-issuer.ts';
import { endless } from './endless.ts';
import { deferred } from '../../support/deferred.ts';
import { type AnAgent, anAgent, anIssuer, type APoint, aPoint } from '../enforcer/a-point.ts';

let issuer: AnIssuer;
beforeAll(async () => {
  issuer = await anIssuer();
});
afterAll(() => issuer.close());

let app: FastifyInstance | undefined;
afterEach(async () => {
  await app?.close();
});

/** An API behind the guard, over real HTTP. `hold` is a handler that answers when it is let go. */
async function anApi(options: Partial<EnforcerOptions> = {}) {
  const held = deferred();
  const point = aPoint(issuer, options);
  const { enforcer } = point;
  app = Fastify({ forceCloseConnections: true });
  app.addHook('onRequest', enforcer.fastify({ class: 'sensitive' }));
  app.get('/charges', (request) => ({ client: enforcer.accessOf(request).context?.client_id }));
  app.get('/charges/live', (_, reply) => reply.type('text/event-stream').send(endless()));
  app.get('/raw', (_, reply) => {
    reply.hijack();
    reply.raw.writeHead(200).write('first');
  });
  app.get('/hold', async () => {
    await held.promise;
    return 'late';
  });
  app.post(
    '/refunds',
    { onRequest: enforcer.fastify({ class: 'sensitive', scope: 'refunds:write' }) },
    () => 'refunded',
  );
  await app.listen({ port: 0, host: '127.0.0.1' });
  const base = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
  const get = async (agent: AnAgent, path: string, method = 'GET') => {
    const { headers } = await agent.request({ path, method });
    return fetch(base + path, { method, headers: headers as Record<string, string> });
  };
  return { point, base, get, held };
}

const kill = (point: APoint, agent: AnAgent) => point.put({ match: { jkt: agent.client.jkt } });

describe('a guarded Fastify app', () => {
  it('lets the right token with the right key pass, and says who it is', async () => {
    const { get } = await anApi();
    const response = await get(await anAgent(issuer), '/charges');
    expect([response.status, await response.json()]).toEqual([200, { client: 'build-runner' }]);
  });

  it('refuses with challenge and body, on a route that does not exist too', async () => {
    const { base } = await anApi();
    for (const path of ['/charges', '/nowhere']) {
      const response = await fetch(base + path);
      expect(response.status).toBe(401);
      expect(response.headers.get('www-authenticate')).toMatch(/^DPoP algs="/);
      expect(response.headers.get('cache-control')).toBe('no-store');
      expect(await response.json()).toEqual({
        code: 'no-credentials',
        text: expect.any(String),
        retry: 'new-token',
        decision_id: expect.any(String),
      });
    }
  });

  it('guards a route by its own scope', async () => {
    const { get } = await anApi();
    const response = await get(await anAgent(issuer), '/refunds', 'POST');
    expect(response.status).toBe(403);
    expect(response.headers.get('www-authenticate')).toContain('scope="refunds:write"');
  });

  it('guards one behind the other each have their say, and a proof is asked for once', async () => {
    const point = aPoint(issuer, { classes: { open: { binding: 'optional' } } });
    const { enforcer } = point;
    app = Fastify({ forceCloseConnections: true });
    app.addHook('onRequest', enforcer.fastify({ class: 'open' }));
    app.get('/open', () => 'fine');
    app.get('/bound', { onRequest: enforcer.fastify() }, () => 'fine');
    app.get('/nonce', { onRequest: enforcer.fastify({ nonce: 'required' }) }, () => 'fine');
    await app.listen({ port: 0, host: '127.0.0.1' });
    const base = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
    const agent = await anAgent(issuer);
    const bearer = { authorization: `Bearer ${await issuer.token()}` };
    const get = async (path: string, headers?: object) => {
      const proven = (await agent.request({ path })).headers;
      return fetch(base + path, { headers: (headers ?? proven) as Record<string, string> });
    };
    const codeOf = async (answer: Promise<Response>) =>
      ((await (await answer).json()) as { code: string }).code;
    expect([(await get('/open', bearer)).status, (await get('/bound')).status]).toEqual([200, 200]);
    expect(await codeOf(get('/bound', bearer))).toBe('unbound-token');
    expect(await codeOf(get('/nonce'))).toBe('nonce-required');
    await expect.poll(() => enforcer.state().openRequests).toBe(0);
  });

  it('guards one behind the other count a request once against a restricted rate', async () => {
    const { get, point } = await anApi();
    const agent = await anAgent(issuer, { scope: 'refunds:write' });
    point.put({
      match: { jkt: agent.client.jkt },
      effect: 'restrict',
      restrict: { rate: { per_minute: 2 } },
    });
    const statuses = [];
    for (let count = 0; count < 3; count += 1) statuses.push((await get(agent, '/refunds', 'POST')).status);
    expect(statuses).toEqual([200, 200, 429]);
  });

  it('sees a second Authorization header that Node hides, and a second proof', async () => {
    const { base } = await anApi();
    const { headers } = await (await anAgent(issuer)).request();
    const { authorization = '', dpop = '' } = headers as Record<string, string>;
    const status = async (fields: Record<string, string[]>) => {
      const request = httpRequest(`${base}/charges`, { headers: fields }).end();
      const [response] = (await once(request, 'response')) as [{ statusCode: number; resume: () => void }];
      response.resume();
      return response.statusCode;
    };
    expect(await status({ authorization: [authorization, 'Bearer other'], dpop: [dpop] })).toBe(400);
    expect(await status({ authorization: [authorization], dpop: [dpop, dpop] })).toBe(401);
    expect(await status({ authorization: [authorization], dpop: [dpop] })).toBe(200);
  });

  it('a proof is good once', async () => {
    const { base } = await anApi();
    const { headers } = await (await anAgent(issuer)).request();
    const again = async () =>
      (await fetch(`${base}/charges`, { headers: headers as Record<string, string> })).status;
    expect([await again(), await again()]).toEqual([200, 401]);
  });
});

describe('mid-response', () => {
  it('a stream under way is cut by a revocation, and no other', async () => {
    const { point, get } = await anApi();
    const [agent, auditor] = await Promise.all([anAgent(issuer), anAgent(issuer)]);
    const [live, other] = await Promise.all([get(agent, '/charges/live'), get(auditor, '/charges/live')]);
    expect([live.status, other.status]).toEqual([200, 200]);
    const [reader, otherReader] = [readerOf(live), readerOf(other)];
    expect((await reader.read()).done).toBe(false);
    kill(point, agent);
    await expect(drain(reader)).rejects.toThrow('terminated');
    expect((await otherReader.read()).done).toBe(false);
    expect((await get(agent, '/charges')).status).toBe(401);
    await otherReader.cancel();
  });

  it('a response that a handler writes by itself is cut too', async () => {
    const { point, get } = await anApi();
    const agent = await anAgent(issuer);
    const reader = readerOf(await get(agent, '/raw'));
    await reader.read();
    kill(point, agent);
    await expect(drain(reader)).rejects.toThrow('terminated');
  });

  it('a request whose answer has not begun gets the refusal, and what the handler says later goes nowhere', async () => {
    const { point, get, held } = await anApi();
    const agent = await anAgent(issuer);
    const answer = get(agent, '/hold');
    await expect.poll(() => point.enforcer.state().openRequests).toBe(1);
    kill(point, agent);
    const response = await answer;
    expect([response.status, await response.json()]).toMatchObject([
      401,
      { code: 'revoked', retry: 'never' },
    ]);
    held.resolve();
    expect((await get(await anAgent(issuer), '/charges')).status).toBe(200);
  });

  it('nothing stays open when responses end or clients go away', async () => {
    const { point, get } = await anApi();
    const agent = await anAgent(issuer);
    await Promise.all(Array.from({ length: 20 }, async () => (await get(agent, '/charges')).text()));
    await readerOf(await get(agent, '/charges/live')).cancel();
    await expect.poll(() => point.enforcer.state().openRequests).toBe(0);
  });

  it('over HTTP/2 a stream is cut and its connection goes on', async () => {
    const point = aPoint(issuer);
    const http2App = Fastify({ http2: true });
    http2App.addHook('onRequest', point.enforcer.fastify());
    http2App.get('/charges/live', (_, reply) => reply.send(endless()));
    http2App.get('/charges', () => 'fine');
    await http2App.listen({ port: 0, host: '127.0.0.1' });
    const session = connectHttp2(`http://127.0.0.1:${(http2App.server.address() as AddressInfo).port}`);
    const [agent, auditor] = await Promise.all([anAgent(issuer), anAgent(issuer)]);
    const start = async (who: AnAgent, path: string) => {
      const { headers } = await who.request({ path });
      const stream = session.request({ ':path': path, ...(headers as Record<string, string>) });
      const [answer] = (await once(stream, 'response')) as [{ ':status': number }];
      return { stream, status: answer[':status'] };
    };
    const { stream, status } = await start(agent, '/charges/live');
    expect(status).toBe(200);
    stream.resume();
    const ended = once(stream, 'close');
    stream.on('error', () => undefined);
    kill(point, agent);
    await ended;
    expect(stream.rstCode).toBe(constants.NGHTTP2_CANCEL);
    expect((await start(auditor, '/charges')).status).toBe(200);
    session.destroy();
    await http2App.close();
  });
});

const readerOf = (response: Response) => {
  if (!response.body) throw new Error('no body');
  return response.body.getReader();
};

async function drain(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  while (!(await reader.read()).done) await wait(0);
}

describe('whatever a client sends', () => {
  const word = fc.oneof(
    fc.string(),
    fc.constantFrom('DPoP', 'Bearer', ',', ' ', 'a.b.c', 'é', '\u0000', '"', 'eyJhbGciOiJub25lIn0.e30.'),
  );
  const field = fc.array(word, { maxLength: 6 }).map((words) => words.join(' '));
  const fields = fc.oneof(field, fc.array(field, { maxLength: 3 }));

  it('is answered with 400 or 401, never a throw, never 5xx', async () => {
    const { enforcer } = aPoint(issuer);
    const { token } = await anAgent(issuer);
    await fc.assert(
      fc.asyncProperty(
        fc.record(
          { authorization: fc.oneof(fields, fc.constant(`DPoP ${token}`)), dpop: fields, host: field },
          { requiredKeys: [] },
        ),
        fc.string(),
        fc.string(),
        async (headers, url, method) => {
          const outcome = await enforcer.check({ method, url, headers });
          expect(outcome.kind === 'refusal' && outcome.status).toBeOneOf([400, 401]);
          // What was said in answer can be sent: no header is beyond what HTTP allows.
          if (outcome.kind === 'refusal')
            expect(new Headers(outcome.headers).get('content-type')).toBe('application/json');
        },
      ),
      { numRuns: 500 },
    );
  });
});
