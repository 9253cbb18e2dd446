import type { SafeFetch } from '../core/outgoing.ts';
import { type FetchJson, fetchKeySet, type KeySource } from '../enforcement/jwks-fetch.ts';
import { isJsonObject } from '../enforcement/token-format.ts';
import type { Jwk } from '../enforcement/token-signatures.ts';

/** Metadata and keys together, whoever waits for them. */
const wholeMs = 10_000;

export type FetchIssuerKeys = (issuer: KeySource) => Promise<readonly Jwk[]>;

/**
 * The keys of an issuer, by the hub's only way out: to addresses that were checked, without redirects, bounded in time
 * and size.
 *
 * @throws Error that says what could not be had; never with the content of an answer.
 */
export const createFetchIssuerKeys =
  (fetch: SafeFetch): FetchIssuerKeys =>
  (issuer) => {
    const stop = AbortSignal.timeout(wholeMs);
    const fetchJson: FetchJson = async (url) => {
      const headers = { accept: 'application/json, application/jwk-set+json' };
      const outcome = await fetch({ url, method: 'GET', headers, stop });
      if (outcome.kind === 'failed') throw new Error(`${url} cannot be had: ${outcome.detail}`);
      if (outcome.status !== 200) throw new Error(`${url} answered ${outcome.status}`);
      return parse(Buffer.from(outcome.body).toString('utf8'), url);
    };
    return fetchKeySet(issuer, fetchJson);
  };

function parse(text: string, url: string): Awaited<ReturnType<FetchJson>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // What the parser says quotes the answer.
  }
  if (!isJsonObject(value)) throw new Error(`${url} is not a JSON object`);
  return value;
}
