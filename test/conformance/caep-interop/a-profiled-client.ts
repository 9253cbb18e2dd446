import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import type { SetClaims } from '../../../src/core/set-claims.ts';
import type { Answer, Hub } from '../../support/a-hub.ts';
import { getToken, makeClient } from '../../http/authorization/an-oauth-client.ts';

export const profile = 'caep-interop-1.0-draft-02';

/** A Receiver that knows the issuer and its client's secret, and nothing else. */
export type ProfiledClient = {
  readonly id: string;
  readonly token: string;
  call(method: string, path: string, body?: unknown): Promise<Answer>;
  create(body?: object): Promise<ProfiledStream>;
};
export type ProfiledStream = {
  readonly id: string;
  readonly configuration: Answer['body'];
  /** Everything that waits, verified with the published keys by RS256 alone, and acknowledged. */
  read(): Promise<readonly SetClaims[]>;
};

let made = 0;

/** An OAuth client with the profile, or with whatever `more` says. */
export async function aProfiledClient(hub: Hub, more: object = { profile }): Promise<ProfiledClient> {
  const id = `receiver-${(made += 1)}`;
  const client = await makeClient(hub, { client_id: id, scopes: ['ssf.manage', 'ssf.read'], ...more });
  const { access_token: token } = await getToken(hub, client);
  const call = (method: string, path: string, body?: unknown) =>
    hub.call(method, path, { token, ...(body === undefined ? {} : { body }) });
  return {
    id,
    token,
    call,
    async create(body = {}) {
      const answer = await call('POST', '/ssf/streams', body);
      if (answer.status !== 201) throw new Error(answer.text);
      return followed(hub, call, answer.body);
    },
  };
}

/** A stream of the client that an operator made. */
export const followed = (
  hub: Hub,
  call: ProfiledClient['call'],
  configuration: Answer['body'],
): ProfiledStream => {
  const { endpoint_url: url } = configuration['delivery'] as { readonly endpoint_url: string };
  const poll = async (body: object) => {
    const answer = await call('POST', new URL(url).pathname, { returnImmediately: true, ...body });
    return Object.values(answer.body['sets'] as Readonly<Record<string, string>>);
  };
  return {
    id: String(configuration['stream_id'] ?? configuration['id']),
    configuration,
    async read() {
      const keys = (await hub.call('GET', '/jwks.json', { token: null })).body as unknown as JSONWebKeySet;
      const verify = async (set: string): Promise<SetClaims> => {
        const { payload } = await jwtVerify(set, createLocalJWKSet(keys), {
          algorithms: ['RS256'],
          typ: 'secevent+jwt',
          issuer: hub.issuer,
          audience: String(configuration['aud']),
        });
        return payload as unknown as SetClaims;
      };
      const read: SetClaims[] = [];
      // What is about the same principal comes when what was before it is acknowledged.
      for (let sets = await poll({}); sets.length > 0; ) {
        const verified = await Promise.all(sets.map(verify));
        read.push(...verified);
        sets = await poll({ ack: verified.map(({ jti }) => jti) });
      }
      return read;
    },
  };
};

/** The one event of a SET. */
export const eventOf = ({ events }: SetClaims) => {
  const [[type, event] = ['', {}], ...others] = Object.entries(events);
  if (others.length > 0) throw new Error('there are several events');
  return { type, event };
};
