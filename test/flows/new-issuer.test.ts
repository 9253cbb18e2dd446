import { afterAll, expect, it } from 'vitest';
import { mkdtempSync, cpSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import type { Environment } from '../../src/config.ts';
import { embeddedTemplate } from '../support/databases.ts';
import { type Hub, startHub } from '../support/a-hub.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'caep-hub-issuer-'));
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

async function during<T>(environment: Environment, use: (hub: Hub) => Promise<T>): Promise<T> {
  const hub = await startHub(environment, dataDir);
  try {
    return await use(hub);
  } finally {
    await hub.stop('keep');
  }
}

const [before, after] = ['https://hub.example', 'https://signals.example/hub'];
const eventType = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked';
const revokeSession = (hub: Hub) =>
  hub.call('POST', '/v1/signals', {
    body: { event: 'session-revoked', subject: { iss: 'https://idp.example', sub: 'someone' } },
  });

async function issuersPolled(hub: Hub, token: string, id: string): Promise<unknown[]> {
  const { body } = await hub.call('POST', `/ssf/poll/${id}`, { token, body: { returnImmediately: true } });
  return Object.values(body['sets'] as Record<string, string>).map((set) => decodeJwt(set).iss);
}

async function askToken(hub: Hub, client: string, secret: string) {
  const answer = await fetch(`${hub.url}/oauth/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${client}:${secret}`)}` },
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  });
  return (await answer.json()) as { access_token?: string; error?: string };
}

it('DESIGN §12: a hub with streams takes another PUBLIC_URL only when told that receivers may know', async () => {
  cpSync(await embeddedTemplate(), join(dataDir, 'db'), { recursive: true });
  const { token, id, secrets } = await during({ PUBLIC_URL: before }, async (hub) => {
    const made = await hub.call('POST', '/v1/tokens', { body: { actor: 'siem', scopes: ['ssf.manage'] } });
    const mine = String(made.body['token']);
    const stream = await hub.call('POST', '/ssf/streams', {
      token: mine,
      body: { events_requested: [eventType] },
    });
    expect(stream.body['iss']).toBe(before);
    expect((await revokeSession(hub)).status).toBe(202);
    const clients = ['killed', 'well'].map(async (client_id) => {
      const client = await hub.call('POST', '/v1/clients', { body: { client_id, scopes: ['audit.read'] } });
      return String(client.body['client_secret']);
    });
    const subject = { iss: `${before}/oauth`, client_id: 'killed' };
    await hub.call('POST', '/v1/signals', { body: { event: 'account-disabled', subject } });
    return { token: mine, id: String(stream.body['stream_id']), secrets: await Promise.all(clients) };
  });

  const refusal = {
    code: 'invalid-configuration',
    message: expect.stringContaining(`The hub is ${before} to`),
  };
  await expect(startHub({ PUBLIC_URL: after }, dataDir)).rejects.toMatchObject(refusal);
  await expect(startHub({}, dataDir)).rejects.toMatchObject(refusal);

  await during({ PUBLIC_URL: after, ACCEPT_NEW_ISSUER: after }, async (hub) => {
    const stream = await hub.call('GET', `/ssf/streams?stream_id=${id}`, { token });
    expect(stream.body['iss']).toBe(after);
    expect((await revokeSession(hub)).status).toBe(202);
    // The session, the client that is disabled, and the session again: each as it was decided.
    const issuers = (await issuersPolled(hub, token, id)).map(String);
    expect(issuers.toSorted((a, b) => (a < b ? -1 : 1))).toEqual([before, before, after]);
  });

  await during({ PUBLIC_URL: after }, async (hub) => {
    // Whom a kill names under the old name is dead under the new one.
    expect(await askToken(hub, 'killed', String(secrets[0]))).toMatchObject({ error: 'invalid_client' });
    const { access_token: well = '' } = await askToken(hub, 'well', String(secrets[1]));
    expect((await hub.call('GET', '/v1/audit', { token: well })).status).toBe(200);
    const subject = { iss: `${before}/oauth`, client_id: 'well' };
    await hub.call('POST', '/v1/signals', { body: { event: 'account-disabled', subject } });
    expect((await hub.call('GET', '/v1/audit', { token: well })).status).toBe(401);
    expect((await hub.call('GET', '/v1/audit')).text).toContain('"issuer.changed"');
  });
}, 600_000);
