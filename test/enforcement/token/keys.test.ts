import { generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keySetCooldownMs, keySetFreshMs, keySetStaleMaxMs } from '../../../src/enforcement/jwks.ts';
import { fetchKeySet, metadataUris } from '../../../src/enforcement/jwks-fetch.ts';
import { createTokenVerifier } from '../../../src/enforcement/token.ts';
import { keepCollecting } from '../../support/collect-garbage.ts';
import { type AnIssuer, aSigningKey, anIssuer, audience } from './an-issuer.ts';

let issuer: AnIssuer;
beforeEach(async () => {
  issuer = await anIssuer();
});
afterEach(() => issuer.close());

/** A verifier whose monotonic clock is set by hand. */
function aVerifier() {
  const time = { passedMs: 0 };
  const troubles: unknown[] = [];
  const verifier = createTokenVerifier({
    audience,
    clock: { nowMs: () => Date.now(), monotonicMs: () => time.passedMs },
    onTrouble: (_, cause) => troubles.push(cause),
  });
  verifier.accept([issuer.settings()]);
  return { verifier, time, troubles };
}

describe('keys of an issuer rotate without a restart', () => {
  it('an unknown kid fetches the key set again, and the token passes', async () => {
    const { verifier, time } = aVerifier();
    await verifier.verify(await issuer.token());
    const next = await aSigningKey('next');
    issuer.serve([issuer.key, next]);
    time.passedMs += keySetCooldownMs;
    expect(await verifier.verify(await issuer.token({}, {}, next))).toMatchObject({ kind: 'verified' });
    expect(issuer.fetches()).toBe(2);
  });

  it('unknown kids cause one fetch per cooldown, however many come', async () => {
    const { verifier, time } = aVerifier();
    const junk = async () => verifier.verify(await issuer.token({}, { kid: `junk-${Math.random()}` }));
    await Promise.all(Array.from({ length: 50 }, junk));
    expect(issuer.fetches()).toBe(1);
    time.passedMs += keySetCooldownMs;
    await Promise.all(Array.from({ length: 50 }, junk));
    expect(issuer.fetches()).toBe(2);
  });

  it('all who come while keys are fetched wait for the same answer', async () => {
    const { verifier } = aVerifier();
    const tokens = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => issuer.token({ jti: `t${index}` })),
    );
    const outcomes = await Promise.all(tokens.map(async (token) => verifier.verify(token)));
    expect(outcomes.map(({ kind }) => kind)).toEqual(Array(20).fill('verified'));
    expect(issuer.fetches()).toBe(1);
  });

  it('a token verified while the settings of its issuer change is not remembered under the old ones', async () => {
    const { verifier } = aVerifier();
    const compact = await issuer.token();
    const pending = verifier.verify(compact);
    verifier.accept([issuer.settings({ max_token_life: 60 })]);
    expect(await pending).toMatchObject({ code: 'invalid-token' });
    expect(await verifier.verify(compact)).toMatchObject({ code: 'invalid-token' });
  });

  it('a token whose issuer is dropped, or whose time is up, while its keys are fetched is refused', async () => {
    let nowMs = Date.now();
    const clock = { nowMs: () => nowMs, monotonicMs: () => 0 };
    const verifier = createTokenVerifier({ audience, clock, onTrouble: () => undefined });
    const dropped = async (change: () => void) => {
      verifier.accept([issuer.settings()]);
      const pending = verifier.verify(await issuer.token());
      change();
      return pending;
    };
    expect(
      await dropped(() => verifier.accept([{ ...issuer.settings(), url: 'https://other.example' }])),
    ).toMatchObject({ code: 'unknown-issuer' });
    expect(await dropped(() => (nowMs += 900_000))).toMatchObject({ code: 'expired-token' });
  });

  it('a token remembered as verified dies with its key', async () => {
    const { verifier, time } = aVerifier();
    const compact = await issuer.token();
    expect(await verifier.verify(compact)).toMatchObject({ kind: 'verified' });
    issuer.serve([await aSigningKey('next')]);
    time.passedMs += keySetFreshMs + 1;
    await verifier.verify(compact);
    await expect.poll(() => verifier.verify(compact)).toMatchObject({ code: 'invalid-token' });
  });
});

describe('an issuer that does not answer', () => {
  const away = { status: 500, body: 'no' };

  it('at the first token: 503, because that says nothing about the token', async () => {
    const { verifier, troubles } = aVerifier();
    issuer.answer(away);
    expect(await verifier.verify(await issuer.token())).toMatchObject({ code: 'keys-unavailable' });
    expect(troubles).toHaveLength(1);
  });

  it('is asked again after the cooldown, not before', async () => {
    const { verifier, time } = aVerifier();
    issuer.answer(away);
    await verifier.verify(await issuer.token());
    issuer.answer(undefined);
    expect(await verifier.verify(await issuer.token())).toMatchObject({ code: 'keys-unavailable' });
    time.passedMs += keySetCooldownMs;
    expect(await verifier.verify(await issuer.token())).toMatchObject({ kind: 'verified' });
  });

  it('keeps its last key set for an hour and no longer, for remembered tokens too', async () => {
    const { verifier, time } = aVerifier();
    const compact = await issuer.token();
    await verifier.verify(compact);
    issuer.answer(away);
    time.passedMs += keySetStaleMaxMs;
    expect(await verifier.verify(compact)).toMatchObject({ kind: 'verified' });
    expect(await verifier.verify(await issuer.token({ jti: 'other' }))).toMatchObject({ kind: 'verified' });
    time.passedMs += keySetCooldownMs;
    expect(await verifier.verify(compact)).toMatchObject({ code: 'keys-unavailable' });
  });

  it('during a rotation: a kid it cannot be asked about is 503, not 401', async () => {
    const { verifier, time } = aVerifier();
    await verifier.verify(await issuer.token());
    issuer.answer(away);
    time.passedMs += keySetCooldownMs;
    const outcome = await verifier.verify(await issuer.token({}, {}, await aSigningKey('next')));
    expect(outcome).toMatchObject({ code: 'keys-unavailable' });
  });
});

