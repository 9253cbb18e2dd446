import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startHub, type Hub } from '../../support/a-hub.ts';
import { anAssertionKey } from './an-oauth-client.ts';

let hub: Hub;
beforeAll(async () => {
  hub = await startHub();
});
afterAll(() => hub.stop());

const make = (body: object, token?: string) =>
  hub.call('POST', '/v1/clients', { body, ...(token === undefined ? {} : { token }) });

const scopes = ['ssf.read'];
const weakRsa = generateKeyPairSync('rsa', { modulusLength: 1_024 }).publicKey.export({ format: 'jwk' });
const privateEc = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });

describe('POST /v1/clients', () => {
  it('201: shows the secret once, and where to take it', async () => {
    const made = await make({ client_id: 'receiver', scopes, description: 'a receiver' });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({
      client_id: 'receiver',
      auth_method: 'client_secret_basic',
      dpop_bound: false,
      source: 'receiver',
      issuer: `${hub.issuer}/oauth`,
      token_endpoint: `${hub.issuer}/oauth/token`,
    });
    const secret = String(made.body['client_secret']);
    for (const path of ['/v1/clients/receiver', '/v1/clients', '/v1/audit']) {
      const seen = await hub.call('GET', path);
      expect(seen.text).toContain('receiver');
      expect(seen.text).not.toContain(secret);
    }
  });

  it('201: of a key it keeps what is public and known', async () => {
    const { jwk } = anAssertionKey('k1');
    const keys = [{ ...jwk, x5u: 'https://elsewhere.example' }];
    const made = await make({ client_id: 'by-key', scopes, auth_method: 'private_key_jwt', jwks: { keys } });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({ jwks: { keys: [jwk] } });
    expect(made.text).not.toContain('x5u');
    expect(made.body).not.toHaveProperty('client_secret');
  });

  it.each([
    ['no scopes', { client_id: 'a', scopes: [] }, '/scopes'],
    ['the scope of points', { client_id: 'a', scopes: ['point'] }, '/scopes'],
    ['an unknown scope', { client_id: 'a', scopes: ['root'] }, '/scopes/0'],
    ['a bad name', { client_id: 'a b', scopes }, '/client_id'],
    ['a bad source', { client_id: 'a', scopes, source: '../x' }, '/source'],
    ['an unknown method', { client_id: 'a', scopes, auth_method: 'none' }, '/auth_method'],
    ['keys without their method', { client_id: 'a', scopes, jwks: { keys: [{ kty: 'EC' }] } }, '/jwks'],
    ['the method without keys', { client_id: 'a', scopes, auth_method: 'private_key_jwt' }, '/jwks'],
    ['a private key', byKey(privateEc), '/jwks/keys/0'],
    ['a weak key', byKey(weakRsa), '/jwks/keys/0'],
    ['a shared key', byKey({ kty: 'oct', k: 'c2VjcmV0' }), '/jwks/keys/0'],
  ])('400: %s', async (_name, body, path) => {
    const answer = await make(body);
    expect(answer.status).toBe(400);
    expect(answer.body).toMatchObject({
      code: 'invalid-request',
      errors: expect.arrayContaining([expect.objectContaining({ path })]),
    });
  });

  it('403: who is no admin makes none', async () => {
    const { body } = await hub.call('POST', '/v1/tokens', { body: { actor: 'x', scopes: ['audit.read'] } });
    expect((await make({ client_id: 'mine', scopes }, String(body['token']))).status).toBe(403);
  });

  it('409: a name that is or was taken', async () => {
    await make({ client_id: 'taken', scopes });
    expect((await make({ client_id: 'taken', scopes })).status).toBe(409);
    expect((await hub.call('DELETE', '/v1/clients/taken')).status).toBe(204);
    expect((await make({ client_id: 'taken', scopes })).status).toBe(409);
  });
});

function byKey(key: object): object {
  return { client_id: 'a', scopes, auth_method: 'private_key_jwt', jwks: { keys: [key] } };
}

describe('GET and DELETE /v1/clients', () => {
  it('204: revoked clients stay to be seen', async () => {
    await make({ client_id: 'gone', scopes });
    expect((await hub.call('DELETE', '/v1/clients/gone')).status).toBe(204);
    expect((await hub.call('DELETE', '/v1/clients/gone')).status).toBe(204);
    expect((await hub.call('GET', '/v1/clients/gone')).body).toHaveProperty('revoked_at_ms');
  });

  it('404: a client that is not there', async () => {
    expect((await hub.call('GET', '/v1/clients/none')).status).toBe(404);
    expect((await hub.call('DELETE', '/v1/clients/none')).status).toBe(404);
  });

  it('200: pages through all, each once', async () => {
    const ids: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const path: string = `/v1/clients?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`;
      const { body } = await hub.call('GET', path);
      for (const { client_id } of body['items'] as { client_id: string }[]) ids.push(client_id);
      cursor = body['next_cursor'] as string | null;
    }
    expect(ids).toContain('gone');
    expect(new Set(ids).size).toBe(ids.length);
  });
});
