import { type Inability, parseCursor, type Position, type ReceiptBody } from '../core/feed.ts';
import { Problem } from '../core/problem.ts';
import type { Millis } from '../core/vocabulary.ts';
import type { FeedMemory } from './feed-memory.ts';
import type { InstanceName } from './instance-name.ts';
import type { FirstDenial, Instance, Receipt, Reported } from './ports.ts';

/** Of each text that is kept. All of them stay in memory for as long as the instance says them. */
const whyCharactersMax = 200;

/** What is known besides what the receipt itself says. */
export type ReceiptContext = InstanceName & {
  readonly applied: Position | undefined;
  readonly before: Instance | undefined;
  readonly fedUntilMs: Millis | undefined;
  readonly nowMs: Millis;
};

/** @throws Problem `invalid-request` when no honest instance can have applied that. */
export async function appliedPosition(text: string, memory: FeedMemory): Promise<Position> {
  const cursor = parseCursor(text);
  if (cursor === undefined) throw badApplied('is not a position');
  const isAhead = () => cursor.epoch === memory.tail.epoch && cursor.seq > memory.tail.head;
  // Another node may have told the instance of what has not been read here yet.
  if (isAhead() || cursor.epoch !== memory.tail.epoch) await memory.refresh();
  if (isAhead()) throw badApplied('is ahead of the feed');
  const { tail } = memory;
  const check = cursor.epoch === tail.epoch ? tail.checkOf(cursor.seq) : undefined;
  if (cursor.check !== undefined && check !== undefined && cursor.check !== check)
    throw badApplied('is of another feed');
  return cursor;
}

const badApplied = (message: string): Problem =>
  new Problem('invalid-request', `The position in "applied" ${message}.`, {
    hint: 'Send the id of the newest event that was applied.',
    errors: [{ path: '/applied', message }],
  });

/** The instance as its newest receipt has it. */
export function instanceOf(
  body: ReceiptBody,
  { point, instance, applied, before, fedUntilMs, nowMs }: ReceiptContext,
): Instance {
  return {
    point,
    instance,
    declared: body.instance,
    reported: reportedIn(body),
    ...(applied && { appliedEpoch: applied.epoch, appliedSeq: applied.seq }),
    firstSeenMs: before?.firstSeenMs ?? nowMs,
    lastSeenMs: nowMs,
    ...(fedUntilMs !== undefined && { fedUntilMs }),
    ...(body.goodbye === true && { leftAtMs: nowMs }),
  };
}

const reportedIn = ({ stale_ms, orphans, divergent, refused = [], cannot = [] }: ReceiptBody): Reported => ({
  stale_ms,
  ...(orphans !== undefined && { orphans }),
  ...(divergent !== undefined && { divergent }),
  ...(refused.length > 0 && { refused: refused.map(shortened) }),
  ...(cannot.length > 0 && { cannot: cannot.map(shortened) }),
});

const shortened = ({ id, why }: Inability): Inability => ({ id, why: why.slice(0, whyCharactersMax) });

/** The first receipt of an instance covers everything before; one that goes back covers nothing. */
export function receiptOf(
  before: Instance | undefined,
  now: Instance,
  appliedAfterMs?: number,
): Receipt | undefined {
  const { point, instance, appliedSeq: throughSeq, appliedEpoch, lastSeenMs } = now;
  if (throughSeq === undefined) return undefined;
  const afterSeq = before?.appliedEpoch === appliedEpoch ? (before?.appliedSeq ?? 0) : 0;
  if (throughSeq <= afterSeq) return undefined;
  return {
    point,
    instance,
    afterSeq,
    throughSeq,
    receivedAtMs: lastSeenMs,
    ...(appliedAfterMs !== undefined && { appliedAfterMs }),
  };
}

export const denialsIn = (
  { first_denied = [] }: ReceiptBody,
  { point, instance, nowMs }: ReceiptContext,
): readonly FirstDenial[] =>
  first_denied.map(({ id, after_ms }) => ({
    point,
    instance,
    revocationId: id,
    afterMs: after_ms,
    receivedAtMs: nowMs,
  }));
