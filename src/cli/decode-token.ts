import { createHash } from 'node:crypto';
import { isUtf8 } from 'node:buffer';
import { profileDefaults, type IssuerSettings } from '../core/issuer.ts';
import { actorsMax, type Hop, type TokenContext } from '../core/token-context.ts';
import type { Json, JsonObject } from '../core/vocabulary.ts';
import { wrongUsage } from './cli-problem.ts';

/** Which claims name the client, the subject and the session. */
export type ClaimNames = Pick<IssuerSettings, 'client_claims' | 'subject_claims' | 'session_claims'>;

/** What a token says, read on this machine; nothing about it was verified. */
export type DecodedToken = { readonly claims: JsonObject; readonly sha256: string };

/** Where the issuer is not known to the hub, or its list may not be read. */
export const usualClaims: ClaimNames = profileDefaults.custom;

const tokenCharactersMax = 65_536;
const compactShape = /^([\w-]+)\.([\w-]+)\.[\w-]*$/;

/** @throws CliProblem for anything but a JWT in compact form; never with any part of it. */
export function decodeToken(text: string): DecodedToken {
  const [, header, payload] = text.length > tokenCharactersMax ? [] : (compactShape.exec(text) ?? []);
  const claims = payload === undefined ? undefined : parsePart(payload);
  if (
    header === undefined ||
    payload === undefined ||
    claims === undefined ||
    parsePart(header) === undefined
  ) {
    throw wrongUsage(
      'That is no JWT: it does not have the form header.payload.signature.',
      'Of an opaque token, give what is known by the keys that --help names: caep-hub check iss=… client_id=… jkt=….',
    );
  }
  return { claims, sha256: createHash('sha256').update(`${header}.${payload}`).digest('base64url') };
}

/** @throws CliProblem for a token without `iss`, and for delegation deeper than is followed. */
export function contextOf({ claims, sha256 }: DecodedToken, names: ClaimNames): TokenContext {
  const iss = issuerOf(claims);
  const confirmation = objectOf(claims, 'cnf') ?? {};
  const act = actorsOf(claims, iss, names);
  const texts = {
    jkt: textOf(confirmation, 'jkt'),
    'x5t#S256': textOf(confirmation, 'x5t#S256'),
    jti: textOf(claims, 'jti'),
    sid: firstText(claims, names.session_claims),
  };
  const times = { iat: claims['iat'], auth_time: claims['auth_time'], exp: claims['exp'] };
  return {
    ...hopOf(claims, iss, names),
    ...present(texts, (value) => typeof value === 'string'),
    token_sha256: sha256,
    ...present(times, (value) => typeof value === 'number'),
    ...(act.length > 0 && { act }),
  };
}

/** The issuer that a token names. */
export function issuerOf(claims: JsonObject): string {
  const iss = textOf(claims, 'iss');
  if (iss === undefined) throw wrongUsage('The token names no issuer: it has no claim `iss`.');
  return iss;
}

function actorsOf(claims: JsonObject, iss: string, names: ClaimNames): readonly Hop[] {
  const actors: Hop[] = [];
  for (let actor = objectOf(claims, 'act'); actor !== undefined; actor = objectOf(actor, 'act')) {
    if (actors.length === actorsMax) {
      throw wrongUsage(`The token is delegated more than ${actorsMax} times; points refuse such tokens.`);
    }
    actors.push(hopOf(actor, textOf(actor, 'iss') ?? iss, names));
  }
  return actors;
}

function hopOf(party: JsonObject, iss: string, names: ClaimNames): Hop {
  const workload = textOf(party, 'sub');
  const members = {
    sub: firstText(party, names.subject_claims),
    client_id: firstText(party, names.client_claims),
    workload: workload?.startsWith('spiffe://') === true ? workload : undefined,
  };
  return { iss, ...present(members, (value) => typeof value === 'string') };
}

/** Those members that have a value of the kind wanted. */
const present = (members: object, isWanted: (value: unknown) => boolean): object =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => isWanted(value)));

function firstText(claims: JsonObject, names: readonly string[]): string | undefined {
  return names.map((name) => textOf(claims, name)).find((text) => text !== undefined);
}

function textOf(claims: JsonObject, name: string): string | undefined {
  const value = ownMember(claims, name);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function objectOf(claims: JsonObject, name: string): JsonObject | undefined {
  const value = ownMember(claims, name);
  return isObject(value) ? value : undefined;
}

const ownMember = (object: JsonObject, name: string): Json | undefined =>
  Object.hasOwn(object, name) ? object[name] : undefined;

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function parsePart(part: string): JsonObject | undefined {
  const bytes = Buffer.from(part, 'base64url');
  if (!isUtf8(bytes)) return undefined;
  try {
    const value = JSON.parse(bytes.toString()) as Json;
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
