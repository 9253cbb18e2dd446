import type { Json, Millis } from '../core/vocabulary.ts';
import type { FindSenderKey, Hook, HookOptions } from './ports.ts';

/** A request at the door, its body as received. */
export type HookRequest = {
  readonly method: 'GET' | 'POST';
  /** The path behind the hook's name, without the first slash. */
  readonly tail: string;
  /** A header by its lower-case name; one that came several times has no value. */
  readonly header: (name: string) => string | undefined;
  readonly query: (name: string) => string | undefined;
  readonly body: Uint8Array;
};

/** What is answered, in the sender's dialect. */
export type HookAnswer = {
  readonly status: number;
  readonly type: 'application/json' | 'text/plain; charset=utf-8';
  readonly body: string;
};

export type Verdict =
  | { readonly kind: 'authentic' }
  /** For the audit; the answer says nothing of it. */
  | { readonly kind: 'refused'; readonly reason: 'not-authenticated' | 'stale' };

export type VerifyContext = {
  readonly hook: Hook;
  readonly nowMs: Millis;
  readonly findKey: FindSenderKey;
};

/** How the secret comes about. */
export type SecretRule =
  /** The hub makes one where none is given, and takes one of `shape`. */
  | { readonly made: 'here'; readonly make: () => string; readonly shape: RegExp; readonly wants: string }
  /** The sender makes it. */
  | { readonly made: 'there'; readonly shape: RegExp; readonly wants: string }
  /** The sender has keys that it publishes. */
  | { readonly made: 'published' };

/** What became of a request, for the dialect of its answer. */
export type Outcome =
  | { readonly kind: 'taken'; readonly accepted: number }
  /** The body is not what its kind sends. */
  | { readonly kind: 'unreadable' }
  /** The body, or a part of it, gives no signal that the hub takes. */
  | { readonly kind: 'unmappable' }
  | { readonly kind: 'unauthentic'; readonly presented: boolean }
  | { readonly kind: 'busy' }
  | { readonly kind: 'too-large' };

/** One kind of sender: how it proves who it is, what it sends, and what it wants to hear. */
export type HookKind = {
  readonly name: string;
  readonly title: string;
  /** How it proves who it is, in a few words. */
  readonly proof: string;
  /** Where its maker describes it. */
  readonly reference: string;
  readonly secret: SecretRule;
  readonly options: readonly (keyof HookOptions)[];
  /** Whether it sends to this path behind the hook's name. */
  readonly takes: (tail: string, method: HookRequest['method']) => boolean;
  /** No other kind has such a path: even who is refused there is told in its dialect. */
  readonly ownsPath?: (tail: string) => boolean;
  /** The path to set at the sender, with the secret where it is part of it; absent: none. */
  readonly tailOf?: (secret: string) => string;
  /** Answers what is not an event, before anything is verified. */
  readonly greet?: (request: HookRequest) => HookAnswer | undefined;
  readonly verify: (request: HookRequest, context: VerifyContext) => Verdict | Promise<Verdict>;
  /** Answers what is no event, once it is authentic. */
  readonly confirm?: (request: HookRequest) => HookAnswer | undefined;
  /** The body as the mapping is given it. Absent: parsed as JSON. @throws Problem `malformed-json` or `unsupported-media-type`. */
  readonly read?: (request: HookRequest) => Json;
  /** What a person must hear of though it is no signal. */
  readonly notice?: (body: Json) => string | undefined;
  /** Names a delivery: the same when the sender tries again. */
  readonly deliveryOf: (request: HookRequest, body: Json, nowMs: Millis) => string;
  /** Headers that its mapping sees. */
  readonly passes: readonly string[];
  /** JSONata. */
  readonly mapping: string;
  /**
   * Absent, or where it gives nothing: 202, or a problem of 4xx, which most senders show, and some send again. A sender that
   * gives up a hook for what it answers is told that all is well.
   */
  readonly answer?: (outcome: Outcome) => HookAnswer | undefined;
};
