import type { Match, Revocation, Sanction } from './revocation.ts';
import type {
  AgentName,
  Identifier,
  Millis,
  RevocationId,
  Seconds,
  StandingKillId,
  SubjectKey,
} from './vocabulary.ts';

/** What became of a signal. `held` waits for a person, `recorded` puts nothing, `unresolved` waits for a subject to become known. */
export const outcomes = ['applied', 'held', 'recorded', 'unresolved', 'undecided', 'discarded'] as const;
export type Outcome = (typeof outcomes)[number];

/** What policy makes of one signal: pure data, applied in one transaction. */
export type Decision = {
  readonly outcome: Outcome;
  /** Name of the table row or policy rule that decided. */
  readonly rule: string;
  readonly policyVersion: string;
  /** One sentence for a human. */
  readonly text: string;
  readonly puts: readonly PlannedPut[];
  /** Live entries that end. What must be left behind is among `puts`. */
  readonly lifts: readonly RevocationId[];
  /** What stands on of entries that end because one of the signals that put them is undone. */
  readonly rests: readonly RestOfEntry[];
  /** The signal that is undone. */
  readonly undoes?: string;
  /** Kills that go on binding what becomes known later. */
  readonly standing: readonly PlannedStanding[];
  /** Standing kills that bind nothing any more. */
  readonly standingEnds: readonly StandingKillId[];
  readonly links: readonly LinkChange[];
  /** The newest event of its family from this source about this subject; its time may be fractional. */
  readonly remember?: { readonly family: string; readonly eventTime: Seconds };
  readonly hold?: Hold;
  readonly warnings: readonly Warning[];
  /** Everyone hit, descendants included. */
  readonly agents: readonly AgentName[];
  readonly blast: BlastRadius;
  /** Counts against the source's `killsPerMinute`. */
  readonly kills: boolean;
  /** Downstream Receivers hear of it: it is believed, not held and not outdated. */
  readonly tells: boolean;
};

/** An entry of the signals and the source that put it; it gets an id of its own. */
export type RestOfEntry = Omit<Revocation, 'id'>;

export type PlannedPut = Sanction & {
  readonly match: Match;
  readonly agent?: AgentName;
  readonly family?: string;
  readonly liftAtMs?: Millis;
  /** Index into `standing`: the entry belongs to that kill. */
  readonly standing?: number;
};

/**
 * `agent`: what is learnt under it gets the template, and with `lineage` so does what is learnt under any descendant.
 * `identifier`: so does what it turns out to be.
 */
export type PlannedStanding = {
  readonly template: StandingTemplate;
} & ({ readonly agent: AgentName } | { readonly identifier: Identifier });

/** Everything of a put but its match. */
export type StandingTemplate = Sanction & {
  readonly family?: string;
  readonly liftAtMs?: Millis;
  /** Descendants learnt later are hit too. */
  readonly lineage: boolean;
  readonly cause: string;
  readonly subjectKey: SubjectKey;
  /** Holds besides whatever is learnt: the subject was a conjunction. */
  readonly within?: Match;
  /** The source speaks for these issuers only: what is learnt is bounded by each. */
  readonly issuers?: readonly string[];
};

/** RISC §2.5, §2.6: an identifier has a new value, or now belongs to somebody else and no longer resolves. */
export type LinkChange =
  | { readonly kind: 'renamed'; readonly from: Identifier; readonly to: Identifier }
  | { readonly kind: 'forgotten'; readonly identifier: Identifier };

export type Hold = {
  readonly code: 'brake' | 'protected-agent' | 'issuer-wide' | 'beyond-source' | 'restore-tokens';
  readonly text: string;
  readonly approvalsRequired: 1 | 2;
};

/** `keys`: different matches that are put, those of agents and descendants included. */
export type BlastRadius = { readonly agents: number; readonly keys: number; readonly descendants: number };

/** Stable `code`, one sentence of `text`. */
export type Warning = { readonly code: string; readonly text: string };

/** What is held has killed nobody yet. */
export const countsAsKill = ({ kills, outcome }: Pick<Decision, 'kills' | 'outcome'>): boolean =>
  kills && outcome !== 'held';

/** What deciding needs to know of the past, read in the same transaction. */
export type Memory = {
  /** Newest event of the family from this source about this subject. */
  readonly newest?: { readonly eventType: string; readonly eventTime: Seconds };
  /** Live entries that this source's events of the same family put for this subject. */
  readonly familyEntries: readonly Revocation[];
  /** Live entries named by an order to lift (`revocation_id`, or all of `signal_id`). */
  readonly named: readonly Revocation[];
  /** Standing kills that this source's events of the same family made for this subject. */
  readonly familyStanding: readonly StandingKillId[];
  /** Standing kills of the signal, or of the entry, named by an order to lift that have no live entry beside the named ones. */
  readonly namedStanding: readonly NamedStanding[];
  readonly killsInLastMinute: number;
  /** The same, of the same subject and with the same `txn`, was said here first and is in force: it comes round. */
  readonly saidBefore: boolean;
  /** The same came by another Transmitter: it counts, for nobody's word may keep another's from counting, and goes no further. */
  readonly heardBefore: boolean;
  /** Another source, by another actor, reported a kill of the same subject within `corroborationSeconds`. */
  readonly corroborated: boolean;
};

/** `issuers`: of the entry that is named, else all that it can ever hold at; absent: any. */
export type NamedStanding = { readonly id: StandingKillId; readonly issuers?: readonly string[] };

/** A second source's kill of the same subject within this time passes the brake. */
export const corroborationSeconds = 600;
