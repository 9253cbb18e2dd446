import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { expect, it } from 'vitest';
import { startHub, type Hub } from '../../support/a-hub.ts';
import { onlyOnServer } from '../../support/databases.ts';
import { anAssertionKey, makeClient } from './an-oauth-client.ts';

onlyOnServer('two nodes', (fixture) => {
  const start = (): Promise<Hub> =>
    startHub(
      {
        DATABASE_URL: String(fixture.options.databaseUrl),
        ADMIN_TOKEN: 'a'.repeat(40),
        SECRETS_KEY: 's'.repeat(40),
        PUBLIC_URL: 'https://hub.example',
      },
      fixture.options.dataDir,
    );

  async function askToken(hub: Hub, client_assertion: string) {
    const response = await fetch(new URL('/oauth/token', hub.url), {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion,
      }),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }

  it('one gives a token, both take it, neither takes the assertion again, and both end it', async () => {
    const [here, there] = [await start(), await start()];
    const { jwk, privateKey } = anAssertionKey('k1');
    const { client_id } = await makeClient(here, {
      client_id: 'receiver',
      scopes: ['feed.read', 'audit.read'],
      auth_method: 'private_key_jwt',
      jwks: { keys: [jwk] },
    });
    const exp = Math.floor(Date.now() / 1_000) + 60;
    const aud = 'https://hub.example/oauth';
    const assertion = await new SignJWT({ iss: client_id, sub: client_id, aud, exp, jti: randomUUID() })
      .setProtectedHeader({ alg: 'ES256' })
      .sign(privateKey);
    const given = await askToken(here, assertion);
    expect(given.status).toBe(200);
    expect(await askToken(there, assertion)).toMatchObject({
      status: 401,
      body: { error: 'invalid_client' },
    });
    const token = String(given.body['access_token']);
    expect((await there.call('GET', '/v1/audit', { token })).status).toBe(200);
    const feed = await fetch(`${there.url}/v1/feed`, { headers: { authorization: `Bearer ${token}` } });
    expect(feed.status).toBe(200);
    const subject = { iss: aud, client_id };
    await here.call('POST', '/v1/signals', { body: { event: 'account-disabled', subject } });
    expect((await there.call('GET', '/v1/audit', { token })).status).toBe(401);
    expect(await feed.text()).toContain('token-ended');
    await Promise.all([here.stop('keep'), there.stop('keep')]);
  });
});
