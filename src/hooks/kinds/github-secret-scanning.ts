import { verify } from 'node:crypto';
import { Problem } from '../../core/problem.ts';
import type { Json, JsonObject } from '../../core/vocabulary.ts';
import { parseJson } from '../../http/json-body.ts';
import type { HookKind } from '../kind.ts';
import { authentic, bodyDelivery, isObject, notAuthentic, sha256 } from '../verify.ts';

const publicKeysUrl = 'https://api.github.com/meta/public_keys/secret_scanning';
/** Longer names no key. */
const keyIdMax = 128;
/** Largest number that is taken for seconds. */
const secondsMax = 100_000_000_000;

/**
 * The message to whoever issues tokens: it carries each leaked token itself. A token is hashed where it is read, and is
 * neither kept nor passed on. What the token says of itself is told to people and believed by nobody: anyone can publish
 * a string that names somebody else. Only the hash is a name that no other token has.
 */
export const githubSecretScanning: HookKind = {
  name: 'github-secret-scanning',
  title: 'GitHub secret scanning, as a partner',
  proof: '`Github-Public-Key-Signature`: ECDSA P-256 of the body',
  reference:
    'https://docs.github.com/en/code-security/secret-scanning/secret-scanning-partnership-program/secret-scanning-partner-program',
  secret: { made: 'published' },
  options: ['keysUrl'],
  takes: (tail, method) => tail === '' && method === 'POST',
  async verify(request, { hook, findKey }) {
    const kid = request.header('github-public-key-identifier');
    const signature = request.header('github-public-key-signature');
    if (kid === undefined || signature === undefined || kid.length > keyIdMax) return notAuthentic;
    const key = await findKey(hook.options.keysUrl ?? publicKeysUrl, kid);
    if (key === undefined) return notAuthentic;
    const isAuthentic = verify('sha256', request.body, key, Buffer.from(signature, 'base64'));
    return isAuthentic ? authentic : notAuthentic;
  },
  read({ body }) {
    const found = parseJson(body);
    if (!Array.isArray(found)) throw notAsDescribed();
    return found.map(withoutToken);
  },
  deliveryOf: bodyDelivery,
  passes: [],
  mapping: `$[form = "jwt"].{
  "event": "token-stolen",
  "subject": {"token_sha256": token_sha256},
  "data": exp ? {"exp": exp} : {},
  "reason": "a token that says it is of " & (client_id ? client_id : sub) & " at " & iss & " was published: " & $substring(url, 0, 500)
}`,
};

/** What is told of one leak, by the names of the claims that say it. */
function withoutToken(found: Json): JsonObject {
  if (!isObject(found) || typeof found['token'] !== 'string') throw notAsDescribed();
  const { token, type, url, source } = found;
  const [header, payload, signature, ...more] = token.split('.');
  const claims = payload === undefined ? undefined : claimsIn(payload);
  const told = { type: shortText(type), url: shortText(url), source: shortText(source) };
  if (claims === undefined || signature === undefined || more.length > 0) return { form: 'opaque', ...told };
  const { exp } = claims;
  return {
    form: 'jwt',
    ...told,
    // @see docs/adr/0008-a-token-without-jti-is-named-by-its-signed-part.md
    token_sha256: sha256(`${header}.${payload}`).toString('base64url'),
    iss: shortText(claims['iss']),
    sub: shortText(claims['sub']),
    client_id: shortText(claims['client_id'] ?? claims['azp']),
    ...(typeof exp === 'number' && exp > 0 && exp < secondsMax ? { exp } : {}),
  };
}

function claimsIn(payload: string): JsonObject | undefined {
  try {
    const claims = parseJson(Buffer.from(payload, 'base64url'));
    return isObject(claims) ? claims : undefined;
  } catch {
    return undefined;
  }
}

const textMax = 500;
const shortText = (value: Json | undefined): string =>
  typeof value === 'string' ? value.slice(0, textMax) : '';

const notAsDescribed = (): Problem =>
  new Problem('invalid-request', 'The body is not a list of leaked tokens.');
