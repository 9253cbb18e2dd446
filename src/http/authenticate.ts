import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import { isProblem, Problem, type ProblemCode } from '../core/problem.ts';
import type { SetErrorCode } from '../core/received-set.ts';
import type { RefusalCode } from '../enforcement/refusal.ts';
import {
  type AccessTokens,
  challengeOf,
  type ChallengeParameters,
  checkedRequestOf,
  looksLikeAccessToken,
  problemOf,
} from './access-token.ts';
import { readCredentials } from './bearer.ts';
import { may, type Caller, type Scope } from './caller.ts';
import { problemReplies } from './problem-replies.ts';

/** Who holds a secret. Answers from memory where it can; never throws for a secret, whatever its characters. */
export type FindCaller = (secret: string) => Promise<FoundCaller>;
export type FoundCaller =
  | { readonly kind: 'known'; readonly caller: Caller }
  | { readonly kind: 'unknown' | 'expired' | 'revoked' };

/** An attempt that was turned away, for the audit. `who` names the token's actor, else the address. */
export type Refusal = {
  readonly who: string;
  readonly reason: RefusalReason;
  /** What it was about; absent: the API. */
  readonly target?: string;
};
export type RefusalReason =
  | keyof typeof refusals
  | ProblemCode
  | RefusalCode
  | TokenEndpointReason
  | SetErrorCode
  | HookRefusalReason;
/** Whom a hook does not believe: nobody knows the hook, nothing proves the sender, or what proves it is old. */
export type HookRefusalReason = 'unknown-hook' | 'not-authenticated' | 'stale';
/** Who gets no token: nobody knows who it is, or its request is refused. */
export type TokenEndpointReason = 'client-not-authenticated' | 'no-token-issued';

export type AuthenticateOptions = {
  readonly findCaller: FindCaller;
  /** Absent: API tokens only. */
  readonly accessTokens?: AccessTokens;
  readonly noteRefusal: (refusal: Refusal) => void;
};

