import { and, desc, eq, sql } from 'drizzle-orm';
import { formatPosition } from '../../core/feed.ts';
import {
  agentName,
  revocationId,
  signalId,
  sourceId,
  standingKillId,
  subjectKey,
} from '../../core/vocabulary.ts';
import type { RevocationReader, RevocationRecord } from '../../revocations/ports.ts';
import type { Database } from './database.ts';
import { revocations } from './schema.ts';

export const createRevocationReader = ({ database }: { readonly database: Database }): RevocationReader => ({
  async list(filter, { after, limit }) {
    const { state, agent, signalId: ofSignal, effect, match } = filter;
    const rows = await database.db
      .select()
      .from(revocations)
      .where(
        and(
          state && eq(revocations.state, state),
          agent === undefined ? undefined : eq(revocations.agent, agent),
          ofSignal === undefined ? undefined : eq(revocations.signalId, ofSignal),
          effect && eq(revocations.effect, effect),
          match && sql`${revocations.match} @> ${JSON.stringify(match)}::jsonb`,
          after && sql`(${revocations.putAtMs}, ${revocations.id}) < (${after.putAtMs}, ${after.id})`,
        ),
      )
      .orderBy(desc(revocations.putAtMs), desc(revocations.id))
      .limit(limit);
    return rows.map(recordOf);
  },

  async find(id) {
    const [row] = await database.db.select().from(revocations).where(eq(revocations.id, id));
    return row && recordOf(row);
  },
});

const recordOf = (row: typeof revocations.$inferSelect): RevocationRecord => ({
  id: revocationId(row.id),
  position: formatPosition({ epoch: row.epoch, seq: row.seq }),
  committedAtMs: row.committedAtMs,
  putAtMs: row.putAtMs,
  state: row.state,
  match: row.match,
  reach: row.reach,
  effect: row.effect,
  ...(row.cutOff === null ? {} : { cutOff: row.cutOff }),
  ...(row.cutOffBasis === null ? {} : { cutOffBasis: row.cutOffBasis }),
  ...(row.lapsesAt === null ? {} : { lapsesAt: row.lapsesAt }),
  ...(row.stepUp === null ? {} : { stepUp: row.stepUp }),
  ...(row.restrict === null ? {} : { restrict: row.restrict }),
  reason: row.reason,
  signalId: signalId(row.signalId),
  sourceId: sourceId(row.sourceId),
  ...(row.standingId === null ? {} : { standingId: standingKillId(row.standingId) }),
  cause: row.cause,
  ...(row.family === null ? {} : { family: row.family }),
  subjectKey: subjectKey(row.subjectKey),
  ...(row.agent === null ? {} : { agent: agentName(row.agent) }),
  ...(row.liftAtMs === null ? {} : { liftAtMs: row.liftAtMs }),
  ...(row.endedAtMs === null ? {} : { endedAtMs: row.endedAtMs }),
  ...(row.endedBy === null ? {} : { endedBy: row.endedBy }),
});
