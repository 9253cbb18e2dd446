import { createHash } from 'node:crypto';
import { identifierOfMatch } from '../core/subject-match.ts';
import { findEventType } from '../core/events/event-types.ts';
import { isProblem } from '../core/problem.ts';
import type { Match } from '../core/revocation.ts';
import { type Source, sourceDefaults } from '../core/source.ts';
import type { Statement } from '../core/signal.ts';
import {
  sourceId,
  subjectKey,
  type JsonObject,
  type Millis,
  type RevocationId,
  type SignalId,
} from '../core/vocabulary.ts';
import type { HandleSignal } from './ports.ts';

/** What waits for a time. Each read is one statement, at most `limit` rows, the longest due first. */
export type DueStore = {
  timedLifts(nowMs: Millis, limit: number): Promise<readonly TimedLift[]>;
  held(nowMs: Millis, limit: number): Promise<readonly DueHeld[]>;
};
export type TimedLift = { readonly id: RevocationId; readonly match: Match };
export type DueHeld = {
  readonly signalId: SignalId;
  readonly atDeadline: 'release' | 'discard';
  readonly statement: Statement;
};

export type DueWorkPorts = {
  readonly store: DueStore;
  readonly handle: HandleSignal;
  /** Ends the waiting of a held signal. */
  readonly discard: (
    signalId: SignalId,
    by: { readonly actor: string; readonly atMs: Millis },
  ) => Promise<unknown>;
  readonly nowMs: () => Millis;
  readonly newId: (prefix: 'txn') => string;
};

/** Run again and again, on any node, also by two at once: what is done is not done twice. */
export type DueWork = {
  /** Lifts timed denials whose time has come; each leaves a cut-off behind like any lift. @returns how many. */
  liftDue(stop: AbortSignal): Promise<number>;
  /** Lets happen to held signals what their source wants at the deadline. @returns how many. */
  decideHeldDue(stop: AbortSignal): Promise<number>;
};

const batchMax = 256;
/** The hub itself, as audit and signals name it. */
const actor = 'hub';
const hubSource: Source = { ...sourceDefaults, id: sourceId('hub'), person: true };

export function createDueWork(ports: DueWorkPorts): DueWork {
  const liftOne = async (lift: TimedLift): Promise<boolean> => {
    const handled = await ports.handle(timedLiftStatement(lift, ports));
    return !handled.duplicate && handled.lifted.length > 0;
  };
  const decideOne = async ({ signalId, atDeadline, statement }: DueHeld): Promise<boolean> => {
    try {
      if (atDeadline === 'release') await ports.handle(statement, { released: { signalId, by: actor } });
      else await ports.discard(signalId, { actor, atMs: ports.nowMs() });
      return true;
    } catch (error) {
      if (isProblem(error) && error.code === 'already-decided') return false;
      throw error;
    }
  };
  return {
    liftDue: (stop) => inBatches(() => ports.store.timedLifts(ports.nowMs(), batchMax), liftOne, stop),
    decideHeldDue: (stop) => inBatches(() => ports.store.held(ports.nowMs(), batchMax), decideOne, stop),
  };
}

/** Until nothing is due, or a whole batch made no progress. */
async function inBatches<Due>(
  read: () => Promise<readonly Due[]>,
  work: (due: Due) => Promise<boolean>,
  stop: AbortSignal,
): Promise<number> {
  let total = 0;
  while (!stop.aborted) {
    const due = await read();
    const done = (await Promise.all(due.map(work))).filter(Boolean).length;
    total += done;
    if (due.length < batchMax || done === 0) break;
  }
  return total;
}

function timedLiftStatement({ id, match }: TimedLift, ports: DueWorkPorts): Statement {
  const type = findEventType('revocation-lifted');
  if (type === undefined) throw new Error('there is no event type revocation-lifted');
  const data: JsonObject = { revocation_id: id, reason: 'its time is over' };
  const body = Buffer.from(JSON.stringify({ event: type.name, data }));
  const receivedAtMs = ports.nowMs();
  const line = identifierOfMatch(match);
  return {
    source: hubSource,
    actor,
    externalId: `lift:${id}`,
    body,
    bodySha256: createHash('sha256').update(body).digest(),
    eventType: type.uri,
    subject: { ...match },
    query: { key: subjectKey(line), parts: [{ role: 'subject', matches: [match], identifiers: [line] }] },
    data,
    eventTime: receivedAtMs / 1_000,
    txn: ports.newId('txn'),
    receivedAtMs,
  };
}
