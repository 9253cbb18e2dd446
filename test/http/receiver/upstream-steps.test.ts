import { describe, expect, it, vi } from 'vitest';
import { listen } from './a-listening-hub.ts';

const at = listen();

describe('PATCH and DELETE /v1/upstreams/:name', () => {
  it('200: a pause stops both sides, and resuming lets both go on', async () => {
    await at.add();
    await at.becomes('verified');
    const paused = await at.on('PATCH', '', { paused: true });
    expect(paused.body).toMatchObject({ paused: true, health: { state: 'paused' } });
    expect(at.stream().status).toBe('paused');
    expect((await at.on('POST', '/verify')).status).toBe(409);
    await at.on('PATCH', '', { paused: false });
    await at.becomes('verified');
    expect(at.stream().status).toBe('enabled');
    at.peer.misbehave('status', { kind: 'answers', status: 500 });
    expect((await at.on('PATCH', '', { paused: true })).body['warnings']).toEqual([
      expect.stringContaining('was not told to pause'),
    ]);
  });

  it('200: what SETs are held against means connecting anew; the stream stays the same', async () => {
    await at.add();
    const { id } = (await at.becomes('verified'), at.stream());
    const changed = await at.on('PATCH', '', { delivery: 'poll', events: ['session-revoked'] });
    expect(changed.status, changed.text).toBe(200);
    const shown = await at.becomes('verified');
    expect(shown['binding']).toMatchObject({ stream_id: id, poll_url: expect.stringContaining(id) });
    expect(at.stream().eventsRequested).toHaveLength(1);
    expect((await at.on('PATCH', '', { events: null })).body['events']).toBeUndefined();
    expect((await at.on('PATCH', '', { issuer: 'https://x.example' })).status).toBe(400);
    expect((await at.on('PATCH', '', {})).status).toBe(400);
  });

  it('200: it is removed with its stream, or without, or though that fails', async () => {
    const results: unknown[] = [];
    for (const [query, fails] of [
      ['', false],
      ['?keep_stream=true', false],
      ['', true],
    ] as const) {
      at.peer.forgetStreams();
      await at.add();
      await at.becomes('verified');
      if (fails) at.peer.misbehave('streams', { kind: 'answers', status: 500 });
      results.push([(await at.on('DELETE', query)).body, at.peer.streams.size]);
      expect((await at.on('GET')).status).toBe(404);
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
    await at.add();
    await at.becomes('verified');
    const { id } = at.stream();
    const before = at.peer.requests.length;
    expect((await at.on('POST', '/connect')).body).toMatchObject({ binding: { stream_id: id } });
    expect(at.peer.requests.length).toBeGreaterThan(before);
    at.peer.misbehave('metadata', { kind: 'answers', status: 503, headers: { 'retry-after': '7' } });
    const failed = await at.on('POST', '/connect');
    expect(failed.body).toMatchObject({
      status: 502,
      code: 'upstream-failed',
      step: 'discover',
      transmitter_status: 503,
    });
    expect(failed.headers.get('retry-after')).toBe('7');
    expect((await at.on('GET')).body['health']).toMatchObject({ state: 'failing' });
    const ready = await (await fetch(`${at.hub.url}/readyz`)).json();
    expect(ready).toMatchObject({
      ready: true,
      notices: expect.arrayContaining([expect.stringContaining('1 failing')]),
    });
    const metrics = await at.hub.call('GET', '/metrics');
    expect(metrics.text).toMatch(/caep_hub_upstreams\{upstream="okta",state="\w+"\} 1/);
  });

  it('stream: read, asked for, replaced and deleted, each alone; deleting pauses', async () => {
    await at.add();
    await at.becomes('verified');
    const { id } = at.stream();
    expect((await at.on('GET', '/stream')).body).toMatchObject({ stream_id: id, iss: at.peer.issuer });
    for (const method of ['PATCH', 'PUT']) {
      at.stream().eventsRequested = [];
      expect((await at.on(method, '/stream')).status).toBe(200);
      expect(at.stream().eventsRequested.length).toBeGreaterThan(10);
      expect(at.peer.requests.at(-1)).toMatchObject({ place: 'streams', method });
    }
    expect((await at.on('DELETE', '/stream')).status).toBe(204);
    expect(at.peer.streams.size).toBe(0);
    const shown = (await at.on('GET')).body;
    expect([shown['paused'], shown['binding']]).toEqual([true, undefined]);
    for (const [method, step] of [
      ['GET', '/stream'],
      ['GET', '/status'],
      ['DELETE', '/stream'],
    ] as const)
      expect((await at.on(method, step)).status).toBe(409);
  });

  it('status: read and set', async () => {
    await at.add();
    await at.becomes('verified');
    expect((await at.on('GET', '/status')).body).toEqual({ status: 'enabled' });
    const set = await at.on('POST', '/status', { status: 'disabled', reason: 'moving house' });
    expect(set.body).toEqual({ status: 'disabled', reason: 'moving house' });
    expect((await at.on('GET')).body['health']).toEqual({
      state: 'failing',
      text: 'Its Transmitter says that the stream is disabled: moving house',
    });
    expect((await at.on('POST', '/verify')).body).toMatchObject({ status: 409 });
    expect((await at.on('POST', '/status', { status: 'gone' })).status).toBe(400);
  });

  it('POST verify: 200 when it came, or not yet; the state is unguessable and another one each time', async () => {
    await at.add();
    await at.becomes('verified');
    expect((await at.on('POST', '/verify')).body).toMatchObject({ verified: true });
    at.peer.verifies('with-another-state');
    expect((await at.on('POST', '/verify?timeout_ms=300')).body).toMatchObject({ verified: false });
    const states = at.peer.requests
      .filter(({ place }) => place === 'verification')
      .slice(-3)
      .map(({ body }) => (JSON.parse(body) as { state: string }).state);
    expect(new Set(states).size).toBe(3);
    for (const state of states) expect(state).toMatch(/^[\w-]{43}$/);
    const unmanaged = { jwks_uri: at.peer.jwksUri, audience: ['hub'] };
    await at.on('PATCH', '', { unmanaged });
    expect((await at.on('POST', '/verify')).body).toMatchObject({ status: 409 });
  });

  it('POST poll: what waits is taken and acknowledged, and listed with why', async () => {
    await at.add({ delivery: 'poll' });
    await at.becomes('verified');
    await at.peer.emit({
      type: 'https://example.com/event/unheard-of',
      subject: { format: 'opaque', id: 'x' },
    });
    const polled = await at.on('POST', '/poll');
    expect(polled.status, polled.text).toBe(200);
    await vi.waitUntil(() => at.stream().queue.size === 0, { timeout: 30_000 });
    const { body } = await at.on('GET', '/sets?limit=1');
    expect(body['items']).toMatchObject([{ outcome: 'unknown-event', text: expect.any(String) }]);
    const next = await at.on('GET', `/sets?limit=1&cursor=${String(body['next_cursor'])}`);
    expect(next.body).toMatchObject({ items: [{ outcome: 'verification' }], next_cursor: null });
    expect((await at.on('GET', '/sets?cursor=nonsense')).status).toBe(400);
    await at.on('PATCH', '', { delivery: 'push' });
    await at.becomes('verified');
    expect((await at.on('POST', '/poll')).status).toBe(409);
  });

  it('POST test: every step with what was found, and nothing is changed', async () => {
    await at.add();
    await at.becomes('verified');
    const before = (await at.on('GET')).body;
    const steps = async () => {
      const { body } = await at.on('POST', '/test');
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
    at.peer.misbehave('streams', { kind: 'answers', status: 401 });
    expect(await steps()).toEqual([
      'metadata ok',
      'keys ok',
      'authorization failed',
      'stream skipped',
      'status skipped',
      'delivery skipped',
    ]);
    at.peer.behave();
    at.peer.misbehave('metadata', { kind: 'hangs-up' });
    expect((await steps())[0]).toBe('metadata failed');
    at.peer.behave();
    at.peer.misbehave('jwks', { kind: 'answers', status: 200, body: { keys: [] } });
    expect(await steps()).toContain('keys failed');
    const { due_at_ms: _due, last_set_at_ms: _last, ...after } = (await at.on('GET')).body;
    expect(before).toMatchObject(after);
    expect(at.peer.requests.slice(-8).every(({ method }) => method === 'GET')).toBe(true);
  });
});
