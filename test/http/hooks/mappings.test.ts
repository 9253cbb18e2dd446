import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Hub } from '../../support/a-hub.ts';
import { activityOf, aHook, type AHook, aHubWithHooks, send, signalsOf } from './a-hook.ts';

let hub: Hub;
beforeAll(async () => {
  hub = await aHubWithHooks();
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
/** A hook whose sender proves itself by a header, and whose mapping reads plain rows. */
const plain = (more: object = {}) => aHook(hub, { kind: 'falco', mapping: '$signal($)', ...more });

describe('mappings', () => {
  it('one that never ends is ended, is told to people, and holds up nobody else', async () => {
    const endless = await plain({ mapping: '($f := function($n) { $f($n + 1) }; $f(0))' });
    const good = await plain();
    const looping = send(hub, { path: endless.path, body: row(), headers: bearer(endless) });
    const others = await Promise.all(
      [1, 2, 3, 4].map((n) =>
        send(hub, { path: good.path, body: row({ client_id: `c-${n}` }), headers: bearer(good) }),
      ),
    );
    expect(others.map(({ status }) => status)).toEqual([202, 202, 202, 202]);
    expect((await looping).status).toBe(400);
    expect(await activityOf(hub, endless.name)).toMatchObject({ last_failure: { code: 'mapping-timeout' } });
    expect(
      (await send(hub, { path: good.path, body: row({ client_id: 'after' }), headers: bearer(good) })).status,
    ).toBe(202);
  });

  it.each([
    [
      'takes all memory',
      '($f := function($s) { $f($s & $s) }; $f("xxxxxxxxxxxxxxxx"))',
      /mapping-(memory|error|timeout)/,
    ],
    [
      'gives too much',
      '[1..2000].{"event": "session-revoked", "subject": {"agent": $string($)}, "reason": $pad("", 900)}',
      /mapping-output/,
    ],
    [
      'gives more signals than one body may be',
      '[1..101].{"event": "session-revoked", "subject": {"agent": "a"}}',
      /mapping-output/,
    ],
    ['makes a program of the body', '$eval(client_id)', /mapping-error/],
    ['calls what is not there', '$process.exit(1) ~> $require', /mapping-error/],
    ['quotes the body in its error', '$number(client_id)', /mapping-error/],
    ['gives no signal', '"a text"', /invalid-request/],
  ])('one that %s does nothing', async (_what, wrong, code) => {
    const hook = await plain({ mapping: wrong });
    const { status } = await send(hub, { path: hook.path, body: row(), headers: bearer(hook) });
    expect(status).toBe(400);
    const activity = await activityOf(hub, hook.name);
    expect(activity['last_failure']).toMatchObject({ code: expect.stringMatching(code) });
    expect(JSON.stringify(activity)).not.toContain('build-runner');
    expect(await signalsOf(hub, hook.name)).toEqual([]);
  });

  it('one cannot change what another one sees', async () => {
    const poison = await plain({
      mapping:
        '{"event": "x", "subject": $merge([{"__proto__": {"agent": "everybody"}}, {"constructor": {"prototype": {"agent": "everybody"}}}])}',
    });
    await send(hub, { path: poison.path, body: row(), headers: bearer(poison) });
    const good = await plain();
    await send(hub, {
      path: good.path,
      body: JSON.stringify({ event: 'session-revoked', sub: 'u-1' }),
      headers: bearer(good),
    });
    expect(await signalsOf(hub, good.name)).toMatchObject([{ subject: { sub: 'u-1' } }]);
  });

  it('sees the headers that its kind passes, and no others', async () => {
    const hook = await aHook(hub, {
      kind: 'github',
      mapping: '{"event": "session-revoked", "subject": {"client_id": "a"}, "reason": $string($headers)}',
    });
    await send(hub, github(hook, '{}', 'ping'));
    expect(await signalsOf(hub, hook.name)).toMatchObject([{ reason: '{"x-github-event":"ping"}' }]);
  });
});
