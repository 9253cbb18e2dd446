import type { Effect } from './revocation.ts';
import type { ClientId, SourceId } from './vocabulary.ts';

/** Who speaks through a door, and what this may cause at the most. Every API token speaks for one source. */
export type Source = {
  readonly id: SourceId;
  readonly description?: string;
  /** Short names or URIs; absent: every type. */
  readonly eventTypes?: readonly string[];
  /** Issuers whose subjects it may speak about; its key kills are bounded by them. Absent: every issuer. */
  readonly subjectIssuers?: readonly string[];
  /** Domains of the addresses and accounts that it may speak about, as in `acct:` and e-mail; absent: every domain. */
  readonly subjectDomains?: readonly string[];
  readonly strongestEffect: Effect;
  /** Kills above this rate are held for a person. */
  readonly killsPerMinute: number;
  /** What a held kill puts at once, so that waiting is not doing nothing. */
  readonly softEffect: Effect;
  /** How long a held signal waits before `heldDefault` happens by itself. */
  readonly heldSeconds: number;
  readonly heldDefault: 'release' | 'discard';
  /** Whose streams are told nothing of what it says: the peer that is its own downstream Receiver. */
  readonly peer?: ClientId;
  /** It speaks for a person at a keyboard: its kills pass the brake, and confirm those of machines. */
  readonly person: boolean;
};

export const sourceDefaults = {
  strongestEffect: 'deny',
  killsPerMinute: 30,
  softEffect: 'observe',
  heldSeconds: 3_600,
  heldDefault: 'discard',
  person: false,
} as const satisfies Partial<Source>;
