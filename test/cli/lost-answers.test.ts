import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Hub, startHub } from '../support/a-hub.ts';
import { type AProxy, startProxy } from './support/a-proxy.ts';
import { asCaller, runCli } from './support/run-cli.ts';

const iss = 'https://login.example';
let hub: Hub;
let proxy: AProxy;
beforeAll(async () => {
  hub = await startHub();
  proxy = await startProxy(hub.url);
  await hub.call('PUT', '/v1/sources/limited', { body: { strongest_effect: 'observe' } });
}, 120_000);
afterAll(async () => {
  await proxy?.close();
  await hub?.stop();
}, 60_000);

const run = (line: string) =>
  runCli(line.split(' '), asCaller({ url: proxy.url, adminToken: hub.adminToken }));

async function aRevocation(): Promise<string> {
  const { body } = await hub.call('POST', '/v1/revocations', { body: { match: { iss, sub: 'u-17' } } });
  return (body['revocations'] as readonly { readonly id: string }[])[0]?.id ?? '';
}
async function aHeldSignal(): Promise<string> {
  const scopes = ['signals.write', 'revocations.write'];
  const { body: made } = await hub.call('POST', '/v1/tokens', {
    body: { actor: 'robot', source: 'limited', scopes },
  });
  const subject = { iss, client_id: 'suspect' };
  const { body } = await hub.call('POST', '/v1/signals', {
    token: String(made['token']),
    body: { event: 'revocation-ordered', subject },
  });
  return String(body['signal_id']);
}
async function aToken(): Promise<string> {
  const { body } = await hub.call('POST', '/v1/tokens', { body: { actor: 'x', scopes: ['signals.read'] } });
  return String(body['id']);
}

describe('when the answer to an order is lost, it is said that it may have been done, and how to look', () => {
  it.each([
    ['issuer add', () => `issuer add ${iss}`, `issuer show ${iss}`],
    ['agent add', () => 'agent add builder', 'agent show builder'],
    ['agent set', () => 'agent set builder --owner Mara', 'agent show builder'],
    ['agent learn', () => 'agent learn builder client_id=builder', 'agent show builder'],
    ['agent disable', () => 'agent disable builder --wait 0s', 'agent show builder'],
    ['agent enable', () => 'agent enable builder --wait 0s', 'agent show builder'],
    ['agent retire', () => 'agent retire builder', 'agent show builder'],
    ['point add', () => 'point add edge', 'point show edge'],
    ['point retire', () => 'point retire edge', 'point show edge'],
    ['token create', () => 'token create x --scope signals.read', 'token list'],
    ['token revoke', async () => `token revoke ${await aToken()}`, /token show tok_\w+/],
    ['source set', () => 'source set soc --kills-per-minute 3', 'source show soc'],
    ['lift', async () => `lift ${await aRevocation()}`, /revocation show rev_\w+/],
    ['held release', async () => `held release ${await aHeldSignal()}`, /held show sig_\w+/],
    ['held discard', async () => `held discard ${await aHeldSignal()}`, /held show sig_\w+/],
  ])('%s', async (_, make, look) => {
    const line = await make();
    proxy.loseAnswers(1);
    const { exitCode, stdout, stderr } = await run(line);
    expect([exitCode, stdout]).toEqual([5, '']);
    expect(stderr).toContain('It is not known whether the hub did it. Look with: caep-hub');
    expect(stderr).not.toContain('caep-hub serve');
    const [looked = ''] = new RegExp(look).exec(stderr) ?? [];
    expect(stderr).toContain(`caep-hub ${looked}`);
    expect((await run(looked)).exitCode).toBe(0);
  });

  it('a dry run changes nothing: nothing of the kind is said', async () => {
    const revocation = await aRevocation();
    proxy.loseAnswers(1);
    const { exitCode, stderr } = await run(`lift ${revocation} --dry-run`);
    expect(exitCode).toBe(5);
    expect(stderr).not.toContain('not known');
  });

  it('an error of a proxy leaves it open too', async () => {
    proxy.answerInstead(/^POST .*\/retire/, { status: 504, type: 'text/html', body: '<h1>time-out</h1>' }, 1);
    const { exitCode, stderr } = await run('point retire edge');
    expect(exitCode).toBe(5);
    expect(stderr).toContain('not a hub: status 504');
    expect(stderr).toContain('Look with: caep-hub point show edge');
  });

  it('where nobody listens, nothing was done', async () => {
    const { url, close } = await startProxy(hub.url);
    await close();
    const { exitCode, stderr } = await runCli(
      ['point', 'add', 'other'],
      asCaller({ url, adminToken: hub.adminToken }),
    );
    expect(exitCode).toBe(5);
    expect(stderr).toContain('caep-hub serve');
    expect(stderr).not.toContain('not known');
  });
});
