import { createHmac } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Hub } from '../../support/a-hub.ts';
import { activityOf, aHook, aHubWithHooks, issuer, send, signalsOf } from './a-hook.ts';
import { recorded } from './a-sender.ts';

let hub: Hub;
let manager: string;
beforeAll(async () => {
  hub = await aHubWithHooks({ PUBLIC_URL: 'https://hub.example' });
  const made = await hub.call('POST', '/v1/tokens', { body: { actor: 'mara', scopes: ['sources.write'] } });
  manager = String(made.body['token']);
});
afterAll(() => hub?.stop());

const put = (name: string, body: object, token = manager) =>
  hub.call('PUT', `/v1/hooks/${name}`, { body, token });

describe('/v1/hooks', () => {
  it('201: makes the hook, its secret, which no other answer has, and its source', async () => {
    const made = await put('made', { kind: 'github', issuer });
    const secret = String(made.body['secret']);
    expect([made.status, secret.length]).toEqual([201, 43]);
    expect(made.body).toMatchObject({
      source: 'made',
      url: 'https://hub.example/v1/hooks/made',
      mapping_of: 'kind',
      issuer,
      secrets: [{ since_ms: expect.any(Number) }],
    });
    const others = await Promise.all([
      hub.call('GET', '/v1/hooks/made'),
      hub.call('GET', '/v1/hooks'),
      put('made', { kind: 'github' }),
      hub.call('GET', '/v1/audit?target=made'),
    ]);
    for (const { text } of others) expect(text).not.toContain(secret);
    expect(others[2].body).toMatchObject({ secrets: made.body['secrets'] });
    expect(others[2].body).not.toHaveProperty('issuer');
    expect(others[3].text).toContain('"hook.added"');
    expect((await hub.call('GET', '/v1/sources/made')).body).toMatchObject({
      person: false,
      kills_per_minute: 30,
    });
  });

  it('the path that holds a secret is told with a place for it', async () => {
    const made = await put('path', { kind: 'splunk' });
    expect(made.body['url']).toBe('https://hub.example/v1/hooks/path/{secret}');
  });

  it('lists page by page, and removes for good; the source stays', async () => {
    await put('zz-1', { kind: 'falco' });
    await put('zz-2', { kind: 'falco' });
    const page = await hub.call('GET', '/v1/hooks?limit=1&cursor=zz-1', { token: manager });
    expect(page.body).toMatchObject({ items: [{ source: 'zz-2' }], next_cursor: null });
    const remove = () => hub.call('DELETE', '/v1/hooks/zz-2', { token: manager });
    expect([(await remove()).status, (await remove()).status]).toEqual([204, 404]);
    expect((await hub.call('GET', '/v1/hooks/zz-2')).status).toBe(404);
    expect((await hub.call('GET', '/v1/sources/zz-2')).status).toBe(200);
  });

  it.each([
    ['an unknown kind', { kind: 'nonsense' }, '/kind'],
    ['a member that there is not', { kind: 'github', secrets: ['x'] }, '/secrets'],
    ['a secret that is too short', { kind: 'github', secret: 'short' }, '/secret'],
    ['no secret where the sender makes it', { kind: 'pagerduty' }, '/secret'],
    ['a new secret where the sender makes it', { kind: 'pagerduty', new_secret: true }, '/secret'],
    ['two new secrets', { kind: 'github', secret: 'x'.repeat(40), new_secret: true }, '/new_secret'],
    ['an option of another kind', { kind: 'github', header: 'X-Key' }, '/header'],
    ['an issuer that is none', { kind: 'okta', issuer: 'nonsense' }, '/issuer'],
    ['a mapping that is too long', { kind: 'github', mapping: 'x'.repeat(20_000) }, '/mapping'],
  ])('400 for %s, and nothing is made', async (_what, body, path) => {
    const { status, body: problem } = await put('never', body);
    expect([status, problem['errors']]).toEqual([400, [expect.objectContaining({ path })]]);
    expect((await hub.call('GET', '/v1/hooks/never')).status).toBe(404);
    expect((await hub.call('GET', '/v1/sources/never')).status).toBe(404);
  });

  it('400 for a mapping that is wrong, with the place where it is', async () => {
    const { status, body } = await put('never', { kind: 'github', mapping: '{"event": "x", "subject": ' });
    expect(status).toBe(400);
    expect(body).toMatchObject({
      position: 26,
      errors: [{ path: '/mapping', message: expect.stringContaining('character 26') }],
    });
  });

  it('401, 403: needs sources.write; a name that is none is 400; a source of a person is 409', async () => {
    const { body } = await hub.call('POST', '/v1/tokens', {
      body: { actor: 'sender', scopes: ['signals.write'] },
    });
    const other = String(body['token']);
    expect((await hub.call('GET', '/v1/hooks', { token: null })).status).toBe(401);
    expect((await put('never', { kind: 'github' }, other)).status).toBe(403);
    const test = { body: { body: {} }, token: other };
    expect((await hub.call('POST', '/v1/hooks/made/test', test)).status).toBe(403);
    expect((await put('-never', { kind: 'github' })).status).toBe(400);
    expect((await put('admin', { kind: 'github' })).body).toMatchObject({ status: 409, code: 'conflict' });
  });

  it('secrets are sealed at rest', async () => {
    const hook = await aHook(hub, { kind: 'github' });
    await hub.stop('keep');
    const files = readdirSync(hub.dataDir, { recursive: true, withFileTypes: true }).filter((one) =>
      one.isFile(),
    );
    const holds = (text: string) =>
      files.some(({ parentPath, name }) => readFileSync(join(parentPath, name)).includes(text));
    expect([holds(hook.name), holds(hook.secret)]).toEqual([true, false]);
    hub = await aHubWithHooks({ PUBLIC_URL: 'https://hub.example' }, undefined, hub.dataDir);
    const body = recorded('github', 'push.json');
    const signature = createHmac('sha256', hook.secret).update(body).digest('hex');
    const headers = { 'x-hub-signature-256': `sha256=${signature}` };
    expect((await send(hub, { path: hook.path, body, headers })).status).toBe(202);
  });
});

