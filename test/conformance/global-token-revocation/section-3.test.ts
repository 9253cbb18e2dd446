import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CallOptions, type Hub, startHub } from '../../support/a-hub.ts';

/** draft-parecki-oauth-global-token-revocation-06 */
const issuer = 'https://idp.example';
const path = '/oauth/global-token-revocation';
let hub: Hub;
/** Of an identity provider: it may end sessions of its own users and do nothing else. */
let token: string;
beforeAll(async () => {
  hub = await startHub();
  const source = {
    event_types: ['session-revoked'],
    subject_issuers: [issuer],
    kills_per_minute: 1_000,
  };
  await hub.call('PUT', '/v1/sources/idp', { body: source });
  const made = await hub.call('POST', '/v1/tokens', {
    body: { actor: 'idp', source: 'idp', scopes: ['signals.write'] },
  });
  token = String(made.body['token']);
});
afterAll(() => hub.stop());

const revoke = (subject: unknown, more: CallOptions = {}) =>
  hub.call('POST', path, { body: { sub_id: subject }, ...more });
const aUser = () => ({ format: 'iss_sub', iss: issuer, sub: randomUUID() });
const decide = async (context: object): Promise<string> =>
  String((await hub.call('POST', '/v1/check', { body: context })).body['effect']);
const nowSeconds = (): number => Math.floor(Date.now() / 1_000);

describe('§3.2, §3.3: a request', () => {
  it('kills what was issued before, and what a session from before still mints; a new login is welcome', async () => {
    const { iss, sub } = aUser();
    const { status, text, headers } = await revoke({ format: 'iss_sub', iss, sub }, { token });
    expect([status, text, headers.get('content-length')]).toEqual([204, '', null]);
    const [before, after] = [nowSeconds() - 60, nowSeconds() + 60];
    expect(await decide({ iss, sub, iat: before })).toBe('deny');
    expect(await decide({ iss, sub, iat: after, auth_time: before })).toBe('deny');
    expect(await decide({ iss, sub, iat: after, auth_time: after })).toBe('allow');
    expect(await decide({ iss, sub: randomUUID(), iat: before })).toBe('allow');
  });

  it('is a signal of its source: in the list, with who said it', async () => {
    const subject = aUser();
    await revoke(subject, { token });
    const { body } = await hub.call('GET', '/v1/signals?limit=1');
    expect(body['items']).toMatchObject([
      { event: expect.stringMatching(/session-revoked$/) as unknown, subject, source: 'idp', actor: 'idp' },
    ]);
  });

  it('takes e-mail addresses and other identifiers that are linked to a key', async () => {
    const { iss, sub } = aUser();
    const email = { format: 'email', email: `${sub}@example.com` };
    const linked = await hub.call('PUT', '/v1/identity-links', {
      body: { subject: email, match: { iss, sub } },
    });
    expect(linked.status).toBe(200);
    expect((await revoke(email)).status).toBe(204);
    expect(await decide({ iss, sub, iat: nowSeconds() - 60 })).toBe('deny');
    expect((await revoke({ format: 'aliases', identifiers: [email, aUser()] })).status).toBe(204);
  });
});

describe('§3.4.1: success is said only when tokens are refused from now on', () => {
  it('twice is twice', async () => {
    const subject = aUser();
    expect((await revoke(subject)).status).toBe(204);
    expect((await revoke(subject)).status).toBe(204);
  });
});

