import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Hub, startHub } from '../../support/a-hub.ts';
import { startUpstream, type Upstream } from '../../support/upstream-transmitter.ts';

let hub: Hub;
let peer: Upstream;
beforeAll(async () => {
  hub = await startHub({ OUTBOUND_ALLOW: '127.0.0.1,localhost' });
  peer = await startUpstream({ authorization: { kind: 'token', token: 'hunter2-token' }, streamsMax: 8 });
});
afterAll(async () => {
  await hub?.stop();
  await peer?.close();
});
afterEach(async () => {
  peer.behave();
  peer.verifies('as-asked');
  const { body } = await hub.call('GET', path);
  for (const { name } of body['items'] as { name: string }[]) await hub.call('DELETE', `${path}/${name}`);
  peer.forgetStreams();
});

const path = '/v1/upstreams';
const credentials = { kind: 'token', token: 'hunter2-token' };
const add = (body: object = {}, token?: string) =>
  hub.call('POST', path, {
    body: { name: 'okta', issuer: peer.issuer, algorithm: 'ES256', credentials, ...body },
    ...(token === undefined ? {} : { token }),
  });
const on = (method: string, step = '', body?: object) =>
  hub.call(method, `${path}/okta${step}`, body === undefined ? {} : { body });
const becomes = (state: string) =>
  vi.waitUntil(
    async () => {
      const { body } = await on('GET');
      return (body['health'] as { state: string }).state === state ? body : undefined;
    },
    { timeout: 60_000, interval: 50 },
  );
const tokenFor = async (...scopes: string[]) =>
  String(
    (await hub.call('POST', '/v1/tokens', { body: { actor: `with-${scopes.join('-')}`, scopes } })).body[
      'token'
    ],
  );
const stream = () => [...peer.streams.values()][0]!;

