import type { FetchOutcome, SafeFetch } from '../core/outgoing.ts';
import { judgePush } from '../core/push-answers.ts';
import { readRetryAfter } from '../core/retry-waits.ts';
import { harmlessText } from '../core/text.ts';
import type { Millis } from '../core/vocabulary.ts';
import type { PushAnswer, PushOutcome, PushSet } from './ports.ts';

/** Of a Receiver's texts so much is kept, in UTF-16 code units. */
export const pushErrMax = 64;
export const pushDescriptionMax = 512;

/**
 * One POST of one SET, and what follows from the answer.
 *
 * @see RFC 8935 §2
 */
export function createPushSet({
  fetch,
  nowMs,
}: {
  readonly fetch: SafeFetch;
  readonly nowMs: () => Millis;
}): PushSet {
  return async ({ endpointUrl, authorization, compact, previousErr, stop }) => {
    const outcome = await fetch({
      url: endpointUrl,
      method: 'POST',
      headers: {
        'content-type': 'application/secevent+jwt',
        accept: 'application/json',
        'accept-language': 'en',
        ...(authorization === undefined ? {} : { authorization }),
      },
      body: compact,
      stop,
    });
    return withoutSecret(outcomeOf(outcome, previousErr, nowMs()), authorization);
  };
}

/** A Receiver that repeats its credential in an answer would have it in our log. */
function withoutSecret(outcome: PushOutcome, secret: string | undefined): PushOutcome {
  if (outcome.kind === 'delivered' || secret === undefined) return outcome;
  const { description, ...answer } = outcome.answer;
  if (description === undefined) return outcome;
  const masked = description
    .replaceAll(secret, '[secret]')
    .replaceAll(secret.replace(/^\S+ /, ''), '[secret]');
  return { ...outcome, answer: { ...answer, description: masked } };
}

function outcomeOf(outcome: FetchOutcome, previousErr: string | undefined, nowMs: Millis): PushOutcome {
  const head = outcome.kind === 'answer' ? outcome : outcome.head;
  const answer = answerOf(outcome);
  const { verdict, waitMs = 0 } = judgePush({
    ...(head === undefined ? {} : { status: head.status }),
    ...(outcome.kind === 'failed' ? { failure: outcome.failure } : {}),
    ...(outcome.kind === 'answer' && answer.err !== undefined ? { err: answer.err } : {}),
    ...(previousErr === undefined ? {} : { previousErr }),
  });
  if (verdict === 'delivered') return { kind: 'delivered', status: head?.status ?? 0 };
  if (verdict !== 'retry') return { kind: verdict, answer };
  const retryAfterMs = Math.max(waitMs, readRetryAfter(head?.headers.get('retry-after'), nowMs) ?? 0);
  return { kind: 'retry', answer, ...(retryAfterMs === 0 ? {} : { retryAfterMs }) };
}

function answerOf(outcome: FetchOutcome): PushAnswer {
  if (outcome.kind === 'answer') return { status: outcome.status, ...readErrorBody(outcome.body) };
  const { failure, detail, head } = outcome;
  return { ...(head === undefined ? {} : { status: head.status }), err: failure, description: detail };
}

/** The two members that the RFC names, if they are text; nothing else of the body is kept. @see RFC 8935 §2.3, SEC-09 */
function readErrorBody(body: Uint8Array): Pick<PushAnswer, 'err' | 'description'> {
  const value = parseJson(body);
  if (typeof value !== 'object' || value === null) return {};
  const err = ownText(value, 'err', pushErrMax);
  const description = ownText(value, 'description', pushDescriptionMax);
  return {
    ...(err === undefined ? {} : { err }),
    ...(description === undefined ? {} : { description }),
  };
}

function parseJson(body: Uint8Array): unknown {
  // As of nearly every 202; to find it out by an error costs a fiftieth of the whole push.
  if (body.byteLength === 0) return undefined;
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    return undefined;
  }
}

function ownText(value: object, member: string, lengthMax: number): string | undefined {
  const text: unknown = Object.getOwnPropertyDescriptor(value, member)?.value;
  return typeof text === 'string' ? harmlessText(text, lengthMax) : undefined;
}
