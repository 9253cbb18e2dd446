import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Hub, startHub } from '../support/a-hub.ts';
import { asCaller, runCli } from './support/run-cli.ts';

const iss = 'https://login.example';
let hub: Hub;
let directory: string;
beforeAll(async () => {
  hub = await startHub();
  directory = mkdtempSync(join(tmpdir(), 'caep-hub-cli-'));
  await hub.call('PUT', '/v1/issuers', { body: { url: iss } });
}, 120_000);
afterAll(async () => {
  await hub?.stop();
  rmSync(directory, { recursive: true, force: true });
}, 60_000);

const run = (line: string) => runCli(line.split(' '), asCaller(hub));
async function document(line: string): Promise<Record<string, unknown>> {
  const { exitCode, stdout, stderr } = await run(`${line} --json`);
  expect([exitCode, stderr], line).toEqual([0, '']);
  return JSON.parse(stdout) as Record<string, unknown>;
}
const mara = { format: 'email', email: 'mara@example.com' };
const opaque = (id: string) => ({ format: 'opaque', id });

describe('caep-hub agent link', () => {
  it('ties an identifier to a key, tells what a kill that waited for it bound, and forgets it', async () => {
    await hub.call('POST', '/v1/signals', { body: { event: 'account-disabled', subject: mara } });
    const set = await run(`agent link set --subject ${JSON.stringify(mara)} sub=u-17`);
    expect(set.stdout).toMatch(/identifier +email:mara@example\.com/);
    expect(set.stdout).toMatch(/bound by a kill that stands: rev_\w+ +sub=u-17/);
    expect(set.exitCode).toBe(0);
    const { items } = await document('agent link list');
    expect(items).toEqual([
      { identifier: 'email:mara@example.com', subject: mara, match: { iss, sub: 'u-17' } },
    ]);
    await document('agent link remove email:mara@example.com');
    expect((await run('agent link list')).stdout).toContain('No links');
    const again = await run('agent link remove email:mara@example.com');
    expect(again.exitCode).toBe(4);
    expect(again.stderr).toContain('no such link');
  });

  it('ties an identifier to an agent and keeps those that it has', async () => {
    await document(`agent add linked --link ${JSON.stringify(opaque('a'))}`);
    for (const id of ['b', 'b']) {
      await document(`agent link set --subject ${JSON.stringify(opaque(id))} --agent linked`);
    }
    expect(await document('agent show linked')).toMatchObject({ links: [opaque('a'), opaque('b')] });
  });

  it.each([
    ['agent link set sub=u-17', '--subject'],
    [`agent link set --subject {} --agent linked sub=u-17`, 'use one'],
    [`agent link set --subject ${JSON.stringify(mara)}`, 'Known keys'],
    [`agent link set --subject mara sub=u-17`, 'JSON object'],
  ])('`%s` ends with 2 and says what is missing', async (line, remedy) => {
    const { exitCode, stderr } = await run(line);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(remedy);
  });
});

describe('caep-hub agent add|set', () => {
  it('takes values with commas, and JSON or a file where they look like members', async () => {
    const file = join(directory, 'identity.json');
    writeFileSync(file, JSON.stringify({ iss, client_id: 'from a file' }));
    const distinguished = 'CN=Mara,OU=Agents,O=Example';
    const json = JSON.stringify({ iss, sub: 'a,sub=b' });
    await document(
      `agent add commas --identity sub=${distinguished},iss=${iss} --identity ${json} --identity @${file}`,
    );
    expect(await document('agent show commas')).toMatchObject({
      identities: expect.arrayContaining([
        { iss, sub: distinguished },
        { iss, sub: 'a,sub=b' },
        { iss, client_id: 'from a file' },
      ]),
    });
  });

  it('empties its lists', async () => {
    const lists = `--identity client_id=full --link ${JSON.stringify(opaque('full'))} --parent commas`;
    const full = await document(`agent add full --owner-email mara@example.com ${lists}`);
    expect(full['agent']).toMatchObject({ parents: ['commas'], links: [opaque('full')] });
    const emptied = await document('agent set full --no-identity --no-link --no-parent --no-owner-email');
    expect(emptied['agent']).toMatchObject({ identities: [], links: [], parents: [], owner_identifiers: [] });
    const again = await document('agent set full --no-identity --identity client_id=full');
    expect(again['agent']).toMatchObject({ identities: [{ iss, client_id: 'full' }] });
  });
});