/** Below these paths even the absence of a route is told to authenticated callers only. */
const guardedPath = /^\/(?:v1|ssf)(?:[/?#]|$)/;

/**
 * Lets a request through to its route only with credentials that have one of the route's scopes. Runs before the body
 * is read and before anything is said about what exists. With a route that declares neither `scopes` nor `public`, or
 * both, the server does not start.
 *
 * @see RFC 6750 §3
 */
export function authenticate(app: FastifyInstance, options: AuthenticateOptions): void {
  app.decorateRequest('caller');
  noteForbidden(app, options);
  refuseUndeclaredRoutes(app);
  app.addHook('onRequest', async (request, reply) => {
    const { config } = request.routeOptions;
    if (config.public === true || (request.is404 && !guardedPath.test(request.url))) return;
    request.caller = await callerOf(request, reply, options);
    if (request.is404) return;
    const scopes = config.scopes ?? [];
    if (scopes.some((scope) => may(request.caller, scope))) return;
    throw insufficientScope(scopes);
  });
}

/** What a known caller may not do is noted wherever it is refused: at the door or by whoever knows more. */
function noteForbidden(app: FastifyInstance, { noteRefusal, accessTokens }: AuthenticateOptions): void {
  app.addHook('onError', async (request, reply, error: unknown) => {
    if (isProblem(error) && error.code === 'unauthenticated' && !reply.hasHeader('www-authenticate')) {
      void reply.header('www-authenticate', challengeOf(request, invalidToken, accessTokens));
    }
    // What the check of a token refused is noted already, and nobody is the caller yet.
    if (!isProblem(error) || problemReplies[error.code].status !== 403 || !request.caller) return;
    const { scope } = error.extra;
    if (typeof scope === 'string') {
      void reply.header(
        'www-authenticate',
        challengeOf(request, { error: 'insufficient_scope', scope }, accessTokens),
      );
    }
    noteRefusal({ who: request.caller.actor, reason: error.code });
  });
}

/** Looked at when all hooks of all plugins have run: one may declare what another package registers. */
function refuseUndeclaredRoutes(app: FastifyInstance): void {
  const routes: RouteOptions[] = [];
  app.addHook('onRoute', (route) => void routes.push(route));
  app.addHook('onReady', async () => {
    for (const { method, url, config } of routes) {
      if (config?.public === true ? config.scopes === undefined : (config?.scopes?.length ?? 0) > 0) continue;
      throw new Error(`${String(method)} ${url} must declare either config.scopes or config.public`);
    }
  });
}

async function callerOf(
  request: FastifyRequest,
  reply: FastifyReply,
  options: AuthenticateOptions,
): Promise<Caller> {
  const { findCaller, noteRefusal, accessTokens } = options;
  const refuse = (reason: keyof typeof refusals): Problem => {
    noteRefusal({ who: `address:${request.ip}`, reason });
    const { challenge, problem } = refusals[reason];
    void reply.header('www-authenticate', challengeOf(request, challenge, accessTokens));
    return problem();
  };
  const presented = readCredentials(request.raw.rawHeaders);
  if (presented.kind === 'none') throw refuse('no-credentials');
  if (presented.kind === 'several' || queryToken.test(request.url)) throw refuse('several-credentials');
  if (presented.kind === 'malformed') throw refuse('malformed-credentials');
  const { kind, secret } = presented;
  if (accessTokens !== undefined && looksLikeAccessToken(kind, secret)) {
    const caller = await holderOf(accessTokens, request, reply, options);
    if (caller !== undefined) return caller;
  } else if (kind === 'dpop') throw refuse('malformed-credentials');
  const found = await findCaller(secret);
  if (found.kind !== 'known') throw refuse(`${found.kind}-token`);
  return found.caller;
}

/** Nobody takes a token from there, and beside a header it is a second one. @see RFC 6750 §2.3 */
const queryToken = /[?&]access_token=/;

/** Who holds an access token. `undefined`: it is none of those that are known here, and may be an API token. */
async function holderOf(
  { check }: AccessTokens,
  request: FastifyRequest,
  reply: FastifyReply,
  { noteRefusal }: AuthenticateOptions,
): Promise<Caller | undefined> {
  const asked = checkedRequestOf(request);
  const checked = await check(asked);
  if (checked.kind === 'known') {
    void reply.headers(checked.headers);
    return checked.caller;
  }
  const isBearer = readCredentials(request.raw.rawHeaders).kind === 'bearer';
  if (checked.kind === 'stranger' && isBearer) return undefined;
  const { refusal } = checked;
  const actor = checked.kind === 'refused' ? checked.actor : undefined;
  noteRefusal({ who: actor ?? `address:${request.ip}`, reason: refusal.code });
  throw problemOf(refusal, reply);
}

const invalidToken = { error: 'invalid_token' } as const;

/** RFC 6750 §3: no error when no credentials were sent. */
const refusals = {
  'no-credentials': {
    challenge: {},
    problem: () => unauthenticated('This needs an API token.', 'Send Authorization: Bearer chub_…'),
  },
  'several-credentials': {
    challenge: { error: 'invalid_request' },
    problem: () =>
      new Problem('invalid-request', 'The request carries more than one credential.', {
        hint: 'Send one Authorization header with one token.',
      }),
  },
  'malformed-credentials': {
    challenge: invalidToken,
    problem: () => unauthenticated('The Authorization header is not of the form "Bearer <token>".'),
  },
  'unknown-token': {
    challenge: invalidToken,
    problem: () => unauthenticated('The hub does not know this token.'),
  },
  'expired-token': { challenge: invalidToken, problem: () => unauthenticated('The token has expired.') },
  'revoked-token': { challenge: invalidToken, problem: () => unauthenticated('The token was revoked.') },
} as const satisfies Record<
  string,
  { readonly challenge: ChallengeParameters; readonly problem: () => Problem }
>;

const tokenHint = 'Have a token made by POST /v1/tokens, or use the one in DATA_DIR/admin-token.';

/** For who was let in and may go no further; the answer gets its challenge. */
export const refuseToken = (detail: string): Problem => unauthenticated(detail);

const unauthenticated = (detail: string, hint = tokenHint): Problem =>
  new Problem('unauthenticated', detail, { hint });

function insufficientScope(scopes: readonly Scope[]): Problem {
  const named = scopes.length === 1 ? `the scope ${scopes[0]}` : `one of the scopes ${scopes.join(', ')}`;
  return new Problem('insufficient-scope', `The token needs ${named}.`, {
    hint: 'POST /v1/tokens makes an API token with that scope. An access token must say it, and its client must be let have it: GET /v1/clients.',
    extra: { scope: scopes.join(' ') },
  });
}
