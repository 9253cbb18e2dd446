import { isProblem, type Problem, type ProblemCode } from '../core/problem.ts';

/** How one problem is answered. The title never changes for a code; what differs is in `detail`. */
export type ProblemReply = {
  readonly status: number;
  readonly title: string;
  /** `Retry-After`: the same request may succeed later. A problem whose `extra` has `retry_after` knows better. */
  readonly retryAfterSeconds?: number;
};

/** `application/problem+json` as we send it. Members of `Problem.extra` stand beside these. */
export type ProblemBody = {
  readonly type: string;
  readonly code: string;
  readonly title: string;
  readonly status: number;
  readonly detail?: string;
  readonly hint?: string;
  readonly errors?: readonly { readonly path: string; readonly message: string }[];
};

/** Those with status 500 end the process at its start and never answer a request. */
export const problemReplies = {
  'invalid-request': { status: 400, title: 'The request is not valid' },
  'malformed-json': { status: 400, title: 'The body is not JSON that is accepted here' },
  'body-too-large': { status: 413, title: 'The body is too large' },
  'unsupported-media-type': { status: 415, title: 'The body has a media type that is not accepted here' },
  'method-not-allowed': { status: 405, title: 'The path does not have this method' },
  'uri-too-long': { status: 414, title: 'The path is too long' },
  'headers-too-large': { status: 431, title: 'The headers are too large' },
  'request-timeout': { status: 408, title: 'The request took too long to arrive' },
  'unknown-event-type': { status: 400, title: 'No such event type' },
  'unknown-subject-format': { status: 400, title: 'No such subject format' },
  'unknown-agent': { status: 400, title: 'No such agent' },
  'ambiguous-issuer': { status: 400, title: 'The issuer must be named' },
  'empty-match': { status: 400, title: 'The match names nothing' },
  'unstorable-text': { status: 400, title: 'A text cannot be stored' },
  'id-reused': { status: 409, title: 'The id was used with another body' },
  conflict: { status: 409, title: 'The request conflicts with what there is' },
  'cyclic-parents': { status: 409, title: 'The agent would descend from itself' },
  'too-many-entries': { status: 409, title: 'One signal would hit too much' },
  'too-many-streams': { status: 409, title: 'The receiver has as many streams as it may' },
  'too-many-subjects': { status: 403, title: 'The stream lists as many subjects as it may' },
  'too-many-subject-shapes': {
    status: 400,
    title: 'The subjects of the stream combine members in as many ways as they may',
  },
  'stream-not-enabled': { status: 400, title: 'The stream is paused or disabled' },
  'approval-by-requester': { status: 403, title: 'Somebody else must approve' },
  'already-decided': { status: 409, title: 'It was decided before' },
  'already-lifted': { status: 409, title: 'It was lifted before' },
  'subject-unresolved': { status: 404, title: 'Nobody here knows the subject' },
  'not-revoked': { status: 422, title: 'The tokens are not revoked' },
  'source-not-allowed': { status: 403, title: 'The source may not say this' },
  unauthenticated: { status: 401, title: 'Credentials are missing or not valid' },
  'insufficient-scope': { status: 403, title: 'The credentials lack a scope' },
  'not-found': { status: 404, title: 'There is no such thing' },
  'feed-position-gone': { status: 410, title: 'The feed cannot be resumed from there' },
  'rate-limited': { status: 429, title: 'Too many requests', retryAfterSeconds: 1 },
  'too-many-connections': { status: 503, title: 'Too many connections', retryAfterSeconds: 5 },
  'issuer-unavailable': {
    status: 503,
    title: 'The keys of an issuer cannot be had',
    retryAfterSeconds: 2,
  },
  'upstream-failed': { status: 502, title: 'A Transmitter did not do what it was asked' },
  'mapping-busy': { status: 503, title: 'Too many bodies wait to be mapped', retryAfterSeconds: 2 },
  'storage-unavailable': { status: 503, title: 'Storage is unavailable', retryAfterSeconds: 1 },
  'storage-timeout': { status: 503, title: 'Storage took too long', retryAfterSeconds: 1 },
  'shutting-down': { status: 503, title: 'The hub is shutting down', retryAfterSeconds: 2 },
  'data-dir-in-use': { status: 500, title: 'Another process holds the data directory' },
  'data-dir-unusable': { status: 500, title: 'The data directory cannot be used' },
  'invalid-configuration': { status: 500, title: 'The configuration is not valid' },
  'migration-refused': { status: 500, title: 'The database cannot be migrated' },
} as const satisfies Record<ProblemCode, ProblemReply>;

export const problemType = (code: string): string => `urn:caep-hub:problem:${code}`;

/** The `detail` of a problem is for its caller. It carries no secrets: whoever throws one sees to that. */
export function problemBody(problem: Problem): ProblemBody {
  const { status, title } = problemReplies[problem.code];
  return {
    ...problem.extra,
    type: problemType(problem.code),
    code: problem.code,
    title,
    status,
    detail: problem.message,
    ...(problem.hint === undefined ? {} : { hint: problem.hint }),
    ...(problem.errors.length === 0 ? {} : { errors: problem.errors }),
  };
}

/** What a bug is answered with: nothing of it. */
export const bugBody: ProblemBody = {
  type: problemType('internal-error'),
  code: 'internal-error',
  title: 'The hub made a mistake',
  status: 500,
};

/** Meant for a caller, as opposed to what ends the process at its start. */
export const isRefusal = (thrown: unknown): thrown is Problem =>
  isProblem(thrown) && problemReplies[thrown.code].status !== 500;
