import type { KeyObject } from 'node:crypto';
import type { Source } from '../core/source.ts';
import type { Json, JsonObject, Millis, SourceId } from '../core/vocabulary.ts';

export type Change = { readonly actor: string; readonly atMs: Millis; readonly correlationId?: string };

/** What a person sets beside the kind; which of them a kind takes, its row says. */
export type HookOptions = {
  /** The header that carries the secret; absent: `Authorization`. */
  readonly header?: string;
  /** How far the time of a signed request may be from ours. */
  readonly toleranceSeconds?: number;
  /** `$issuer` of the mapping: whose subjects the sender means. */
  readonly issuer?: string;
  /** Where the sender publishes its keys. */
  readonly keysUrl?: string;
};

export type HookSecret = { readonly value: string; readonly sinceMs: Millis };

/** A door for one stock sender. It speaks for the source of its name. */
export type Hook = {
  readonly id: SourceId;
  /** Name of a row of the table of kinds. */
  readonly kind: string;
  readonly options: HookOptions;
  /** JSONata; absent: that of the kind. */
  readonly mapping?: string;
  /** Newest first. Empty where the sender publishes keys, and where they do not open under this `SECRETS_KEY`. */
  readonly secrets: readonly HookSecret[];
  readonly createdAtMs: Millis;
  readonly updatedAtMs: Millis;
};

/** A hook and what it may cause. */
export type SpeakingHook = Hook & { readonly source: Source };

/** What became of the requests at a hook. A body that becomes signals is `accepted`, one that means nothing here `ignored`. */
export const hookOutcomes = ['accepted', 'ignored', 'failed', 'refused'] as const;
export type HookOutcome = (typeof hookOutcomes)[number];

/** Why a body of an authentic sender was not taken whole. In words of ours: nothing of the body is in it. */
export type HookFailure = { readonly atMs: Millis; readonly code: string; readonly text: string };

export type HookActivity = { readonly [Outcome in HookOutcome]: number } & {
  readonly lastAcceptedAtMs?: Millis;
  readonly lastFailure?: HookFailure;
};

/** Changes are announced as `tokens`, after their commit: who may say what is read there. */
export type HookStore = {
  /** By name, ascending, after `after`; at most `limit`. */
  list(page: { readonly after?: string; readonly limit: number }): Promise<readonly SpeakingHook[]>;
  find(id: SourceId): Promise<(SpeakingHook & { readonly activity: HookActivity }) | undefined>;
  /**
   * Creates or replaces what `make` gives for the hook that is there, and makes its source where there is none.
   *
   * @throws Problem `conflict` when there are `hooksMax` already, or when the source speaks for a person; and what `make` throws.
   */
  put(
    id: SourceId,
    make: (before: Hook | undefined) => Hook,
    change: Change,
  ): Promise<'created' | 'replaced'>;
  /** `false` when there is none. Its source stays. */
  remove(id: SourceId, change: Change): Promise<boolean>;
  /** Adds to what is counted. Of a hook that is gone nothing is kept. */
  addActivity(activity: ReadonlyMap<SourceId, HookActivity>): Promise<void>;
};

/** What a mapping is given beside the body. */
export type MappingContext = {
  /** `$headers`: those that its kind passes on, by lower-case name. */
  readonly headers: { readonly [name: string]: string };
  /** `$issuer` */
  readonly issuer?: string;
};

/**
 * JSONata in a thread of its own that reaches nothing: no file, no network, no environment. Hooks take turns, one body
 * of each at a time, so that none waits for another's.
 */
export type Mapper = {
  /** What `mapping` makes of `body`: none, one or several values. Never rejects for what a mapping does. */
  map(job: MappingJob): Promise<MappingOutcome>;
  /** Whether it can be parsed. */
  check(mapping: string): Promise<MappingOutcome>;
};

export type MappingJob = {
  /** Whose turn it is. */
  readonly hook: string;
  readonly mapping: string;
  readonly body: Json;
  readonly context: MappingContext;
};

export type MappingOutcome =
  | { readonly kind: 'mapped'; readonly values: readonly Json[] }
  | MappingFailure
  /** Too many wait, or for too long: later it may succeed. */
  | { readonly kind: 'busy' };

export type MappingFailure = {
  readonly kind: 'failed';
  /** `mapping-timeout`, `mapping-memory`, `mapping-output`, or `mapping-error`. */
  readonly code: string;
  readonly text: string;
  /** Of the character in the mapping, from 1. */
  readonly position?: number;
};

/** Keys that a sender publishes. `undefined`: it has no such key. @throws Problem `issuer-unavailable` when they cannot be had. */
export type FindSenderKey = (keysUrl: string, kid: string) => Promise<KeyObject | undefined>;

/** A signal as a mapping gives it, spelt as at POST /v1/signals. */
export type MappedSignal = {
  readonly event: string;
  readonly subject: JsonObject;
  readonly data?: JsonObject;
  readonly event_timestamp?: number;
  readonly confidence?: 'high' | 'medium' | 'low';
  readonly reason?: string;
  readonly id?: string;
  readonly txn?: string;
};
