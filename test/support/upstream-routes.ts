import type { Json, JsonObject } from '../../src/core/vocabulary.ts';
import type { UpstreamTokens } from './upstream-authorization.ts';
import type { Reply, Request } from './upstream-http.ts';
import type { UpstreamKeys } from './upstream-keys.ts';

/** Where it can be made to misbehave. */
export type Place =
  | 'metadata'
  | 'jwks'
  | 'server-metadata'
  /** The same where OpenID Connect has it. */
  | 'openid-metadata'
  | 'resource-metadata'
  | 'token'
  | 'streams'
  | 'status'
  | 'verification'
  | 'poll';

export type Misbehaviour =
  | {
      readonly kind: 'answers';
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly body?: Json | Uint8Array;
    }
  /** Does what it is asked to do, and changes the JSON that it answers. */
  | { readonly kind: 'lies'; readonly change: (body: JsonObject) => Json }
  /** Behaves, but only after that. */
  | { readonly kind: 'slow'; readonly until: Promise<void> }
  /** Never answers. */
  | { readonly kind: 'dead' }
  | { readonly kind: 'huge'; readonly bytes: number }
  | { readonly kind: 'redirects'; readonly to: string }
  | { readonly kind: 'hangs-up' };

export type Answer = (request: Request, streamId: string) => Reply | Promise<Reply>;
type Route = { readonly place: Place; readonly answer: Answer };

export type RouteParts = {
  readonly origin: string;
  /** Of the issuer. */
  readonly path: string;
  /** Beside the members that it has anyway. */
  readonly metadata: JsonObject;
  readonly keys: UpstreamKeys;
  readonly tokens: UpstreamTokens;
  readonly answers: Readonly<Record<'streams' | 'status' | 'verification' | 'poll', Answer>>;
};

/** Everything that an upstream serves, by path; what follows `/poll/` is a stream. */
export function makeRoutes(
  parts: RouteParts,
): (pathname: string) => (Route & { streamId: string }) | undefined {
  const { origin, path, metadata, keys, tokens, answers } = parts;
  const issuer = `${origin}${path}`;
  const says = (body: () => unknown) => (): Reply => ({ status: 200, body: body() as Json });
  const guarded =
    (place: keyof typeof answers): Answer =>
    (request, streamId) =>
      tokens.refusal(request) ?? answers[place](request, streamId);
  const server = {
    issuer: `${origin}/as`,
    token_endpoint: `${origin}/as/token`,
    grant_types_supported: ['client_credentials'],
  };
  const resource = { resource: `${issuer}/streams`, authorization_servers: [`${origin}/as`] };
  const known = '/.well-known';
  const routes: Readonly<Record<string, Route>> = {
    [`${known}/ssf-configuration${path}`]: {
      place: 'metadata',
      answer: says(() => ({ ...metadataOf(issuer), ...metadata })),
    },
    [`${path}/jwks`]: { place: 'jwks', answer: says(keys.jwks) },
    [`${known}/oauth-authorization-server/as`]: { place: 'server-metadata', answer: says(() => server) },
    [`/as${known}/openid-configuration`]: { place: 'openid-metadata', answer: says(() => server) },
    [`${known}/oauth-protected-resource${path}/streams`]: {
      place: 'resource-metadata',
      answer: says(() => resource),
    },
    '/as/token': { place: 'token', answer: tokens.answer },
    [`${path}/streams`]: { place: 'streams', answer: guarded('streams') },
    [`${path}/status`]: { place: 'status', answer: guarded('status') },
    [`${path}/verify`]: { place: 'verification', answer: guarded('verification') },
    [`${path}/poll/`]: { place: 'poll', answer: guarded('poll') },
  };
  return (pathname) => {
    const end = pathname.startsWith(`${path}/poll/`) ? `${path}/poll/`.length : pathname.length;
    const route = routes[pathname.slice(0, end)];
    return route && { ...route, streamId: pathname.slice(end) };
  };
}

const metadataOf = (issuer: string): JsonObject => ({
  spec_version: '1_0',
  issuer,
  jwks_uri: `${issuer}/jwks`,
  delivery_methods_supported: ['urn:ietf:rfc:8935', 'urn:ietf:rfc:8936'],
  configuration_endpoint: `${issuer}/streams`,
  status_endpoint: `${issuer}/status`,
  verification_endpoint: `${issuer}/verify`,
  authorization_schemes: [{ spec_urn: 'urn:ietf:rfc:6749' }],
});

export type Faults = {
  /** From now on, or so many times. */
  readonly misbehave: (place: Place, how: Misbehaviour, times?: number) => void;
  /** Everywhere, from now on. */
  readonly behave: () => void;
  readonly answer: (place: Place, answer: () => Reply | Promise<Reply>) => Promise<Reply>;
};

export function makeFaults(): Faults {
  const faults = new Map<Place, { readonly how: Misbehaviour; left: number }>();
  return {
    misbehave: (place, how, times = Number.POSITIVE_INFINITY) => void faults.set(place, { how, left: times }),
    behave: () => faults.clear(),
    async answer(place, answer) {
      const fault = faults.get(place);
      if (fault === undefined || fault.left <= 0) return answer();
      fault.left -= 1;
      return misbehaved(fault.how, answer);
    },
  };
}

async function misbehaved(how: Misbehaviour, answer: () => Reply | Promise<Reply>): Promise<Reply> {
  if (how.kind === 'dead') return new Promise<never>(() => {});
  if (how.kind === 'slow') await how.until;
  if (how.kind === 'slow' || how.kind === 'lies') {
    const reply = await answer();
    return how.kind === 'lies' ? { ...reply, body: how.change(reply.body as JsonObject) } : reply;
  }
  return replyOf(how);
}

function replyOf(how: Exclude<Misbehaviour, { readonly kind: 'dead' | 'slow' | 'lies' }>): Reply {
  const headers = { 'content-type': 'application/json' };
  if (how.kind === 'huge') return { status: 200, headers, body: Buffer.alloc(how.bytes, ' ') };
  if (how.kind === 'redirects') return { status: 302, headers: { location: how.to } };
  return how.kind === 'hangs-up' ? { status: 500, hangsUp: true } : how;
}
