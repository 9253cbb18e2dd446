import {
  allowInsecureRequests,
  customFetch,
  type CustomFetchOptions,
  OperationProcessingError,
  ResponseBodyError,
  UnsupportedOperationError,
} from 'oauth4webapi';
import type { AnswerHead, SafeFetch } from '../../core/outgoing.ts';
import { readRetryAfter } from '../../core/retry-waits.ts';
import type { Millis } from '../../core/vocabulary.ts';
import type { Called, CallFailure } from '../../receiver/ports.ts';
import { failed } from '../ssf/call.ts';

export type Outgoing = { readonly fetch: SafeFetch; readonly nowMs: () => Millis };

type FetchOptions = CustomFetchOptions<'GET' | 'POST', URLSearchParams | undefined>;
export type LibraryOptions = {
  readonly [customFetch]: (url: string, options: FetchOptions) => Promise<Response>;
  readonly [allowInsecureRequests]: true;
};

/**
 * What the library makes of one answer, had over SafeFetch. Of what the peer says no more gets into a failure than its
 * error code.
 */
export async function overSafeFetch<Value>(
  { endpoint, fetch, nowMs }: Outgoing & { readonly endpoint: string },
  attempt: (options: LibraryOptions) => Promise<Value>,
): Promise<Called<Value>> {
  let head: AnswerHead | undefined;
  let noAnswer: CallFailure | undefined;
  const fetchSafely: LibraryOptions[typeof customFetch] = async (url, { method, headers, body }) => {
    const outcome = await fetch({ url, method, headers, ...(body && { body: body.toString() }) });
    if (outcome.kind === 'failed') {
      noAnswer = failed('authorize', `The ${endpoint} gave no answer that can be used: ${outcome.detail}.`);
      throw new Error(noAnswer.text);
    }
    head = outcome;
    return responseOf(outcome);
  };
  try {
    // What may be plain HTTP is SafeFetch's to say.
    return {
      kind: 'done',
      value: await attempt({ [customFetch]: fetchSafely, [allowInsecureRequests]: true }),
    };
  } catch (error) {
    if (noAnswer !== undefined) return noAnswer;
    if (!isOfPeer(error)) throw error;
    return failureOf(error, { endpoint, head, nowMs: nowMs() });
  }
}

/** Statuses that the library's class for answers does not take are told as 500: neither means anything here. */
function responseOf({ status, headers, body }: AnswerHead & { readonly body: Uint8Array }): Response {
  const isBodiless = status === 204 || status === 205 || status === 304;
  return new Response(isBodiless ? null : Buffer.from(body), {
    status: status < 200 || status > 599 ? 500 : status,
    headers: { 'content-type': headers.get('content-type') ?? '' },
  });
}

/** That it cannot use what it was told, and not that it was used wrongly. */
const isOfPeer = (error: unknown): error is Error =>
  error instanceof ResponseBodyError ||
  error instanceof OperationProcessingError ||
  error instanceof UnsupportedOperationError ||
  (error instanceof TypeError && 'code' in error && error.code === 'ERR_INVALID_URL');

/** What to look at, by the code of RFC 6749 §5.2 and RFC 8707 §2. */
const hints: ReadonlyMap<string, string> = new Map([
  ['invalid_client', 'look at the client id, its secret or key, and the method'],
  ['unauthorized_client', 'the client may not use client credentials'],
  ['invalid_scope', 'look at the scope'],
  ['invalid_target', 'look at the resource'],
]);

function failureOf(
  error: Error,
  {
    endpoint,
    head,
    nowMs,
  }: { readonly endpoint: string; readonly head: AnswerHead | undefined; readonly nowMs: Millis },
): CallFailure {
  const { status } = head ?? {};
  const waitMs = readRetryAfter(head?.headers.get('retry-after'), nowMs);
  const more = {
    ...(status === undefined ? {} : { status }),
    ...(waitMs === undefined ? {} : { retryAfterSeconds: Math.ceil(waitMs / 1_000) }),
  };
  const code = error instanceof ResponseBodyError ? codeOf(error.error) : undefined;
  if (code !== undefined) {
    const hint = hints.get(code);
    return failed(
      'authorize',
      `The ${endpoint} refused: ${code}${hint === undefined ? '' : `; ${hint}`}.`,
      more,
    );
  }
  if (status !== undefined && status !== 200) {
    return failed(
      'authorize',
      `The ${endpoint} answered ${status} and no error code that can be read.`,
      more,
    );
  }
  return failed('authorize', `What the ${endpoint} answered cannot be used.`, more);
}

/** Narrower than the RFC has it, so that no secret comes back as a code. */
const codeOf = (text: string): string | undefined => (/^[a-z_]{1,40}$/.test(text) ? text : undefined);
