import { createHmac, createPublicKey } from 'node:crypto';
import { base64url } from 'jose';
import type { RefusalCode } from '../../../src/enforcement/refusal.ts';
import { type AnIssuer, aSigningKey, assembled } from './an-issuer.ts';

export type BadToken = {
  readonly what: string;
  readonly code: RefusalCode;
  readonly make: (issuer: AnIssuer) => string | Promise<string>;
};

const now = () => Math.floor(Date.now() / 1_000);
const deep = (levels: number): object => (levels === 0 ? {} : { in: deep(levels - 1) });
const actors = (count: number): object => ({
  sub: `actor-${count}`,
  ...(count > 1 && { act: actors(count - 1) }),
});

/** Every token that must not pass, and why it is refused. All but the first few are signed by the issuer's own key. */
export const badTokens: readonly BadToken[] = [
  { what: 'no JWT', code: 'malformed-token', make: () => 'opaque' },
  { what: 'an empty header', code: 'malformed-token', make: () => '..' },
  { what: 'five parts (JWE)', code: 'malformed-token', make: () => 'a.b.c.d.e' },
  {
    what: 'a payload that is a list',
    code: 'malformed-token',
    make: () => assembled({ alg: 'ES256' }, [], 'AA'),
  },
  {
    what: 'a payload nested too deep',
    code: 'malformed-token',
    make: (issuer) => issuer.token({ x: deep(40) }),
  },
  {
    what: 'a token over 8 kB',
    code: 'malformed-token',
    make: (issuer) => issuer.token({ x: 'x'.repeat(9_000) }),
  },
  {
    what: 'alg none with an empty signature',
    code: 'malformed-token',
    make: async (issuer) => withHeader(await issuer.token(), { alg: 'none', typ: 'at+jwt' }, ''),
  },
  {
    what: 'alg none with some signature',
    code: 'invalid-token',
    make: async (issuer) => withHeader(await issuer.token(), { alg: 'none', typ: 'at+jwt' }, 'AAAA'),
  },
  {
    what: 'HMAC with the public key',
    code: 'invalid-token',
    make: async (issuer) => {
      const pem = createPublicKey(issuer.key.privateKey).export({ type: 'spki', format: 'pem' });
      const unsigned = withHeader(await issuer.token(), { alg: 'HS256', typ: 'at+jwt', kid: 'first' }, '');
      const mac = createHmac('sha256', pem).update(unsigned.slice(0, -1)).digest('base64url');
      return unsigned + mac;
    },
  },
  {
    what: 'a signature by another key with the same kid',
    code: 'invalid-token',
    make: async (issuer) => issuer.token({}, {}, await aSigningKey('first')),
  },
  {
    what: 'a changed payload',
    code: 'invalid-token',
    make: async (issuer) => {
      const [header, , signature] = (await issuer.token()).split('.');
      const [, payload] = (await issuer.token({ scope: 'admin' })).split('.');
      return `${header}.${payload}.${signature}`;
    },
  },
  {
    what: 'a signature in DER form',
    code: 'invalid-token',
    make: async (issuer) =>
      `${(await issuer.token()).split('.').slice(0, 2).join('.')}.${base64url.encode('\x30\x44'.repeat(20))}`,
  },
  {
    what: 'an algorithm not configured',
    code: 'invalid-token',
    make: async (issuer) => withHeader(await issuer.token(), { alg: 'ES384', typ: 'at+jwt' }, 'AAAA'),
  },
  { what: 'an unknown kid', code: 'invalid-token', make: (issuer) => issuer.token({}, { kid: 'nobody' }) },
  {
    what: 'a crit extension',
    code: 'invalid-token',
    make: (issuer) => issuer.token({}, { crit: ['urn:example:unknown'], 'urn:example:unknown': 1 }),
  },
  {
    what: 'jku',
    code: 'invalid-token',
    make: (issuer) => issuer.token({}, { jku: 'https://evil.example/jwks' }),
  },
  {
    what: 'x5u',
    code: 'invalid-token',
    make: (issuer) => issuer.token({}, { x5u: 'https://evil.example/cert' }),
  },
  {
    what: 'an embedded key',
    code: 'invalid-token',
    make: async (issuer) => issuer.token({}, { jwk: (await aSigningKey('own')).publicJwk }),
  },
  {
    what: 'an embedded certificate',
    code: 'invalid-token',
    make: (issuer) => issuer.token({}, { x5c: ['AAAA'] }),
  },
  { what: 'a SET', code: 'not-an-access-token', make: (issuer) => issuer.token({}, { typ: 'secevent+jwt' }) },
  {
    what: 'a SET without its typ',
    code: 'not-an-access-token',
    make: (issuer) => issuer.token({ events: { 'urn:x': {} } }),
  },
  {
    what: 'a logout token',
    code: 'not-an-access-token',
    make: (issuer) => issuer.token({}, { typ: 'logout+jwt' }),
  },
  {
    what: 'a DPoP proof',
    code: 'not-an-access-token',
    make: (issuer) => issuer.token({}, { typ: 'dpop+jwt' }),
  },
  {
    what: 'the claims of a proof',
    code: 'not-an-access-token',
    make: (issuer) => issuer.token({ htm: 'GET', htu: 'https://api.example/' }),
  },
  {
    what: 'typ JWT for a profile that says at+jwt',
    code: 'not-an-access-token',
    make: (issuer) => issuer.token({}, { typ: 'JWT' }),
  },
  { what: 'no typ', code: 'not-an-access-token', make: (issuer) => issuer.token({}, { typ: undefined }) },
  {
    what: 'a typ that is no text',
    code: 'not-an-access-token',
    make: (issuer) => issuer.token({}, { typ: 7 }),
  },
  {
    what: 'an ID token by its at_hash',
    code: 'not-an-access-token',
    make: (issuer) => issuer.token({ at_hash: 'x' }),
  },
  {
    what: 'an ID token by its nonce',
    code: 'not-an-access-token',
    make: (issuer) => issuer.token({ nonce: 'x', scope: undefined }),
  },
  {
    what: 'a refresh token of Keycloak',
    code: 'not-an-access-token',
    make: (issuer) => issuer.token({ typ: 'Refresh' }),
  },
  {
    what: 'another issuer',
    code: 'unknown-issuer',
    make: (issuer) => issuer.token({ iss: 'https://evil.example' }),
  },
  {
    what: 'our issuer with a slash',
    code: 'unknown-issuer',
    make: (issuer) => issuer.token({ iss: `${issuer.url}/` }),
  },
  { what: 'no issuer', code: 'unknown-issuer', make: (issuer) => issuer.token({ iss: undefined }) },
  {
    what: 'an issuer called __proto__',
    code: 'unknown-issuer',
    make: (issuer) => issuer.token({ iss: '__proto__' }),
  },
  {
    what: 'another audience',
    code: 'invalid-token',
    make: (issuer) => issuer.token({ aud: 'https://other.example' }),
  },
  {
    what: 'an audience that contains ours as text',
    code: 'invalid-token',
    make: (issuer) => issuer.token({ aud: 'https://api.example.evil' }),
  },
  { what: 'no audience', code: 'invalid-token', make: (issuer) => issuer.token({ aud: undefined }) },
  { what: 'no exp', code: 'invalid-token', make: (issuer) => issuer.token({ exp: undefined }) },
  { what: 'exp as text', code: 'invalid-token', make: (issuer) => issuer.token({ exp: '9999999999' }) },
  { what: 'no iat', code: 'invalid-token', make: (issuer) => issuer.token({ iat: undefined }) },
  {
    what: 'an exp in the past',
    code: 'expired-token',
    make: (issuer) => issuer.token({ iat: now() - 900, exp: now() - 1 }),
  },
  { what: 'a future iat', code: 'invalid-token', make: (issuer) => issuer.token({ iat: now() + 60 }) },
  { what: 'a future nbf', code: 'invalid-token', make: (issuer) => issuer.token({ nbf: now() + 60 }) },
  { what: 'an nbf that is no number', code: 'invalid-token', make: (issuer) => issuer.token({ nbf: 'now' }) },
  {
    what: 'a life longer than the issuer gives',
    code: 'invalid-token',
    make: (issuer) => issuer.token({ exp: now() + 90_000 }),
  },
  ...['sub', 'client_id', 'sid', 'jti', 'auth_time'].flatMap((claim) =>
    [null, '', true, ['x']].map(
      (value): BadToken => ({
        what: `${claim} ${JSON.stringify(value)}`,
        code: 'invalid-token',
        make: (issuer) => issuer.token({ [claim]: value }),
      }),
    ),
  ),
  {
    what: 'a subject that is a number',
    code: 'invalid-token',
    make: (issuer) => issuer.token({ sub: 12345 }),
  },
  { what: 'a jti that is a number', code: 'invalid-token', make: (issuer) => issuer.token({ jti: 7 }) },
  {
    what: 'an auth_time of text',
    code: 'invalid-token',
    make: (issuer) => issuer.token({ auth_time: '17' }),
  },
  {
    what: 'a bound key that is no text',
    code: 'invalid-token',
    make: (issuer) => issuer.token({ cnf: { jkt: 7 } }),
  },
  ...['iss', 'sub', 'client_id'].map(
    (claim): BadToken => ({
      what: `an actor of an actor whose ${claim} is no text`,
      code: 'invalid-token',
      make: (issuer) => issuer.token({ act: { sub: 'parent', act: { sub: 'root', [claim]: 7 } } }),
    }),
  ),
  { what: 'nine actors', code: 'invalid-token', make: (issuer) => issuer.token({ act: actors(9) }) },
  {
    what: 'an actor that is no object',
    code: 'invalid-token',
    make: (issuer) => issuer.token({ act: 'somebody' }),
  },
];

function withHeader(token: string, header: object, signature: string): string {
  return `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${token.split('.')[1]}.${signature}`;
}
