import { sql, type SQL } from 'drizzle-orm';
import type {
  CutOffBasis,
  Effect,
  Match,
  Reach,
  Restrict,
  Revocation,
  Share,
  StepUp,
} from '../../core/revocation.ts';
import {
  agentName,
  revocationId,
  signalId,
  sourceId,
  standingKillId,
  subjectKey,
} from '../../core/vocabulary.ts';

/** A row of hub.revocations as raw SQL reads it, nulls left out: `revocationColumns`. */
export type RevocationRow = {
  readonly id: string;
  readonly match: Match;
  readonly reach: Reach;
  readonly effect: Effect;
  readonly cut_off?: number;
  readonly cut_off_basis?: CutOffBasis;
  readonly lapses_at?: number;
  readonly step_up?: StepUp;
  readonly restrict?: Restrict;
  readonly reason: string;
  readonly signal_id: string;
  readonly source_id: string;
  readonly standing_id?: string;
  readonly cause: string;
  readonly family?: string;
  readonly subject_key: string;
  readonly agent?: string;
  readonly lift_at_ms?: number;
  readonly shares?: readonly ShareRow[];
};

/** One of `shares`. */
export type ShareRow = Pick<
  RevocationRow,
  'signal_id' | 'reason' | 'cause' | 'agent' | 'standing_id' | 'lapses_at'
> & {
  readonly cut_off: number;
  readonly settled: boolean;
};

/** One JSON object for each row of `r`, an alias of hub.revocations. */
export const revocationJson: SQL = sql`jsonb_strip_nulls(jsonb_build_object(
  'id', r.id, 'match', r.match, 'reach', r.reach, 'effect', r.effect, 'cut_off', r.cut_off,
  'cut_off_basis', r.cut_off_basis, 'lapses_at', r.lapses_at, 'step_up', r.step_up, 'restrict', r.restrict,
  'reason', r.reason, 'signal_id', r.signal_id, 'source_id', r.source_id, 'standing_id', r.standing_id,
  'shares', nullif(r.shares, '[]'), 'cause', r.cause, 'family', r.family, 'subject_key', r.subject_key, 'agent', r.agent, 'lift_at_ms', r.lift_at_ms))`;

export const revocationOf = (row: RevocationRow): Revocation => ({
  id: revocationId(row.id),
  match: row.match,
  reach: row.reach,
  effect: row.effect,
  ...(row.cut_off === undefined ? {} : { cutOff: row.cut_off }),
  ...(row.cut_off_basis === undefined ? {} : { cutOffBasis: row.cut_off_basis }),
  ...(row.lapses_at === undefined ? {} : { lapsesAt: row.lapses_at }),
  ...(row.step_up === undefined ? {} : { stepUp: row.step_up }),
  ...(row.restrict === undefined ? {} : { restrict: row.restrict }),
  reason: row.reason,
  signalId: signalId(row.signal_id),
  sourceId: sourceId(row.source_id),
  ...(row.standing_id === undefined ? {} : { standingId: standingKillId(row.standing_id) }),
  cause: row.cause,
  ...(row.family === undefined ? {} : { family: row.family }),
  subjectKey: subjectKey(row.subject_key),
  ...(row.agent === undefined ? {} : { agent: agentName(row.agent) }),
  ...(row.lift_at_ms === undefined ? {} : { liftAtMs: row.lift_at_ms }),
  ...(row.shares === undefined ? {} : { shares: row.shares.map(shareOfRow) }),
});

const shareOfRow = (row: ShareRow): Share => ({
  cutOff: row.cut_off,
  ...(row.lapses_at === undefined ? {} : { lapsesAt: row.lapses_at }),
  signalId: signalId(row.signal_id),
  ...(row.standing_id === undefined ? {} : { standingId: standingKillId(row.standing_id) }),
  reason: row.reason,
  cause: row.cause,
  ...(row.agent === undefined ? {} : { agent: agentName(row.agent) }),
  settled: row.settled,
});

/** What `json_to_recordset` reads back with `AS x (${columns})`. */
export const revocationRow = (entry: Revocation): RevocationRow => ({
  id: entry.id,
  match: entry.match,
  reach: entry.reach,
  effect: entry.effect,
  ...(entry.cutOff === undefined ? {} : { cut_off: entry.cutOff }),
  ...(entry.cutOffBasis === undefined ? {} : { cut_off_basis: entry.cutOffBasis }),
  ...(entry.lapsesAt === undefined ? {} : { lapses_at: entry.lapsesAt }),
  ...(entry.stepUp === undefined ? {} : { step_up: entry.stepUp }),
  ...(entry.restrict === undefined ? {} : { restrict: entry.restrict }),
  reason: entry.reason,
  signal_id: entry.signalId,
  source_id: entry.sourceId,
  ...(entry.standingId === undefined ? {} : { standing_id: entry.standingId }),
  cause: entry.cause,
  ...(entry.family === undefined ? {} : { family: entry.family }),
  subject_key: entry.subjectKey,
  ...(entry.agent === undefined ? {} : { agent: entry.agent }),
  ...(entry.liftAtMs === undefined ? {} : { lift_at_ms: entry.liftAtMs }),
  shares: (entry.shares ?? []).map(shareRow),
});

const shareRow = (share: Share): ShareRow => ({
  cut_off: share.cutOff,
  ...(share.lapsesAt === undefined ? {} : { lapses_at: share.lapsesAt }),
  signal_id: share.signalId,
  ...(share.standingId === undefined ? {} : { standing_id: share.standingId }),
  reason: share.reason,
  cause: share.cause,
  ...(share.agent === undefined ? {} : { agent: share.agent }),
  settled: share.settled,
});
