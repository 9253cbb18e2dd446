import { sql, type SQL } from 'drizzle-orm';
import type { StandingTemplate } from '../../core/decision.ts';
import { bindLate } from '../../core/decide-plan.ts';
import { matchKey } from '../../core/match-key.ts';
import { lineageDepthMax } from '../../core/resolution.ts';
import type { Match, Revocation } from '../../core/revocation.ts';
import {
  agentName,
  revocationId,
  signalId,
  sourceId,
  standingKillId,
  type AgentName,
  type Identifier,
  type Millis,
} from '../../core/vocabulary.ts';
import { newId } from '../system/ids.ts';
import type { Statements } from './database.ts';
import { writeEntries } from './revocation-feed.ts';

/** Our place among the advisory locks: "caeq". */
const registryLock = 0x63616571;

/**
 * Holds the registries (agents, identities, owners, links) for one who changes them, until the transaction ends: who
 * decides by them waits, and an identity that is learnt and a kill that is decided at the same moment see each other.
 * The first statement of a transaction: what was read before may be old.
 */
export async function lockRegistry(tx: Statements): Promise<void> {
  await tx.execute(sql`SELECT pg_advisory_xact_lock(${registryLock})`);
}

/** For one who decides by the registries; shared with others who do. @see lockRegistry */
export async function shareRegistry(tx: Statements): Promise<void> {
  await tx.execute(sql`SELECT pg_advisory_xact_lock_shared(${registryLock})`);
}

/** An entry that a standing kill put because of what was learnt. */
export type BoundEntry = {
  readonly id: string;
  readonly position: string;
  readonly match: Match;
  readonly signalId: string;
};

/**
 * Puts the entries of every standing kill that now concerns the agent, its descendants, or what the identifier turned
 * out to be, and appends them to the feed. What a standing kill has put once it does not put again, so that a lift is
 * not undone by the next change of an agent. Call it last in the transaction, under `lockRegistry`.
 */
export async function bindStanding(
  tx: Statements,
  learnt: ({ readonly agent: AgentName } | { readonly identifier: Identifier }) & { readonly atMs: Millis },
): Promise<readonly BoundEntry[]> {
  const { rows } = await tx.execute<BindingRow>(
    'agent' in learnt ? underAgent(learnt.agent) : await behind(tx, learnt.identifier),
  );
  const entries = rows.flatMap((row) => entriesOf(row, learnt.atMs));
  const distinct = new Map(entries.map((entry) => [`${entry.standingId} ${matchKey(entry.match)}`, entry]));
  const { puts } = await writeEntries(tx, { endedIds: [], puts: [...distinct.values()] }, learnt.atMs);
  return puts.map(({ entry, position }) => ({
    id: entry.id,
    position,
    match: entry.match,
    signalId: entry.signalId,
  }));
}

type BindingRow = {
  readonly standing_id: string;
  readonly signal_id: string;
  readonly source_id: string;
  readonly template: Omit<StandingTemplate, 'cutOff' | 'lapsesAt' | 'liftAtMs'>;
  readonly cut_off: number | null;
  readonly lapses_at: number | null;
  readonly lift_at_ms: number | null;
  readonly agent: string | null;
  readonly match: Match;
};

const standingColumns = sql`s.id AS standing_id, s.signal_id, s.source_id, s.template, s.cut_off::float8 AS cut_off,
  s.lapses_at::float8 AS lapses_at, s.lift_at_ms::float8 AS lift_at_ms`;

/** Never put before: lifted entries count, too. A conjunction's entry holds more than what was learnt. */
const notBound = (match: ReturnType<typeof sql>) => sql`NOT EXISTS (
  SELECT FROM hub.revocations r WHERE r.standing_id = s.id AND r.match @> ${match})`;

/** Its own, those of its ancestors that reach down the lineage, and both again for each of its descendants. */
const underAgent = (agent: AgentName) => sql`
  WITH RECURSIVE below (name, depth) AS (
    SELECT ${agent}::text, 0
    UNION
    SELECT p.child, b.depth + 1 FROM below b JOIN hub.agent_parents p ON p.parent = b.name WHERE b.depth < ${lineageDepthMax}),
  above (name, ancestor, depth) AS (
    SELECT DISTINCT b.name, b.name, 0 FROM below b
    UNION
    SELECT a.name, p.parent, a.depth + 1 FROM above a JOIN hub.agent_parents p ON p.child = a.ancestor
     WHERE a.depth < ${lineageDepthMax}),
  concerned (name, standing_id) AS (
    SELECT a.name, s.id FROM above a JOIN hub.standing_kills s ON s.agent = a.ancestor AND s.state = 'standing'
     WHERE a.depth = 0 OR (s.template ->> 'lineage')::boolean
    UNION
    SELECT a.name, s.id FROM above a JOIN hub.identity_links l ON l.agent = a.ancestor
      JOIN hub.standing_kills s ON s.identifier = l.identifier AND s.state = 'standing'
     WHERE a.depth = 0 OR (s.template ->> 'lineage')::boolean)
  SELECT ${standingColumns}, c.name AS agent, i.match
    FROM concerned c JOIN hub.standing_kills s ON s.id = c.standing_id JOIN hub.agent_identities i ON i.agent = c.name
   WHERE ${notBound(sql`i.match`)}`;

async function behind(tx: Statements, identifier: Identifier): Promise<SQL> {
  const { rows } = await tx.execute<{ agent: AgentName }>(sql`
    SELECT agent FROM hub.identity_links WHERE identifier = ${identifier} AND agent IS NOT NULL`);
  const [link] = rows;
  return link === undefined ? keyBehind(identifier) : underAgent(link.agent);
}

const keyBehind = (identifier: Identifier) => sql`
  SELECT ${standingColumns}, NULL AS agent, l.match
    FROM hub.identity_links l JOIN hub.standing_kills s ON s.identifier = l.identifier AND s.state = 'standing'
   WHERE l.identifier = ${identifier} AND l.match IS NOT NULL AND ${notBound(sql`l.match`)}`;

/** None when it has run out, or when what was learnt is outside what it holds for. */
function entriesOf(row: BindingRow, nowMs: Millis): readonly Revocation[] {
  if (row.lapses_at !== null && row.lapses_at * 1_000 < nowMs) return [];
  if (row.lift_at_ms !== null && row.lift_at_ms <= nowMs) return [];
  const template: StandingTemplate = {
    ...row.template,
    ...(row.cut_off === null ? {} : { cutOff: row.cut_off }),
    ...(row.lapses_at === null ? {} : { lapsesAt: row.lapses_at }),
    ...(row.lift_at_ms === null ? {} : { liftAtMs: row.lift_at_ms }),
  };
  const agent = row.agent === null ? undefined : agentName(row.agent);
  return bindLate(template, agent, [row.match]).map((put) => ({
    ...put,
    id: revocationId(newId('rev')),
    signalId: signalId(row.signal_id),
    sourceId: sourceId(row.source_id),
    standingId: standingKillId(row.standing_id),
    cause: template.cause,
    subjectKey: template.subjectKey,
  }));
}
