import { sql } from 'drizzle-orm';
import type { Audience } from '../../core/fan-out.ts';
import type { ListedStream, StreamDirectory } from '../../transmitter/ports.ts';
import type { JsonObject } from '../../core/vocabulary.ts';
import type { Statements } from './database.ts';

/** The streams there are as of a transaction: remembered, and read again when their version says that they changed. */
export type ReadAudiences = (tx: Statements) => Promise<readonly Audience[]>;

export function createAudiences(options: {
  readonly readDirectory: (tx: Statements) => Promise<StreamDirectory>;
  /** Whether the stream has the subject. */
  readonly admits: (stream: ListedStream) => (subject: JsonObject) => boolean;
}): ReadAudiences {
  let known: { readonly version: number; readonly audiences: readonly Audience[] } | undefined;
  return async (tx) => {
    const version = await readVersion(tx);
    if (known?.version === version) return known.audiences;
    const directory = await options.readDirectory(tx);
    const audiences = directory.streams.flatMap((stream): readonly Audience[] => {
      if (stream.status === 'disabled') return [];
      const delivered = new Set(stream.eventsDelivered);
      const isOn = options.admits(stream);
      const hears = (eventType: string, subject: JsonObject) => delivered.has(eventType) && isOn(subject);
      return [{ id: stream.id, aud: stream.aud, hears }];
    });
    if (known === undefined || directory.version > known.version) {
      known = { version: directory.version, audiences };
    }
    return audiences;
  };
}

async function readVersion(tx: Statements): Promise<number> {
  const { rows } = await tx.execute<{ version: number }>(
    sql`SELECT version::float8 AS version FROM hub.stream_changes`,
  );
  const [row] = rows;
  if (row === undefined) throw new Error('hub.stream_changes has no row');
  return row.version;
}
