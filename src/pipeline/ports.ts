import type { Decision, Outcome, Warning } from '../core/decision.ts';
import type { Effect, Match } from '../core/revocation.ts';
import type { Statement } from '../core/signal.ts';
import type { JsonObject, Millis, SignalId } from '../core/vocabulary.ts';

/**
 * The one way anything is put, lifted or recorded. Resolves, decides, limits and commits in ONE transaction, then
 * announces. Resolves only after the commit: what it answers survives `kill -9`.
 *
 * Idempotent per source and external id: the same body again answers the first answer with `duplicate`,
 * another body is the problem `id-reused`. With `dryRun` nothing is written and nothing counts.
 *
 * @throws Problem `storage-unavailable` when the database is gone, frozen or full: nothing was acknowledged.
 */
export type HandleSignal = (statement: Statement, options?: HandleOptions) => Promise<HandledSignal>;

export type HandleOptions = {
  readonly dryRun?: boolean;
  /** A person released it: the limits that held it are not asked again. */
  readonly released?: { readonly signalId: SignalId; readonly by: string };
};

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

/** "Look at your position", to every reader on every node. Carries no data; losing one costs a poll interval. */
export type Announcer = {
  announce(topic: Topic): void;
  /** Returns a function that ends the subscription. Listeners never throw. */
  subscribe(topic: Topic, listener: () => void): () => void;
};
export const topics = ['feed', 'receipts', 'tokens', 'configuration', 'signals'] as const;
export type Topic = (typeof topics)[number];

/** One row of the append-only audit; committed with its cause. `detail` carries no secrets and no whole tokens. */
export type AuditEntry = {
  readonly atMs: Millis;
  readonly actor: string;
  /** `noun.verb`: `signal.accepted`, `revocation.lifted`, `token.revoked`. */
  readonly action: string;
  readonly target: string;
  readonly outcome: 'done' | 'refused';
  readonly correlationId?: string;
  readonly txn?: string;
  readonly detail?: JsonObject;
};
