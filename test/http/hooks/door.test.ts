import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Hub } from '../../support/a-hub.ts';
import { activityOf, aHook, type AHook, aHubWithHooks, send, signalsOf } from './a-hook.ts';

let hub: Hub;
beforeAll(async () => {
  hub = await aHubWithHooks({ METRICS_TOKEN: 'metrics-token-of-this-very-test-0001' });
});
afterAll(() => hub?.stop());

const github = (hook: AHook, body: string, event = 'repository') => ({
  path: hook.path,
  body,
  headers: {
    'x-github-event': event,
    'x-hub-signature-256': `sha256=${createHmac('sha256', hook.secret).update(body).digest('hex')}`,
  },
});
const bearer = ({ secret }: AHook) => ({ authorization: `Bearer ${secret}` });
const row = (more: object = {}) =>
  JSON.stringify({ client_id: 'build-runner', event: 'session-revoked', ...more });
const mapping = '$signal($)';
/** A hook whose sender proves itself by a header, and whose mapping reads plain rows. */
const plain = (more: object = {}) => aHook(hub, { kind: 'falco', mapping, ...more });

const metrics = async (): Promise<string> =>
  (await hub.call('GET', '/metrics', { token: 'metrics-token-of-this-very-test-0001' })).text;

describe('whom the door does not believe', () => {
  it('401 in the same bytes for no such hook, a wrong path, a wrong proof and none; nothing of the request is in it', async () => {
    const hook = await aHook(hub, { kind: 'splunk' });
    const body = '{"marker-9b1c": true}';
    const paths = ['/v1/hooks/nobody-9b1c', `/v1/hooks/${hook.name}`, `/v1/hooks/${hook.name}/marker-9b1c`];
    const answers = await Promise.all(paths.map((path) => send(hub, { path, body })));
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    for (const { status, text, headers } of answers) {
      expect([status, headers.get('www-authenticate')]).toEqual([401, 'Webhook']);
      expect(text).not.toContain('9b1c');
    }
  });

  it('is counted, and audited once a minute, naming the hook and never its path', async () => {
    const hook = await aHook(hub, { kind: 'splunk' });
    for (let count = 0; count < 3; count += 1)
      await send(hub, { path: `/v1/hooks/${hook.name}/guess-${count}`, body: '{}' });
    expect(await activityOf(hub, hook.name)).toMatchObject({ refused: 3, accepted: 0 });
    expect(await metrics()).toContain(
      `caep_hub_hook_requests_total{hook="${hook.name}",outcome="refused"} 3`,
    );
    const again = await hub.stop('keep');
    expect(again).toBeUndefined();
    hub = await aHubWithHooks(
      { METRICS_TOKEN: 'metrics-token-of-this-very-test-0001' },
      undefined,
      hub.dataDir,
    );
    const { text } = await hub.call('GET', `/v1/audit?target=hook:${hook.name}`);
    expect(text).toContain('{"count":3,"reason":"not-authenticated"}');
    expect(text).not.toContain('guess-');
    expect(text).not.toContain(hook.secret);
    expect((await activityOf(hub, hook.name))['refused']).toBe(3);
  });

  it('an API token opens no hook, and a hook no API', async () => {
    const hook = await plain();
    expect(
      (
        await send(hub, {
          path: hook.path,
          body: row(),
          headers: { authorization: `Bearer ${hub.adminToken}` },
        })
      ).status,
    ).toBe(401);
    expect((await hub.call('GET', '/v1/signals', { token: hook.secret })).status).toBe(401);
  });

  it('a header that comes twice is none', async () => {
    const hook = await aHook(hub, { kind: 'github' });
    const request = github(hook, '{}');
    const signature = request.headers['x-hub-signature-256'];
    const headers = new Headers({ 'content-type': 'application/json' });
    headers.append('x-hub-signature-256', signature);
    headers.append('x-hub-signature-256', signature);
    const response = await fetch(new URL(hook.path, hub.url), { method: 'POST', body: '{}', headers });
    expect(response.status).toBe(401);
  });

  it('a hook that was removed, at once', async () => {
    const hook = await plain();
    await hub.call('DELETE', `/v1/hooks/${hook.name}`);
    expect((await send(hub, { path: hook.path, body: row(), headers: bearer(hook) })).status).toBe(401);
  });
});