describe('what a key set may hold', () => {
  const outcomeWith = async (jwk: object) => {
    issuer.serve([jwk]);
    return aVerifier().verifier.verify(await issuer.token());
  };

  it.each([
    ['for encryption', () => ({ ...issuer.key.publicJwk, use: 'enc' })],
    ['for other operations', () => ({ ...issuer.key.publicJwk, key_ops: ['encrypt'] })],
    ['for another algorithm', () => ({ ...issuer.key.publicJwk, alg: 'ES384' })],
    [
      'that shows its private part',
      () => ({ ...issuer.key.privateKey.export({ format: 'jwk' }), kid: 'first' }),
    ],
    ['off the curve', () => ({ ...issuer.key.publicJwk, x: 'AAAA' })],
    ['that is a secret', () => ({ kty: 'oct', k: 'AAAA', kid: 'first' })],
  ])('a key %s verifies nothing', async (_, jwk) => {
    expect(await outcomeWith(jwk())).toMatchObject({ code: 'invalid-token' });
  });

  it('an RSA key of 1024 bits verifies nothing', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 1_024 });
    const publicJwk = { ...publicKey.export({ format: 'jwk' }), kid: 'weak' };
    issuer.serve([publicJwk]);
    const signed = await issuer.token();
    const [, payload] = signed.split('.');
    const header = Buffer.from(JSON.stringify({ typ: 'at+jwt', alg: 'RS256', kid: 'weak' })).toString(
      'base64url',
    );
    const signature = sign('sha256', Buffer.from(`${header}.${payload}`), privateKey).toString('base64url');
    expect(await aVerifier().verifier.verify(`${header}.${payload}.${signature}`)).toMatchObject({
      code: 'invalid-token',
    });
  });

  it('a key that is listed twice is one, and stays good when it is listed once again', async () => {
    issuer.serve([issuer.key, issuer.key]);
    const { verifier, time } = aVerifier();
    const [compact, other] = await Promise.all([issuer.token(), issuer.token({}, { kid: undefined })]);
    expect(await verifier.verify(compact)).toMatchObject({ kind: 'verified' });
    expect(await verifier.verify(other)).toMatchObject({ kind: 'verified' });
    issuer.serve([issuer.key]);
    time.passedMs += keySetFreshMs + 1;
    await verifier.verify(compact);
    await expect.poll(() => issuer.fetches()).toBe(2);
    expect(await verifier.verify(compact)).toMatchObject({ kind: 'verified' });
  });

  it('a token without kid passes when one key fits, and is refused when several do', async () => {
    const { verifier } = aVerifier();
    expect(await verifier.verify(await issuer.token({}, { kid: undefined }))).toMatchObject({
      kind: 'verified',
    });
    issuer.serve([issuer.key, await aSigningKey('second')]);
    const other = aVerifier().verifier;
    expect(await other.verify(await issuer.token({}, { kid: undefined }))).toMatchObject({
      code: 'invalid-token',
    });
  });
});

describe('fetching keys', () => {
  it('RFC 8414 §3.1: the well-known part stands before the path, then OpenID Connect is tried', () => {
    expect(metadataUris('https://login.example/tenant/')).toEqual([
      'https://login.example/.well-known/oauth-authorization-server/tenant',
      'https://login.example/tenant/.well-known/openid-configuration',
    ]);
  });

  it('RFC 8414 §3.3: metadata of another issuer is not used', async () => {
    await expect(fetchKeySet({ url: `${issuer.url}/` })).rejects.toThrow('no metadata');
    expect(issuer.fetches()).toBe(0);
  });

  it('plain http is for this machine only', async () => {
    const source = { url: issuer.url, jwks_uri: 'http://keys.example/jwks' };
    await expect(fetchKeySet(source)).rejects.toThrow('neither https nor on this machine');
  });

  it.each([
    ['a redirect', 'fetch failed', { status: 302, body: '', headers: { location: '/tenant/jwks?again' } }],
    [
      'an answer without end',
      'is larger than',
      { status: 200, body: `{"keys":[],"x":"${'x'.repeat(300_000)}"}` },
    ],
    ['no JSON', 'not valid JSON', { status: 200, body: '<html>' }],
    ['no key set', 'is not a JWK Set', { status: 200, body: '{"keys":{}}' }],
    [
      'too many keys',
      'lists more than',
      { status: 200, body: JSON.stringify({ keys: Array.from({ length: 101 }, () => ({})) }) },
    ],
  ])('%s is refused', async (_, says, answer) => {
    issuer.answer(answer);
    await expect(fetchKeySet({ url: issuer.url })).rejects.toThrow(says);
  });

  it('an answer that stops after its head, though memory is collected meanwhile', async () => {
    const stalled = createServer((_, response) => void response.writeHead(200).write('{')).listen(
      0,
      '127.0.0.1',
    );
    await once(stalled, 'listening');
    const { port } = stalled.address() as AddressInfo;
    const stopCollecting = keepCollecting();
    const fetched = fetchKeySet({ url: issuer.url, jwks_uri: `http://127.0.0.1:${port}/` });
    await expect(fetched).rejects.toMatchObject({ name: 'AbortError' });
    stopCollecting();
    stalled.closeAllConnections();
    stalled.close();
  }, 30_000);
});
