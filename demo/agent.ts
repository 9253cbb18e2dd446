import { randomUUID } from 'node:crypto';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import * as dpop from 'dpop';
import { calculateJwkThumbprint, decodeJwt, exportJWK } from 'jose';
import { secretOf, type ClientName } from './contract.ts';

/** An agent of the demo: a client with a key of its own, as any program with a DPoP library is one. */
export type Agent = {
  readonly name: ClientName;
  readonly jkt: string;
  token: string;
  /** Seconds until its token expires. */
  secondsLeft(): number;
  /** One request with a fresh proof; `proofBy` signs it with another's key, `bare` sends none. */
  call(method: string, url: string, options?: CallOptions): Promise<Answer>;
  /** The response as it comes. Resolves with its status when the headers are there. */
  open(url: string): Promise<{ readonly status: number; readonly response: IncomingMessage }>;
};
export type CallOptions = { readonly proof?: 'own' | 'none' | dpop.KeyPair };
export type Answer = {
  readonly status: number;
  readonly body: { readonly code?: string; readonly text?: string };
};

const answerTimeoutMs = 5_000;

/** Makes a key and gets a token bound to it: from the parent's token by exchange (RFC 8693), else by client credentials. */
export async function createAgent(name: ClientName, issuer: string, parent?: Agent): Promise<Agent> {
  const keys = await dpop.generateKeyPair('ES256');
  const jkt = await calculateJwkThumbprint(await exportJWK(keys.publicKey));
  const token = await fetchToken(name, issuer, keys, parent);

  const headersFor = async (method: string, url: string, proof: CallOptions['proof'] = 'own') => {
    const signer = proof === 'own' ? keys : proof;
    const proven =
      signer === 'none'
        ? {}
        : { dpop: await dpop.generateProof(signer, url, method, undefined, agent.token) };
    return { authorization: `DPoP ${agent.token}`, ...proven };
  };

  const agent: Agent = {
    name,
    jkt,
    token,
    secondsLeft: () => (decodeJwt(agent.token).exp ?? 0) - Date.now() / 1_000,
    async call(method, url, options = {}) {
      const response = await fetch(url, {
        method,
        headers: { ...(await headersFor(method, url, options.proof)), 'x-request-id': randomUUID() },
        signal: AbortSignal.timeout(answerTimeoutMs),
      });
      const text = await response.text();
      return {
        status: response.status,
        body: text.startsWith('{') ? (JSON.parse(text) as Answer['body']) : {},
      };
    },
    async open(url) {
      const headers = await headersFor('GET', url);
      return new Promise((resolve, reject) => {
        const request = httpRequest(url, { headers, agent: false }, (response) =>
          resolve({ status: response.statusCode ?? 0, response }),
        );
        request.on('error', reject);
        request.end();
      });
    },
  };
  return agent;
}

async function fetchToken(
  name: ClientName,
  issuer: string,
  keys: dpop.KeyPair,
  parent?: Agent,
): Promise<string> {
  const url = `${issuer}/token`;
  const grant: Record<string, string> = parent
    ? {
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token: parent.token,
        subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      }
    : { grant_type: 'client_credentials', scope: 'charges:read refunds:write' };
  const response = await fetch(url, {
    method: 'POST',
    headers: { dpop: await dpop.generateProof(keys, url, 'POST') },
    body: new URLSearchParams({ ...grant, client_id: name, client_secret: secretOf(name) }),
    signal: AbortSignal.timeout(answerTimeoutMs),
  });
  const body = (await response.json()) as { access_token?: string; error_description?: string };
  if (response.ok && body.access_token !== undefined) return body.access_token;
  throw new Error(`${name} got no token: ${response.status} ${body.error_description ?? ''}`);
}
