import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Hub, startHub } from '../support/a-hub.ts';
import { asCaller, runCli, startCli } from './support/run-cli.ts';

const iss = 'https://login.example';
let hub: Hub;
beforeAll(async () => {
  hub = await startHub();
}, 120_000);
afterAll(() => hub?.stop(), 60_000);

const run = (line: string, token = hub.adminToken) =>
  runCli(line.split(' '), asCaller({ url: hub.url, adminToken: token }));
/** The document that a command answers, which must have done what it was asked. */
async function document(line: string, token?: string): Promise<Record<string, unknown>> {
  const { exitCode, stdout, stderr } = await run(`${line} --json`, token);
  expect([exitCode, stderr], line).toEqual([0, '']);
  return JSON.parse(stdout) as Record<string, unknown>;
}

it('an issuer is added, replaced, shown and removed', async () => {
  const options = '--profile keycloak --max-token-life 15m --algorithm ES256 --algorithm EdDSA';
  expect(await document(`issuer add ${iss} ${options}`)).toMatchObject({
    profile: 'keycloak',
    max_token_life: 900,
    algorithms: ['ES256', 'EdDSA'],
  });
  expect(await document(`issuer show ${iss}`)).toMatchObject({ url: iss });
  await document(`issuer remove ${iss}`);
  expect((await run(`issuer show ${iss}`)).exitCode).toBe(4);
  await document(`issuer add ${iss}`);
});

it('an agent is registered, changed, taught a key, disabled, enabled and retired', async () => {
  const added = await document(
    `agent add builder --owner Mara --owner-email mara@example.com --identity client_id=builder,iss=${iss} --protected`,
  );
  expect(added['agent']).toMatchObject({
    owner: 'Mara',
    owner_identifiers: [{ format: 'email', email: 'mara@example.com' }],
    identities: [{ iss, client_id: 'builder' }],
    protected: true,
  });
  expect((await document('agent set builder --no-protected'))['agent']).toMatchObject({
    protected: false,
    owner: 'Mara',
  });
  expect((await run('agent set builder')).exitCode).toBe(2);
  const disabled = await run('agent disable builder --for 2h --wait 0s --json');
  expect(disabled.exitCode).toBe(3);
  expect(JSON.parse(disabled.stdout)).toMatchObject({
    signals: [{ decision: { outcome: 'applied' } }],
    exit_code: 3,
  });
  const learnt = await run('agent learn builder jkt=0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I');
  expect(learnt.stdout).toContain('bound by a kill that stands');
  expect(await document('agent show builder')).toMatchObject({ status: 'disabled' });
  await run('agent enable builder --wait 0s');
  expect((await document('agent show builder'))['status']).not.toBe('disabled');
  expect(await document('agent retire builder')).toMatchObject({ status: 'retired' });
});

it('a point and a token are made with their secrets, shown once, and end when told to', async () => {
  const { token } = await document('point add edge --expect 2');
  expect(token).toMatchObject({ secret: expect.stringMatching(/^chub_/) });
  expect(await document('point retire edge')).toMatchObject({ retired_at_ms: expect.any(Number) });
  expect((await run('point reports edge')).stdout).toContain('No reports');
  const made = await document(
    'token create splunk --scope signals.read --scope revocations.read --expires 90d',
  );
  const secret = String(made['token']);
  await document('signal list', secret);
  expect((await run('agent list', secret)).exitCode).toBe(4);
  const id = String(made['id']);
  const shown = await run(`token show ${id}`);
  expect(shown.stdout).toMatch(/holder +splunk\n/);
  expect(shown.stdout).toMatch(/scopes +signals.read revocations.read\n/);
  expect(shown.stdout).not.toContain(secret);
  await document(`token revoke ${id}`);
  expect((await run(`token show ${id}`)).stdout).toMatch(/state +revoked/);
  expect((await run('signal list', secret)).exitCode).toBe(4);
  expect((await run('token list')).stdout).not.toContain(secret);
  expect((await run('token create nobody')).exitCode).toBe(2);
});

