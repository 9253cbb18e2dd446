import type {
  AgentName,
  Millis,
  RevocationId,
  Seconds,
  SignalId,
  SourceId,
  StandingKillId,
  SubjectKey,
} from './vocabulary.ts';

/** Hold for one and the same hop of the token that the entry's reach allows. */
export const holderMembers = ['iss', 'sub', 'client_id', 'workload'] as const;
/** Hold for the token itself. `jti` and `sid` mean something only with the token's own `iss`. */
export const tokenMembers = ['jkt', 'x5t#S256', 'jti', 'sid', 'token_sha256'] as const;
export const matchMembers = [...holderMembers, ...tokenMembers] as const;
export type MatchMember = (typeof matchMembers)[number];

/**
 * Which credentials an entry is about: every member given must match, a missing one is a wildcard. Never empty.
 * A `workload` ending in `/*` matches below that path segment.
 */
export type Match = { readonly [Member in MatchMember]?: string };

/** `holder`: the token's own subject and client; `actor`: the current actor too; `chain`: any actor. */
export const reaches = ['holder', 'actor', 'chain'] as const;
export type Reach = (typeof reaches)[number];

/** Strictest first. */
export const effects = ['deny', 'restrict', 'step_up', 'require_nonce', 'observe'] as const;
export type Effect = (typeof effects)[number];

/** RFC 9470: satisfied by `auth_time ≥ after` (or `iat > after` where a token has none) and one of `acr_values`. */
export type StepUp = { readonly acr_values?: readonly string[]; readonly after?: Seconds };

export type Restrict = {
  /** Space-separated; the request may use only these. */
  readonly scope?: string;
  readonly read_only?: boolean;
  readonly tools?: { readonly deny: readonly string[] };
  readonly rate?: { readonly per_minute: number };
};

/** With what of the token a cut-off is compared: `issued` with `iat`, `session` with the earlier of `iat` and `auth_time`. */
export type CutOffBasis = 'issued' | 'session';

/** What is asked of those who match. `stepUp` goes with `step_up`, `restrict` with `restrict`. */
export type Sanction = {
  readonly reach: Reach;
  readonly effect: Effect;
  /** Refuse credentials issued at or before this second; absent: whenever issued. A missing `iat` counts as 0. */
  readonly cutOff?: Seconds;
  readonly cutOffBasis?: CutOffBasis;
  /** The entry stops matching after this second and may then be forgotten; absent: stays until lifted. */
  readonly lapsesAt?: Seconds;
  readonly stepUp?: StepUp;
  readonly restrict?: Restrict;
  /** For people and machines alike: an event type's short name. */
  readonly reason: string;
};

/** A live entry as the hub keeps it. */
export type Revocation = Sanction & {
  readonly id: RevocationId;
  readonly match: Match;
  readonly signalId: SignalId;
  readonly sourceId: SourceId;
  /** The event type that put it. */
  readonly cause: string;
  /** Events of this family from the same source about the same subject may lift it. */
  readonly family?: string;
  readonly subjectKey: SubjectKey;
  readonly agent?: AgentName;
  readonly standingId?: StandingKillId;
  /** What other signals put that were merged into it. */
  readonly shares?: readonly Share[];
  /** A timed denial is lifted by the hub at this time, never by lapsing. */
  readonly liftAtMs?: Millis;
};

/** What one signal put, as it would stand without the others that were merged with it. */
export type Share = Pick<
  Revocation,
  'signalId' | 'reason' | 'cause' | 'agent' | 'standingId' | 'lapsesAt'
> & {
  readonly cutOff: Seconds;
  /** It stands for signals that are told apart no more, and stays whichever is undone. */
  readonly settled: boolean;
};
