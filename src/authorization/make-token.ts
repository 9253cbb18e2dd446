import { Problem } from '../core/problem.ts';
import { nameShape, pointName, sourceId, tokenId, type Millis, type SourceId } from '../core/vocabulary.ts';
import { may, type Caller, type Scope } from '../http/caller.ts';
import type { ApiToken, TokenStore } from './ports.ts';
import { isAccessTokenId } from './token-holder.ts';
import { hashSecret, makeTokenSecret } from './token-secret.ts';

export type TokenRequest = {
  readonly actor: string;
  readonly scopes: readonly Scope[];
  readonly source?: string;
  readonly person?: boolean;
  readonly expiresInSeconds?: number;
  readonly point?: string;
};

export type MakeTokenOptions = {
  readonly store: Pick<TokenStore, 'create'>;
  readonly nowMs: () => Millis;
  readonly newId: (prefix: 'tok') => string;
};

/** What the process of a point needs. Its source can say nothing, so that it may have one of its own. */
const pointScopes: readonly Scope[] = ['point', 'feed.read'];

/** What a token is called that goes by the name of its point. Nobody who is no point can be called so. */
const nameOfPoint = (point: string): string => `point:${point}`;

/**
 * Makes a token that is no mightier than who asks for it, with an API token or as `admin`. Without `admin` it has scopes that they have, their own name
 * and source, ends when theirs expires, and is revoked with theirs; only who manages points may also make the tokens of
 * points, which do not expire, and end with the one that made them all the same.
 *
 * @returns the secret, which is known here for the only time.
 * @throws Problem `insufficient-scope`, `invalid-request`, `conflict`
 */
export async function makeToken(
  request: TokenRequest,
  caller: Caller,
  correlationId: string,
  { store, nowMs, newId }: MakeTokenOptions,
): Promise<{ readonly secret: string; readonly token: ApiToken }> {
  checkToken(request, caller);
  const atMs = nowMs();
  const secret = makeTokenSecret();
  const token: ApiToken = {
    id: tokenId(newId('tok')),
    actor: actorOf(request),
    scopes: [...new Set(request.scopes)].sort(),
    sourceId: sourceOf(request, caller),
    ...(request.point === undefined ? {} : { point: pointName(request.point) }),
    createdAtMs: atMs,
    ...(may(caller, 'admin') ? {} : { madeBy: caller.tokenId }),
    ...expiryOf(request, caller, atMs),
  };
  await store.create(
    {
      ...token,
      secretHash: hashSecret(secret),
      ...(request.person === undefined ? {} : { person: request.person }),
    },
    { actor: caller.actor, atMs, correlationId },
  );
  return { secret, token };
}

/** @throws Problem `insufficient-scope`, `invalid-request` for what `makeToken` makes for nobody like this caller. */
export function checkToken(request: TokenRequest, caller: Caller): void {
  refuseBadShape(request);
  refuseEscalation(request, caller);
}

function refuseBadShape({ actor, source, scopes, point }: TokenRequest): void {
  const names = {
    actor,
    ...(source === undefined ? {} : { source }),
    ...(point === undefined ? {} : { point }),
  };
  const bad = Object.entries(names).filter(([, name]) => !nameShape.test(name));
  if (bad.length > 0) {
    throw new Problem('invalid-request', 'A name has characters that names do not have.', {
      hint: 'Use 1 to 64 letters, digits, ".", "_" or "-", beginning with a letter or digit.',
      errors: bad.map(([member]) => ({ path: `/${member}`, message: 'is no name' })),
    });
  }
  if (scopes.includes('point') === (point !== undefined)) return;
  throw new Problem('invalid-request', 'A token of scope point belongs to one point.', {
    hint: 'Give both, the scope "point" and the member "point", or neither.',
    errors: [{ path: point === undefined ? '/point' : '/scopes', message: 'is missing the other' }],
  });
}

function refuseEscalation(request: TokenRequest, caller: Caller): void {
  const lacking = request.scopes.filter((scope) => !mayGrant(caller, scope));
  if (lacking.length > 0) {
    throw insufficient(`Your token lacks ${lacking.join(', ')}, which it would grant.`, lacking);
  }
  if (may(caller, 'admin')) return;
  if (isAccessTokenId(caller.tokenId)) {
    throw insufficient('What it would make would outlive an access token, with which nothing ends.', [
      'admin',
    ]);
  }
  const beyondPoint =
    request.point === undefined ? [] : request.scopes.filter((scope) => !pointScopes.includes(scope));
  if (beyondPoint.length > 0) {
    throw insufficient(`Only admin gives the token of a point ${beyondPoint.join(', ')}.`, ['admin']);
  }
  if (request.person === true) throw insufficient('Only admin makes tokens for persons.', ['admin']);
  if (request.actor !== (request.point ?? caller.actor)) {
    throw insufficient('Only admin makes tokens for others than itself and points named as they are.', [
      'admin',
    ]);
  }
  if (request.source !== undefined && request.source !== caller.source.id) {
    throw insufficient('Only admin makes tokens for another source than its own.', ['admin']);
  }
}

const mayGrant = (caller: Caller, scope: Scope): boolean =>
  may(caller, scope) || (scope === 'point' && may(caller, 'points.write'));

/** A point that is named like a person must not speak as one: not in the audit, and not through their source. */
const actorOf = ({ actor, point }: TokenRequest): string => (actor === point ? nameOfPoint(point) : actor);

/** A source of its own would come with limits of its own. */
function sourceOf(request: TokenRequest, caller: Caller): SourceId {
  if (request.source !== undefined) return sourceId(request.source);
  const mayBeNew = may(caller, 'admin') || request.scopes.every((scope) => pointScopes.includes(scope));
  return mayBeNew ? sourceId(actorOf(request)) : caller.source.id;
}

function expiryOf(
  { expiresInSeconds, point }: TokenRequest,
  caller: Caller,
  atMs: Millis,
): { expiresAtMs?: Millis } {
  const asked = expiresInSeconds === undefined ? Infinity : atMs + expiresInSeconds * 1_000;
  const bound = may(caller, 'admin') || point !== undefined ? Infinity : (caller.expiresAtMs ?? Infinity);
  const expiresAtMs = Math.min(asked, bound);
  return expiresAtMs === Infinity ? {} : { expiresAtMs };
}

function insufficient(detail: string, scopes: readonly Scope[]): Problem {
  return new Problem('insufficient-scope', detail, {
    hint: 'Ask somebody whose token has that scope.',
    extra: { scope: scopes.join(' ') },
  });
}
