import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Json, JsonObject, Millis } from '../core/vocabulary.ts';
import type { HookRequest, SecretRule, Verdict, VerifyContext } from './kind.ts';
import { sameBodyMs, toleranceSecondsDefault } from './limits.ts';

export const authentic: Verdict = { kind: 'authentic' };
export const notAuthentic: Verdict = { kind: 'refused', reason: 'not-authenticated' };
export const stale: Verdict = { kind: 'refused', reason: 'stale' };

/** In a time that says nothing of where they differ, nor of how long they are. */
const isSame = (one: string | Uint8Array, other: string | Uint8Array): boolean =>
  timingSafeEqual(sha256(one), sha256(other));

/** Whether `presented` is one of the secrets; each is compared, whichever fits. */
export const isSecretOf = ({ hook }: VerifyContext, presented: string): boolean =>
  hook.secrets.map(({ value }) => isSame(value, presented)).includes(true);

/** Whether one of `signatures` is what one of the secrets makes of `content`. */
export function isSignedBySecret(
  { hook }: VerifyContext,
  signatures: readonly string[],
  sign: (secret: string) => string,
): boolean {
  const expected = hook.secrets.map(({ value }) => sign(value));
  return signatures
    .slice(0, signaturesMax)
    .flatMap((given) => expected.map((wanted) => isSame(given, wanted)))
    .includes(true);
}

/** More signatures in one header are not looked at. */
const signaturesMax = 8;

export const hmacSha256 = (
  key: string | Uint8Array,
  encoding: 'hex' | 'base64',
  ...parts: readonly (string | Uint8Array)[]
): string => {
  const mac = createHmac('sha256', key);
  for (const part of parts) mac.update(part);
  return mac.digest(encoding);
};

export const isTimely = (seconds: number, { hook, nowMs }: VerifyContext): boolean =>
  Math.abs(nowMs / 1_000 - seconds) <= (hook.options.toleranceSeconds ?? toleranceSecondsDefault);

/**
 * The secret in a header: `Authorization` as Bearer, as the password of Basic, or bare; any other header bare.
 *
 * @see RFC 6750 §2.1, RFC 7617 §2
 */
export function verifyHeader(request: HookRequest, context: VerifyContext): Verdict {
  const { header = 'authorization' } = context.hook.options;
  const value = request.header(header.toLowerCase());
  if (value === undefined) return notAuthentic;
  return secretsIn(value)
    .map((presented) => isSecretOf(context, presented))
    .includes(true)
    ? authentic
    : notAuthentic;
}

function secretsIn(value: string): readonly string[] {
  const [, scheme = '', rest = ''] = /^(bearer|basic) +([^ ]+)$/i.exec(value) ?? [];
  if (scheme.toLowerCase() === 'bearer') return [value, rest];
  if (scheme.toLowerCase() !== 'basic') return [value];
  const pair = Buffer.from(rest, 'base64').toString('utf8');
  return [value, pair.slice(pair.indexOf(':') + 1)];
}

/** For a sender that proves nothing: who knows the path is believed. */
export const verifyPath = (request: HookRequest, context: VerifyContext): Verdict =>
  isSecretOf(context, request.tail) ? authentic : notAuthentic;

const secretBytes = 32;
const randomSecret = (): string => randomBytes(secretBytes).toString('base64url');

/** Whatever a header carries, and too long to be guessed. */
export const secretInHeader: SecretRule = {
  made: 'here',
  make: randomSecret,
  shape: /^[\x21-\x7e](?:[\x20-\x7e]{22,254}[\x21-\x7e])$/,
  wants: '24 to 256 printable ASCII characters',
};

/** A segment of a path. */
export const secretInPath: SecretRule = {
  made: 'here',
  make: randomSecret,
  shape: /^[A-Za-z0-9_-]{32,128}$/,
  wants: '32 to 128 letters, digits, "-" or "_"',
};

export const sha256 = (value: string | Uint8Array): Buffer => createHash('sha256').update(value).digest();

/** The body names the delivery: it carries an id or a time of its own. */
export const bodyDelivery = ({ body }: HookRequest): string => sha256(body).toString('base64url');

/** The body may be the same tomorrow and mean something new. */
export const bodyDeliveryForNow = (request: HookRequest, _body: Json, nowMs: Millis): string =>
  `${bodyDelivery(request)}.${Math.floor(nowMs / sameBodyMs)}`;

export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const json = (status: number, body: object) =>
  ({ status, type: 'application/json', body: JSON.stringify(body) }) as const;
