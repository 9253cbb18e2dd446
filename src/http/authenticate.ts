import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import { isProblem, Problem, type ProblemCode } from '../core/problem.ts';
import { readCredentials } from './bearer.ts';
import { may, type Caller, type Scope } from './caller.ts';
import { problemReplies } from './problem-replies.ts';

/** Who holds a secret. Answers from memory where it can; never throws for a secret, whatever its characters. */
export type FindCaller = (secret: string) => Promise<FoundCaller>;
export type FoundCaller =
  | { readonly kind: 'known'; readonly caller: Caller }
  | { readonly kind: 'unknown' | 'expired' | 'revoked' };

/** An attempt that was turned away, for the audit. `who` names the token's actor, else the address. */
export type Refusal = { readonly who: string; readonly reason: RefusalReason };
export type RefusalReason = keyof typeof refusals | ProblemCode;

export type AuthenticateOptions = {
  readonly findCaller: FindCaller;
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
function noteForbidden(app: FastifyInstance, { noteRefusal }: AuthenticateOptions): void {
  app.addHook('onError', async (request, reply, error: unknown) => {
    if (!isProblem(error) || problemReplies[error.code].status !== 403) return;
    const { scope } = error.extra;
    if (typeof scope === 'string') challenge(reply, ` error="insufficient_scope", scope="${scope}"`);
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
  { findCaller, noteRefusal }: AuthenticateOptions,
): Promise<Caller> {
  const refuse = (reason: keyof typeof refusals): Problem => {
    noteRefusal({ who: `address:${request.ip}`, reason });
    return refusals[reason](reply);
  };
  const presented = readCredentials(request.raw.rawHeaders);
  if (presented.kind === 'none') throw refuse('no-credentials');
  if (presented.kind === 'several') throw refuse('several-credentials');
  if (presented.kind === 'malformed') throw refuse('malformed-credentials');
  const found = await findCaller(presented.secret);
  if (found.kind !== 'known') throw refuse(`${found.kind}-token`);
  return found.caller;
}

const refusals = {
  'no-credentials': (reply) =>
    unauthenticated(reply, '', 'This needs an API token.', 'Send Authorization: Bearer chub_…'),
  'several-credentials': (reply) => {
    challenge(reply, ' error="invalid_request"');
    return new Problem('invalid-request', 'The request carries more than one credential.', {
      hint: 'Send one Authorization header with one token.',
    });
  },
  'malformed-credentials': (reply) =>
    refuseToken(reply, 'The Authorization header is not of the form "Bearer <token>".'),
  'unknown-token': (reply) => refuseToken(reply, 'The hub does not know this token.'),
  'expired-token': (reply) => refuseToken(reply, 'The token has expired.'),
  'revoked-token': (reply) => refuseToken(reply, 'The token was revoked.'),
} as const satisfies Record<string, (reply: FastifyReply) => Problem>;

const tokenHint = 'Have a token made by POST /v1/tokens, or use the one in DATA_DIR/admin-token.';

/** With the challenge of RFC 6750 §3. */
export function refuseToken(reply: FastifyReply, detail: string): Problem {
  return unauthenticated(reply, ' error="invalid_token"', detail, tokenHint);
}

function unauthenticated(reply: FastifyReply, attributes: string, detail: string, hint: string): Problem {
  challenge(reply, attributes);
  return new Problem('unauthenticated', detail, { hint });
}

function insufficientScope(scopes: readonly Scope[]): Problem {
  const named = scopes.length === 1 ? `the scope ${scopes[0]}` : `one of the scopes ${scopes.join(', ')}`;
  return new Problem('insufficient-scope', `The token needs ${named}.`, {
    hint: 'Have a token with that scope made by POST /v1/tokens.',
    extra: { scope: scopes.join(' ') },
  });
}

/** RFC 6750 §3: no error when no credentials were sent. */
function challenge(reply: FastifyReply, attributes: string): void {
  void reply.header('www-authenticate', `Bearer realm="caep-hub"${attributes && `,${attributes}`}`);
}
