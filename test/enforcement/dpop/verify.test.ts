import { createHash, type webcrypto } from 'node:crypto';
import { calculateThumbprint, generateProof } from 'dpop';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/enforcement/clock.ts';
import { createProofVerifier, type ProofRequest } from '../../../src/enforcement/dpop.ts';
import {
  proofAgeMaxSeconds,
  proofAheadMaxSeconds,
  proofClaimRules,
  proofHeaderRules,
} from '../../../src/enforcement/dpop-rules.ts';
import { createNonces } from '../../../src/enforcement/nonce.ts';
import { type AClient, aClient, clientAlgorithms } from './a-client.ts';

const origin = 'https://api.example';
const url = `${origin}/charges`;
const token = 'the.access.token';
const ath = (text: string) => createHash('sha256').update(text).digest('base64url');
const now = () => Math.floor(Date.now() / 1_000);

function aVerifier(more: { readonly proofsMax?: number } = {}) {
  const nonces = createNonces({ clock: systemClock });
  return { ...createProofVerifier({ origin, clock: systemClock, nonces, ...more }), nonces };
}

const aRequest = (
  client: Pick<AClient, 'jkt'>,
  fields: readonly string[],
  more: Partial<ProofRequest> = {},
): ProofRequest => ({
  fields,
  method: 'GET',
  target: '/charges?page=2',
  jkt: client.jkt,
  tokenSha256: ath(token),
  nonceRequired: false,
  ...more,
});

describe('RFC 9449 §4.3: a good proof is accepted', () => {
  it.each(clientAlgorithms)('signed with %s', async (alg) => {
    const client = await aClient(alg);
    const { verify } = aVerifier();
    expect(verify(aRequest(client, [await client.proof({ url, token })]))).toEqual({
      kind: 'proof',
      nonceAge: undefined,
    });
    expect(verify(aRequest(client, [await client.proof({ url, token })]))).toEqual({
      kind: 'proof',
      nonceAge: undefined,
    });
  });

  it.each(['ES256', 'RS256', 'PS256', 'Ed25519'] as const)(
    'made by the dpop package with %s',
    async (alg) => {
      const { privateKey, publicKey } = (await crypto.subtle.generateKey(keyParameters[alg], false, [
        'sign',
        'verify',
      ])) as webcrypto.CryptoKeyPair;
      const proof = await generateProof({ privateKey, publicKey }, url, 'GET', undefined, token);
      const jkt = await calculateThumbprint(publicKey);
      expect(aVerifier().verify(aRequest({ jkt }, [proof]))).toEqual({ kind: 'proof', nonceAge: undefined });
    },
  );
});

const keyParameters = {
  ES256: { name: 'ECDSA', namedCurve: 'P-256' },
  Ed25519: { name: 'Ed25519' },
  RS256: {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    modulusLength: 2_048,
    publicExponent: new Uint8Array([1, 0, 1]),
  },
  PS256: {
    name: 'RSA-PSS',
    hash: 'SHA-256',
    modulusLength: 2_048,
    publicExponent: new Uint8Array([1, 0, 1]),
  },
};

type BadProof = {
  readonly what: string;
  readonly claims?: object;
  readonly header?: object;
  readonly fields?: (proof: string) => readonly string[];
  readonly request?: Partial<ProofRequest>;
};

