import type { Decision, Outcome, Warning } from './decision.ts';
import type { Effect, Match } from './revocation.ts';
import type { Millis, SignalId } from './vocabulary.ts';

/** What became of a signal, as every door answers it. */
export type HandledSignal = {
  readonly signalId: SignalId;
  readonly duplicate: boolean;
  readonly outcome: Outcome;
  readonly rule: string;
  readonly policyVersion: string;
  readonly text: string;
  readonly revocations: readonly HandledRevocation[];
  readonly lifted: readonly HandledLift[];
  readonly agents: readonly string[];
  readonly blast: Decision['blast'];
  readonly warnings: readonly Warning[];
  readonly txn: string;
  readonly receivedAtMs: Millis;
  /** The feed sequence that carries the whole of it; absent when it put and lifted nothing. */
  readonly lastSeq?: number;
};

export type HandledRevocation = {
  readonly id: string;
  /** Absent in a dry run, as is the time of the commit; the id then names nothing. */
  readonly position?: string;
  readonly match: Match;
  readonly effect: Effect;
  readonly cutOff?: number;
  readonly lapsesAt?: number;
  readonly agent?: string;
  readonly committedAtMs?: Millis;
  /** An earlier entry was moved forward. */
  readonly merged: boolean;
};
export type HandledLift = { readonly id: string; readonly position?: string };
