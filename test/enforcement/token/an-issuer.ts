import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, type JWK, SignJWT } from 'jose';
import {
  type IssuerProfile,
  type IssuerSettings,
  issuerDefaults,
  profileDefaults,
} from '../../../src/core/issuer.ts';

/** An issuer over loopback: metadata, JWK Set and keys of its own. What it serves can be changed while it runs. */
export type AnIssuer = {
  readonly url: string;
  /** Requests for the JWK Set so far. */
  readonly fetches: () => number;
  readonly settings: (
    more?: Partial<IssuerSettings> & { readonly profile?: IssuerProfile },
  ) => IssuerSettings;
  /** An access token of this issuer; `claims` and `header` replace members of a good one, `undefined` removes them. */
  readonly token: (claims?: object, header?: object, key?: SigningKey) => Promise<string>;
  readonly key: SigningKey;
  /** Serves these keys from now on. */
  readonly serve: (keys: readonly (SigningKey | JWK)[]) => void;
  /** Answers with this instead of a JWK Set; `undefined`: the JWK Set again. */
  readonly answer: (
    answer: { status: number; body: string; headers?: Record<string, string> } | undefined,
  ) => void;
  readonly close: () => Promise<void>;
};

export type SigningKey = {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: KeyObject;
  readonly publicJwk: JWK;
};

export const audience = 'https://api.example';

export async function aSigningKey(
  kid: string,
  alg: 'ES256' | 'RS256' | 'EdDSA' = 'ES256',
): Promise<SigningKey> {
  const { privateKey, publicKey } = {
    ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    RS256: () => generateKeyPairSync('rsa', { modulusLength: 2_048 }),
    EdDSA: () => generateKeyPairSync('ed25519'),
  }[alg]();
  return { kid, alg, privateKey, publicJwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
}

export async function anIssuer(): Promise<AnIssuer> {
  const key = await aSigningKey('first');
  let served: readonly JWK[] = [key.publicJwk];
  let fetches = 0;
  let other: { status: number; body: string; headers?: Record<string, string> } | undefined;
  const server = createServer((request, response) => {
    if (request.url === '/tenant/jwks') {
      fetches += 1;
      response.writeHead(other?.status ?? 200, other?.headers);
      return response.end(other?.body ?? JSON.stringify({ keys: served }));
    }
    if (request.url === '/.well-known/oauth-authorization-server/tenant') {
      return response.end(JSON.stringify({ issuer: url, jwks_uri: `${url}/jwks` }));
    }
    return response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/tenant`;
  return {
    url,
    key,
    fetches: () => fetches,
    settings: ({ profile = 'rfc9068', ...more } = {}) => ({
      ...issuerDefaults,
      ...profileDefaults[profile],
      url,
      profile,
      ...more,
    }),
    token: (claims = {}, header = {}, signer = key) => aToken({ iss: url, ...claims }, header, signer),
    serve: (keys) => {
      served = keys.map((some) => ('publicJwk' in some ? some.publicJwk : some));
    },
    answer: (answer) => {
      other = answer;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Signed whatever it says. */
function aToken(claims: object, header: object, signer: SigningKey): Promise<string> {
  const now = Math.floor(Date.now() / 1_000);
  const payload = {
    sub: 'agent-7',
    client_id: 'build-runner',
    aud: audience,
    iat: now,
    exp: now + 900,
    jti: 'token-1',
    scope: 'charges:read charges:write',
    ...claims,
  };
  return new SignJWT(JSON.parse(JSON.stringify(payload)) as Record<string, unknown>)
    .setProtectedHeader(
      JSON.parse(JSON.stringify({ typ: 'at+jwt', alg: signer.alg, kid: signer.kid, ...header })) as {
        alg: string;
      },
    )
    .sign(signer.privateKey, { crit: { 'urn:example:unknown': true } });
}

/** Parts put together without any signature being made. */
export function assembled(header: object, claims: object, signature: string): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part(header)}.${part(claims)}.${signature}`;
}