describe('what an authentic sender may send', () => {
  it.each([
    ['no JSON', '{"client_id": '],
    ['nothing', ''],
    ['no UTF-8', Buffer.from([0x7b, 0xff, 0x7d])],
    ['__proto__', '{"__proto__": {"event": "session-revoked"}, "client_id": "x"}'],
    ['JSON that is too deep', `${'['.repeat(40)}${']'.repeat(40)}`],
  ])('%s is 400, shown to people, and does nothing', async (_what, body) => {
    const hook = await plain();
    const { status, text } = await send(hub, { path: hook.path, body, headers: bearer(hook) });
    expect(status).toBe(400);
    expect(text).not.toContain('__proto__');
    expect(await activityOf(hub, hook.name)).toMatchObject({
      failed: 1,
      last_failure: { code: 'malformed-json' },
    });
    expect(await signalsOf(hub, hook.name)).toEqual([]);
  });

  it('more than a mebibyte is 413 before it is read', async () => {
    const hook = await plain();
    const body = row({ padding: 'x'.repeat(1_048_576) });
    expect((await send(hub, { path: hook.path, body, headers: bearer(hook) })).status).toBe(413);
    const whole = row({ padding: 'x'.repeat(1_048_000) });
    expect((await send(hub, { path: hook.path, body: whole, headers: bearer(hook) })).status).toBe(202);
  });

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'application/vnd.acme+json'])(
    'the type %s does not matter: the bytes do',
    async (type) => {
      const hook = await plain();
      const headers = { ...bearer(hook), 'content-type': type };
      expect((await send(hub, { path: hook.path, body: row(), headers })).status).toBe(202);
    },
  );

  it('nor does it matter whether there is one', async () => {
    const hook = await plain();
    const init = { method: 'POST', body: Buffer.from(row()), headers: bearer(hook) };
    expect((await fetch(new URL(hook.path, hub.url), init)).status).toBe(202);
  });

  it('a text that no store takes, an order, an unknown event, another issuer than its own: 400, shown, nothing done', async () => {
    const hook = await plain();
    await hub.call('PUT', `/v1/sources/${hook.name}`, {
      body: { subject_issuers: ['https://login.example'] },
    });
    for (const [said, code] of [
      [{ reason: 'a\u0000b' }, 'unstorable-text'],
      [{ event: 'revocation-ordered' }, 'source-not-allowed'],
      [{ event: 'urn:caep-hub:event:revocation-lifted' }, 'source-not-allowed'],
      [{ event: 'no-such-event' }, 'unknown-event-type'],
      [{ iss: 'https://other.example' }, 'source-not-allowed'],
      [{ subject: { format: 'nonsense' } }, 'unknown-subject-format'],
      [{ event_timestamp: 1_763_764_001_000_000 }, 'invalid-request'],
    ] as const) {
      const { status, text } = await send(hub, { path: hook.path, body: row(said), headers: bearer(hook) });
      expect(status, text).toBe(400);
      expect(await activityOf(hub, hook.name)).toMatchObject({ last_failure: { code } });
    }
    expect(await signalsOf(hub, hook.name)).toEqual([]);
  });

  it('of several signals those that can be taken are, and once, though the sender tries again for the others', async () => {
    const hook = await plain({ mapping: '$.$signal($)' });
    const body = JSON.stringify([
      JSON.parse(row()),
      { client_id: 'other', event: 'nonsense' },
      JSON.parse(row({ client_id: 'third' })),
    ]);
    for (let attempt = 0; attempt < 2; attempt += 1) {
      expect((await send(hub, { path: hook.path, body, headers: bearer(hook) })).status).toBe(400);
    }
    expect(await signalsOf(hub, hook.name)).toHaveLength(2);
  });

  it('the limits of its source hold: a kill above the rate waits for a person, who releases it', async () => {
    const hook = await plain();
    await hub.call('PUT', `/v1/sources/${hook.name}`, { body: { kills_per_minute: 0 } });
    const body = row({ client_id: 'nobody-else-speaks-of' });
    expect((await send(hub, { path: hook.path, body, headers: bearer(hook) })).status).toBe(202);
    const [held] = await signalsOf(hub, hook.name);
    expect(held).toMatchObject({ decision: { outcome: 'held' } });
    const released = await hub.call('POST', `/v1/held/${String(held?.['signal_id'])}/release`);
    expect(released.body).toMatchObject({ held: { state: 'released' } });
  });
});
