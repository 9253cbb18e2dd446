import { importJWK, type JWK } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startHub, type Hub } from '../../support/a-hub.ts';

let hub: Hub;
beforeAll(async () => {
  hub = await startHub();
});
afterAll(() => hub.stop());

const nobody = { token: null };
const getJwks = (headers: Record<string, string> = {}) =>
  hub.call('GET', '/jwks.json', { ...nobody, headers });
const kidsServed = async () =>
  ((await getJwks()).body['keys'] as readonly { readonly kid: string }[]).map(({ kid }) => kid);
const rotate = (body: object) => hub.call('POST', '/v1/keys/rotate', { body });
async function tokenOf(scope: string): Promise<string> {
  const made = await hub.call('POST', '/v1/tokens', { body: { actor: scope, scopes: [scope] } });
  return String(made.body['token']);
}

describe('GET /jwks.json', () => {
  it('200: public keys, to be kept for 300 s, right after the first start', async () => {
    const answer = await getJwks();
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('application/jwk-set+json');
    expect(answer.headers.get('cache-control')).toBe('public, max-age=300');
    expect(answer.body).toMatchObject({ keys: [{ kty: 'RSA', alg: 'RS256', use: 'sig' }] });
  });

  it('304: the tag stands for exactly these keys', async () => {
    const etag = String((await getJwks()).headers.get('etag'));
    const same = await getJwks({ 'if-none-match': etag });
    expect([same.status, same.text, same.headers.get('etag')]).toEqual([304, '', etag]);
    expect(same.headers.get('cache-control')).toBe('public, max-age=300');
    await rotate({ algorithm: 'EdDSA' });
    const other = await getJwks({ 'if-none-match': etag });
    expect([other.status, other.headers.get('etag') === etag]).toEqual([200, false]);
  });

  it('RFC 7517 §4, §5: no member is private, each kid is there once, and others read every key', async () => {
    for (const algorithm of ['RS256', 'ES256', 'EdDSA']) await rotate({ algorithm });
    const keys = (await getJwks()).body['keys'] as readonly JWK[];
    const members = new Set(keys.flatMap((key) => Object.keys(key)));
    const publicMembers = ['alg', 'crv', 'e', 'kid', 'kty', 'n', 'use', 'x', 'y'];
    expect([...members].sort()).toEqual(publicMembers);
    expect(new Set(keys.map(({ kid }) => kid)).size).toBe(keys.length);
    expect(new Set(keys.map(({ alg }) => alg))).toEqual(new Set(['RS256', 'ES256', 'EdDSA']));
    await Promise.all(keys.map((key) => importJWK(key)));
  });
});

describe('GET /v1/keys', () => {
  it('200: each key with what it does now, and no secret', async () => {
    const answer = await hub.call('GET', '/v1/keys', { token: await tokenOf('keys.write') });
    expect(answer.status).toBe(200);
    const items = answer.body['items'] as readonly { readonly algorithm: string; readonly state: string }[];
    const states = items.filter(({ algorithm }) => algorithm === 'RS256').map(({ state }) => state);
    expect(states).toEqual(['signing', 'published']);
    expect(answer.text).not.toMatch(/private|PRIVATE|sealed/);
  });

  it('401, 403: for nobody else', async () => {
    expect((await hub.call('GET', '/v1/keys', nobody)).status).toBe(401);
    const token = await tokenOf('ssf.manage');
    expect((await hub.call('GET', '/v1/keys', { token })).status).toBe(403);
    const body = { algorithm: 'ES256', compromised: true };
    expect((await hub.call('POST', '/v1/keys/rotate', { token, body })).status).toBe(403);
  });
});

describe('POST /v1/keys/rotate', () => {
  it('409: the next key is published already', async () => {
    const answer = await rotate({ algorithm: 'RS256' });
    expect([answer.status, answer.body['code']]).toEqual([409, 'conflict']);
    expect(answer.body['hint']).toContain('compromised');
  });

  it('201: a compromised key is gone with the answer, and the audit says by whom', async () => {
    const before = await kidsServed();
    const answer = await rotate({ algorithm: 'ES256', compromised: true });
    expect([answer.status, answer.body['state']]).toEqual([201, 'signing']);
    const removed = answer.body['removed'] as readonly string[];
    expect(removed.length).toBeGreaterThan(0);
    const after = await kidsServed();
    expect(before.filter((kid) => !after.includes(kid)).sort()).toEqual([...removed].sort());
    expect(after).toContain(answer.body['kid']);
    const audit = await hub.call('GET', `/v1/audit?action=key.removed`);
    expect(audit.body['items']).toMatchObject([{ actor: 'admin', target: removed[0], outcome: 'done' }]);
  });

  it.each([
    [{}, '/algorithm'],
    [{ algorithm: 'HS256' }, '/algorithm'],
    [{ algorithm: 'none' }, '/algorithm'],
    [{ algorithm: 'ES256', force: true }, '/force'],
  ])('400: %j', async (body, path) => {
    const answer = await rotate(body);
    expect([answer.status, answer.body['errors']]).toMatchObject([400, [{ path }]]);
  });
});

it('another SECRETS_KEY: the hub says in /readyz that nothing is signed, and new keys mend it', async () => {
  const first = await startHub();
  const { kid } = ((await first.call('GET', '/jwks.json', nobody)).body['keys'] as { kid: string }[])[0]!;
  await first.stop('keep');
  const second = await startHub({ SECRETS_KEY: 'another secret of at least 32 characters' }, first.dataDir);
  const ready = () => second.call('GET', '/readyz', nobody);
  const { status, body } = await ready();
  expect([status, body['reasons']]).toEqual([
    503,
    [expect.stringMatching(new RegExp(`"signing-key ${kid}" does not open with this SECRETS_KEY`))],
  ]);
  expect((await second.call('POST', '/v1/keys/rotate', { body: { algorithm: 'RS256' } })).status).toBe(409);
  const mended = await second.call('POST', '/v1/keys/rotate', {
    body: { algorithm: 'RS256', compromised: true },
  });
  expect(mended.body).toMatchObject({ removed: [kid] });
  await expect.poll(async () => (await ready()).status, { timeout: 5_000 }).toBe(200);
  await second.stop();
});
