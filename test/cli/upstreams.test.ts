import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { type Hub, startHub } from '../support/a-hub.ts';
import { startUpstream, type Upstream } from '../support/upstream-transmitter.ts';
import { asCaller, runCli } from './support/run-cli.ts';

let hub: Hub;
let peer: Upstream;
let directory: string;
let tokenFile: string;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'caep-hub-cli-'));
  tokenFile = join(directory, 'token');
  writeFileSync(tokenFile, 'hunter2-token\n');
  hub = await startHub({ OUTBOUND_ALLOW: '127.0.0.1,localhost' });
  peer = await startUpstream({ authorization: { kind: 'token', token: 'hunter2-token' } });
}, 120_000);
afterAll(async () => {
  await hub?.stop();
  await peer?.close();
  rmSync(directory, { recursive: true, force: true });
}, 60_000);
afterEach(async () => {
  peer.behave();
  peer.verifies('as-asked');
  await run('upstream remove okta');
  peer.forgetStreams();
});
const run = (line: string, stdin?: string) =>
  runCli(line.split(' '), { ...asCaller(hub), ...(stdin === undefined ? {} : { stdin }) });
const add = (more = '') =>
  run(`upstream add okta ${peer.issuer} --algorithm ES256 --token-file ${tokenFile} --wait 60s${more}`);

it('an upstream is added, verified, tested, paused, resumed, shown and removed; its secret is never told', async () => {
  const added = await add(' --event session-revoked');
  expect([added.exitCode, added.stderr]).toEqual([0, '']);
  expect(added.stdout).toMatch(/is +verified: /);
  expect(added.stdout).toMatch(/carries +session-revoked/);
  const said = [added];
  const ran = async (line: string) => {
    const ending = await run(line);
    said.push(ending);
    return ending;
  };
  expect((await ran('upstream list')).stdout).toMatch(/okta +verified +push +20/);
  expect((await ran('upstream show okta')).stdout).toMatch(/calls as +holder of a token/);
  expect((await ran('upstream verify okta')).stdout).toContain('SETs arrive');
  expect((await ran('upstream test okta')).stdout).toMatch(/delivery +ok +SETs are pushed to/);
  expect((await ran('upstream connect okta')).exitCode).toBe(0);
  expect((await ran('upstream sets okta')).stdout).toMatch(
    /verification +id=\S+ format=opaque +verification +The stream works/,
  );
  expect((await ran('upstream pause okta')).stdout).toContain('is paused');
  const paused = await ran('upstream verify okta');
  expect([paused.exitCode, paused.stderr]).toEqual([4, expect.stringContaining('is paused')]);
  expect((await ran('upstream resume okta')).stdout).toContain('goes on');
  expect((await ran('upstream set okta --verify-every 10m')).stdout).toMatch(/verified every +10 min/);
  expect((await ran('upstream remove okta')).stdout).toBe('okta is removed. Its stream is deleted.\n');
  expect((await ran('upstream show okta')).exitCode).toBe(4);
  expect((await ran('upstream list')).stdout).toContain('No upstreams');
  for (const { stdout, stderr } of said) expect(stdout + stderr).not.toContain('hunter2');
});

it('what does not come about is said, with an exit code', async () => {
  peer.verifies('never');
  const late = await run(
    `upstream add okta ${peer.issuer} --algorithm ES256 --token-file - --wait 300ms --json`,
    'hunter2-token\n',
  );
  expect(late.exitCode).toBe(3);
  expect(JSON.parse(late.stdout)).toMatchObject({ name: 'okta', credentials: { kind: 'token' } });
  peer.misbehave('streams', { kind: 'answers', status: 403 });
  const tested = await run('upstream test okta');
  expect([tested.exitCode, tested.stdout]).toEqual([3, expect.stringMatching(/authorization +failed/)]);
  const failed = await run('upstream connect okta');
  expect([failed.exitCode, failed.stderr]).toEqual([4, expect.stringContaining('403')]);
  expect(failed.stderr).not.toContain('not known whether');
  expect((await run('upstream list')).stdout).toMatch(/okta +failing/);
  const removed = await run('upstream remove okta');
  expect([removed.exitCode, removed.stdout]).toEqual([
    3,
    expect.stringContaining('still at its Transmitter'),
  ]);
});

it('a key is made for private_key_jwt, and what a peer by hand must know is told', async () => {
  const byKey = await run(
    `upstream add okta ${peer.issuer} --client hub --auth private_key_jwt --token-endpoint ${peer.tokenEndpoint} --scope ssf.manage`,
  );
  expect(byKey.exitCode).toBe(0);
  expect(byKey.stdout).toMatch(/Register this key.*\n\{"kty":"EC".*"use":"sig"\}\n$/);
  expect(byKey.stdout).not.toContain('"d":');
  await run('upstream remove okta');
  const byHand = await run(`upstream add okta ${peer.issuer} --jwks-uri ${peer.jwksUri} --audience hub`);
  expect(byHand.stdout).toMatch(/\nAuthorization: Bearer [\w-]{43}\n$/);
});

it.each([
  ['upstream add okta https://a.example --secret-file ./x', /--client/],
  ['upstream add okta https://a.example --token-file ./none', /cannot be read/],
  ['upstream add okta https://a.example --jwks-uri https://a.example/k', /--audience/],
  ['upstream add okta https://a.example --client a --token-file ./x', /two ways/],
  ['upstream add okta https://a.example --wait soon', /no time span/],
  ['upstream add okta https://a.example --auth none --client a', /private_key_jwt/],
])('usage: %s', async (line, why) => {
  const wrong = await run(line);
  expect([wrong.exitCode, wrong.stderr]).toEqual([2, expect.stringMatching(why)]);
});

it('usage: a secret from stdin that is empty is none', async () => {
  const wrong = await run('upstream add okta https://a.example --token-file -', '\n');
  expect([wrong.exitCode, wrong.stderr]).toEqual([2, expect.stringContaining('nothing in it')]);
});
