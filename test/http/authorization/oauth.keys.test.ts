import { afterAll, beforeAll, expect, it } from 'vitest';
import { accessTokenLifeSeconds } from '../../../src/authorization/access-token-settings.ts';
import { type Hub, startHub } from '../../support/a-hub.ts';
import { onlyOnServer } from '../../support/databases.ts';
import { getToken, makeClient, type MadeClient } from './an-oauth-client.ts';

const rotate = (hub: Hub, body: object = {}) =>
  hub.call('POST', '/v1/keys/rotate', { body: { for: 'access-tokens', ...body } });
const kidOf = (token: string) =>
  (JSON.parse(Buffer.from(String(token.split('.')[0]), 'base64url').toString()) as { kid: string }).kid;
async function published(hub: Hub, path = '/oauth/jwks'): Promise<string[]> {
  const { body } = await hub.call('GET', path, { token: null });
  return (body['keys'] as { kid: string }[]).map(({ kid }) => kid);
}
const statusOf = async (hub: Hub, token: string) =>
  (await hub.call('GET', '/v1/audit?limit=1', { token })).status;

let hub: Hub;
let made: MadeClient;
beforeAll(async () => {
  hub = await startHub();
  made = await makeClient(hub, { client_id: 'soc', scopes: ['audit.read', 'feed.read'] });
});
afterAll(() => hub?.stop());
const aToken = async (of = hub) => (await getToken(of, made)).access_token;

it('a compromised key is gone at once: its tokens are refused, what they opened is cut', async () => {
  const token = await aToken();
  const feed = await fetch(`${hub.url}/v1/feed`, { headers: { authorization: `Bearer ${token}` } });
  expect(feed.status).toBe(200);
  const rotated = await rotate(hub, { compromised: true });
  expect(rotated.body['removed']).toContain(kidOf(token));
  expect(await statusOf(hub, token)).toBe(401);
  expect(await feed.text()).toContain('token-ended');
  expect(await published(hub)).toEqual([rotated.body['kid']]);
  const next = await aToken();
  expect([kidOf(next), await statusOf(hub, next)]).toEqual([rotated.body['kid'], 200]);
});

it('no key signs both SETs and access tokens, and each is listed for what it signs', async () => {
  const [sets, tokens] = [await published(hub, '/jwks.json'), await published(hub)];
  expect(sets.filter((kid) => tokens.includes(kid))).toEqual([]);
  const { body } = await hub.call('GET', '/v1/keys');
  const items = body['items'] as { kid: string; for: string }[];
  expect(items.filter(({ kid }) => sets.includes(kid)).every(({ for: what }) => what === 'sets')).toBe(true);
  expect(items.filter(({ kid }) => tokens.includes(kid))).toMatchObject([{ for: 'access-tokens' }]);
  const wrong = await rotate(hub, { algorithm: 'RS256' });
  expect([wrong.status, wrong.body['errors']]).toMatchObject([400, [{ path: '/algorithm' }]]);
});

it('under another SECRETS_KEY no tokens are given, which /readyz notes, until a new key is made', async () => {
  const first = await startHub();
  const client = await makeClient(first, { client_id: 'soc', scopes: ['audit.read'] });
  await getToken(first, client);
  await first.stop('keep');
  const second = await startHub({ SECRETS_KEY: 'another secret of at least 32 characters' }, first.dataDir);
  const notices = async () => (await second.call('GET', '/readyz', { token: null })).text;
  expect(await notices()).toContain('caep-hub key rotate --for access-tokens --compromised');
  await expect(getToken(second, client)).rejects.toThrow('unexpected HTTP status code');
  expect((await rotate(second)).status).toBe(409);
  expect((await rotate(second, { compromised: true })).status).toBe(201);
  expect(await statusOf(second, (await getToken(second, client)).access_token)).toBe(200);
  await expect.poll(notices, { timeout: 60_000 }).not.toContain('No access tokens are given');
  await second.stop();
});

onlyOnServer('two nodes', (fixture) => {
  const start = () =>
    startHub(
      {
        DATABASE_URL: String(fixture.options.databaseUrl),
        ADMIN_TOKEN: 'a'.repeat(40),
        SECRETS_KEY: 's'.repeat(40),
        PUBLIC_URL: 'https://hub.example',
      },
      fixture.options.dataDir,
    );
  let nodes: readonly [Hub, Hub];
  let secret = '';
  beforeAll(async () => {
    nodes = await Promise.all([start(), start()]);
    secret = String((await makeClient(nodes[0], { client_id: 'soc', scopes: ['audit.read'] })).client_secret);
  });
  afterAll(() => Promise.all(nodes.map((node) => node.stop('keep'))));

  const ask = async (node: Hub) => {
    const answer = await fetch(`${node.url}/oauth/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`soc:${secret}`)}` },
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
    });
    return String(((await answer.json()) as Record<string, unknown>)['access_token']);
  };
  /** As if everything about keys had happened earlier. */
  const letPass = async (ms: number) => {
    await fixture.database.pool.query(
      'UPDATE hub.signing_keys SET published_at_ms = published_at_ms - $1, signs_from_ms = signs_from_ms - $1',
      [ms],
    );
    await Promise.all(nodes.map((node) => node.call('GET', '/v1/keys')));
  };

  it('agree on the first key', async () => {
    const [here, there] = nodes;
    const [one, other] = await Promise.all([ask(here), ask(there)]);
    expect(kidOf(one)).toBe(kidOf(other));
    expect([await statusOf(there, one), await statusOf(here, other)]).toEqual([200, 200]);
  });

  it('publish the next key before it signs, and the old one for as long as a token lives', async () => {
    const [here, there] = nodes;
    const last = await ask(there);
    const rotated = await rotate(here);
    expect([rotated.status, rotated.body]).toMatchObject([201, { for: 'access-tokens', state: 'published' }]);
    expect((await rotate(there)).status).toBe(409);
    const next = String(rotated.body['kid']);
    const overlapMs = Number(rotated.body['signs_from_ms']) - Number(rotated.body['published_at_ms']);
    expect(overlapMs).toBeGreaterThan(accessTokenLifeSeconds * 1_000);
    await expect.poll(() => published(there), { timeout: 60_000 }).toEqual([kidOf(last), next]);
    expect(kidOf(await ask(there))).toBe(kidOf(last));
    await letPass(overlapMs);
    for (const node of nodes) {
      const first = await ask(node);
      expect(kidOf(first)).toBe(next);
      for (const taker of nodes) {
        expect([await statusOf(taker, last), await statusOf(taker, first)]).toEqual([200, 200]);
      }
      expect(await published(node)).toEqual([kidOf(last), next]);
    }
  });

  it('hear of a compromised one', async () => {
    const [here, there] = nodes;
    const token = await ask(there);
    expect((await rotate(here, { compromised: true })).status).toBe(201);
    expect(await statusOf(here, token)).toBe(401);
    await expect.poll(() => statusOf(there, token), { timeout: 60_000 }).toBe(401);
    await expect.poll(async () => statusOf(here, await ask(there)), { timeout: 60_000 }).toBe(200);
  });
});
