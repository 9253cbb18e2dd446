import type { Decision, LinkChange, Memory } from '../core/decision.ts';
import type { HandledLift, HandledRevocation, HandledSignal } from '../core/handled-signal.ts';
import type { Audience, PlannedSet } from '../core/fan-out.ts';
import type { SubjectQuery } from '../core/resolution.ts';
import type { World } from '../core/decide-times.ts';
import type { Statement } from '../core/signal.ts';
import type { AgentName, Millis, SignalId, SourceId, SubjectKey } from '../core/vocabulary.ts';
import type { Announcer, HandleOptions } from './ports.ts';
import type { RegistryFacts } from './resolve-subject.ts';

/** What the pipeline asks of the database. */
export type SignalStore = {
  /**
   * All of `work` in one transaction, which holds the registries still: what an agent, a link or an owner is does not
   * change between the decision and its commit.
   *
   * @throws Problem `storage-unavailable` when the database is gone, frozen or full.
   */
  transact<T>(
    first: FirstQuestions,
    work: (tx: SignalTransaction, facts: FirstAnswers) => Promise<T>,
  ): Promise<T>;
};

/** Asked under the lock on the registries, together with the start of the transaction. */
export type FirstQuestions = {
  /** Who changes them works alone. */
  readonly registries: 'read' | 'write';
  readonly keys: readonly ExternalKey[];
  readonly queries: readonly SubjectQuery[];
};
export type FirstAnswers = {
  /** What each key said before. */
  readonly earlier: readonly (EarlierSignal | undefined)[];
  /** What the registries hold about all of the subjects. */
  readonly registries: RegistryFacts;
  /** The streams there are, as of this transaction. */
  readonly audiences: readonly Audience[];
};

export type SignalTransaction = {
  /** What happened before, in the order of the questions. */
  recall(questions: readonly MemoryQuestion[]): Promise<readonly Memory[]>;
  /** Writes everything, the feed included. Ids of one group are distinct. */
  commit(group: readonly DecidedSignal[], nowMs: Millis): Promise<readonly CommittedSignal[]>;
  /** Locks the held signal until the end. `undefined` when it waits no more, or never did. */
  lockHeld(signalId: SignalId): Promise<HeldApprovals | undefined>;
};

/** How many persons have approved it. */
export type HeldApprovals = { readonly approvals: number };
export type ExternalKey = { readonly sourceId: SourceId; readonly externalId: string | undefined };
export type EarlierSignal = { readonly bodySha256: Uint8Array; readonly answer: HandledSignal };

export type MemoryQuestion = {
  readonly sourceId: SourceId;
  readonly actor: string;
  readonly subjectKey: SubjectKey;
  /** @see principalOf */
  readonly principal: string;
  readonly family: string | undefined;
  /** An order to lift names one entry, or all of one signal. */
  readonly names: { readonly revocationId?: string; readonly signalId?: string };
  /** Asked of what is relayed only. */
  readonly relayed?: { readonly txn: string; readonly eventType: string };
  /** Kills of the last minute make a difference. */
  readonly countsKills: boolean;
  readonly nowMs: Millis;
};

export type DecidedSignal = {
  readonly signalId: SignalId;
  readonly statement: Statement;
  readonly decision: Decision;
  readonly principal: string;
  /** What goes out to downstream Receivers because of it. */
  readonly sets: readonly PlannedSet[];
  /** A signal that was held: its row is moved on, what it put while waiting ends. It may be held again, for more approvals. */
  readonly released?: { readonly by: string };
};

export type CommittedSignal = {
  readonly revocations: readonly HandledRevocation[];
  readonly lifted: readonly HandledLift[];
  readonly links: readonly ChangedLink[];
  readonly lastSeq?: number;
};

/** What an identifier stood for when it changed hands. */
export type ChangedLink = {
  readonly change: LinkChange;
  /** It stood for a key or an agent. */
  readonly isLinked: boolean;
  /** It stood for the owner of these. */
  readonly owned: readonly AgentName[];
  /** Signals whose kills, waiting for the new value, would hit a protected agent now. */
  readonly withheld: readonly string[];
};

export type PipelinePorts = {
  readonly store: SignalStore;
  readonly announcer: Pick<Announcer, 'announce'>;
  readonly nowMs: () => Millis;
  readonly newId: (prefix: 'sig' | 'set') => string;
  /** Of what goes out: the hub's own issuer. */
  readonly iss: () => string;
  readonly issuers: World['issuers'];
  /** Deciding threw and the built-in default reaction stood in for it: for the log, and an alert. */
  readonly onUndecided: (signal: SignalId, error: unknown) => void;
};

/** A statement on its way, with the id that it will have. */
export type AskedSignal = {
  readonly signalId: SignalId;
  readonly statement: Statement;
  readonly released?: NonNullable<HandleOptions['released']> & Partial<HeldApprovals>;
};
