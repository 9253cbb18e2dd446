import { createHash } from 'node:crypto';
import { SignJWT, exportJWK } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/adapters/system/clock.ts';
import { startHub, type Hub } from '../../support/a-hub.ts';
import { aDpopKey, callBound, getToken, makeClient, type MadeClient } from './an-oauth-client.ts';

let hub: Hub;
let aheadMs = 0;
beforeAll(async () => {
  hub = await startHub({}, undefined, { ...systemClock, nowMs: () => Date.now() + aheadMs });
});
afterAll(() => hub.stop());

const scopes = ['feed.read', 'signals.read', 'audit.read'];
let names = 0;
const make = (body: object = {}): Promise<MadeClient> =>
  makeClient(hub, { client_id: `caller-${++names}`, scopes, ...body });

async function aToken(made: MadeClient, scope?: string): Promise<string> {
  return (await getToken(hub, made, scope === undefined ? {} : { scope })).access_token;
}

const audit = (token: string) => hub.call('GET', '/v1/audit', { token });

async function openFeed(token: string, query = '') {
  const response = await fetch(`${hub.url}/v1/feed${query}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  return { status: response.status, ended: response.text() };
}

async function kill(subject: object): Promise<void> {
  const said = await hub.call('POST', '/v1/signals', { body: { event: 'account-disabled', subject } });
  expect(said.body).toMatchObject({ decision: { outcome: 'applied' } });
}

const issuer = () => `${hub.issuer}/oauth`;
const goesOn = (feed: { ended: Promise<string> }) => Promise.race([feed.ended, Promise.resolve('goes on')]);

describe('RFC 6750 §3.1: an access token does what its scope says', () => {
  it('403 with the scope in the challenge, for both schemes', async () => {
    const made = await make();
    const token = await aToken(made, 'signals.read');
    const refused = await audit(token);
    expect(refused.status).toBe(403);
    expect(refused.body).toMatchObject({ code: 'insufficient-scope', scope: 'audit.read' });
    expect(refused.headers.get('www-authenticate')).toMatch(
      /^Bearer realm="caep-hub", error="insufficient_scope", scope="[a-z. ]+", resource_metadata="[^"]+", DPoP realm="caep-hub", algs=/,
    );
  });

  it('its caller is the client, with a source of its own', async () => {
    const made = await make({ scopes: ['signals.write'] });
    const token = await aToken(made);
    const said = await hub.call('POST', '/v1/signals', {
      token,
      body: { event: 'session-revoked', subject: { iss: 'https://idp.example', sub: 'someone' } },
    });
    expect(said.status).toBe(202);
    const { text } = await hub.call('GET', '/v1/audit');
    expect(text).toContain(`"client:${made.client_id}"`);
    expect((await hub.call('GET', `/v1/sources/${made.client_id}`)).status).toBe(200);
  });
});

describe('what lives longer than an access token', () => {
  it('403: is not made with one, and the answer says so; an administrator makes it', async () => {
    const token = await aToken(await make({ scopes: ['points.write'] }));
    for (const [path, body] of [
      ['/v1/points', { name: 'edge-of-client', expect: 1 }],
      ['/v1/tokens', { actor: 'edge-of-client', scopes: ['point'], point: 'edge-of-client' }],
    ] as const) {
      const refused = await hub.call('POST', path, { token, body });
      expect([refused.status, refused.body]).toMatchObject([
        403,
        { code: 'insufficient-scope', scope: 'admin', detail: expect.stringContaining('outlive') },
      ]);
    }
    expect((await hub.call('GET', '/v1/points')).text).not.toContain('edge-of-client');
    const admin = await aToken(await make({ scopes: ['admin'] }));
    const body = { actor: 'robot', scopes: ['signals.write'] };
    expect((await hub.call('POST', '/v1/tokens', { token: admin, body })).status).toBe(201);
  });
});

describe('RFC 9068 §4: what is no token of ours', () => {
  it('401: signed by somebody else, though it says the same', async () => {
    const made = await make();
    const real = await aToken(made);
    const [header, payload, signature = ''] = real.split('.');
    const flipped = `${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
    const forged = await audit(`${header}.${payload}.${flipped}`);
    expect([forged.status, forged.body['code']]).toEqual([401, 'unauthenticated']);
    expect(forged.headers.get('www-authenticate')).toContain('Bearer error="invalid_token"');
    expect((await audit(`${header}.${payload}.`)).status).toBe(401);
    expect((await audit('eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0.')).status).toBe(401);
  });

  it('400 when there is a second token in the query, 401 when there is no other', async () => {
    const token = await aToken(await make());
    expect((await hub.call('GET', `/v1/audit?access_token=${token}`, { token })).status).toBe(400);
    const alone = await hub.call('GET', `/v1/audit?access_token=${token}`, { token: null });
    expect(alone.status).toBe(401);
  });
});

