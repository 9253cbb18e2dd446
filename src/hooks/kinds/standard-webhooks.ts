import { createPublicKey, type KeyObject, randomBytes, verify } from 'node:crypto';
import type { HookKind, HookRequest, VerifyContext } from '../kind.ts';
import { authentic, hmacSha256, isSignedBySecret, isTimely, notAuthentic, stale } from '../verify.ts';

const secretBytes = 32;
const symmetricPrefix = 'whsec_';
const publicPrefix = 'whpk_';
/** An Ed25519 public key as SubjectPublicKeyInfo is this and 32 bytes. @see RFC 8410 §4 */
const ed25519Head = Buffer.from('302a300506032b6570032100', 'hex');

/** @see Standard Webhooks 1.0.0, "Signature scheme" */
export const standardWebhooks: HookKind = {
  name: 'standard-webhooks',
  title: 'Standard Webhooks',
  proof: '`webhook-signature`: HMAC-SHA256 or Ed25519 of id, time and body',
  reference: 'https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md',
  secret: {
    made: 'here',
    make: () => symmetricPrefix + randomBytes(secretBytes).toString('base64'),
    shape: /^(whsec_[A-Za-z0-9+/]{32,684}={0,2}|whpk_[A-Za-z0-9+/]{43}=)$/,
    wants: '`whsec_` and 24 to 512 bytes in base64, or the public key of the sender, `whpk_…`',
  },
  options: ['toleranceSeconds', 'issuer'],
  takes: (tail, method) => tail === '' && method === 'POST',
  verify(request, context) {
    const id = request.header('webhook-id');
    const timestamp = request.header('webhook-timestamp');
    const signature = request.header('webhook-signature');
    if (id === undefined || timestamp === undefined || signature === undefined) return notAuthentic;
    if (!/^\d{1,12}$/.test(timestamp)) return notAuthentic;
    const given = signature.split(' ');
    const head = `${id}.${timestamp}.`;
    const isAuthentic =
      isSignedSymmetrically(request, context, given, head) || isSignedByKey(request, context, given, head);
    if (!isAuthentic) return notAuthentic;
    return isTimely(Number(timestamp), context) ? authentic : stale;
  },
  deliveryOf: (request) => request.header('webhook-id') ?? '',
  passes: ['webhook-id', 'webhook-timestamp'],
  mapping: '$signal($merge([{"event": type}, data]), {"time": timestamp})',
};

function isSignedSymmetrically(
  { body }: HookRequest,
  { hook, ...context }: VerifyContext,
  given: readonly string[],
  head: string,
): boolean {
  const secrets = hook.secrets.filter(({ value }) => value.startsWith(symmetricPrefix));
  return isSignedBySecret({ ...context, hook: { ...hook, secrets } }, given, (secret) => {
    const key = Buffer.from(secret.slice(symmetricPrefix.length), 'base64');
    return `v1,${hmacSha256(key, 'base64', head, body)}`;
  });
}

/** More signatures in one header are not looked at. */
const signaturesMax = 4;

function isSignedByKey(
  { body }: HookRequest,
  { hook }: VerifyContext,
  given: readonly string[],
  head: string,
): boolean {
  const keys = hook.secrets.flatMap(({ value }) =>
    value.startsWith(publicPrefix) ? [publicKeyOf(value)] : [],
  );
  const content = Buffer.concat([Buffer.from(head), body]);
  const signatures = given.filter((one) => one.startsWith('v1a,')).slice(0, signaturesMax);
  return signatures.some((one) => {
    const signature = Buffer.from(one.slice('v1a,'.length), 'base64');
    return keys.some((key) => verify(null, content, key, signature));
  });
}

const publicKeyOf = (secret: string): KeyObject =>
  createPublicKey({
    key: Buffer.concat([ed25519Head, Buffer.from(secret.slice(publicPrefix.length), 'base64')]),
    format: 'der',
    type: 'spki',
  });
