import type { AddressInfo } from 'node:net';
import Fastify, { type FastifyInstance } from 'fastify';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Checker } from '../../../src/enforcement/enforcer-checker.ts';
import { guardFastify } from '../../../src/enforcement/guards/fastify.ts';
import { defaultClasses } from '../../../src/enforcement/posture.ts';
import type { AnIssuer } from '../token/an-issuer.ts';
import { type AnAgent, anAgent, anIssuer, type APoint, aPoint } from '../enforcer/a-point.ts';
import { endless } from './endless.ts';

let issuer: AnIssuer;
beforeAll(async () => {
  issuer = await anIssuer();
});
afterAll(() => issuer.close());

let app: FastifyInstance | undefined;
afterEach(async () => {
  await app?.close();
});

const kill = (point: APoint, agent: AnAgent) => point.put({ match: { jkt: agent.client.jkt } });

describe('at a bad moment', () => {
  it('while a hook with a callback holds the answer back: the refusal goes out, and the process lives', async () => {
    const point = aPoint(issuer);
    let goOn: (() => void) | undefined;
    app = Fastify({ forceCloseConnections: true });
    app.addHook('onRequest', point.enforcer.fastify());
    app.addHook('onSend', (_request, _reply, payload, done) => {
      goOn = () => done(null, payload);
    });
    app.get('/charges', () => 'too late');
    app.get('/charges/live', (_, reply) => reply.send(endless()));
    await app.listen({ port: 0, host: '127.0.0.1' });
    const base = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
    for (const path of ['/charges', '/charges/live']) {
      const agent = await anAgent(issuer);
      goOn = undefined;
      const { headers } = await agent.request({ path });
      const answer = fetch(base + path, { headers: headers as Record<string, string> });
      await expect.poll(() => goOn).toBeDefined();
      kill(point, agent);
      expect((await answer).status).toBe(401);
      expect(goOn).not.toThrow();
    }
    await expect.poll(() => point.enforcer.state().openRequests).toBe(0);
  });

  it('a kill between the check and the guard gets through', async () => {
    const point = aPoint(issuer);
    const agent = await anAgent(issuer);
    const check: Checker['check'] = async (request) => {
      const access = await point.enforcer.check(request);
      if (access.kind === 'access') expect(access.signal.aborted).toBe(false);
      kill(point, agent);
      return access;
    };
    const route = { class: defaultClasses.public, scope: [], nonce: false };
    app = Fastify();
    app.addHook(
      'onRequest',
      guardFastify({ checker: { check, checkAgain: () => expect.fail() }, route, accesses: new WeakMap() }),
    );
    app.get('/charges', () => 'fine');
    const { headers } = await agent.request();
    const answer = await app.inject({ url: '/charges', headers: headers as Record<string, string> });
    expect(answer.statusCode).toBe(401);
  });

  it('over HTTP/2 a stream that its client left during the check is closed at once', async () => {
    const point = aPoint(issuer);
    const agent = await anAgent(issuer);
    const request = await agent.request();
    const raw = { headers: request.headers as Record<string, string> };
    const reply = {
      raw: { stream: { destroyed: true, close: () => undefined }, once: () => undefined, headersSent: false },
      headers: () => undefined,
    };
    const hook = point.enforcer.fastify();
    await hook({ method: 'GET', originalUrl: '/charges', ip: '127.0.0.1', raw }, reply as never);
    expect(point.enforcer.state().openRequests).toBe(0);
  });
});
