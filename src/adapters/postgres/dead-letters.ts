import { and, asc, eq, gt } from 'drizzle-orm';
import { setId } from '../../core/vocabulary.ts';
import type { DeadLetter, DeadLetters } from '../../transmitter/delivery-ports.ts';
import type { PushAnswer } from '../../transmitter/ports.ts';
import type { Database } from './database.ts';
import { deliveries } from './schema-transmitter.ts';

export function createDeadLetters(options: { readonly database: Database }): DeadLetters {
  const { database } = options;
  return {
    async list(stream, { after = 0, limit }) {
      const rows = await database.db
        .select()
        .from(deliveries)
        .where(and(eq(deliveries.streamId, stream), eq(deliveries.state, 'dead'), gt(deliveries.seq, after)))
        .orderBy(asc(deliveries.seq))
        .limit(limit);
      return rows.map(
        (row): DeadLetter => ({
          seq: row.seq,
          id: setId(row.jti),
          eventType: row.eventType,
          ...(row.signalId === null ? {} : { signalId: row.signalId }),
          attempts: row.attempts,
          createdAtMs: row.createdAtMs,
          settledAtMs: row.settledAtMs ?? row.createdAtMs,
          answer: (row.lastAnswer ?? {}) as PushAnswer,
        }),
      );
    },
  };
}
