import { sql } from 'drizzle-orm';
import type { Revocation } from '../../core/revocation.ts';
import type { Millis } from '../../core/vocabulary.ts';
import { chunksOf } from './chunks.ts';
import type { Statements } from './database.ts';
import { rowsPerStatementMax } from './feed-append.ts';
import { placeChange, type WrittenPut } from './revocation-feed.ts';

/**
 * Puts what signals of the past bind only now. The whole of such a signal is carried by the last of these entries:
 * whoever asks how far it is enforced asks for them, too.
 */
export async function writeLateEntries(
  tx: Statements,
  puts: readonly Revocation[],
  nowMs: Millis,
): Promise<readonly WrittenPut[]> {
  if (puts.length === 0) return [];
  const placed = await placeChange(tx, { endings: [], endTo: 'lifted', puts }, nowMs);
  await placed.write();
  const { puts: written } = placed;
  const lastSeqs = new Map<string, number>();
  for (const { entry, seq } of written) {
    lastSeqs.set(entry.signalId, Math.max(lastSeqs.get(entry.signalId) ?? 0, seq));
  }
  for (const chunk of chunksOf([...lastSeqs], rowsPerStatementMax)) {
    await tx.execute(sql`
      UPDATE hub.signals s SET last_seq = greatest(s.last_seq, x.seq)
        FROM unnest(${sql.param(chunk.map(([id]) => id))}::text[],
                    ${sql.param(chunk.map(([, seq]) => seq))}::bigint[]) AS x (id, seq)
       WHERE s.id = x.id`);
  }
  return written;
}
