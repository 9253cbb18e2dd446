import type { Source } from '../core/source.ts';
import type { Millis, PointName, TokenId } from '../core/vocabulary.ts';

/** What a credential may do. `admin` includes all others. */
export const scopes = [
  'signals.read',
  'signals.write',
  'revocations.read',
  'revocations.write',
  'held.release',
  'feed.read',
  'point',
  'points.read',
  'points.write',
  'agents.read',
  'agents.write',
  'agents.disable',
  'issuers.write',
  'sources.write',
  'upstreams.write',
  'audit.read',
  'ssf.read',
  'ssf.manage',
  'streams.write',
  'keys.write',
  'admin',
] as const;
export type Scope = (typeof scopes)[number];

/** The authenticated caller: the one thing that requests are decorated with. */
export type Caller = {
  readonly tokenId: TokenId;
  /** Who holds the token, as the audit names them; `client:<client_id>` for an access token. */
  readonly actor: string;
  readonly scopes: ReadonlySet<Scope>;
  readonly source: Source;
  /** Set for tokens of scope `point`. */
  readonly point?: PointName;
  readonly expiresAtMs?: Millis;
};

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by `authenticate` on every route that is not public. */
    caller: Caller;
  }
  interface FastifyContextConfig {
    /** Any one of these lets a caller in. A route has either `scopes` or `public: true`; a route with neither does not register. */
    scopes?: readonly Scope[];
    public?: true;
    /** Statuses of refusals beyond those that follow from the schema of the route: for its description. */
    refuses?: readonly (404 | 409 | 410 | 422 | 429 | 502)[];
  }
}

export const may = (caller: Caller, scope: Scope): boolean =>
  caller.scopes.has(scope) || caller.scopes.has('admin');
