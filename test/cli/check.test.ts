import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Hub, startHub } from '../support/a-hub.ts';
import { type AProxy, startProxy } from './support/a-proxy.ts';
import { runCli } from './support/run-cli.ts';

const iss = 'https://login.example';
const keycloak = 'https://keycloak.example/realms/prod';
const jkt = '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I';
let hub: Hub;
let proxy: AProxy;
beforeAll(async () => {
  hub = await startHub();
  proxy = await startProxy(hub.url);
  await hub.call('PUT', '/v1/issuers', { body: { url: iss } });
  await hub.call('PUT', '/v1/issuers', { body: { url: keycloak, profile: 'keycloak' } });
}, 120_000);
afterAll(async () => {
  await proxy?.close();
  await hub?.stop();
}, 60_000);

const order = (match: object, more: object = {}) =>
  hub.call('POST', '/v1/revocations', { body: { match, ...more } });
const check = (operands: readonly string[], stdin = '') =>
  runCli(['check', ...operands], { env: { CAEP_HUB_URL: proxy.url, CAEP_HUB_TOKEN: hub.adminToken }, stdin });
const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const aToken = (claims: object): string =>
  `${encode({ alg: 'ES256', typ: 'at+jwt' })}.${encode(claims)}.c2lnbmF0dXJl`;
const soon = Math.floor(Date.now() / 1_000) + 900;

it('0 when nothing matches, 10 for a denial, 11 for another effect, with what matches and why', async () => {
  expect(await check([`iss=${iss}`, 'client_id=quiet'])).toMatchObject({ exitCode: 0 });
  await order({ iss, client_id: 'dead' });
  const denied = await check([`iss=${iss}`, 'client_id=dead']);
  expect(denied.exitCode).toBe(10);
  expect(denied.stdout).toMatch(/deny +rev_\w+ +revocation-ordered, put .*client_id=dead/);
  await order({ iss, client_id: 'slow' }, { effect: 'restrict', restrict: { rate: { per_minute: 3 } } });
  const restricted = await check([`iss=${iss}`, 'client_id=slow']);
  expect(restricted.exitCode).toBe(11);
  expect(restricted.stdout).toMatch(/rate +3 per minute/);
});

it('a token is read here, as its issuer has it, and is never sent', async () => {
  await order({ iss: keycloak, client_id: 'by-azp' });
  const token = aToken({
    iss: keycloak,
    azp: 'by-azp',
    client_id: 'else',
    cnf: { jkt },
    iat: soon - 900,
    exp: soon,
  });
  const { exitCode, stdout } = await check(['-'], `${token}\n`);
  expect(exitCode).toBe(10);
  expect(stdout).toContain('not verified');
  expect(stdout).toContain(jkt);
  const sent = proxy.sent.join('\n');
  expect(sent).toContain('"client_id":"by-azp"');
  for (const part of token.split('.')) expect(sent).not.toContain(part);
});

it('actors, sessions and the digest of the token are among what is checked', async () => {
  const claims = {
    iss,
    client_id: 'child',
    jti: 'j-1',
    exp: soon,
    act: { client_id: 'parent', act: { sub: 'root' } },
  };
  const token = aToken(claims);
  const document = JSON.parse((await runJson(token)).stdout) as { readonly context: object };
  const signed = token.slice(0, token.lastIndexOf('.'));
  expect(document.context).toEqual({
    iss,
    client_id: 'child',
    jti: 'j-1',
    exp: soon,
    token_sha256: createHash('sha256').update(signed).digest('base64url'),
    act: [
      { iss, client_id: 'parent' },
      { iss, sub: 'root' },
    ],
  });
  await order({ iss, client_id: 'parent' });
  expect((await runJson(token)).exitCode).toBe(10);
});

const runJson = (token: string) => check(['-', '--json'], token);

it('of an issuer that the hub does not know it says so', async () => {
  const { stderr } = await check(['-'], aToken({ iss: 'https://unknown.example', client_id: 'x' }));
  expect(stderr).toContain('caep-hub issuer add https://unknown.example');
});

it.each([
  ['alone', ['c2VjcmV0b3BhcXVl==']],
  ['beside pairs', [`iss=${iss}`, 'c2VjcmV0b3BhcXVl==']],
  ['twice', ['c2VjcmV0b3BhcXVl==', 'c2VjcmV0b3BhcXVl==']],
])('an opaque token that looks like KEY=VALUE is not repeated: %s', async (_, operands) => {
  const { exitCode, stdout, stderr } = await check(operands);
  expect([exitCode, stdout]).toEqual([2, '']);
  expect(stderr).not.toContain('c2Vj');
  expect(stderr).toMatch(/nothing else|client_id/);
});

it('says how many entries could not be looked up and why, and the verdict stands', async () => {
  await order({ iss, sub: 'somebody' });
  await order({ iss, sub: 'somebody', client_id: 'hidden' });
  const words = [`iss=${iss}`, 'sub=somebody', 'client_id=hidden'];
  const body = JSON.stringify({ code: 'rate-limited', detail: 'The token asks too much.' });
  proxy.answerInstead(/^GET .*rev_/, { status: 429, body }, 4);
  const { exitCode, stdout } = await check(words);
  expect(exitCode).toBe(10);
  expect(stdout).toContain('2 matching');
  expect(stdout).toContain('2 of them could not be shown: The token asks too much.');
  const json = await check([...words, '--json']);
  expect(JSON.parse(json.stdout)).toMatchObject({ effect: 'deny', unseen: { count: 2 } });
  proxy.answerInstead(/^GET .*rev_/, { status: 404, body: JSON.stringify({ code: 'not-found' }) }, 1);
  const ended = await check(words);
  expect(ended.stdout).toMatch(/deny +rev_/);
  expect(ended.stdout).not.toContain('could not be shown');
});

it.each([
  ['opaque text', 'not-a-jwt'],
  ['an encrypted token', 'a.b.c.d.e'],
  ['parts that are no JSON', 'QUJD.QUJD.QUJD'],
  ['a token without issuer', aToken({ client_id: 'x' })],
  ['a chain of nine actors', aToken({ iss, act: nested(9) })],
])('%s ends with 2, and no part of it is repeated', async (_, token) => {
  const { exitCode, stdout, stderr } = await check(['-'], token);
  expect(exitCode).toBe(2);
  expect(stdout + stderr).not.toContain(token);
});

function nested(levels: number): object {
  return levels === 1 ? { sub: 'a' } : { sub: 'a', act: nested(levels - 1) };
}
