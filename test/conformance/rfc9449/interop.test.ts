import Fastify, { type FastifyInstance } from 'fastify';
import * as oauth from 'oauth4webapi';
import { calculateJwkThumbprint, exportJWK } from 'jose';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePort } from '../../enforcement/guards/free-port.ts';
import { aPoint } from '../../enforcement/enforcer/a-point.ts';
import { type AnIssuer, anIssuer } from '../../enforcement/token/an-issuer.ts';

let issuer: AnIssuer;
const app: FastifyInstance = Fastify();
let base: string;
let listening: ReturnType<typeof aPoint>;

beforeAll(async () => {
  issuer = await anIssuer();
  const port = await freePort();
  base = `http://127.0.0.1:${port}`;
  listening = aPoint(issuer, { origin: base });
  app.addHook('onRequest', listening.enforcer.fastify({ nonce: 'required' }));
  app.get('/charges', () => 'fine');
  await app.listen({ port, host: '127.0.0.1' });
});
afterAll(async () => {
  await app.close();
  await issuer.close();
});

it('RFC 9449 §9: a client of oauth4webapi is asked for a nonce, takes it, and passes', async () => {
  const keys = await oauth.generateKeyPair('ES256');
  const jkt = await calculateJwkThumbprint(await exportJWK(keys.publicKey));
  const token = await issuer.token({ cnf: { jkt } });
  const dpop = oauth.DPoP({}, keys);
  const options = { DPoP: dpop, [oauth.allowInsecureRequests]: true } as const;
  const request = () =>
    oauth.protectedResourceRequest(token, 'GET', new URL(`${base}/charges`), undefined, undefined, options);

  const refused = await request().then(
    () => undefined,
    (cause: unknown) => cause,
  );
  expect(oauth.isDPoPNonceError(refused)).toBe(true);
  expect(refused).toMatchObject({
    status: 401,
    cause: [{ scheme: 'dpop', parameters: { error: 'use_dpop_nonce' } }],
  });
  expect((await request()).status).toBe(200);
  expect((await request()).status).toBe(200);

  listening.put({ match: { jkt } });
  await expect(request()).rejects.toMatchObject({
    status: 401,
    cause: [{ scheme: 'dpop', parameters: { error: 'invalid_token' } }],
  });
});
