import type { KnownAs } from '../core/known-as.ts';
import type { Match } from '../core/revocation.ts';
import type { Source } from '../core/source.ts';
import type { HandledSignal } from '../core/handled-signal.ts';
import type { AgentName, Millis } from '../core/vocabulary.ts';

export type Change = { readonly actor: string; readonly atMs: Millis; readonly correlationId?: string };

/** `disabled`: a denial without cut-off stands for it. `restricted`: weaker entries or cut-offs do. Derived, never stored. */
export type AgentStatus = 'active' | 'restricted' | 'disabled' | 'retired';

export type AgentDraft = {
  readonly name: AgentName;
  readonly description?: string;
  /** The accountable person, as people read it. */
  readonly owner?: string;
  /** How the senders of events name that person. */
  readonly ownerIdentifiers: readonly KnownAs[];
  /** Keys that its tokens carry: each one a conjunction. */
  readonly identities: readonly Match[];
  /** Identifiers that stand for it though no token carries them. */
  readonly links: readonly KnownAs[];
  readonly parents: readonly AgentName[];
  /** Hit only after two persons approved. */
  readonly protected: boolean;
};

/** What is absent stays; a list replaces the whole list. */
export type AgentPatch = { readonly [Member in keyof Omit<AgentDraft, 'name'>]?: AgentDraft[Member] };

export type Agent = AgentDraft & {
  readonly children: readonly AgentName[];
  readonly status: AgentStatus;
  readonly liveRevocations: number;
  readonly createdAtMs: Millis;
  readonly updatedAtMs: Millis;
};

/** An entry that a standing kill put in the transaction that learnt the identity. */
export type BoundRevocation = {
  readonly id: string;
  readonly position: string;
  readonly match: Match;
  readonly signalId: string;
};

/**
 * Every mutation is one transaction under the registry lock: what is learnt and the kills that bind it commit
 * together, so that no identity lives outside a kill that stands for its agent.
 *
 * @throws Problem `conflict` when the name, an identity or a link belongs to another agent, `unknown-agent` for a parent that
 * is not there, `cyclic-parents` for lineage that would run in a circle or deeper than `lineageDepthMax`.
 */
export type AgentStore = {
  list(page: { readonly after?: string; readonly limit: number }): Promise<readonly Agent[]>;
  find(name: AgentName): Promise<Agent | undefined>;
  create(draft: AgentDraft, change: Change): Promise<readonly BoundRevocation[]>;
  /** `undefined` when there is no such agent. */
  change(name: AgentName, patch: AgentPatch, change: Change): Promise<readonly BoundRevocation[] | undefined>;
  /** Adds one identity and leaves the others. */
  learn(name: AgentName, identity: Match, change: Change): Promise<readonly BoundRevocation[] | undefined>;
  /** It keeps its name and its history, and resolves as before. `false` when there is no such agent. */
  retire(name: AgentName, change: Change): Promise<boolean>;
  /** What disables it: live denials without cut-off. */
  disabling(name: AgentName): Promise<Disabling>;
};

/** Signals that were aimed at the agent, and entries that reached it down the lineage from a signal aimed at another. */
export type Disabling = { readonly signals: readonly string[]; readonly revocations: readonly string[] };

/**
 * Disables an agent, or ends what disables it: signals aimed at it are undone, of others only its own entries are
 * lifted, so that enabling a child does not bring its parent back. Each order is a signal of the caller's source.
 */
export type OrderAgent = (order: AgentOrder) => Promise<readonly HandledSignal[]>;
export type AgentOrder = {
  readonly agent: AgentName;
  readonly caller: { readonly actor: string; readonly source: Source };
  readonly correlationId: string;
  readonly reason?: string;
} & (
  | { readonly verb: 'disable'; readonly liftAfterSeconds?: number }
  | { readonly verb: 'enable'; readonly disabling: Disabling }
);
