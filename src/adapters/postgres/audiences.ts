import type { Audience } from '../../core/fan-out.ts';
import type { ListedStream, StreamDirectory } from '../../transmitter/ports.ts';
import type { JsonObject } from '../../core/vocabulary.ts';
import type { Statements } from './database.ts';

/** The streams there are as of a transaction: remembered, and read again when their version says that they changed. */
export type ReadAudiences = (tx: Statements) => Promise<readonly Audience[]>;

export function createAudiences(options: {
  /** Of what is known that is used again which has not changed. */
  readonly readDirectory: (tx: Statements, known?: StreamDirectory) => Promise<StreamDirectory>;
  /** Whether the stream has the subject. */
  readonly admits: (stream: ListedStream) => (subject: JsonObject) => boolean;
}): ReadAudiences {
  let known: { readonly directory: StreamDirectory; readonly audiences: readonly Audience[] } | undefined;
  return async (tx) => {
    const directory = await options.readDirectory(tx, known?.directory);
    if (known?.directory === directory) return known.audiences;
    const audiences = directory.streams.flatMap((stream): readonly Audience[] => {
      if (stream.status === 'disabled') return [];
      const delivered = new Set(stream.eventsDelivered);
      const isOn = options.admits(stream);
      const hears = (eventType: string, subject: JsonObject) => delivered.has(eventType) && isOn(subject);
      return [{ id: stream.id, aud: stream.aud, hears }];
    });
    if (known === undefined || directory.version > known.directory.version) known = { directory, audiences };
    return audiences;
  };
}
