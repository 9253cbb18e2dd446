import type { KnownAs } from '../core/known-as.ts';
import type { Match } from '../core/revocation.ts';
import type { Identifier, Millis } from '../core/vocabulary.ts';

export type Change = { readonly actor: string; readonly atMs: Millis; readonly correlationId?: string };

/** Ties an identifier that no token carries to the key of somebody who is no agent. An agent's own links are kept with the agent. */
export type IdentityLink = KnownAs & { readonly match: Match };

/** An entry that a kill which waited for the identifier put in the transaction that learnt it. */
export type BoundRevocation = {
  readonly id: string;
  readonly position: string;
  readonly match: Match;
  readonly signalId: string;
};

/** Mutations are transactions under the registry lock; kills that wait for the identifier bind in them. */
export type IdentityLinkStore = {
  /** By identifier, ascending, after `after`; at most `limit`. */
  list(page: { readonly after?: string; readonly limit: number }): Promise<readonly IdentityLink[]>;
  /** Creates or replaces. @throws Problem `conflict` when it belongs to an agent. */
  put(link: IdentityLink, change: Change): Promise<readonly BoundRevocation[]>;
  /** `false` when there is none. What was put because of it stays. */
  remove(identifier: Identifier, change: Change): Promise<boolean>;
};
