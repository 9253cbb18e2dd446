import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Hub, startHub } from '../support/a-hub.ts';
import { asCaller, runCli } from './support/run-cli.ts';

let hub: Hub;
beforeAll(async () => {
  hub = await startHub();
}, 120_000);
afterAll(() => hub?.stop(), 60_000);

const run = (line: string) => runCli(line.split(' '), asCaller(hub));

it('keys are listed and rotated, and a compromised one goes at once', async () => {
  await hub.call('GET', '/jwks.json', { token: null });
  expect((await run('key list')).stdout).toMatch(/^key +for +algorithm +state/);
  const first = await run('key rotate --algorithm ES256 --json');
  expect(first.exitCode).toBe(0);
  const { kid } = JSON.parse(first.stdout) as { readonly kid: string };
  expect(JSON.parse(first.stdout)).toMatchObject({ algorithm: 'ES256', state: 'signing', removed: [] });

  const next = await run('key rotate --algorithm ES256');
  expect(next.stdout).toMatch(/state +published/);
  expect(next.stdout).toContain('Until then the one before it signs');
  const again = await run('key rotate --algorithm ES256');
  expect([again.exitCode, again.stderr]).toEqual([4, expect.stringContaining('published already')]);

  const compromised = await run('key rotate --algorithm ES256 --compromised');
  expect(compromised.stdout).toContain(kid);
  expect(compromised.stdout).toContain('It signs from now on.');
  expect((await run('key list')).stdout).toMatch(new RegExp(`${kid} +sets +ES256 +retired`));
});

it('rotates RS256 unless told otherwise, and knows no other algorithms', async () => {
  const { stdout } = await run('key rotate --json');
  expect(JSON.parse(stdout)).toMatchObject({ algorithm: 'RS256' });
  expect((await run('key rotate --algorithm HS256')).exitCode).toBe(2);
  expect((await run('key rotate --help')).stdout).toContain('$ caep-hub key rotate --algorithm ES256');
});

it('rotates the key of access tokens by itself', async () => {
  await hub.call('GET', '/oauth/jwks', { token: null });
  const next = await run('key rotate --for access-tokens');
  expect(next.stdout).toMatch(/for +access-tokens[^]*algorithm +ES256[^]*state +published/);
  expect((await run('key list')).stdout).toMatch(/access-tokens +ES256 +signing/);
  expect((await run('key rotate --for access-tokens --algorithm RS256')).exitCode).toBe(4);
  expect((await run('key rotate --for access-tokens --compromised')).stdout).toContain(
    'It signs from now on.',
  );
});
