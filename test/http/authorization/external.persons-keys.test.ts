import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/adapters/system/clock.ts';
import { keySetCooldownMs, keySetStaleMaxMs } from '../../../src/enforcement/jwks.ts';
import { aSigningKey, type SigningKey } from '../../enforcement/token/an-issuer.ts';
import * as external from './an-external-client.ts';

let laterMs = 0;
let aheadMs = 0;
let perReadMs = 0;
let setting: Awaited<ReturnType<typeof external.aHubThatTrusts>>;
beforeAll(async () => {
  const monotonicMs = () => systemClock.monotonicMs() + laterMs;
  const nowMs = () => systemClock.nowMs() + (aheadMs += perReadMs);
  setting = await external.aHubThatTrusts({ nowMs, monotonicMs });
});
afterAll(() => setting?.stop());

const letIn = (body: object = {}) => external.letIn(setting.hub, setting.login, body);
const aToken = (
  made: { readonly named: string },
  claims: object = {},
  from = setting.login,
  key?: SigningKey,
) => external.tokenOf(setting.hub, from, made, claims, key);
const audit = (token: string) => external.audit(setting.hub, token);
const outcome = (token: string) => external.outcomeOf(setting.hub, token);

it('a token that becomes good while it is looked at is good or not, and no mistake of the hub', async () => {
  const made = await letIn();
  const statuses = new Set<unknown>();
  for (let seconds = 5; seconds < 30; seconds += 1) {
    const iat = Math.floor(Date.now() / 1_000) + seconds;
    const token = await aToken(made, { iat, exp: iat + 300 });
    perReadMs = 1_000;
    statuses.add((await audit(token)).status);
    [perReadMs, aheadMs] = [0, 0];
  }
  expect(statuses).toEqual(new Set([200, 401]));
});

describe('persons', () => {
  const held = async () => {
    const body = { actor: 'robot', scopes: ['revocations.write', 'signals.write'] };
    const robot = String((await setting.hub.call('POST', '/v1/tokens', { body })).body['token']);
    const subject = { iss: 'https://idp.example' };
    const said = await setting.hub.call('POST', '/v1/signals', {
      token: robot,
      body: { event: 'account-disabled', subject },
    });
    expect(said.body).toMatchObject({ decision: { outcome: 'held' } });
    return String(said.body['signal_id']);
  };
  const release = async (token: string) =>
    (await setting.hub.call('POST', `/v1/held/${await held()}/release`, { token, body: {} })).status;
  const scope = 'held.release';

  it('release what is held with tokens of their own, by the name of their API tokens', async () => {
    const external = { iss: setting.login.url, client_id: 'console', sub: 'mara' };
    await letIn({ client_id: 'mara', scopes: [scope], external, person: true });
    const claims = { client_id: 'console', sub: 'mara', scope };
    expect(await release(await setting.login.token({ aud: setting.hub.issuer, ...claims }))).toBe(202);
    expect((await setting.hub.call('GET', '/v1/audit')).text).toMatch(/"actor":"mara"/);
    const delegated = { ...claims, act: { sub: 'agent-9' } };
    expect(await release(await setting.login.token({ aud: setting.hub.issuer, ...delegated }))).toBe(403);
    const other = { ...claims, sub: 'somebody' };
    expect(await release(await setting.login.token({ aud: setting.hub.issuer, ...other }))).toBe(403);
  });

  it('are not what a program becomes whose source is made one', async () => {
    const source = 'made-a-person';
    const made = await setting.hub.call('POST', '/v1/clients', {
      body: { client_id: source, scopes: [scope] },
    });
    expect((await setting.hub.call('PUT', `/v1/sources/${source}`, { body: { person: true } })).status).toBe(
      200,
    );
    const basic = Buffer.from(`${source}:${String(made.body['client_secret'])}`).toString('base64');
    const answer = await fetch(`${setting.hub.url}/oauth/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${basic}` },
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
    });
    const { access_token: token } = (await answer.json()) as { access_token: string };
    expect(await release(token)).toBe(403);
  });
});

describe('an issuer that is away', () => {
  beforeEach(() => setting.login.answer(undefined));
  const passMs = (ms: number) => void (laterMs += ms);

  it('its keys are used on for an hour, then nothing of it is believed, and the answer is 503', async () => {
    const made = await letIn();
    expect((await audit(await aToken(made))).status).toBe(200);
    const token = await aToken(made, { jti: 'while-away' });
    expect((await audit(token)).status).toBe(200);
    setting.login.answer({ status: 500, body: 'a secret of the issuer' });
    passMs(keySetStaleMaxMs / 2);
    expect((await audit(await aToken(made, { jti: 'half-way' }))).status).toBe(200);
    passMs(keySetStaleMaxMs / 2);
    const answer = await audit(await aToken(made, { jti: 'too-late' }));
    expect([answer.status, answer.body['code']]).toEqual([503, 'issuer-unavailable']);
    expect(answer.headers.get('retry-after')).toBe('2');
    expect((await audit(token)).status).toBe(503);
    expect(answer.text + setting.hub.lines.join('')).not.toContain('a secret of the issuer');
    setting.login.answer(undefined);
    passMs(keySetCooldownMs);
    expect((await audit(await aToken(made, { jti: 'back' }))).status).toBe(200);
  });

  it('a storm of unknown keys asks it once', async () => {
    const made = await letIn();
    passMs(keySetCooldownMs);
    expect((await audit(await aToken(made))).status).toBe(200);
    const before = setting.login.fetches();
    const key = await aSigningKey('unknown');
    const tokens = await Promise.all(
      Array.from({ length: 20 }, (_, count) => aToken(made, { jti: `storm-${count}` }, setting.login, key)),
    );
    const answers = await Promise.all(tokens.map(outcome));
    expect(new Set(answers.map(String))).toEqual(new Set(['401,invalid-token']));
    expect(setting.login.fetches() - before).toBeLessThanOrEqual(1);
  });

  it('is not followed to where the hub does not go', async () => {
    const jwks_uri = 'https://169.254.169.254/keys';
    await setting.hub.call('PUT', '/v1/caller-issuers', { body: { url: setting.stranger.url, jwks_uri } });
    const made = { id: '', named: 'any' };
    expect(await outcome(await aToken(made, {}, setting.stranger))).toEqual([503, 'keys-unavailable']);
    expect(setting.hub.lines.join('')).toContain('the keys of an issuer of callers cannot be had');
    await setting.hub.call('DELETE', `/v1/caller-issuers?url=${encodeURIComponent(setting.stranger.url)}`);
  });
});
