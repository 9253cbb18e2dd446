import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startHub, type Hub } from '../../support/a-hub.ts';

let hub: Hub;
beforeAll(async () => {
  hub = await startHub();
});
afterAll(() => hub.stop());

async function openFeed(token: string) {
  const response = await fetch(`${hub.url}/v1/feed`, { headers: { authorization: `Bearer ${token}` } });
  const { body } = response;
  if (body === null) throw new Error('the feed has no body');
  let text = '';
  const ended = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of body) text += decoder.decode(chunk as Uint8Array, { stream: true });
    return text;
  })();
  return { status: response.status, ended };
}

describe('DESIGN §12: a feed ends with its token', () => {
  it('at once when the token is revoked; that of another token goes on', async () => {
    const make = async (actor: string) =>
      (await hub.call('POST', '/v1/tokens', { body: { actor, scopes: ['feed.read'] } })).body;
    const [one, other] = [await make('watcher-1'), await make('watcher-2')];
    const feeds = [await openFeed(String(one['token'])), await openFeed(String(other['token']))] as const;
    expect(feeds.map(({ status }) => status)).toEqual([200, 200]);
    await hub.call('DELETE', `/v1/tokens/${String(one['id'])}`);
    const text = await feeds[0].ended;
    expect(text).toContain('event: hello');
    expect(text).toContain('token-ended');
    const going = await Promise.race([feeds[1].ended, Promise.resolve('goes on')]);
    expect(going).toBe('goes on');
    await hub.call('DELETE', `/v1/tokens/${String(other['id'])}`);
    await feeds[1].ended;
  });
});

describe('the feed of a point', () => {
  it('is opened with the token that POST /v1/points answers, and ends when the point retires', async () => {
    const added = await hub.call('POST', '/v1/points', { body: { name: 'edge' } });
    expect(added.status).toBe(201);
    const { secret, id } = added.body['token'] as { secret: string; id: string };
    const response = await fetch(`${hub.url}/v1/feed`, {
      headers: { authorization: `Bearer ${secret}`, 'caep-point': 'edge/1' },
    });
    expect(response.status).toBe(200);
    expect((await hub.call('POST', '/v1/points/edge/retire')).status).toBe(200);
    expect(await response.text()).toContain('event: goodbye');
    expect((await hub.call('GET', `/v1/tokens/${id}`)).body).toHaveProperty('revoked_at_ms');
    expect((await hub.call('GET', '/v1/feed', { token: secret })).status).toBe(401);
  });
});