describe('CAEP interoperability §2.7.3: the revocation status of a token', () => {
  it('a kill that names the client is felt by the next call, and cuts its feed and its long poll', async () => {
    const [killed, other] = [await make(), await make()];
    const [token, others] = [await aToken(killed), await aToken(other)];
    expect((await audit(token)).status).toBe(200);
    const feeds = [await openFeed(token), await openFeed(others)] as const;
    const poll = openFeed(token, '?wait=changes&timeout_ms=20000');
    expect(feeds.map(({ status }) => status)).toEqual([200, 200]);
    await kill({ iss: issuer(), client_id: killed.client_id });
    const refused = await audit(token);
    expect(refused.status).toBe(401);
    expect(refused.body).toMatchObject({ reason: 'revoked' });
    expect(await feeds[0].ended).toContain('token-ended');
    await (await poll).ended;
    expect((await audit(others)).status).toBe(200);
    expect(await goesOn(feeds[1])).toBe('goes on');
    await hub.call('DELETE', `/v1/clients/${other.client_id}`);
    await feeds[1].ended;
  });

  it('so is one that names its key, or the one token', async () => {
    const { handle, jkt } = await aDpopKey();
    const { access_token: bound } = await getToken(hub, await make(), { dpop: handle });
    expect(await callBound(hub, '/v1/audit', bound, handle)).toBe(200);
    await kill({ jkt });
    expect(await callBound(hub, '/v1/audit', bound, handle)).toMatchObject({ status: 401 });
    const made = await make();
    const [one, next] = [await aToken(made), await aToken(made)];
    const { jti } = JSON.parse(Buffer.from(String(one.split('.')[1]), 'base64url').toString()) as {
      jti: string;
    };
    await kill({ iss: issuer(), jti });
    expect([(await audit(one)).status, (await audit(next)).status]).toEqual([401, 200]);
  });

  it('a client that is revoked: its tokens are refused at once, and its feed is cut', async () => {
    const made = await make();
    const token = await aToken(made);
    const feed = await openFeed(token);
    expect(feed.status).toBe(200);
    await hub.call('DELETE', `/v1/clients/${made.client_id}`);
    expect(await feed.ended).toContain('token-ended');
    const refused = await audit(token);
    expect([refused.status, refused.body['reason']]).toEqual([401, 'revoked']);
  });

  it('and one that expired, with its feed', async () => {
    const token = await aToken(await make());
    const feed = await openFeed(token);
    expect(feed.status).toBe(200);
    aheadMs = 601_000;
    const refused = await audit(token);
    expect([refused.status, refused.body['reason']]).toEqual([401, 'expired-token']);
    expect(await feed.ended).toContain('token-ended');
    aheadMs = 0;
  });
});

describe('RFC 9449 §11.1: a proof', () => {
  it('is good once', async () => {
    const { handle, pair } = await aDpopKey();
    const { access_token: token } = await getToken(hub, await make(), { dpop: handle });
    const proof = await new SignJWT({
      jti: 'once',
      htm: 'GET',
      htu: `${hub.issuer}/v1/audit`,
      ath: createHash('sha256').update(token).digest('base64url'),
    })
      .setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk: await exportJWK(pair.publicKey) })
      .setIssuedAt()
      .sign(pair.privateKey);
    const headers = { authorization: `DPoP ${token}`, dpop: proof };
    const ask = () => hub.call('GET', '/v1/audit', { token: null, headers });
    expect((await ask()).status).toBe(200);
    const again = await ask();
    expect([again.status, again.body['reason']]).toEqual([401, 'proof-replayed']);
    const elsewhere = await hub.call('GET', '/v1/tokens', { token: null, headers });
    expect([elsewhere.status, elsewhere.body['reason']]).toEqual([401, 'invalid-proof']);
  });
});
