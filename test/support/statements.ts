import { createHash, randomUUID } from 'node:crypto';
import { createSignalStore } from '../../src/adapters/postgres/signal-store.ts';
import type { Database } from '../../src/adapters/postgres/database.ts';
import { newId } from '../../src/adapters/system/ids.ts';
import { findEventType, withDefaults } from '../../src/core/events/event-types.ts';
import { type Source, sourceDefaults } from '../../src/core/source.ts';
import type { Statement } from '../../src/core/signal.ts';
import { parseSubject } from '../../src/core/subject.ts';
import { type JsonObject, sourceId } from '../../src/core/vocabulary.ts';
import { createHandleSignal } from '../../src/pipeline/handle-signal.ts';
import type { HandleSignal, Topic } from '../../src/pipeline/ports.ts';

export const aSource = (parts: Partial<Omit<Source, 'id'>> & { readonly id?: string } = {}): Source => ({
  ...sourceDefaults,
  ...parts,
  id: sourceId(parts.id ?? `source-${randomUUID().slice(0, 8)}`),
});

export type StatementParts = Partial<Omit<Statement, 'query' | 'eventType' | 'body' | 'bodySha256'>> & {
  /** Short name of the event. */
  readonly event?: string;
  readonly body?: string;
};

/** A statement as a door makes one: `session-revoked` of a fresh client at a fresh source, unless said otherwise. */
export function aStatement(parts: StatementParts = {}): Statement {
  const { event = 'session-revoked', subject = aClient(), data = {}, body, ...rest } = parts;
  const type = findEventType(event);
  if (type === undefined) throw new Error(`no event ${event}`);
  const bytes = Buffer.from(body ?? JSON.stringify({ event, subject, data, id: rest.externalId }));
  const receivedAtMs = rest.receivedAtMs ?? Date.now();
  return {
    source: aSource(),
    actor: 'soc',
    eventTime: receivedAtMs / 1_000,
    txn: `txn-${randomUUID()}`,
    ...rest,
    receivedAtMs,
    subject,
    data: withDefaults(type, data),
    query: parseSubject(subject),
    eventType: type.uri,
    body: bytes,
    bodySha256: createHash('sha256').update(bytes).digest(),
  };
}

/** The subject of a client that no other test knows. */
export const aClient = (name: string = randomUUID()): JsonObject => ({
  iss: 'https://idp.example',
  client_id: name,
});

export type Pipeline = {
  readonly handle: HandleSignal;
  readonly announced: Topic[];
  readonly undecided: unknown[];
  /** The pipeline's clock; add to it. */
  readonly clock: { aheadMs: number };
  /** Deciding the next signal throws, as a bug in it would. */
  breakNextDecision(): void;
};

/** The real pipeline on a real database. */
export function aPipeline(database: Database): Pipeline {
  const announced: Topic[] = [];
  const undecided: unknown[] = [];
  const clock = { aheadMs: 0 };
  let breaks = false;
  const settings = () => {
    if (!breaks) return undefined;
    breaks = false;
    throw new Error('a bug');
  };
  const handle = createHandleSignal({
    store: createSignalStore({ database, readAudiences: async () => [] }),
    iss: () => 'https://hub.example',
    announcer: { announce: (topic) => void announced.push(topic) },
    nowMs: () => Date.now() + clock.aheadMs,
    newId,
    issuers: { settings, all: () => [] },
    onUndecided: (_, error) => void undecided.push(error),
  });
  return { handle, announced, undecided, clock, breakNextDecision: () => void (breaks = true) };
}
