import { expect, it } from 'vitest';
import { startHub, type Hub } from '../../support/a-hub.ts';
import { onlyOnServer } from '../../support/databases.ts';

onlyOnServer('two nodes', (fixture) => {
  const secrets = { ADMIN_TOKEN: 'a'.repeat(40), SECRETS_KEY: 's'.repeat(40) };
  const start = (): Promise<Hub> =>
    startHub({ DATABASE_URL: String(fixture.options.databaseUrl), ...secrets }, fixture.options.dataDir);

  it('a token revoked at one is refused at the other as soon as it is woken, and its feed there is cut', async () => {
    const [here, there] = [await start(), await start()];
    const made = await here.call('POST', '/v1/tokens', {
      body: { actor: 'w', scopes: ['feed.read', 'audit.read'] },
    });
    const token = String(made.body['token']);
    expect((await there.call('GET', '/v1/audit', { token })).status).toBe(200);
    const feed = await fetch(`${there.url}/v1/feed`, { headers: { authorization: `Bearer ${token}` } });
    expect(feed.status).toBe(200);
    await here.call('DELETE', `/v1/tokens/${String(made.body['id'])}`);
    expect(await feed.text()).toContain('token-ended');
    expect((await there.call('GET', '/v1/audit', { token })).status).toBe(401);
    await Promise.all([here.stop('keep'), there.stop('keep')]);
  });

  it('both chain one audit, and say what the server promises', async () => {
    const [here, there] = [await start(), await start()];
    for (const hub of [here, there, here, there]) {
      await hub.call('POST', '/v1/tokens', { body: { actor: 'x', scopes: ['audit.read'] } });
    }
    const { body } = await there.call('GET', '/readyz', { token: null });
    expect(body).toMatchObject({ ready: true, durability: 'server' });
    await expect
      .poll(async () => (await here.call('GET', '/v1/audit/verify')).body, { timeout: 5_000 })
      .toMatchObject({ intact: true, unchained: 0 });
    await Promise.all([here.stop('keep'), there.stop('keep')]);
  });
});
