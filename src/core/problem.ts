/**
 * A refusal to a caller: expected, stable, and with a remedy. Anything else that is thrown is a bug.
 * `src/http/problem-replies.ts` maps each code to its status and title; a code without a reply does not compile.
 *
 * @see RFC 9457
 */
export class Problem extends Error {
  readonly code: ProblemCode;
  /** What to do next. */
  readonly hint: string | undefined;
  /** Which members of the input are wrong; `path` is a JSON pointer (RFC 6901). */
  readonly errors: readonly FieldError[];
  /** Machine-readable extras, spelt as on the wire. */
  readonly extra: { readonly [member: string]: unknown };

  constructor(code: ProblemCode, detail: string, more: ProblemDetails = {}) {
    super(detail, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = 'Problem';
    this.code = code;
    this.hint = more.hint;
    this.errors = more.errors ?? [];
    this.extra = more.extra ?? {};
  }
}

export type FieldError = { readonly path: string; readonly message: string };
export type ProblemDetails = {
  readonly hint?: string;
  readonly errors?: readonly FieldError[];
  readonly extra?: { readonly [member: string]: unknown };
  readonly cause?: unknown;
};

/** Every refusal there is. */
export const problemCodes = [
  'invalid-request',
  'malformed-json',
  'body-too-large',
  'unsupported-media-type',
  'method-not-allowed',
  'uri-too-long',
  'headers-too-large',
  'request-timeout',
  'unknown-event-type',
  'unknown-subject-format',
  'unknown-agent',
  'ambiguous-issuer',
  'empty-match',
  'unstorable-text',
  'id-reused',
  'conflict',
  'cyclic-parents',
  'too-many-entries',
  'too-many-streams',
  'too-many-subjects',
  'too-many-subject-shapes',
  'stream-not-enabled',
  'approval-by-requester',
  'already-decided',
  'already-lifted',
  'subject-unresolved',
  'not-revoked',
  'source-not-allowed',
  'unauthenticated',
  'insufficient-scope',
  'not-found',
  'feed-position-gone',
  'rate-limited',
  'too-many-connections',
  'issuer-unavailable',
  'upstream-failed',
  'mapping-busy',
  'storage-unavailable',
  'storage-timeout',
  'shutting-down',
  'data-dir-in-use',
  'data-dir-unusable',
  'invalid-configuration',
  'migration-refused',
] as const;
export type ProblemCode = (typeof problemCodes)[number];

export const isProblem = (thrown: unknown): thrown is Problem => thrown instanceof Problem;
