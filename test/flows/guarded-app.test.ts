import Fastify, { type FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createEnforcer, type Enforcer } from '../../src/enforcement/index.ts';
import { type AClient, aClient } from '../enforcement/dpop/a-client.ts';
import { freePort } from '../enforcement/guards/free-port.ts';
import { type AnIssuer, anIssuer, audience } from '../enforcement/token/an-issuer.ts';
import { type Hub, startHub } from '../support/a-hub.ts';

/** A real hub, a real issuer, and the ten lines that guard an app. */
describe('an app behind the library, a kill at the hub', () => {
  let hub: Hub;
  let issuer: AnIssuer;
  let enforcer: Enforcer;
  let app: FastifyInstance;
  let origin: string;

  beforeAll(async () => {
    [hub, issuer] = await Promise.all([startHub(), anIssuer()]);
    const added = await hub.call('POST', '/v1/points', { body: { name: 'charges-api', expect: 1 } });
    const { secret } = added.body['token'] as { readonly secret: string };
    await hub.call('PUT', '/v1/issuers', { body: { url: issuer.url } });
    const port = await freePort();
    origin = `http://127.0.0.1:${port}`;

    enforcer = createEnforcer({ hub: hub.url, token: secret, point: 'charges-api/1', audience, origin });
    app = Fastify({ forceCloseConnections: true });
    app.addHook('onRequest', enforcer.fastify({ class: 'sensitive' }));
    app.get('/charges', (request) => ({ for: enforcer.accessOf(request).context?.client_id }));
    app.get('/charges/live', (_, reply) => {
      reply.hijack();
      reply.raw.writeHead(200).write('first');
    });
    await enforcer.ready();
    await vi.waitUntil(() => enforcer.state().issuers.length === 1, { timeout: 10_000 });
    await app.listen({ port, host: '127.0.0.1' });
  });
  afterAll(async () => {
    await app.close();
    await enforcer.close();
    await Promise.all([hub.stop(), issuer.close()]);
  });

  async function get(client: AClient, token: string, path: string): Promise<Response> {
    const dpop = await client.proof({ url: origin + path, token });
    return fetch(origin + path, { headers: { authorization: `DPoP ${token}`, dpop } });
  }

  it('accepts the issuer that the hub names, cuts what is open, refuses what comes, and leaves others alone', async () => {
    const [runner, auditor] = await Promise.all([aClient(), aClient()]);
    const token = await issuer.token({ cnf: { jkt: runner.jkt } });
    const other = await issuer.token({
      cnf: { jkt: auditor.jkt },
      client_id: 'night-auditor',
      sub: 'agent-8',
      jti: 'token-2',
    });
    expect(await (await get(runner, token, '/charges')).json()).toEqual({ for: 'build-runner' });
    const live = await get(runner, token, '/charges/live');
    const reader = live.body?.getReader();
    await reader?.read();

    const subject = { iss: issuer.url, client_id: 'build-runner' };
    const answer = await hub.call('POST', '/v1/signals?wait=enforced&timeout_ms=5000', {
      body: { event: 'account-disabled', subject, data: { reason: 'hijacking' } },
    });
    expect(answer.body).toMatchObject({
      decision: { outcome: 'applied' },
      enforcement: { state: 'complete', applied: 1 },
    });

    await expect(reader?.read()).rejects.toThrow('terminated');
    const refused = await get(runner, token, '/charges');
    expect([refused.status, await refused.json()]).toMatchObject([401, { code: 'revoked', retry: 'never' }]);
    expect((await get(auditor, other, '/charges')).status).toBe(200);
  });

  it('goes on judging when the hub is gone: the dead stay dead, the others work until the posture closes', async () => {
    await hub.app.close();
    const [runner, auditor] = await Promise.all([aClient(), aClient()]);
    const token = await issuer.token({ cnf: { jkt: runner.jkt } });
    const other = await issuer.token({
      cnf: { jkt: auditor.jkt },
      client_id: 'night-auditor',
      sub: 'agent-8',
    });
    expect((await get(runner, token, '/charges')).status).toBe(401);
    expect((await get(auditor, other, '/charges')).status).toBe(200);
  });
});
