import type { AnswerHead, OutgoingRequest, SafeFetch } from '../../core/outgoing.ts';
import { readRetryAfter } from '../../core/retry-waits.ts';
import { findJsonFaults, isJsonObject, type JsonLimits } from '../../core/text.ts';
import type { Json, JsonObject, Millis } from '../../core/vocabulary.ts';
import type { Called, CallFailure, UpstreamStep } from '../../receiver/ports.ts';
import type { TokenKeeper } from './token-keeper.ts';

/** One request, and the only status that means that it was done. */
export type Call = {
  readonly step: UpstreamStep;
  /** The name of the endpoint, as people read of it. */
  readonly endpoint: string;
  /** Absent: the Transmitter's metadata names none. */
  readonly url: string | undefined;
  readonly method: OutgoingRequest['method'];
  readonly body?: JsonObject;
  readonly headers?: Readonly<Record<string, string>>;
  /** @see SSF 1.0 §8.1, RFC 8936 §2.3 */
  readonly done: number;
  readonly stop?: AbortSignal;
};

export type CallerOptions = {
  readonly fetch: SafeFetch;
  /** Absent: nobody asks who calls, as for metadata. */
  readonly tokens?: TokenKeeper;
  readonly nowMs: () => Millis;
};

/** The body of the answer that was to come; whatever else comes is a failure. */
export type MakeCall = (call: Call) => Promise<Called<Uint8Array>>;

/** Calls with the upstream's credentials. A token that is refused with 401 is got anew, once. */
export function createCaller({ fetch, tokens, nowMs }: CallerOptions): MakeCall {
  const send = async (call: Call, url: string, token: string | undefined): Promise<Called<Uint8Array>> => {
    const outcome = await fetch(requestOf(call, url, token));
    if (outcome.kind === 'failed') {
      return failed(call.step, `Its ${call.endpoint} gave no answer that can be used: ${outcome.detail}.`, {
        ...(outcome.head === undefined ? {} : { status: outcome.head.status }),
      });
    }
    if (outcome.status === call.done) return { kind: 'done', value: outcome.body };
    return failureOfAnswer(call, outcome, nowMs());
  };
  return async (call) => {
    const { url, step, endpoint } = call;
    if (url === undefined) return failed(step, `Its metadata names no ${endpoint}.`);
    if (tokens === undefined) return send(call, url, undefined);
    const first = await tokens.get();
    if (first.kind === 'failed') return first;
    const called = await send(call, url, first.value);
    if (called.kind === 'done' || called.status !== 401 || !tokens.refused(first.value)) return called;
    const second = await tokens.get();
    return second.kind === 'failed' ? second : send(call, url, second.value);
  };
}

export const failed = (
  step: UpstreamStep,
  text: string,
  more: Pick<CallFailure, 'status' | 'retryAfterSeconds'> = {},
): CallFailure => ({ kind: 'failed', step, text, ...more });

function requestOf(call: Call, url: string, token: string | undefined): OutgoingRequest {
  const { method, headers, body, stop } = call;
  return {
    url,
    method,
    headers: {
      accept: 'application/json',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(stop === undefined ? {} : { stop }),
  };
}

/** What an unwanted status means; the first that fits. @see SSF 1.0 §8.1, the tables of responses */
const statusWords: readonly { readonly from: number; readonly to: number; readonly words: string }[] = [
  { from: 202, to: 202, words: 'has taken the request and not decided yet: the same request tells later' },
  { from: 200, to: 299, words: 'answered with another status than the specification has' },
  {
    from: 300,
    to: 399,
    words: 'answered with a redirect, which is not followed: give the URL that it leads to',
  },
  { from: 400, to: 400, words: 'does not take the request' },
  { from: 401, to: 401, words: 'does not take the credentials: look whether they still hold' },
  { from: 403, to: 403, words: 'does not allow this with these credentials: look at their scopes' },
  { from: 404, to: 404, words: 'has nothing there' },
  { from: 409, to: 409, words: 'allows no other stream beside the one that it has' },
  { from: 429, to: 429, words: 'asks to wait' },
  { from: 500, to: 599, words: 'is in trouble itself' },
  { from: 0, to: 999, words: 'answered with a status that the specification does not have' },
];

function failureOfAnswer(call: Call, { status, headers }: AnswerHead, nowMs: Millis): CallFailure {
  const words = statusWords.find(({ from, to }) => status >= from && status <= to)?.words ?? '';
  const error = bearerError.exec(headers.get('www-authenticate') ?? '')?.[1];
  const waitMs = readRetryAfter(headers.get('retry-after'), nowMs);
  const code = error === undefined ? `${status}` : `${status} ${error}`;
  return failed(
    status === 401 ? 'authorize' : call.step,
    `The Transmitter ${words} (${call.endpoint}: ${code}).`,
    { status, ...(waitMs === undefined ? {} : { retryAfterSeconds: Math.ceil(waitMs / 1_000) }) },
  );
}

/** @see RFC 6750 §3 */
const bearerError = /\berror="([a-z_]{1,40})"/;

/** Of what a Transmitter or an authorization server says about itself and its streams. */
const answerLimits: JsonLimits = { depthMax: 8, nodesMax: 10_000, textMax: 8_192 };

/** The JSON of an answer; `undefined`: it is none, or more than can be dealt with. */
export function parseAnswer(body: Uint8Array): Json | undefined {
  const value = parseJson(body);
  if (value === undefined) return undefined;
  const { unstorable, excessive } = findJsonFaults(value, '', answerLimits);
  return unstorable.length + excessive.length > 0 ? undefined : value;
}

/** What the parser says of what is none would quote it. */
export function parseJson(body: Uint8Array): Json | undefined {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)) as Json;
  } catch {
    return undefined;
  }
}

/** Its own member, so that one called `constructor` is never an inherited one. */
export const own = (object: JsonObject, member: string): Json | undefined =>
  Object.hasOwn(object, member) ? object[member] : undefined;

/** What a reader makes of a JSON object, or the failure that says what is wrong with it. */
export function readAnswer<Read extends object>(
  body: Uint8Array,
  { step, endpoint }: Pick<Call, 'step' | 'endpoint'>,
  read: (object: JsonObject) => Read | string,
): Called<Read> {
  const value = parseAnswer(body);
  const made = isJsonObject(value) ? read(value) : 'it is no JSON object that can be dealt with';
  return typeof made === 'string' ? unusable({ step, endpoint }, made) : { kind: 'done', value: made };
}

export const unusable = ({ step, endpoint }: Pick<Call, 'step' | 'endpoint'>, why: string): CallFailure =>
  failed(step, `What its ${endpoint} answered cannot be used: ${why}.`);
