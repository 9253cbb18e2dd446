import type { Answer, Hub } from './a-hub.ts';

export const caep = (name: string) => `https://schemas.openid.net/secevent/caep/event-type/${name}`;
export const pollMethod = 'urn:ietf:rfc:8936';
export const pushMethod = 'urn:ietf:rfc:8935';

/** A downstream Receiver with a token of its own, and what it does with its streams. */
export type SsfReceiver = {
  readonly name: string;
  readonly token: string;
  call(method: string, path: string, body?: unknown): Promise<Answer>;
  /** Of a new stream. */
  create(body?: object): Promise<Record<string, unknown> & { readonly stream_id: string }>;
};

let made = 0;

export async function anSsfReceiver(
  hub: Hub,
  scopes: readonly string[] = ['ssf.manage'],
): Promise<SsfReceiver> {
  made += 1;
  const name = `receiver-${made}`;
  const { body } = await hub.call('POST', '/v1/tokens', { body: { actor: name, scopes } });
  const token = String(body['token']);
  const call = (method: string, path: string, sent?: unknown) =>
    hub.call(method, path, { token, ...(sent === undefined ? {} : { body: sent }) });
  return {
    name,
    token,
    call,
    async create(sent = {}) {
      const answer = await call('POST', '/ssf/streams', sent);
      if (answer.status !== 201) throw new Error(answer.text);
      return { ...answer.body, stream_id: String(answer.body['stream_id']) };
    },
  };
}

/** As a sender of anything at all, which need not be JSON. */
export async function sendRaw(
  hub: Hub,
  receiver: SsfReceiver,
  request: {
    readonly method: string;
    readonly path: string;
    readonly body?: string;
    readonly headers?: Record<string, string>;
  },
): Promise<Response> {
  const { method, path, body, headers } = request;
  return fetch(new URL(path, hub.url), {
    method,
    headers: { authorization: `Bearer ${receiver.token}`, ...headers },
    ...(body === undefined ? {} : { body: Buffer.from(body) }),
  });
}
