import type { JsonObject, Millis } from '../core/vocabulary.ts';
import type { AuditEntry } from '../pipeline/ports.ts';

export type AuditRow = AuditEntry & { readonly id: number; readonly detail: JsonObject };
export type ChainedRow = AuditRow & { readonly chainSeq: number; readonly hash: Uint8Array };

/** Every one given must hold. */
export type AuditFilter = {
  readonly actor?: string;
  readonly action?: string;
  readonly target?: string;
  readonly txn?: string;
  /** The signal itself, or what it caused. */
  readonly signalId?: string;
  readonly outcome?: AuditEntry['outcome'];
};

export type AuditStore = {
  /** Newest first: those with an id below `before`. */
  list(
    filter: AuditFilter,
    page: { readonly before?: number; readonly limit: number },
  ): Promise<readonly (AuditRow & Partial<Pick<ChainedRow, 'chainSeq' | 'hash'>>)[]>;
  /** For what has no transaction of its own: refused attempts. */
  insert(entries: readonly AuditEntry[]): Promise<void>;
};

/** The hash of a row, given that of the row before it in the chain. */
export type Link = (previous: Uint8Array, chainSeq: number, row: AuditRow) => Uint8Array;
export type ChainHead = { readonly chainSeq: number; readonly hash: Uint8Array };

export type AuditChainStore = {
  /**
   * Chains at most `limit` committed rows in one transaction, oldest first, under the lock of the head: of all nodes
   * one does it at a time, and none writes to a chain that another has moved on.
   *
   * @returns how many; 0 when there are none or another node is at it.
   */
  extend(limit: number, link: Link): Promise<number>;
  head(): Promise<ChainHead>;
  unchained(): Promise<{ readonly count: number; readonly oldestAtMs?: Millis }>;
  /** In the order of the chain: those after `afterChainSeq`. */
  read(afterChainSeq: number, limit: number): Promise<readonly ChainedRow[]>;
};
