import type { IssuerSettings } from '../core/issuer.ts';
import { actorsMax, type Hop, type TokenContext } from '../core/token-context.ts';
import type { Json, JsonObject } from '../core/vocabulary.ts';
import { isJsonObject, ownMember } from './token-format.ts';

/**
 * What matching needs of a token's claims, read as its issuer's profile says. `undefined` when the delegation (`act`)
 * is malformed or deeper than `actorsMax`: a chain cut short would hide an actor.
 *
 * @see RFC 8693 §4.1
 */
export function tokenContext(
  claims: JsonObject,
  issuer: IssuerSettings,
  { tokenSha256 }: { readonly tokenSha256: string },
): TokenContext | undefined {
  const act = actorsOf(claims, issuer);
  if (!act) return undefined;
  const confirmation = ownMember(claims, 'cnf');
  const jkt = isJsonObject(confirmation) ? textOf(confirmation, 'jkt') : undefined;
  const x5t = isJsonObject(confirmation) ? textOf(confirmation, 'x5t#S256') : undefined;
  const sid = firstText(claims, issuer.session_claims);
  const jti = textOf(claims, 'jti');
  return {
    ...hop(claims, issuer.url, issuer),
    ...(jkt !== undefined && { jkt }),
    ...(x5t !== undefined && { 'x5t#S256': x5t }),
    ...(jti !== undefined && { jti }),
    ...(sid !== undefined && { sid }),
    token_sha256: tokenSha256,
    ...times(claims),
    ...(act.length > 0 && { act }),
  };
}

/**
 * Whether a claim by which an entry could name this token, or one of its actors, is there and is not text. Read as
 * missing, it would make a token that no kill by that claim can reach.
 */
export function hasUnreadableName(claims: JsonObject, issuer: IssuerSettings): boolean {
  const { subject_claims: subjects, client_claims: clients, session_claims: sessions } = issuer;
  const ofParty = ['iss', 'sub', ...subjects, ...clients];
  if (holdsNoText(claims, [...ofParty, ...sessions, 'jti'])) return true;
  const confirmation = ownMember(claims, 'cnf');
  if (isJsonObject(confirmation) && holdsNoText(confirmation, ['jkt', 'x5t#S256'])) return true;
  for (let actor = ownMember(claims, 'act'); isJsonObject(actor); actor = ownMember(actor, 'act')) {
    if (holdsNoText(actor, ofParty)) return true;
  }
  return false;
}

const holdsNoText = (party: JsonObject, names: readonly string[]): boolean =>
  names.some((name) => Object.hasOwn(party, name) && textOf(party, name) === undefined);

/** The scope values of a token: `scope` as RFC 9068 §2.2.3 has it, or `scp` as text or list. */
export function scopesOf(claims: JsonObject): readonly string[] {
  const scope = ownMember(claims, 'scope') ?? ownMember(claims, 'scp');
  if (typeof scope === 'string') return scope.split(' ').filter((value) => value !== '');
  return Array.isArray(scope) ? scope.filter((value) => typeof value === 'string') : [];
}

export function textOf(claims: JsonObject, claim: string): string | undefined {
  const value = ownMember(claims, claim);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function actorsOf(claims: JsonObject, issuer: IssuerSettings): readonly Hop[] | undefined {
  const actors: Hop[] = [];
  for (let actor = ownMember(claims, 'act'); actor !== undefined; actor = ownMember(actor, 'act')) {
    if (!isJsonObject(actor) || actors.length === actorsMax) return undefined;
    actors.push(hop(actor, textOf(actor, 'iss') ?? issuer.url, issuer));
  }
  return actors;
}

function hop(party: JsonObject, iss: string, issuer: IssuerSettings): Hop {
  const sub = firstText(party, issuer.subject_claims);
  const clientId = firstText(party, issuer.client_claims);
  const workload = textOf(party, 'sub');
  return {
    iss,
    ...(sub !== undefined && { sub }),
    ...(clientId !== undefined && { client_id: clientId }),
    ...(workload?.startsWith('spiffe://') && { workload }),
  };
}

function times(claims: JsonObject): Pick<TokenContext, 'iat' | 'auth_time' | 'exp'> {
  const iat = numberOf(ownMember(claims, 'iat'));
  const authTime = numberOf(ownMember(claims, 'auth_time'));
  const exp = numberOf(ownMember(claims, 'exp'));
  return {
    ...(iat !== undefined && { iat }),
    ...(authTime !== undefined && { auth_time: authTime }),
    ...(exp !== undefined && { exp }),
  };
}

const numberOf = (value: Json | undefined): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) ? value : undefined;

function firstText(claims: JsonObject, names: readonly string[]): string | undefined {
  for (const name of names) {
    const text = textOf(claims, name);
    if (text !== undefined) return text;
  }
  return undefined;
}
