import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Hub, startHub } from '../support/a-hub.ts';
import { addPoint, joinPoint } from './support/a-point.ts';
import { type AProxy, startProxy } from './support/a-proxy.ts';
import { asCaller, type Ending, runCli, type Setting } from './support/run-cli.ts';

const issuer = 'https://login.example';
let hub: Hub;
let proxy: AProxy;
beforeAll(async () => {
  hub = await startHub();
  proxy = await startProxy(hub.url);
  await hub.call('PUT', '/v1/issuers', { body: { url: issuer } });
  for (const [name, parents] of [
    ['build-runner', []],
    ['report-writer', ['build-runner']],
  ] as const) {
    await hub.call('POST', '/v1/agents', { body: { name, parents, identities: [{ client_id: name }] } });
  }
  await hub.call('POST', '/v1/agents', {
    body: { name: 'payroll', protected: true, identities: [{ client_id: 'payroll' }] },
  });
}, 120_000);
afterAll(async () => {
  await proxy?.close();
  await hub?.stop();
}, 60_000);

const run = (line: string, setting: Setting = {}): Promise<Ending> =>
  runCli(line.split(' '), { ...asCaller({ url: proxy.url, adminToken: hub.adminToken }), ...setting });
const signals = async (): Promise<number> =>
  ((await hub.call('GET', '/v1/signals?limit=200')).body['items'] as unknown[]).length;

describe('DESIGN §13: caep-hub kill', () => {
  it('without points says that nobody enforces it, and ends with 3', async () => {
    const { exitCode, stdout } = await run('kill client_id=nobody-enforces --yes');
    expect(exitCode).toBe(3);
    expect(stdout).toContain('NO POINTS');
    expect(stdout).toMatch(/caep-hub point add/);
  });

  it('shows whom it would hit and changes nothing with --dry-run', async () => {
    const before = await signals();
    const { exitCode, stdout } = await run('kill agent=build-runner --dry-run');
    expect(exitCode).toBe(0);
    expect(stdout).toContain('1 agent, 2 keys, 1 descendant: build-runner, report-writer');
    expect(stdout).toContain(`client_id=report-writer iss=${issuer}`);
    expect(await signals()).toBe(before);
  });

  it('without a terminal and without --yes it fires nothing, says so, and ends with 2', async () => {
    const before = await signals();
    const { exitCode, stderr } = await run('kill agent=build-runner', { stdin: 'y\n' });
    expect(exitCode).toBe(2);
    expect(stderr).toContain('--yes');
    expect(await signals()).toBe(before);
  });

  it('asks at a terminal after the blast radius: a no is 4 and does nothing, an end of input is a no', async () => {
    const before = await signals();
    for (const stdin of ['n\n', '']) {
      const { exitCode, stderr } = await run('kill agent=build-runner', { atTerminal: true, stdin });
      expect(exitCode).toBe(4);
      expect(stderr.indexOf('2 keys')).toBeGreaterThan(-1);
      expect(stderr.indexOf('Fire?')).toBeGreaterThan(stderr.indexOf('2 keys'));
      expect(stderr).toContain('nothing was done');
    }
    expect(await signals()).toBe(before);
  });

  it('a kill of a protected agent waits for persons: 6, and how to decide', async () => {
    const { exitCode, stdout } = await run('kill agent=payroll --yes');
    expect(exitCode).toBe(6);
    expect(stdout).toMatch(/caep-hub held release\|discard sig_/);
  });

  it('a refusal names the member and the remedy, and ends with 4', async () => {
    const unknown = await run('kill agent=no-such-agent --yes');
    expect(unknown).toMatchObject({ exitCode: 4, stdout: '' });
    expect(unknown.stderr).toContain('/subject/agent');
    const misspelt = await run('signal credential-compromize agent=build-runner');
    expect(misspelt.exitCode).toBe(4);
    expect(misspelt.stderr).toContain('credential-compromise');
  });

  it('a request whose answers are lost is sent again, and is one signal', async () => {
    const before = await signals();
    proxy.loseAnswers(2);
    const { stdout } = await run('kill client_id=lost-answer --yes --wait 0s');
    expect(stdout).toMatch(/^sig_\w+ applied/);
    expect(stdout).toContain('had it already');
    expect(await signals()).toBe(before + 1);
  });

  it.each([
    ['kill clientid=x', 'client_id'],
    ['kill client_id=x client_id=y', 'twice'],
    ['kill agent=x client_id=y', 'stands alone'],
    ['kill client_id', 'KEY=VALUE'],
    ['kill', 'Known keys'],
    ['kill agent=x --wait soon', '500ms'],
    ['kill agent=x --yes --wait 30d', '60 min'],
    ['kill agent=x --yes --wait 999999999d', '60 min'],
    ['signal session-revoked agent=x --wait 61m', '60 min'],
    ['agent disable x --wait 2h', '60 min'],
    ['held release sig_1 --wait 2h', '60 min'],
    ['lift rev_1 --wait 2h', '60 min'],
    ['kill agent=x --effect explode', 'Allowed choices'],
    ['kill agent=x --event session-revoked --effect observe', 'revocation-ordered'],
    ['kill agent=x --data [1]', 'JSON object'],
    ['kill agent=x --bogus', 'unknown option'],
    ['kil agent=x', 'Did you mean kill'],
    ['undo rev_1', 'caep-hub lift'],
    ['lift sig_1', 'caep-hub undo'],
  ])('`%s` sends nothing, says what is wrong, and ends with 2', async (line, remedy) => {
    const before = proxy.sent.length;
    const { exitCode, stderr, stdout } = await run(line);
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toContain(remedy);
    expect(proxy.sent.length).toBe(before);
  });
});

