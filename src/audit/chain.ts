import { createHash } from 'node:crypto';
import { canonicalJson } from '../core/canonical-json.ts';
import type { AuditChainStore, AuditRow, Link } from './ports.ts';

/** The first row is chained to this. */
const firstHash: Uint8Array = new Uint8Array(32);

/**
 * What is hashed of a row: a JSON array, without white space, of its place in the chain, id, time, actor, action,
 * target, outcome, correlation id, txn and detail, `null` for what it does not have, members of objects in the order
 * of their UTF-16 code units. Strings and numbers as `JSON.stringify` writes them (RFC 8785 §3.2).
 */
function canonicalRow(chainSeq: number, row: AuditRow): string {
  const { id, atMs, actor, action, target, outcome, correlationId = null, txn = null, detail } = row;
  return canonicalJson([chainSeq, id, atMs, actor, action, target, outcome, correlationId, txn, detail]);
}

/** SHA-256(hash of the row before ‖ canonical row in UTF-8). */
export const linkHash: Link = (previous, chainSeq, row) =>
  createHash('sha256').update(previous).update(canonicalRow(chainSeq, row)).digest();

/** `intact` up to the head as it was when the look began; what commits meanwhile is left to the next. */
export type ChainReport = {
  readonly rows: number;
  readonly head: { readonly chainSeq: number; readonly hash: Uint8Array };
  readonly broken?: { readonly chainSeq: number; readonly id?: number; readonly why: BreakReason };
};
/** `missing`: a row is gone. `changed`: its content or its hash is another. `head`: the last row is not what the head says. */
export type BreakReason = 'missing' | 'changed' | 'head';

const pageRows = 500;

/** Recomputes the whole chain and names the first row that does not fit. */
export async function verifyChain(store: Pick<AuditChainStore, 'head' | 'read'>): Promise<ChainReport> {
  const head = await store.head();
  let last = { chainSeq: 0, hash: firstHash };
  while (last.chainSeq < head.chainSeq) {
    const page = await store.read(last.chainSeq, pageRows);
    for (const row of page) {
      const chainSeq = last.chainSeq + 1;
      if (chainSeq > head.chainSeq) break;
      if (row.chainSeq !== chainSeq) return report({ chainSeq, why: 'missing' });
      const hash = linkHash(last.hash, chainSeq, row);
      if (!sameBytes(hash, row.hash)) return report({ chainSeq, id: row.id, why: 'changed' });
      last = { chainSeq, hash };
    }
    if (page.length === 0) return report({ chainSeq: last.chainSeq + 1, why: 'missing' });
  }
  return sameBytes(last.hash, head.hash) ? report() : report({ chainSeq: last.chainSeq, why: 'head' });

  function report(broken?: ChainReport['broken']): ChainReport {
    return { rows: last.chainSeq, head, ...(broken && { broken }) };
  }
}

const sameBytes = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0;
