/** Why a request of ours got no whole answer. */
export const fetchFailures = [
  /** No URL that the hub goes to: not https, with a user in it, too long, or none at all. */
  'bad-url',
  /** A header that no request can carry. */
  'bad-header',
  /** Where it leads, or would have led, the hub does not go. */
  'refused-address',
  /** No trust: certificate, host name or version. */
  'tls',
  'timeout',
  /** Name not found, refused, reset, or not HTTP. */
  'network',
  /** More headers or more body than is read. */
  'too-large',
  /** The caller's `stop`. */
  'stopped',
] as const;
export type FetchFailure = (typeof fetchFailures)[number];

export type OutgoingRequest = {
  readonly url: string;
  readonly method: 'GET' | 'POST' | 'DELETE' | 'PATCH' | 'PUT';
  /** Never `host`: that is the URL's. */
  readonly headers: { readonly [name: string]: string };
  readonly body?: string;
  readonly stop?: AbortSignal;
};

export type AnswerHead = {
  readonly status: number;
  /** By lower-case name; of several the first. */
  readonly headers: ReadonlyMap<string, string>;
};

/** What became of one request. A redirect is an answer like any other. */
export type FetchOutcome =
  | ({ readonly kind: 'answer'; readonly body: Uint8Array } & AnswerHead)
  | {
      readonly kind: 'failed';
      readonly failure: FetchFailure;
      /** For the operator, in words of ours: nothing of the peer's is in it. */
      readonly detail: string;
      /** The answer had begun. */
      readonly head?: AnswerHead;
    };

/**
 * The only way out of the hub: https, to an address that was checked when it was connected to, no redirects, bounded in
 * time and size. Never throws for what the peer does.
 */
export type SafeFetch = (request: OutgoingRequest) => Promise<FetchOutcome>;