describe('DESIGN §13: kill, with points', () => {
  it('prints each point as it confirms, ends with 0, and what it prints undoes it', async () => {
    const token = await addPoint(hub, 'edge', 2);
    const one = await joinPoint(hub.url, token, 'edge/one');
    const two = await joinPoint(hub.url, token, 'edge/two');
    const killed = await run('kill agent=build-runner --yes --wait 30s');
    expect(killed.stdout).toMatch(/edge\/one +applied +[\d.]+ m?s/);
    expect(killed.stdout).toMatch(/edge\/two +applied +[\d.]+ m?s/);
    expect(killed.stdout).toContain('ENFORCED 2/2');
    expect(killed.exitCode).toBe(0);
    const check = `check iss=${issuer} client_id=report-writer`;
    expect(await run(check)).toMatchObject({ exitCode: 10 });

    const undo = /caep-hub (undo sig_\w+)/.exec(killed.stdout)?.[1] ?? '';
    const undone = await run(`${undo} --wait 30s`);
    expect(undone.exitCode).toBe(0);
    expect(undone.stdout).toContain('Lifts 2 revocations');
    expect(undone.stdout).not.toContain('Undo:');
    const afterwards = Math.floor(Date.now() / 1_000) + 60;
    expect(await run(`${check} iat=${afterwards}`)).toMatchObject({ exitCode: 0 });
    expect(await run(check)).toMatchObject({ exitCode: 10 });

    two.hush();
    const partly = await run('kill client_id=somebody --yes --wait 300ms');
    expect(partly.exitCode).toBe(3);
    expect(partly.stdout).toMatch(/edge\/two +pending/);
    expect(partly.stdout).toContain('NOT CONFIRMED EVERYWHERE: 1/2');
    await one.leave();
    await two.leave();
  }, 60_000);

  it('lift ends one revocation, and the second time is refused with 4', async () => {
    const { stdout } = await run('kill client_id=lifted --yes --wait 0s');
    const id = /rev_\w+/.exec(stdout)?.[0] ?? '';
    expect((await run(`lift ${id} --wait 0s`)).stdout).toContain(`lift  ${id}`);
    const again = await run(`lift ${id} --wait 0s`);
    expect(again.exitCode).toBe(4);
    expect(again.stderr).toContain('lifted before');
  });
});