describe('§3.4.2: errors', () => {
  it.each<readonly [string, unknown, string]>([
    ['no sub_id', {}, '/sub_id'],
    ['what early drafts called it', { subject: aUser() }, '/sub_id'],
    ['another member', { sub_id: aUser(), reason: 'x' }, '/reason'],
    ['no format', { sub_id: { iss: issuer, sub: 'mara' } }, '/sub_id/format'],
    ['a format that nobody knows', { sub_id: { format: 'uid', id: 'x' } }, '/sub_id/format'],
    [
      'a subject that can be less than a user',
      { sub_id: { format: 'complex', user: aUser() } },
      '/sub_id/format',
    ],
    ['a member that is missing', { sub_id: { format: 'email' } }, '/sub_id/email'],
    ['a list', [], ''],
  ])('400: %s', async (_, body, at) => {
    const answer = await hub.call('POST', path, { body });
    expect(answer.status).toBe(400);
    expect(answer.body['errors']).toContainEqual(expect.objectContaining({ path: at }));
  });

  it('401 without credentials, with a challenge; before anything is read', async () => {
    const { status, headers } = await revoke(aUser(), { token: null });
    expect([status, headers.get('www-authenticate')]).toEqual([401, expect.stringContaining('Bearer')]);
  });

  it('403 for a token without the scope, and for users of somebody else', async () => {
    const reader = await hub.call('POST', '/v1/tokens', {
      body: { actor: 'reader', scopes: ['signals.read'] },
    });
    expect((await revoke(aUser(), { token: String(reader.body['token']) })).status).toBe(403);
    const stranger = await revoke({ ...aUser(), iss: 'https://other.example' }, { token });
    expect([stranger.status, stranger.body['code']]).toEqual([403, 'source-not-allowed']);
  });

  it('404 for a user that nobody knows; it is kept, and takes effect when somebody does', async () => {
    const { iss, sub } = aUser();
    const email = { format: 'email', email: `${sub}@example.com` };
    const { status, body } = await revoke(email);
    expect([status, body['code']]).toEqual([404, 'subject-unresolved']);
    await hub.call('PUT', '/v1/identity-links', { body: { subject: email, match: { iss, sub } } });
    expect(await decide({ iss, sub, iat: nowSeconds() - 60 })).toBe('deny');
  });

  it('422 while a person must decide, and what it waits for', async () => {
    const { iss, sub } = aUser();
    await hub.call('POST', '/v1/agents', {
      body: { name: `payroll-${sub}`, protected: true, identities: [{ iss, sub }] },
    });
    const { status, body } = await revoke({ format: 'iss_sub', iss, sub });
    expect([status, body['code']]).toEqual([422, 'not-revoked']);
    const held = await hub.call('GET', `/v1/held/${String(body['signal_id'])}`);
    expect(held.body).toMatchObject({ state: 'waiting' });
    expect(await decide({ iss, sub, iat: nowSeconds() - 60 })).toBe('allow');
  });

  it('422 also where what waits puts something milder meanwhile: that is no revocation', async () => {
    const { iss, sub } = aUser();
    const limits = { kills_per_minute: 0, soft_effect: 'restrict' };
    await hub.call('PUT', '/v1/sources/braked', { body: limits });
    const made = await hub.call('POST', '/v1/tokens', {
      body: { actor: 'braked', source: 'braked', scopes: ['signals.write'] },
    });
    const braked = { token: String(made.body['token']) };
    const { status, body } = await revoke({ format: 'iss_sub', iss, sub }, braked);
    expect([status, body['hint']]).toEqual([422, expect.stringContaining('/release')]);
    expect(await decide({ iss, sub, iat: nowSeconds() - 60 })).toBe('restrict');
  });

  it('never 500, whatever the subject holds', async () => {
    const aSubject = fc.oneof(
      fc.jsonValue({ maxDepth: 3 }),
      fc.dictionary(
        fc.constantFrom('format', 'iss', 'sub', 'email', 'id', 'uri', 'identifiers', '__proto__'),
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.constantFrom('iss_sub', 'email', 'aliases', 'opaque', 'did'),
          fc.jsonValue({ maxDepth: 2 }),
        ),
      ),
    );
    await fc.assert(
      fc.asyncProperty(aSubject, async (subject) => {
        expect([204, 400, 403, 404, 422]).toContain((await revoke(subject, { token })).status);
      }),
      { numRuns: 60 },
    );
  });
});

describe('§6: metadata', () => {
  it('names the endpoint and how to authenticate there', async () => {
    const { body } = await hub.call('GET', '/.well-known/oauth-authorization-server/oauth', { token: null });
    expect(body).toMatchObject({
      global_token_revocation_endpoint: `${hub.issuer}${path}`,
      global_token_revocation_endpoint_auth_methods_supported: ['Bearer', 'DPoP'],
    });
    const documented = await hub.call('GET', '/openapi.json');
    const { post } = (documented.body['paths'] as Record<string, { readonly post?: object }>)[path] ?? {};
    expect(post).toMatchObject({ responses: { 204: {}, 400: {}, 401: {}, 403: {}, 404: {}, 422: {} } });
  });
});
