import { coalesce } from '../../core/coalesce.ts';
import type { Audience } from '../../core/fan-out.ts';
import { admits } from '../../core/subject-matching.ts';
import type { JsonObject } from '../../core/vocabulary.ts';
import type { Announcer } from '../../pipeline/ports.ts';
import type { StreamDirectory } from '../../transmitter/ports.ts';
import { clientOf } from '../../transmitter/receiver.ts';
import type { Statements } from './database.ts';
import { readStreamDirectory } from './stream-directory.ts';

/** The streams there are as of a transaction: remembered, and what has changed since is read. */
export type ReadAudiences = (tx: Statements) => Promise<readonly Audience[]>;

export function createAudiences(): ReadAudiences {
  let known: { readonly directory: StreamDirectory; readonly audiences: readonly Audience[] } | undefined;
  return async (tx) => {
    const directory = await readStreamDirectory(tx, known?.directory);
    if (known?.directory === directory) return known.audiences;
    const audiences = directory.streams.flatMap(({ subjects, ...stream }): readonly Audience[] => {
      if (stream.status === 'disabled') return [];
      const delivered = new Set(stream.eventsDelivered);
      const selection = { defaultSubjects: stream.defaultSubjects, subjects: subjects.list };
      const hears = (eventType: string, subject: JsonObject) =>
        delivered.has(eventType) && admits(selection, subject);
      const { id, aud, profile } = stream;
      const client = clientOf(stream.receiver);
      return [
        {
          id,
          aud,
          ...(client === undefined ? {} : { client }),
          ...(profile === undefined ? {} : { profile }),
          hears,
        },
      ];
    });
    if (known === undefined || directory.version > known.directory.version) known = { directory, audiences };
    return audiences;
  };
}

/** Looks at what was announced this often: a receiver that lists many subjects is not followed one by one. */
const followEveryMs = 200;
/** And without an announcement, which may be lost, each so many looks. */
const looksUnasked = 25;

/**
 * Reads what changed beside the transactions, so that the next signal finds next to nothing to read. It needs not: whatever
 * was committed before a signal's transaction is seen by it.
 */
export function followAudiences(options: {
  readonly read: () => Promise<unknown>;
  readonly announcer: Pick<Announcer, 'subscribe'>;
  readonly onError: (cause: unknown) => void;
}): { readonly close: () => void } {
  const look = coalesce(async () => void (await options.read()));
  let isChanged = true;
  let looks = 0;
  const unsubscribe = options.announcer.subscribe('streams', () => {
    isChanged = true;
  });
  const timer = setInterval(() => {
    looks += 1;
    if (!isChanged && looks % looksUnasked !== 0) return;
    isChanged = false;
    look().catch(options.onError);
  }, followEveryMs);
  timer.unref();
  return {
    close() {
      clearInterval(timer);
      unsubscribe();
    },
  };
}