it('a client whose tokens come from elsewhere is let in when its issuer is trusted', async () => {
  const url = 'https://login.example/staff';
  expect((await run('client issuer list')).stdout).toContain('None: callers have API tokens');
  const create = `client create soar --scope signals.write --issuer ${url} --issuer-client soar-prod`;
  expect((await run(create)).stderr).toContain('/external/iss is not trusted');
  const trusted = await run(`client issuer add ${url} --profile keycloak --max-token-life 5m`);
  expect(trusted.stdout).toMatch(/client is +azp, client_id/);
  expect(await document(create)).toMatchObject({
    external: { iss: url, client_id: 'soar-prod' },
    issuer: url,
  });
  expect((await run('client show soar')).stdout).toMatch(/speaks as +a program/);
  expect((await run('client list')).stdout).toMatch(new RegExp(`soar .*${url}`));
  expect((await run('client issuer list')).stdout).toMatch(/staff +keycloak +5 ?m/);
  expect((await run(`client issuer remove ${url}`)).exitCode).toBe(0);
  expect((await run(`client issuer remove ${url}`)).exitCode).toBe(4);
  expect((await run('client create x --scope ssf.read --issuer-sub x')).exitCode).toBe(2);
});

it('a client is made with its secret, shown once, is listed without, and is revoked', async () => {
  const profile = 'caep-interop-1.0-draft-02';
  const made = await document(`client create soc --scope ssf.read --scope ssf.manage --profile ${profile}`);
  expect(made).toMatchObject({ client_id: 'soc', source: 'soc', profile });
  expect(await document('stream create --receiver client:soc')).toMatchObject({ profile });
  expect((await run('client create x --scope ssf.read --profile caep-interop')).exitCode).toBe(2);
  const secret = String(made['client_secret']);
  expect(secret).toMatch(/^chub_/);
  expect((await run('client create ci --scope signals.write')).stdout).toMatch(/shown this once:\nchub_/);
  expect((await run('client list')).stdout).not.toContain(secret);
  expect((await run('client list --limit 1')).stdout).toMatch(/There are more: add --after \S+/);
  expect((await run('client show soc')).stdout).toMatch(/may ask for +ssf.read ssf.manage/);
  await document('client revoke soc');
  expect((await run('client show soc')).stdout).toMatch(/state +revoked/);
  expect((await run('client create soc --scope ssf.read')).exitCode).toBe(4);
  expect((await run('client create by-key --scope ssf.read --jwks nowhere.json')).exitCode).toBe(2);
});

it('what is set of a source is set, and the rest stays', async () => {
  await document('source set soc --kills-per-minute 5 --event credential-compromise --held 30m');
  expect(await document('source set soc --held-default release --person')).toMatchObject({
    kills_per_minute: 5,
    held_seconds: 1_800,
    held_default: 'release',
    person: true,
    event_types: [expect.stringContaining('credential-compromise')],
  });
});

it('limits of a source are taken away, and the rest stays', async () => {
  await document(`source set bounded --kills-per-minute 5 --event session-revoked --issuer ${iss}`);
  const anyEvent = await document('source set bounded --any-event');
  expect(anyEvent).not.toHaveProperty('event_types');
  expect(anyEvent).toMatchObject({ subject_issuers: [iss], kills_per_minute: 5 });
  expect(await document('source set bounded --any-issuer')).not.toHaveProperty('subject_issuers');
  const both = await run('source set bounded --any-event --event session-revoked');
  expect(both.exitCode).toBe(2);
});

it('a held signal is shown, and released by another person than its maker', async () => {
  await document('source set limited --strongest-effect observe');
  const made = await document(
    'token create robot --scope signals.write --scope revocations.write --scope signals.read --source limited',
  );
  const robot = String(made['token']);
  const held = await run(`kill client_id=suspect iss=${iss} --yes --json`, robot);
  expect(held.exitCode).toBe(6);
  const { signal_id: id } = JSON.parse(held.stdout) as { readonly signal_id: string };
  expect((await run('held list')).stdout).toContain(id);
  expect((await run(`held show ${id}`)).stdout).toMatch(/approvals +0 of 1/);
  const released = await run(`held release ${id} --wait 0s`);
  expect(released.stdout).toContain('client_id=suspect');
  expect((await run(`held discard ${id}`)).exitCode).toBe(4);
  expect(await document('held list --state released')).toMatchObject({
    items: [{ signal: { signal_id: id } }],
  });
});

it('the audit is listed, followed live and verified', async () => {
  const follow = startCli(['audit', 'follow', '--action', 'source.changed', '--json'], asCaller(hub));
  const changes = setInterval(() => void run('source set watched --kills-per-minute 1'), 200);
  await follow.until('"target":"watched"');
  clearInterval(changes);
  follow.interrupt();
  expect((await follow.ended).exitCode).toBe(0);
  expect((await run('audit list --action source.changed --limit 1')).stdout).toContain('watched');
  expect((await run('audit verify')).stdout).toContain('INTACT');
});
