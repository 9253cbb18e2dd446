import { createHash, generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Everything here is signed with it. */
export const algorithm = 'ES256';
export const origin = 'https://api.example';

const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');

function signedBy(key: KeyObject, header: object, payload: object): string {
  const signed = `${encode(header)}.${encode(payload)}`;
  const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}

/** An authorization server that answers its metadata and its one key over loopback. */
export type Issuer = {
  readonly url: string;
  readonly jwksUri: string;
  /** A new access token, bound to the agent's key, of 15 minutes. */
  readonly tokenFor: (agent: Agent) => string;
  readonly close: () => void;
};

export async function startIssuer(): Promise<Issuer> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const keySet = {
    keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'bench', alg: algorithm, use: 'sig' }],
  };
  const server = createServer((request, response) => {
    const body = request.url === '/jwks' ? keySet : { issuer: url, jwks_uri: `${url}/jwks` };
    response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    jwksUri: `${url}/jwks`,
    tokenFor(agent) {
      const iat = Math.floor(Date.now() / 1_000);
      return signedBy(
        privateKey,
        { typ: 'at+jwt', alg: algorithm, kid: 'bench' },
        {
          ...{ iss: url, aud: origin, sub: agent.sub, client_id: agent.clientId, jti: randomUUID() },
          ...{ iat, exp: iat + 900, scope: 'charges:read', cnf: { jkt: agent.jkt } },
        },
      );
    },
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

export type Agent = {
  readonly sub: string;
  readonly clientId: string;
  readonly jkt: string;
  readonly publicKey: KeyObject;
  /** A new proof for this token and request. */
  readonly proofFor: (token: string, method: string, path: string) => string;
};

export function anAgent(number: number): Agent {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { crv, kty, x, y } = publicKey.export({ format: 'jwk' });
  const jwk = { crv, kty, x, y };
  return {
    sub: `service-${number}`,
    clientId: `runner-${number}`,
    jkt: createHash('sha256').update(JSON.stringify(jwk)).digest('base64url'),
    publicKey,
    proofFor: (token, method, path) =>
      signedBy(
        privateKey,
        { typ: 'dpop+jwt', alg: algorithm, jwk },
        {
          jti: randomUUID(),
          htm: method,
          htu: origin + path,
          iat: Math.floor(Date.now() / 1_000),
          ath: createHash('sha256').update(token).digest('base64url'),
        },
      ),
  };
}

/** The signature of a compact JWS, ready to be verified and nothing else: the least that anybody must do for it. */
export function takeApart(compact: string): { readonly data: Buffer; readonly signature: Buffer } {
  const at = compact.lastIndexOf('.');
  return {
    data: Buffer.from(compact.slice(0, at), 'latin1'),
    signature: Buffer.from(compact.slice(at + 1), 'base64url'),
  };
}
