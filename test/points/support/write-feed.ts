import { randomUUID } from 'node:crypto';
import type { Database } from '../../../src/adapters/postgres/database.ts';
import { newId } from '../../../src/adapters/system/ids.ts';
import { placeChange, type Change } from '../../../src/adapters/postgres/revocation-feed.ts';
import type { Revocation } from '../../../src/core/revocation.ts';
import { revocationId, signalId, sourceId, subjectKey } from '../../../src/core/vocabulary.ts';

/** A live entry about a client that no other test knows, unless said otherwise. */
export function aRevocation(parts: Partial<Revocation> = {}): Revocation {
  return {
    id: revocationId(newId('rev')),
    match: { iss: 'https://idp.example', client_id: `client-${randomUUID()}` },
    reach: 'chain',
    effect: 'deny',
    reason: 'credential-compromise',
    signalId: signalId(newId('sig')),
    sourceId: sourceId('soc'),
    cause: 'credential-compromise',
    subjectKey: subjectKey('somebody'),
    ...parts,
  };
}

/** Puts entries in one transaction, as the pipeline does. @returns where each stands. */
export const put = async (database: Database, ...entries: readonly Revocation[]) => {
  const { puts } = await write(database, { endings: [], puts: entries });
  return puts;
};

const write = (database: Database, change: Omit<Change, 'endTo'>) =>
  database.transact(async (tx) => {
    const placed = await placeChange(tx, { ...change, endTo: 'lifted' }, Date.now());
    await placed.write();
    return placed;
  });

export async function lift(database: Database, ...ids: readonly string[]): Promise<void> {
  for (let from = 0; from < ids.length; from += rowsPerTransaction) {
    const some = ids.slice(from, from + rowsPerTransaction);
    const endings = some.map((id) => ({ id: revocationId(id), by: 'test' }));
    await write(database, { endings, puts: [] });
  }
}

/** Puts an entry and lifts another in one transaction. @returns the last sequence, which is the lift's. */
export async function replace(database: Database, id: string, entry: Revocation): Promise<number> {
  const endings = [{ id: revocationId(id), by: 'test' }];
  const { ended } = await write(database, { endings, puts: [entry] });
  return Math.max(...ended.map(({ seq }) => seq));
}

/** Small enough for the statement timeout on a machine that has much else to do. */
const rowsPerTransaction = 100;

/** Puts many entries, a hundred in a transaction. */
export async function putMany(database: Database, count: number): Promise<readonly Revocation[]> {
  const entries = Array.from({ length: count }, () => aRevocation());
  for (let from = 0; from < count; from += rowsPerTransaction) {
    await put(database, ...entries.slice(from, from + rowsPerTransaction));
  }
  return entries;
}
