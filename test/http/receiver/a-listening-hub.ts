import { afterAll, afterEach, beforeAll, vi } from 'vitest';
import { type Answer, type Hub, startHub } from '../../support/a-hub.ts';
import { startUpstream, type Upstream } from '../../support/upstream-transmitter.ts';

export const path = '/v1/upstreams';

/** A hub, and a Transmitter that it may listen to: fresh for each test, but for the processes. */
export type Listening = {
  readonly hub: Hub;
  readonly peer: Upstream;
  /** The one that is added is called okta. */
  add(body?: object, token?: string): Promise<Answer>;
  on(method: string, step?: string, body?: object): Promise<Answer>;
  /** Resolves with how it is shown by then. */
  becomes(state: string): Promise<Record<string, unknown>>;
  tokenFor(...scopes: readonly string[]): Promise<string>;
  /** The first there is at the Transmitter. */
  stream(): NonNullable<ReturnType<Upstream['streamOf']>>;
};

export function listen(): Listening {
  let hub: Hub | undefined;
  let peer: Upstream | undefined;
  beforeAll(async () => {
    hub = await startHub({ OUTBOUND_ALLOW: '127.0.0.1,localhost' });
    peer = await startUpstream({ authorization: { kind: 'token', token: 'hunter2-token' }, streamsMax: 8 });
  });
  afterAll(async () => {
    await hub?.stop();
    await peer?.close();
  });
  afterEach(async () => {
    peer?.behave();
    peer?.verifies('as-asked');
    const listed = await hub?.call('GET', path);
    for (const { name } of (listed?.body['items'] ?? []) as { name: string }[])
      await hub?.call('DELETE', `${path}/${name}`);
    peer?.forgetStreams();
  });
  const listening: Listening = {
    get hub() {
      return started(hub);
    },
    get peer() {
      return started(peer);
    },
    add: (body = {}, token) =>
      listening.hub.call('POST', path, {
        body: {
          name: 'okta',
          issuer: listening.peer.issuer,
          algorithm: 'ES256',
          credentials: { kind: 'token', token: 'hunter2-token' },
          ...body,
        },
        ...(token === undefined ? {} : { token }),
      }),
    on: (method, step = '', body) =>
      listening.hub.call(method, `${path}/okta${step}`, body === undefined ? {} : { body }),
    becomes: (state) =>
      vi.waitUntil(
        async () => {
          const { body } = await listening.on('GET');
          return (body['health'] as { state: string }).state === state ? body : undefined;
        },
        { timeout: 60_000, interval: 50 },
      ),
    async tokenFor(...scopes) {
      const body = { actor: `with-${scopes.join('-')}`, scopes };
      return String((await listening.hub.call('POST', '/v1/tokens', { body })).body['token']);
    },
    stream: () => started(listening.peer.streamOf()),
  };
  return listening;
}

function started<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('it is there only while tests run');
  return value;
}
