import { createPublicKey } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { SafeFetch } from '../core/outgoing.ts';
import { Problem } from '../core/problem.ts';
import type { Clock } from '../enforcement/feed-types.ts';
import { createIssuerKeys, type IssuerKeys } from '../enforcement/jwks.ts';
import { isJsonObject } from '../enforcement/token-format.ts';
import { algorithmOf, type Jwk, type SignatureAlgorithm } from '../enforcement/token-signatures.ts';
import type { FindSenderKey } from './ports.ts';

const fetchMs = 2_000;
/** Key sets of senders that are kept: one for each place where keys are published. */
const setsMax = 20;
/** Keys of one sender; more are not looked at. */
const keysMax = 100;

const es256 = algorithmOf('ES256') as SignatureAlgorithm;

/**
 * The keys that senders publish as GitHub does, kept and fetched anew as those of issuers are: one fetch at a time, with
 * a cooldown, by the hub's only way out.
 *
 * @see https://docs.github.com/en/code-security/secret-scanning/secret-scanning-partnership-program/secret-scanning-partner-program
 */
export function createFindSenderKey(options: {
  readonly fetch: SafeFetch;
  readonly clock: Clock;
  readonly onTrouble: (cause: unknown) => void;
}): FindSenderKey {
  const { fetch, clock, onTrouble } = options;
  const sets = new LRUCache<string, IssuerKeys>({ max: setsMax });
  const keysAt = (url: string): IssuerKeys => {
    const known = sets.get(url);
    if (known !== undefined) return known;
    const fresh = createIssuerKeys({ fetchKeys: () => fetchKeys(fetch, url), clock, onTrouble });
    sets.set(url, fresh);
    return fresh;
  };
  return async (url, kid) => {
    const found = await keysAt(url).find({ kid, algorithm: es256 });
    if (found.kind === 'key') return found.key.object;
    if (found.kind === 'unknown') return undefined;
    throw new Problem('issuer-unavailable', 'The keys of the sender cannot be had.', {
      hint: 'Send it again in a moment.',
    });
  };
}

async function fetchKeys(fetch: SafeFetch, url: string): Promise<readonly Jwk[]> {
  const headers = { accept: 'application/json', 'user-agent': 'caep-hub' };
  const outcome = await fetch({ url, method: 'GET', headers, stop: AbortSignal.timeout(fetchMs) });
  if (outcome.kind === 'failed') throw new Error(`${url} cannot be had: ${outcome.detail}`);
  if (outcome.status !== 200) throw new Error(`${url} answered ${outcome.status}`);
  const value = parse(Buffer.from(outcome.body).toString('utf8'));
  const keys = isJsonObject(value) ? value['public_keys'] : undefined;
  if (!Array.isArray(keys)) throw new Error(`${url} holds no public_keys`);
  return keys.slice(0, keysMax).flatMap(toJwk);
}

/** One that is no key on P-256 is left out, the others count. */
function toJwk(listed: unknown): readonly Jwk[] {
  if (!isJsonObject(listed)) return [];
  const { key_identifier: kid, key } = listed;
  if (typeof kid !== 'string' || typeof key !== 'string') return [];
  try {
    const { kty = '', crv, x, y } = createPublicKey(key).export({ format: 'jwk' });
    return [{ kty, crv, x, y, kid, use: 'sig' }];
  } catch {
    return [];
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // What the parser says quotes the answer.
    return undefined;
  }
}