describe('POST /v1/hooks/:source/test', () => {
  const test = (name: string, body: object) =>
    hub.call('POST', `/v1/hooks/${name}/test`, { body, token: manager });

  it('shows what a body maps to and what the hub would do, and leaves nothing', async () => {
    const hook = await aHook(hub, { kind: 'standard-webhooks' });
    const body = JSON.parse(recorded('standard-webhooks', 'event.json')) as object;
    const { status, body: shown } = await test(hook.name, { body });
    expect(status).toBe(200);
    expect(shown).toMatchObject({
      signals: [
        {
          signal: {
            event: 'credential-compromise',
            subject: { client_id: 'build-runner' },
            event_timestamp: 1_795_300_001.123,
          },
          answer: { dry_run: true, decision: { outcome: 'applied' }, revocations: [{ effect: 'deny' }] },
        },
      ],
    });
    expect(await signalsOf(hub, hook.name)).toEqual([]);
    expect(await activityOf(hub, hook.name)).toMatchObject({ accepted: 0, failed: 0 });
  });

  it('with headers, with text that is not JSON as a whole, and with another mapping', async () => {
    const github = await aHook(hub, { kind: 'github' });
    const body = JSON.parse(recorded('github', 'repository.json')) as object;
    expect(
      (await test(github.name, { body, headers: { 'X-GitHub-Event': 'repository' } })).body['signals'],
    ).toHaveLength(1);
    expect((await test(github.name, { body })).body).toEqual({ signals: [] });
    const mapping = '{"event": "build-untrusted", "subject": {"client_id": repository.name}}';
    expect((await test(github.name, { body, mapping })).body).toMatchObject({
      signals: [{ signal: { subject: { client_id: 'charges' } } }],
    });
    const collector = await aHook(hub, { kind: 'splunk-hec' });
    expect(
      (await test(collector.name, { body: recorded('splunk-hec', 'events.json.txt') })).body['signals'],
    ).toHaveLength(1);
  });

  it('tells what would be refused, and what the mapping fails with', async () => {
    const hook = await aHook(hub, { kind: 'falco', mapping: '$signal($)' });
    expect((await test(hook.name, { body: { event: 'nonsense', client_id: 'x' } })).body).toMatchObject({
      signals: [
        {
          signal: { event: 'nonsense' },
          problem: { code: 'unknown-event-type', errors: [{ path: '/event' }] },
        },
      ],
    });
    expect((await test(hook.name, { body: {}, mapping: '$number("x") + 1' })).body).toMatchObject({
      signals: [],
      failure: { code: 'mapping-error' },
    });
    expect((await test(hook.name, { body: {}, mapping: '(' })).status).toBe(400);
    expect((await test(hook.name, { body: '{"a": ' })).body).toMatchObject({ code: 'malformed-json' });
    expect((await test('nobody', { body: {} })).status).toBe(404);
  });
});