describe('POST /v1/upstreams', () => {
  it.each(['push', 'poll'])(
    '201: it is connected and verified by %s, and shows no secret',
    async (delivery) => {
      const made = await add({ delivery });
      expect(made.status, made.text).toBe(201);
      expect(made.body).toMatchObject({
        name: 'okta',
        health: { state: 'connecting' },
        credentials: { kind: 'token' },
        verify_every_seconds: 3_600,
      });
      expect(await becomes('verified')).toMatchObject({
        binding: { jwks_uri: peer.jwksUri, audience: [stream().aud], stream_id: stream().id },
        stream: { status: 'enabled' },
        last_set_at_ms: expect.any(Number),
      });
      const source = (await hub.call('GET', '/v1/sources/okta')).body;
      expect(source['subject_issuers']).toEqual([peer.issuer]);
      expect((source['event_types'] as string[]).some((uri) => uri.startsWith('urn:caep-hub'))).toBe(false);
      const list = await on('GET', '/sets');
      expect(list.body['items']).toMatchObject([{ outcome: 'verification' }]);
      const pushed = stream().delivery.authorization ?? 'Bearer none';
      const everything = [
        made.text,
        (await on('GET')).text,
        (await hub.call('GET', path)).text,
        (await on('GET', '/stream')).text,
        list.text,
        (await hub.call('GET', '/v1/audit?limit=200')).text,
        ...hub.lines,
      ].join('\n');
      for (const secret of ['hunter2', pushed.replace('Bearer ', '')])
        expect(everything).not.toContain(secret);
    },
  );

  it('201: the issuer is read from where its metadata belongs', async () => {
    const made = await add({ issuer: undefined, metadata_url: peer.metadataUrl });
    expect(made.body).toMatchObject({ issuer: peer.issuer });
    expect(made.body['metadata_url']).toBeUndefined();
  });

  it('400: metadata that belongs elsewhere names nobody; with the issuer it is taken', async () => {
    peer.misbehave(
      'metadata',
      { kind: 'lies', change: (body) => ({ ...body, issuer: `${peer.issuer}/other` }) },
      1,
    );
    const refused = await add({ issuer: undefined, metadata_url: peer.metadataUrl });
    expect(refused.body).toMatchObject({ status: 400, errors: [{ path: '/metadata_url' }] });
    expect((await add({ metadata_url: peer.metadataUrl })).body).toMatchObject({
      metadata_url: peer.metadataUrl,
    });
  });

  it('502: metadata that cannot be had', async () => {
    peer.misbehave('metadata', { kind: 'answers', status: 500 });
    const refused = await add({ issuer: undefined, metadata_url: peer.metadataUrl });
    expect(refused.body).toMatchObject({ status: 502, code: 'upstream-failed', step: 'discover' });
    expect((await hub.call('GET', path)).body['items']).toEqual([]);
  });

  it('201: for private_key_jwt the hub makes a key and shows its public half only', async () => {
    const client = {
      kind: 'client',
      client_id: 'hub',
      method: 'private_key_jwt',
      token_endpoint: peer.tokenEndpoint,
    };
    const made = await add({ credentials: client });
    const { public_jwk: jwk } = made.body['credentials'] as { public_jwk: Record<string, string> };
    expect(Object.keys(jwk).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
    expect(jwk).toMatchObject({ kty: 'EC', crv: 'P-256', alg: 'ES256' });
    const again = await on('PATCH', '', { credentials: { ...client, scope: 'ssf.manage' } });
    expect(again.body['credentials']).toMatchObject({ scope: 'ssf.manage', public_jwk: jwk });
    const other = await on('PATCH', '', { credentials: { ...client, new_key: true } });
    expect((other.body['credentials'] as { public_jwk: unknown }).public_jwk).not.toEqual(jwk);
  });

  it('201: without management API a push carries what is told once', async () => {
    const unmanaged = { jwks_uri: peer.jwksUri, audience: ['hub'] };
    const made = await add({ unmanaged, credentials: undefined });
    expect(made.body['push_authorization']).toMatch(/^Bearer [\w-]{43}$/);
    const shown = await becomes('unverified');
    expect(shown).toMatchObject({ binding: { audience: ['hub'] }, unmanaged });
    expect(JSON.stringify(shown)).not.toContain(String(made.body['push_authorization']).slice(7));
  });

  it.each<[string, object, string]>([
    ['no issuer', { issuer: undefined }, '/issuer'],
    ['an issuer that is no URL', { issuer: 'okta' }, '/issuer'],
    ['an issuer where the hub does not go', { issuer: 'https://10.0.0.1' }, '/issuer'],
    ['metadata where the hub does not go', { metadata_url: 'https://169.254.169.254/' }, '/metadata_url'],
    ['a bad name', { name: 'a b' }, '/name'],
    ['an unknown algorithm', { algorithm: 'none' }, '/algorithm'],
    ['a MAC', { algorithm: 'HS256' }, '/algorithm'],
    ['an unknown event', { events: ['sesion'] }, '/events/0'],
    ['a token without token', { credentials: { kind: 'token' } }, '/credentials/token'],
    [
      'a token that breaks a header',
      { credentials: { kind: 'token', token: 'a\r\nb' } },
      '/credentials/token',
    ],
    [
      'a client without secret',
      { credentials: { kind: 'client', client_id: 'a' } },
      '/credentials/client_secret',
    ],
    [
      'a secret beside a key',
      { credentials: { kind: 'client', client_id: 'a', method: 'private_key_jwt', client_secret: 'b' } },
      '/credentials/client_secret',
    ],
    ['members of another kind', { credentials: { kind: 'none', token: 'a' } }, '/credentials/token'],
    [
      'polling without a URL',
      { delivery: 'poll', unmanaged: { jwks_uri: 'https://127.0.0.1/k', audience: ['a'] } },
      '/unmanaged/poll_url',
    ],
    ['seconds below the least', { verify_every_seconds: 1 }, '/verify_every_seconds'],
    ['an unknown limit', { limits: { event_types: ['nothing'] } }, '/limits/event_types/0'],
    ['a member nobody knows', { issuers: [] }, '/issuers'],
  ])('400: %s', async (_name, body, at) => {
    const refused = await add(body);
    expect([refused.status, (refused.body['errors'] as { path: string }[])[0]?.path]).toEqual([400, at]);
    expect((await hub.call('GET', path)).body['items']).toEqual([]);
  });

  it('409: there is one of that name', async () => {
    await add();
    expect((await add()).body).toMatchObject({ status: 409, errors: [{ path: '/name' }] });
  });

  it('403: who may add upstreams lends nobody a source that is there, and sets no limits', async () => {
    const token = await tokenFor('upstreams.write');
    expect((await add({ limits: { subject_issuers: ['https://x.example'] } }, token)).status).toBe(403);
    await hub.call('PUT', '/v1/sources/mighty', { body: {} });
    expect((await add({ name: 'mighty' }, token)).body).toMatchObject({
      status: 403,
      scope: 'sources.write',
    });
    expect((await add({ name: 'humble' }, token)).status).toBe(201);
    expect((await add({ name: 'mighty' })).status).toBe(201);
  });
});

it('401, 403, 404: reading takes audit.read or upstreams.write, and what is not there is not there', async () => {
  const reader = await tokenFor('audit.read');
  const nobody = await tokenFor('signals.write');
  await add();
  expect((await hub.call('GET', `${path}/okta`, { token: reader })).status).toBe(200);
  expect((await hub.call('PATCH', `${path}/okta`, { token: reader, body: { paused: true } })).status).toBe(
    403,
  );
  expect((await hub.call('GET', path, { token: nobody })).status).toBe(403);
  expect((await hub.call('GET', path, { token: null })).status).toBe(401);
  for (const [method, step] of everyStep) {
    const body = method === 'POST' && step === '/status' ? { status: 'enabled' } : undefined;
    const options = body === undefined ? {} : { body };
    expect((await hub.call(method, `${path}/none${step}`, options)).status, `${method} ${step}`).toBe(404);
    expect((await hub.call(method, `${path}/okta${step}`, { token: nobody, ...options })).status).toBe(403);
  }
});
const everyStep = [
  ['GET', ''],
  ['DELETE', ''],
  ['POST', '/connect'],
  ['GET', '/stream'],
  ['PATCH', '/stream'],
  ['PUT', '/stream'],
  ['DELETE', '/stream'],
  ['GET', '/status'],
  ['POST', '/status'],
  ['POST', '/verify'],
  ['POST', '/poll'],
  ['POST', '/test'],
  ['GET', '/sets'],
] as const;

describe('PATCH and DELETE /v1/upstreams/:name', () => {
  it('200: a pause stops both sides, and resuming lets both go on', async () => {
    await add();
    await becomes('verified');
    const paused = await on('PATCH', '', { paused: true });
    expect(paused.body).toMatchObject({ paused: true, health: { state: 'paused' } });
    expect(stream().status).toBe('paused');
    expect((await on('POST', '/verify')).status).toBe(409);
    await on('PATCH', '', { paused: false });
    await becomes('verified');
    expect(stream().status).toBe('enabled');
    peer.misbehave('status', { kind: 'answers', status: 500 });
    expect((await on('PATCH', '', { paused: true })).body['warnings']).toEqual([
      expect.stringContaining('was not told to pause'),
    ]);
  });

  it('200: what SETs are held against means connecting anew; the stream stays the same', async () => {
    await add();
    const { id } = (await becomes('verified'), stream());
    const changed = await on('PATCH', '', { delivery: 'poll', events: ['session-revoked'] });
    expect(changed.status, changed.text).toBe(200);
    const shown = await becomes('verified');
    expect(shown['binding']).toMatchObject({ stream_id: id, poll_url: expect.stringContaining(id) });
    expect(stream().eventsRequested).toHaveLength(1);
    expect((await on('PATCH', '', { events: null })).body['events']).toBeUndefined();
    expect((await on('PATCH', '', { issuer: 'https://x.example' })).status).toBe(400);
    expect((await on('PATCH', '', {})).status).toBe(400);
  });

  it('200: it is removed with its stream, or without, or though that fails', async () => {
    const results: unknown[] = [];
    for (const [query, fails] of [
      ['', false],
      ['?keep_stream=true', false],
      ['', true],
    ] as const) {
      peer.forgetStreams();
      await add();
      await becomes('verified');
      if (fails) peer.misbehave('streams', { kind: 'answers', status: 500 });
      results.push([(await on('DELETE', query)).body, peer.streams.size]);
      expect((await on('GET')).status).toBe(404);
    }
    expect(results).toEqual([
      [{ removed: 'okta', stream: 'deleted' }, 0],
      [{ removed: 'okta', stream: 'kept' }, 1],
      [{ removed: 'okta', stream: 'not-deleted', text: expect.stringContaining('500') }, 1],
    ]);
  });
});

describe('/v1/upstreams/:name/…', () => {
  it('POST connect: 200, or 502 with the step', async () => {
    await add();
    await becomes('verified');
    const { id } = stream();
    const before = peer.requests.length;
    expect((await on('POST', '/connect')).body).toMatchObject({ binding: { stream_id: id } });
    expect(peer.requests.length).toBeGreaterThan(before);
    peer.misbehave('metadata', { kind: 'answers', status: 503, headers: { 'retry-after': '7' } });
    const failed = await on('POST', '/connect');
    expect(failed.body).toMatchObject({
      status: 502,
      code: 'upstream-failed',
      step: 'discover',
      transmitter_status: 503,
    });
    expect(failed.headers.get('retry-after')).toBe('7');
    expect((await on('GET')).body['health']).toMatchObject({ state: 'failing' });
    const ready = await (await fetch(`${hub.url}/readyz`)).json();
    expect(ready).toMatchObject({
      ready: true,
      notices: expect.arrayContaining([expect.stringContaining('1 failing')]),
    });
    const metrics = await hub.call('GET', '/metrics');
    expect(metrics.text).toMatch(/caep_hub_upstreams\{upstream="okta",state="\w+"\} 1/);
  });

  it('stream: read, asked for, replaced and deleted, each alone; deleting pauses', async () => {
    await add();
    await becomes('verified');
    const { id } = stream();
    expect((await on('GET', '/stream')).body).toMatchObject({ stream_id: id, iss: peer.issuer });
    for (const method of ['PATCH', 'PUT']) {
      stream().eventsRequested = [];
      expect((await on(method, '/stream')).status).toBe(200);
      expect(stream().eventsRequested.length).toBeGreaterThan(10);
      expect(peer.requests.at(-1)).toMatchObject({ place: 'streams', method });
    }
    expect((await on('DELETE', '/stream')).status).toBe(204);
    expect(peer.streams.size).toBe(0);
    const shown = (await on('GET')).body;
    expect([shown['paused'], shown['binding']]).toEqual([true, undefined]);
    for (const [method, step] of [
      ['GET', '/stream'],
      ['GET', '/status'],
      ['DELETE', '/stream'],
    ] as const)
      expect((await on(method, step)).status).toBe(409);
  });

  it('status: read and set', async () => {
    await add();
    await becomes('verified');
    expect((await on('GET', '/status')).body).toEqual({ status: 'enabled' });
    const set = await on('POST', '/status', { status: 'disabled', reason: 'moving house' });
    expect(set.body).toEqual({ status: 'disabled', reason: 'moving house' });
    expect((await on('GET')).body['health']).toEqual({
      state: 'failing',
      text: 'Its Transmitter says that the stream is disabled: moving house',
    });
    expect((await on('POST', '/verify')).body).toMatchObject({ status: 409 });
    expect((await on('POST', '/status', { status: 'gone' })).status).toBe(400);
  });

  it('POST verify: 200 when it came, or not yet; the state is unguessable and another one each time', async () => {
    await add();
    await becomes('verified');
    expect((await on('POST', '/verify')).body).toMatchObject({ verified: true });
    peer.verifies('with-another-state');
    expect((await on('POST', '/verify?timeout_ms=300')).body).toMatchObject({ verified: false });
    const states = peer.requests
      .filter(({ place }) => place === 'verification')
      .slice(-3)
      .map(({ body }) => (JSON.parse(body) as { state: string }).state);
    expect(new Set(states).size).toBe(3);
    for (const state of states) expect(state).toMatch(/^[\w-]{43}$/);
    const unmanaged = { jwks_uri: peer.jwksUri, audience: ['hub'] };
    await on('PATCH', '', { unmanaged });
    expect((await on('POST', '/verify')).body).toMatchObject({ status: 409 });
  });

  it('POST poll: what waits is taken and acknowledged, and listed with why', async () => {
    await add({ delivery: 'poll' });
    await becomes('verified');
    await peer.emit({ type: 'https://example.com/event/unheard-of', subject: { format: 'opaque', id: 'x' } });
    const polled = await on('POST', '/poll');
    expect(polled.status, polled.text).toBe(200);
    await vi.waitUntil(() => stream().queue.size === 0, { timeout: 30_000 });
    const { body } = await on('GET', '/sets?limit=1');
    expect(body['items']).toMatchObject([{ outcome: 'unknown-event', text: expect.any(String) }]);
    const next = await on('GET', `/sets?limit=1&cursor=${String(body['next_cursor'])}`);
    expect(next.body).toMatchObject({ items: [{ outcome: 'verification' }], next_cursor: null });
    expect((await on('GET', '/sets?cursor=nonsense')).status).toBe(400);
    await on('PATCH', '', { delivery: 'push' });
    await becomes('verified');
    expect((await on('POST', '/poll')).status).toBe(409);
  });

  it('POST test: every step with what was found, and nothing is changed', async () => {
    await add();
    await becomes('verified');
    const before = (await on('GET')).body;
    const steps = async () => {
      const { body } = await on('POST', '/test');
      return (body['steps'] as { step: string; outcome: string }[]).map(
        ({ step, outcome }) => `${step} ${outcome}`,
      );
    };
    expect(await steps()).toEqual([
      'metadata ok',
      'keys ok',
      'authorization ok',
      'stream ok',
      'status ok',
      'delivery ok',
    ]);
    peer.misbehave('streams', { kind: 'answers', status: 401 });
    expect(await steps()).toEqual([
      'metadata ok',
      'keys ok',
      'authorization failed',
      'stream skipped',
      'status skipped',
      'delivery skipped',
    ]);
    peer.behave();
    peer.misbehave('metadata', { kind: 'hangs-up' });
    expect((await steps())[0]).toBe('metadata failed');
    peer.behave();
    peer.misbehave('jwks', { kind: 'answers', status: 200, body: { keys: [] } });
    expect(await steps()).toContain('keys failed');
    const { due_at_ms: _due, last_set_at_ms: _last, ...after } = (await on('GET')).body;
    expect(before).toMatchObject(after);
    expect(peer.requests.slice(-8).every(({ method }) => method === 'GET')).toBe(true);
  });
});

it('no file of the hub has a secret of an upstream', async () => {
  await add();
  await becomes('verified');
  const pushed = stream().delivery.authorization!.replace('Bearer ', '');
  const files = readdirSync(join(hub.dataDir, 'db'), { recursive: true, withFileTypes: true }).filter((one) =>
    one.isFile(),
  );
  expect(files.length).toBeGreaterThan(100);
  for (const file of files) {
    const bytes = readFileSync(join(file.parentPath, file.name));
    expect(bytes.includes('hunter2-token') || bytes.includes(pushed), file.name).toBe(false);
  }
});
