import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startHubProcess } from '../support/hub-process.ts';
import { embeddedTemplate } from '../support/databases.ts';

let dataDir: string;
beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'caep-hub-oauth-'));
  cpSync(await embeddedTemplate(), join(dataDir, 'db'), { recursive: true });
});
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

const start = () => startHubProcess({ DATA_DIR: dataDir, PUBLIC_URL: 'https://hub.example/caep' });

async function answer(url: string, init?: RequestInit) {
  const response = await fetch(url, init);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

function askToken(url: string, secret: unknown) {
  return answer(`${url}/oauth/token`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${btoa(`soc:${String(secret)}`)}`,
      // Nobody is believed about where the hub is.
      'x-forwarded-host': 'evil.example',
    },
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  });
}

const signals = (url: string, token: unknown) =>
  answer(`${url}/v1/signals/sig_none`, { headers: { authorization: `Bearer ${String(token)}` } });

it('after kill -9 the hub has its clients and its key, and is who PUBLIC_URL says', async () => {
  const first = await start();
  const admin = readFileSync(join(dataDir, 'admin-token'), 'utf8').trim();
  const made = await answer(`${first.url}/v1/clients`, {
    method: 'POST',
    headers: { authorization: `Bearer ${admin}`, 'content-type': 'application/json' },
    body: JSON.stringify({ client_id: 'soc', scopes: ['signals.read'] }),
  });
  const issuer = 'https://hub.example/caep/oauth';
  expect(made.body).toMatchObject({ issuer, token_endpoint: `${issuer}/token` });
  const before = await askToken(first.url, made.body['client_secret']);
  expect(before.status).toBe(200);
  first.child.kill('SIGKILL');
  await once(first.child, 'exit');

  const second = await start();
  expect((await signals(second.url, before.body['access_token'])).status).toBe(404);
  const after = await askToken(second.url, made.body['client_secret']);
  expect((await signals(second.url, after.body['access_token'])).status).toBe(404);
  const found = await answer(`${second.url}/.well-known/oauth-authorization-server/caep/oauth`);
  expect(found.body).toMatchObject({ issuer, jwks_uri: `${issuer}/jwks` });
  const resource = await answer(`${second.url}/.well-known/oauth-protected-resource/caep`);
  expect(resource.body).toMatchObject({
    resource: 'https://hub.example/caep',
    authorization_servers: [issuer],
  });
  expect(first.told() + second.told()).not.toContain('oidc-provider');
  second.child.kill('SIGKILL');
  await once(second.child, 'exit');
}, 60_000);
