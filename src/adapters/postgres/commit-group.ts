import { sql } from 'drizzle-orm';
import type { Revocation } from '../../core/revocation.ts';
import { revocationId, standingKillId, type Millis, type StandingKillId } from '../../core/vocabulary.ts';
import { auditEntries } from '../../pipeline/audit-entries.ts';
import { handledSignal } from '../../pipeline/handled-signal.ts';
import type { CommittedSignal, DecidedSignal } from '../../pipeline/store.ts';
import { newId } from '../system/ids.ts';
import { insertAudit } from './audit-store.ts';
import type { Statements } from './database.ts';
import { lockFeed } from './feed-append.ts';
import { changeLink, type MadeChange } from './link-changes.ts';
import { insertSets } from './delivery-rows.ts';
import { recordSignals } from './record-signals.ts';
import { handledRevocation, placeChange, type Change, type PlacedChange } from './revocation-feed.ts';
import type { Ending } from './revocation-writes.ts';
import {
  endStandingKills,
  endStandingWithoutEntries,
  putStandingKills,
  withdrawFromStanding,
} from './standing-kills.ts';
import { together } from './together.ts';

/**
 * Writes what was decided about a group of signals. First what stands, and every place in the feed; then, sent together,
 * entries, feed, signals and audit, which name those places. In the order of the group; the transaction is the caller's.
 */
export async function commitGroup(
  tx: Statements,
  group: readonly DecidedSignal[],
  nowMs: Millis,
): Promise<readonly CommittedSignal[]> {
  const changes = await changeLinks(tx, group, nowMs);
  await endStandingKills(tx, {
    ids: group.flatMap(({ decision }) => decision.standingEnds),
    ofSignals: group.filter(({ released }) => released).map(({ signalId }) => signalId),
  });
  await withdrawFromStanding(
    tx,
    group.flatMap(({ decision }) => decision.undoes ?? []),
  );
  const planned = await planEntries(tx, group);
  // Before the end of the feed is held: no other node waits for what goes to receivers.
  await insertSets(
    tx,
    group.flatMap(({ signalId, sets }) => sets.map((set) => ({ ...set, signalId }))),
    nowMs,
  );
  const endings = distinctEndings([...(await endingsOfReleased(tx, group)), ...group.flatMap(endingsOf)]);
  const change = { endings, endTo: 'lifted', puts: planned.flat() } as const;
  const placed = isNothing(change) ? nothing : await placeChange(tx, change, nowMs);
  const { puts, ended } = placed;
  const byId = new Map(endings.map(({ id, by }) => [id, by]));
  let taken = 0;
  const committed = group.map((decided, index): CommittedSignal => {
    const changed = changes[index] ?? [];
    const own = puts.slice(taken, (taken += planned[index]?.length ?? 0));
    const mine = [...changed.flatMap(({ bound }) => bound), ...own];
    const lifted = ended.filter(({ id }) => byId.get(id) === decided.signalId);
    const seqs = [...mine, ...lifted].map(({ seq }) => seq);
    return {
      revocations: mine.map(handledRevocation),
      lifted: lifted.map(({ id, position }) => ({ id, position })),
      links: changed.map(({ changed: link }) => link),
      ...(seqs.length === 0 ? {} : { lastSeq: Math.max(...seqs) }),
    };
  });
  const answered = group.map((decided, index) => {
    const effects = committed[index] ?? { revocations: [], lifted: [], links: [] };
    return { decided, effects, answer: handledSignal(decided, effects) };
  });
  await together([
    placed.write(),
    recordSignals(tx, answered, nowMs),
    insertAudit(
      tx,
      answered.flatMap(({ decided, effects }) => auditEntries(decided, effects, nowMs)),
    ),
  ]);
  const rests = group.flatMap(({ decision }) => decision.rests);
  const resting = new Set(rests.map(({ standingId }) => standingId));
  await endStandingWithoutEntries(
    tx,
    ended.flatMap(({ standingId }) => (standingId && !resting.has(standingId) ? [standingId] : [])),
  );
  return committed;
}

const nothing: PlacedChange = { puts: [], ended: [], write: () => Promise.resolve() };

const isNothing = ({ endings, puts }: Change): boolean => endings.length + puts.length === 0;

/** What becomes of identifiers, signal by signal. */
async function changeLinks(
  tx: Statements,
  group: readonly DecidedSignal[],
  nowMs: Millis,
): Promise<readonly (readonly MadeChange[])[]> {
  const changes: MadeChange[][] = [];
  for (const { decision } of group) {
    const made: MadeChange[] = [];
    for (const change of decision.links) made.push(await changeLink(tx, change, nowMs));
    changes.push(made);
  }
  return changes;
}

const endingsOf = ({ signalId, decision }: DecidedSignal): readonly Ending[] =>
  decision.lifts.map((id) => ({ id, by: signalId }));

/** Read under `lockFeed`, for no merge may take an entry over meanwhile. What a signal put while it waited ends when it is released: what it puts now stands for it. */
async function endingsOfReleased(
  tx: Statements,
  group: readonly DecidedSignal[],
): Promise<readonly Ending[]> {
  const released = group.filter((decided) => decided.released).map(({ signalId }) => signalId);
  if (released.length === 0) return [];
  await lockFeed(tx);
  const { rows } = await tx.execute<{ id: string; by: string }>(sql`
    SELECT id, signal_id AS by FROM hub.revocations
     WHERE state = 'live' AND signal_id = ANY (${sql.param(released)}::text[])`);
  return rows.map(({ id, by }) => ({ id: revocationId(id), by }));
}

const distinctEndings = (endings: readonly Ending[]): readonly Ending[] => [
  ...new Map(endings.toReversed().map((ending) => [ending.id, ending])).values(),
];

/** Entries of each signal with the ids of the standing kills that they belong to. */
async function planEntries(
  tx: Statements,
  group: readonly DecidedSignal[],
): Promise<readonly (readonly Revocation[])[]> {
  const standing = group.flatMap(({ signalId, statement, decision }) =>
    decision.standing.map((plan) => ({
      id: standingKillId(newId('std')),
      signalId,
      sourceId: statement.source.id,
      plan,
    })),
  );
  const standingIds = await putStandingKills(tx, standing);
  let taken = 0;
  return group.map((decided) => {
    const mine = standingIds.slice(taken, (taken += decided.decision.standing.length));
    const rests = decided.decision.rests.map((rest) => ({ ...rest, id: revocationId(newId('rev')) }));
    return [...decided.decision.puts.map((put) => entryOf(decided, put, mine)), ...rests];
  });
}

function entryOf(
  { signalId, statement }: DecidedSignal,
  { standing, ...put }: DecidedSignal['decision']['puts'][number],
  standingIds: readonly StandingKillId[],
): Revocation {
  const standingId = standing === undefined ? undefined : standingIds[standing];
  return {
    ...put,
    id: revocationId(newId('rev')),
    signalId,
    sourceId: statement.source.id,
    cause: statement.eventType,
    subjectKey: statement.query.key,
    ...(standingId === undefined ? {} : { standingId }),
  };
}
