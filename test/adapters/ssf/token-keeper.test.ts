import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { deferred } from '../../support/deferred.ts';
import { done, failure, transmitterClients } from '../../support/a-transmitter-client.ts';
import type { UpstreamAuthorization } from '../../support/upstream-authorization.ts';
import { startUpstream, type Upstream } from '../../support/upstream-transmitter.ts';

let nowMs = 1_763_764_000_000;
const clients = transmitterClients({ nowMs: () => nowMs });
let upstream: Upstream | undefined;
beforeEach(async () => {
  await upstream?.close();
});
afterAll(async () => {
  await upstream?.close();
  await clients.close();
});

const method = 'client_secret_basic';
const clientSecret = 'a-client-secret';

/** A client, and how it lists the streams; the same each time. */
async function aClient(life: Pick<Extract<UpstreamAuthorization, { kind: 'client' }>, 'expiresIn'> = {}) {
  const authorization = { kind: 'client', clientId: 'hub', clientSecret, ...life } as const;
  const started = await startUpstream({ authorization });
  upstream = started;
  const { tokenEndpoint, issuer } = started;
  const client = clients.open(
    { issuer },
    { kind: 'client', clientId: 'hub', method, clientSecret, tokenEndpoint },
  );
  const count = () => started.tokens.given.length;
  return { upstream: started, list: () => client.listStreams({ configuration: `${issuer}/streams` }), count };
}

describe('a token is kept', () => {
  it('and goes with every call', async () => {
    const { list, count } = await aClient();
    for (let left = 3; left > 0; left -= 1) await done(list());
    expect(count()).toBe(1);
  });

  it('until shortly before it expires', async () => {
    const { list, count } = await aClient({ expiresIn: 100 });
    await done(list());
    nowMs += 69_999;
    await done(list());
    expect(count()).toBe(1);
    nowMs += 1;
    await done(list());
    expect(count()).toBe(2);
  });

  it.each([
    ['half of a short life', 10, 5],
    ['270 seconds where nobody says', null, 270],
    ['a day at the most', 1e300, 86_400 - 30],
    ['not at all where it has none', 0, 0],
  ])('for %s', async (_what, expiresIn, seconds) => {
    const { list, count } = await aClient({ expiresIn });
    await done(list());
    if (seconds > 0) {
      nowMs += seconds * 1_000 - 1;
      await done(list());
      expect(count()).toBe(1);
    }
    nowMs += 1;
    await done(list());
    expect(count()).toBe(2);
  });

  it('and whoever wants it meanwhile waits for the same request', async () => {
    const { list, count, upstream } = await aClient();
    const slow = deferred();
    upstream.misbehave('token', { kind: 'slow', until: slow.promise });
    const lists = Array.from({ length: 5 }, list);
    slow.resolve();
    await Promise.all(lists.map(done));
    expect(count()).toBe(1);
  });

  it('but not a failure', async () => {
    const { list, upstream } = await aClient();
    upstream.misbehave('token', { kind: 'answers', status: 500 }, 1);
    expect(await failure(list())).toMatchObject({ step: 'authorize', status: 500 });
    await done(list());
  });
});

describe('RFC 6750 §3.1: a token that the Transmitter refuses', () => {
  it('is got anew, once', async () => {
    const { list, count, upstream } = await aClient();
    await done(list());
    upstream.tokens.revoke();
    await done(list());
    expect(count()).toBe(2);
    upstream.misbehave('streams', { kind: 'answers', status: 401 });
    const from = upstream.requests.length;
    expect(await failure(list())).toMatchObject({ step: 'authorize', status: 401 });
    expect(upstream.requests.slice(from).map(({ place }) => place)).toEqual(['streams', 'token', 'streams']);
  });

  it('costs one request for all who were refused with it', async () => {
    const { list, count, upstream } = await aClient();
    await done(list());
    upstream.tokens.revoke();
    await Promise.all(Array.from({ length: 5 }, list).map(done));
    expect(count()).toBe(2);
  });

  it('and that a person gave is not tried twice', async () => {
    upstream = await startUpstream({ authorization: { kind: 'token', token: 'a-good-token' } });
    const configuration = `${upstream.issuer}/streams`;
    const open = (token: string) => clients.open({ issuer: upstream!.issuer }, { kind: 'token', token });
    await done(open('a-good-token').listStreams({ configuration }));
    const from = upstream.requests.length;
    const told = await failure(open('a-stale-token').listStreams({ configuration }));
    expect(told).toMatchObject({ step: 'authorize', status: 401 });
    expect(told.text).not.toContain('a-stale-token');
    expect(upstream.requests).toHaveLength(from + 1);
    expect(await failure(open('one\ntwo').listStreams({ configuration }))).toMatchObject({ step: 'connect' });
  });
});
