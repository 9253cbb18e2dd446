import type { CheckResult } from '../core/match.ts';
import type { Effect, MatchMember, Revocation } from '../core/revocation.ts';
import type { TokenContext } from '../core/token-context.ts';
import type { Millis } from '../core/vocabulary.ts';

export type RevocationState = 'live' | 'lifted' | 'dropped';

/** An entry as it stands, or stood. */
export type RevocationRecord = Revocation & {
  /** Its place in the feed; a merge moves it forward. */
  readonly position: string;
  readonly committedAtMs: Millis;
  readonly putAtMs: Millis;
  readonly state: RevocationState;
  readonly endedAtMs?: Millis;
  /** The signal that lifted it. */
  readonly endedBy?: string;
};

/** Every one given must hold. */
export type RevocationFilter = {
  readonly state?: RevocationState;
  readonly agent?: string;
  readonly signalId?: string;
  readonly effect?: Effect;
  /** Entries whose match has these members with these values. */
  readonly match?: { readonly [Member in MatchMember]?: string };
};

export type RevocationReader = {
  /** Newest first. */
  list(
    filter: RevocationFilter,
    page: { readonly after?: { readonly putAtMs: Millis; readonly id: string }; readonly limit: number },
  ): Promise<readonly RevocationRecord[]>;
  find(id: string): Promise<RevocationRecord | undefined>;
};

/** This node's live set, in memory. */
export type CheckView = {
  /** Waits until it has what was committed before the call, so that nobody is told of a time before their own kill. Never rejects. */
  catchUp(): Promise<void>;
  check(context: TokenContext): CheckResult;
  /** The position up to which it knows. */
  position(): string;
};
