import { createHash } from 'node:crypto';
import { findEventType } from '../core/events/event-types.ts';
import { parseSubject } from '../core/subject.ts';
import { sourceDefaults } from '../core/source.ts';
import type { Statement } from '../core/signal.ts';
import { signalId, sourceId, type Millis } from '../core/vocabulary.ts';
import { decideGroup } from './decide-group.ts';
import type { PipelinePorts } from './store.ts';

/** Often enough for the database to have planned, and for the engine to have compiled, what a kill needs. */
const walks = 4;

class RolledBack extends Error {}

/**
 * Walks the way of a kill and takes every step of it back, so that the first one after a start is not the slow one.
 * Nothing is written and nobody hears of it. Failing is no harm.
 */
export async function warmUp(ports: PipelinePorts): Promise<void> {
  for (let walk = 0; walk < walks; walk += 1) {
    const asked = { signalId: signalId(`sig_warm-up-${walk}`), statement: statementOf(ports.nowMs()) };
    const queries = [asked.statement.query];
    const keys = [{ sourceId: asked.statement.source.id, externalId: undefined }];
    try {
      await ports.store.transact({ registries: 'read', keys, queries }, async (tx, facts) => {
        const now = ports.nowMs();
        const decisions = await decideGroup(ports, tx, [asked], facts, now);
        const decided = decisions.flatMap((one) =>
          one.kind === 'done' ? [{ ...one.result, sets: [] }] : [],
        );
        await tx.commit(decided, now);
        throw new RolledBack();
      });
    } catch (error) {
      if (!(error instanceof RolledBack)) throw error;
    }
  }
}

function statementOf(receivedAtMs: Millis): Statement {
  const type = findEventType('credential-compromise');
  if (type === undefined) throw new Error('there is no event type credential-compromise');
  const subject = { iss: 'https://warm-up.invalid', client_id: 'warm-up' };
  const body = Buffer.from(JSON.stringify({ event: type.name, subject }));
  return {
    source: { ...sourceDefaults, id: sourceId('hub') },
    actor: 'hub',
    body,
    bodySha256: createHash('sha256').update(body).digest(),
    eventType: type.uri,
    subject,
    query: parseSubject(subject),
    data: type.defaults,
    eventTime: receivedAtMs / 1_000,
    txn: 'warm-up',
    receivedAtMs,
  };
}
