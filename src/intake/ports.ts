import type { Outcome } from '../core/decision.ts';
import type { Confidence, Statement } from '../core/signal.ts';
import type { JsonObject, Millis, Seconds, SignalId, SourceId } from '../core/vocabulary.ts';
import type { HandledSignal } from '../core/handled-signal.ts';

/** A signal as it was said and answered. */
export type SignalRecord = {
  readonly sourceId: SourceId;
  readonly actor: string;
  readonly externalId?: string;
  /** URI. */
  readonly eventType: string;
  readonly subject: JsonObject;
  readonly data: JsonObject;
  readonly eventTime: Seconds;
  readonly confidence?: Confidence;
  readonly reason?: string;
  readonly answer: HandledSignal;
};

export type SignalFilter = { readonly sourceId?: string; readonly outcome?: Outcome };

/** Where a page of signals, newest first, goes on: behind this one. */
export type SignalCursor = { readonly receivedAtMs: Millis; readonly id: string };

export type SignalReader = {
  list(
    filter: SignalFilter,
    page: { readonly after?: SignalCursor; readonly limit: number },
  ): Promise<readonly SignalRecord[]>;
  find(id: string): Promise<SignalRecord | undefined>;
};

export type HeldState = 'waiting' | 'released' | 'discarded';

export type HeldSignal = {
  readonly signal: SignalRecord;
  readonly code: string;
  readonly text: string;
  readonly approvalsRequired: number;
  readonly approvals: readonly { readonly actor: string; readonly atMs: Millis }[];
  readonly state: HeldState;
  readonly deadlineMs: Millis;
  readonly atDeadline: 'release' | 'discard';
  readonly decidedBy?: string;
  readonly decidedAtMs?: Millis;
};

/** Who decides about a held signal, for the audit. */
export type Deciding = { readonly actor: string; readonly atMs: Millis; readonly correlationId?: string };

export type HeldStore = {
  /** Oldest deadline first. */
  list(
    state: HeldState,
    page: { readonly after?: { readonly deadlineMs: Millis; readonly id: string }; readonly limit: number },
  ): Promise<readonly HeldSignal[]>;
  find(signalId: string): Promise<HeldSignal | undefined>;
  /**
   * Notes an approval; the same actor's again changes nothing. `undefined` when there is no such held signal.
   *
   * @returns the statement to decide again, once there are enough.
   * @throws Problem `already-decided`, `approval-by-requester` for the one who made the signal.
   */
  approve(signalId: string, by: Deciding): Promise<Approved | undefined>;
  /**
   * Ends the waiting and what was put meanwhile. `undefined` when there is no such held signal.
   *
   * @throws Problem `already-decided`.
   */
  discard(signalId: string, by: Deciding): Promise<true | undefined>;
  /** Signals whose deadline has passed, at most `limit`. */
  due(nowMs: Millis, limit: number): Promise<readonly DueSignal[]>;
};

export type Approved = { readonly enough: false } | { readonly enough: true; readonly statement: Statement };
export type DueSignal = {
  readonly signalId: SignalId;
  readonly atDeadline: 'release' | 'discard';
  readonly statement: Statement;
};
