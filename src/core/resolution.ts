import type { Match } from './revocation.ts';
import type { AgentName, Identifier, SubjectKey } from './vocabulary.ts';

/** What the registries are asked about a subject. Made by `subject.ts` from any accepted wire form. */
export type SubjectQuery = {
  readonly key: SubjectKey;
  /** The agent named outright (`{"agent": "build-runner"}`). */
  readonly agent?: AgentName;
  /** All parts describe one principal (SSF 1.0 §3.3.1); a simple subject has one part. */
  readonly parts: readonly SubjectPart[];
};

export type SubjectPart = {
  /** `subject` for a simple one, else the member name of the complex subject (`user`, `device`, `session` …). */
  readonly role: string;
  /** What tokens carry for it, when the part says so itself; several are aliases of one entity. */
  readonly matches: readonly Match[];
  /** Names to look up in the registries; several are aliases of one entity. */
  readonly identifiers: readonly Identifier[];
  /**
   * Those of them that name it wherever subjects are compared. Whoever finds it by another waits for none of the rest. Absent:
   * all.
   */
  readonly namedBy?: readonly Identifier[];
};

/** What the registries know about it; `keysOfSubject` joins the parts of a complex subject. */
export type Resolution = {
  /** The keys that the subject itself is: each one a whole conjunction. */
  readonly keys: readonly Match[];
  /** The agents that it is. */
  readonly agents: readonly ResolvedAgent[];
  /** The agents that it owns. */
  readonly owned: readonly ResolvedAgent[];
  /** Identifiers that nobody could turn into a key or agent yet. */
  readonly unresolved: readonly Identifier[];
  /** Those of them that will make a key as soon as they are known. */
  readonly awaited: readonly Awaited[];
};

/** `within`: what is known of the other parts of a conjunction, and holds besides. */
export type Awaited = { readonly identifier: Identifier; readonly within?: Match };

export type ResolvedAgent = KnownAgent & {
  readonly descendants: readonly (KnownAgent & { readonly depth: number })[];
};
export type KnownAgent = {
  readonly name: AgentName;
  readonly protected: boolean;
  readonly identities: readonly Match[];
};

/** Deeper lineage is not followed; a registry that would need it refuses the parent. */
export const lineageDepthMax = 8;