const badProofs: readonly BadProof[] = [
  { what: '(1) none', fields: () => [] },
  { what: '(1) two header fields', fields: (proof) => [proof, proof] },
  { what: '(1) two joined by a comma', fields: (proof) => [`${proof}, ${proof}`] },
  { what: '(2) no JWT', fields: () => ['opaque'] },
  { what: '(2) five parts', fields: (proof) => [`${proof}.x.y`] },
  { what: '(2) over 4 kB', claims: { x: 'x'.repeat(4_000) } },
  { what: '(3) no jti', claims: { jti: undefined } },
  { what: '(3) an endless jti', claims: { jti: 'x'.repeat(257) } },
  { what: '(3) no htm', claims: { htm: undefined } },
  { what: '(3) no htu', claims: { htu: undefined } },
  { what: '(3) no iat', claims: { iat: undefined } },
  { what: '(3) no ath', claims: { ath: undefined } },
  { what: '(3) a nonce that is no text', claims: { nonce: 7 } },
  { what: '(3) no key', header: { jwk: undefined } },
  { what: '(4) another typ', header: { typ: 'JWT' } },
  { what: '(4) an access token', header: { typ: 'at+jwt' } },
  { what: '(5) no algorithm of ours', fields: (proof) => [withHeader(proof, { alg: 'none' })] },
  { what: '(5) HMAC', fields: (proof) => [withHeader(proof, { alg: 'HS256' })] },
  {
    what: '(5) an algorithm of another kind of key',
    fields: (proof) => [withHeader(proof, { alg: 'RS256' })],
  },
  { what: '(6) a changed header', fields: (proof) => [withHeader(proof, { extra: 1 })] },
  { what: '(6) a changed payload', fields: (proof) => [withPayload(proof, { jti: 'other' })] },
  { what: '(6) a cut signature', fields: (proof) => [proof.slice(0, -4)] },
  { what: '(7) a private key', header: { jwk: { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA', d: 'AA' } } },
  { what: '(8) another method', claims: { htm: 'POST' } },
  { what: '(8) the method in other case', claims: { htm: 'get' } },
  { what: '(9) another path', claims: { htu: `${origin}/refunds` } },
  { what: '(9) another host', claims: { htu: 'https://evil.example/charges' } },
  { what: '(9) another port', claims: { htu: 'https://api.example:8443/charges' } },
  { what: '(9) user information', claims: { htu: 'https://user@api.example/charges' } },
  { what: '(9) where dots of the target lead', request: { target: '/public/../charges' } },
  { what: '(9) where encoded dots lead', request: { target: '/public/%2e%2E/charges?page=2' } },
  { what: '(9) an encoded slash', claims: { htu: `${origin}%2Fcharges` } },
  { what: '(11) too old', claims: { iat: now() - proofAgeMaxSeconds - 5 } },
  { what: '(11) too far ahead', claims: { iat: now() + proofAheadMaxSeconds + 20 } },
  { what: '(11) an iat beyond numbers', claims: { iat: 1e308 } },
  { what: '(12) for another token', claims: { ath: ath('another token') } },
  { what: 'a crit extension', header: { crit: ['urn:example:unknown'], 'urn:example:unknown': 1 } },
];

function withHeader(proof: string, more: object): string {
  const [header = '', payload, signature] = proof.split('.');
  const before = JSON.parse(Buffer.from(header, 'base64url').toString()) as object;
  return `${Buffer.from(JSON.stringify({ ...before, ...more })).toString('base64url')}.${payload}.${signature}`;
}

function withPayload(proof: string, more: object): string {
  const [header, payload = '', signature] = proof.split('.');
  const before = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object;
  return `${header}.${Buffer.from(JSON.stringify({ ...before, ...more })).toString('base64url')}.${signature}`;
}

async function outcomeOf({ claims, header, fields = (proof) => [proof], request }: BadProof) {
  const client = await aClient();
  const proof = await client.proof({ url, token }, claims, header);
  return aVerifier().verify(aRequest(client, fields(proof), request));
}

it('RFC 9449 §4.3 (9): a target with dots is what it is written as', async () => {
  const client = await aClient();
  const proof = await client.proof({ url: `${origin}/public/../charges`, token });
  for (const target of ['/public/../charges?page=2', '/charges']) {
    expect(aVerifier().verify(aRequest(client, [proof], { target }))).toMatchObject({ kind: 'proof' });
  }
});

describe('RFC 9449 §4.3: a bad proof is refused', () => {
  it.each(badProofs)('$what', async (bad) => {
    expect(await outcomeOf(bad)).toMatchObject({ kind: 'reason', code: 'invalid-proof' });
  });

  it('(1) two proofs are told apart from a malformed one', async () => {
    const texts = await Promise.all(badProofs.slice(1, 3).map(async (bad) => outcomeOf(bad)));
    for (const outcome of texts)
      expect(outcome).toMatchObject({ text: 'There is more than one DPoP proof.' });
  });

  it('each rule refuses at least one of them: no rule stands idle', async () => {
    const outcomes = await Promise.all(badProofs.map(outcomeOf));
    const texts = new Set(outcomes.map((outcome) => outcome.kind === 'reason' && outcome.text));
    const rules = [...proofHeaderRules, ...proofClaimRules];
    expect(rules.filter(({ text }) => !texts.has(text))).toEqual([]);
    expect(rules.length).toBeGreaterThan(6);
  });

  it('and so is any text, without a throw', () => {
    const part = fc.oneof(
      fc.string(),
      fc.json().map((text) => Buffer.from(text).toString('base64url')),
    );
    const { verify } = aVerifier();
    fc.assert(
      fc.property(fc.array(fc.tuple(part, part, part).map((parts) => parts.join('.'))), (fields) => {
        expect(verify(aRequest({ jkt: 'x' }, fields))).toMatchObject({
          kind: 'reason',
          code: 'invalid-proof',
        });
      }),
    );
  });
});

describe('RFC 9449 §4.3 (12): the key must be the one that the token is bound to', () => {
  it('a whole proof by another key names that key: somebody else holds the token', async () => {
    const [owner, thief] = await Promise.all([aClient(), aClient()]);
    const outcome = aVerifier().verify(aRequest(owner, [await thief.proof({ url, token })]));
    expect(outcome).toEqual({ kind: 'reason', code: 'wrong-key', presentedJkt: thief.jkt });
  });

  it('strangers are looked at a few times for each token, then refused unseen', async () => {
    const owner = await aClient();
    const { verify } = aVerifier();
    const named = [];
    for (let count = 0; count < 10; count += 1) {
      const outcome = verify(aRequest(owner, [await (await aClient()).proof({ url, token })]));
      named.push('presentedJkt' in outcome);
    }
    expect(named).toEqual([...Array(8).fill(true), false, false]);
  });

  it('a proof by another key that does not verify accuses nobody', async () => {
    const [owner, framed] = await Promise.all([aClient(), aClient()]);
    const forged = withPayload(await framed.proof({ url, token: 'old' }), { ath: ath(token) });
    expect(aVerifier().verify(aRequest(owner, [forged]))).toEqual({ kind: 'reason', code: 'wrong-key' });
  });

  it('a key that was accepted for one token is not accepted for another', async () => {
    const [owner, other] = await Promise.all([aClient(), aClient()]);
    const { verify } = aVerifier();
    verify(aRequest(other, [await other.proof({ url, token })]));
    expect(verify(aRequest(owner, [await other.proof({ url, token })]))).toMatchObject({ code: 'wrong-key' });
  });
});

describe('RFC 9449 §11.1: a proof is used once', () => {
  it('the second use is refused', async () => {
    const client = await aClient();
    const { verify } = aVerifier();
    const request = aRequest(client, [await client.proof({ url, token })]);
    expect(verify(request)).toEqual({ kind: 'proof', nonceAge: undefined });
    expect(verify(request)).toMatchObject({ code: 'proof-replayed' });
  });

  it('when no more can be remembered, a new one is refused: nothing is forgotten to make room', async () => {
    const client = await aClient();
    const { verify } = aVerifier({ proofsMax: 1 });
    const [first, second] = await Promise.all([client.proof({ url, token }), client.proof({ url, token })]);
    expect(verify(aRequest(client, [first]))).toMatchObject({ kind: 'proof' });
    expect(verify(aRequest(client, [second]))).toMatchObject({ code: 'replay-memory-full' });
    expect(verify(aRequest(client, [first]))).toMatchObject({ code: 'proof-replayed' });
  });

  it('a proof that is refused for its signature does not burn its jti', async () => {
    const client = await aClient();
    const { verify } = aVerifier();
    const proof = await client.proof({ url, token });
    expect(verify(aRequest(client, [`${proof.slice(0, -4)}AAAA`]))).toMatchObject({ code: 'invalid-proof' });
    expect(verify(aRequest(client, [proof]))).toEqual({ kind: 'proof', nonceAge: undefined });
  });
});

describe('RFC 9449 §9: nonces', () => {
  it('are demanded where required, and a proof with one is accepted', async () => {
    const client = await aClient();
    const { verify, nonces } = aVerifier();
    const request = async (claims?: object) =>
      aRequest(client, [await client.proof({ url, token }, claims)], { nonceRequired: true });
    expect(verify(await request())).toMatchObject({ code: 'nonce-required' });
    expect(verify(await request({ nonce: nonces.issue() }))).toEqual({ kind: 'proof', nonceAge: 0 });
  });

  it('§11.3: a nonce that is not ours is refused also where none is required', async () => {
    const client = await aClient();
    const proof = await client.proof({ url, token }, { nonce: 'guessed' });
    expect(aVerifier().verify(aRequest(client, [proof]))).toMatchObject({ code: 'nonce-required' });
  });

  it('are not asked for by a proof that its key did not sign: nobody switches them on for somebody else', async () => {
    const client = await aClient();
    const { verify } = aVerifier();
    const forged = withPayload(await client.proof({ url, token }), { nonce: 'x' });
    for (const nonceRequired of [false, true]) {
      expect(verify(aRequest(client, [forged], { nonceRequired }))).toMatchObject({ code: 'invalid-proof' });
    }
  });

  it('once one was demanded of a key, its proofs without one are refused', async () => {
    const client = await aClient();
    const { verify, demandNonce } = aVerifier();
    expect(verify(aRequest(client, [await client.proof({ url, token })]))).toEqual({
      kind: 'proof',
      nonceAge: undefined,
    });
    demandNonce(client.jkt);
    expect(verify(aRequest(client, [await client.proof({ url, token })]))).toMatchObject({
      code: 'nonce-required',
    });
  });
});
