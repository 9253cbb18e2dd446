import { Readable } from 'node:stream';
import { isLoopback } from './loopback.ts';
import { isJsonObject } from './token-format.ts';
import type { Jwk } from './token-signatures.ts';
import { within } from './within.ts';

/** Where an issuer's keys are: given, or found through its metadata. */
export type KeySource = { readonly url: string; readonly jwks_uri?: string };

/**
 * A JSON object that may be served at a URL.
 *
 * @throws Error that says what could not be had; never with the content of an answer.
 */
export type FetchJson = (uri: string) => Promise<{ readonly [member: string]: unknown }>;

/**
 * Fetches the key set of an issuer. Every answer is bounded in time and size, redirects are not followed, and plain
 * HTTP is spoken with this machine only.
 *
 * @throws Error that says what could not be had; never with the content of an answer.
 * @see RFC 8414 §3, OpenID Connect Discovery 1.0 §4, RFC 7517 §5
 */
export async function fetchKeySet(
  source: KeySource,
  fetchJson: FetchJson = fetchJsonHere,
): Promise<readonly Jwk[]> {
  const uri = source.jwks_uri ?? (await discoverKeys(source.url, fetchJson));
  const { keys } = await fetchJson(uri);
  if (!Array.isArray(keys)) throw new Error(`${uri} is not a JWK Set`);
  if (keys.length > keysMax) throw new Error(`${uri} lists more than ${keysMax} keys`);
  return (keys as readonly unknown[]).filter(isJsonObject);
}

/** RFC 8414 puts the well-known part before the issuer's path, OpenID Connect behind it. */
export function metadataUris(issuer: string): readonly string[] {
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/$/, '');
  return [
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}${path}/.well-known/openid-configuration`,
  ];
}

async function discoverKeys(issuer: string, fetchJson: FetchJson): Promise<string> {
  const failures: unknown[] = [];
  for (const uri of metadataUris(issuer)) {
    try {
      const metadata = await fetchJson(uri);
      // RFC 8414 §3.3: metadata that names another issuer must not be used.
      if (metadata['issuer'] !== issuer) throw new Error(`${uri} is the metadata of another issuer`);
      if (typeof metadata['jwks_uri'] !== 'string') throw new Error(`${uri} names no jwks_uri`);
      return metadata['jwks_uri'];
    } catch (cause) {
      failures.push(cause);
    }
  }
  throw new AggregateError(failures, `no metadata of ${issuer} could be had`);
}

const fetchJsonHere: FetchJson = (uri) =>
  within(undefined, fetchTimeoutMs, (stop) => fetchJsonUntil(uri, stop));

async function fetchJsonUntil(uri: string, stop: AbortSignal): ReturnType<FetchJson> {
  const url = new URL(uri);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback(url.hostname))) {
    throw new Error(`${uri} is neither https nor on this machine`);
  }
  const response = await fetch(url, {
    headers: { accept: 'application/json, application/jwk-set+json' },
    redirect: 'error',
    signal: stop,
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`${uri} answered ${response.status}`);
  }
  const value: unknown = JSON.parse(await readText(response, uri, stop));
  if (!isJsonObject(value)) throw new Error(`${uri} is not a JSON object`);
  return value;
}

/**
 * `fetch` of Node 20 that takes no redirects forgets its signal when memory is collected after the head: what reads the
 * body heeds it by itself.
 */
async function readText({ body }: Response, uri: string, stop: AbortSignal): Promise<string> {
  if (body === null) return '';
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of Readable.fromWeb(body, { signal: stop }) as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength;
    if (bytes > answerBytesMax) throw new Error(`${uri} is larger than ${answerBytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

const fetchTimeoutMs = 5_000;
const answerBytesMax = 256 * 1_024;
const keysMax = 100;
