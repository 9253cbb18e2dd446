import { type Answer, type Hub, startHub } from '../../support/a-hub.ts';
import type { Clock } from '../../../src/adapters/system/clock.ts';
import type { Environment } from '../../../src/config.ts';

/** A hub whose one issuer is `issuer`, for hooks to speak about. */
export const issuer = 'https://login.example';
export async function aHubWithHooks(
  environment: Environment = {},
  clock?: Clock,
  dataDir?: string,
): Promise<Hub> {
  const hub = await startHub(environment, dataDir, clock);
  await hub.call('PUT', '/v1/issuers', { body: { url: issuer } });
  return hub;
}

let names = 0;
export type AHook = {
  readonly name: string;
  /** Whatever the sender proves itself by; made by the hub unless it was given. */
  readonly secret: string;
  /** Path and query to send to. */
  readonly path: string;
};

/** Puts a hook. @throws Error with the answer when it is refused. */
export async function aHook(
  hub: Hub,
  body: { readonly kind: string; readonly [member: string]: unknown },
): Promise<AHook> {
  const name = `${body.kind}-${++names}`;
  const { status, body: hook, text } = await hub.call('PUT', `/v1/hooks/${name}`, { body });
  if (status !== 201) throw new Error(text);
  const given = hook['secret'] ?? body['secret'];
  const secret = typeof given === 'string' ? given : '';
  return { name, secret, path: new URL(String(hook['url']).replace('{secret}', secret)).pathname };
}

export type Sent = {
  readonly path: string;
  readonly body?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  readonly method?: string;
};

/** Sends as a stock sender does: without a token. */
export async function send(hub: Hub, { path, body, headers = {}, method = 'POST' }: Sent): Promise<Answer> {
  const response = await fetch(new URL(path, hub.url), {
    method,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : Buffer.from(body) }),
  });
  const text = await response.text();
  const isJson = /json/.test(response.headers.get('content-type') ?? '');
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: isJson && text !== '' ? JSON.parse(text) : {},
  };
}

type Listed = { readonly items: readonly Record<string, unknown>[] };

/** What a hook said so far, oldest first. */
export async function signalsOf(hub: Hub, name: string): Promise<readonly Record<string, unknown>[]> {
  const { body } = await hub.call('GET', `/v1/signals?source=${name}&limit=200`);
  return (body as unknown as Listed).items.toReversed();
}

export const activityOf = async (hub: Hub, name: string): Promise<Record<string, unknown>> =>
  (await hub.call('GET', `/v1/hooks/${name}`)).body['activity'] as Record<string, unknown>;
