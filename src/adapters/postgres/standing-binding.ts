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
import { writeLateEntries } from './late-entries.ts';
import type { WrittenPut } from './revocation-feed.ts';

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

type Learnt = ({ readonly agent: AgentName } | { readonly identifier: Identifier }) & {
  readonly atMs: Millis;
};

/** What came of the kills that stand for what was learnt. */
export type Binding = {
  readonly puts: readonly WrittenPut[];
  /** Signals whose kills would hit a protected agent now: sent again, they wait for two persons. */
  readonly withheld: readonly string[];
};

/** As callers are told of it. */
export const boundEntries = ({ puts }: Pick<Binding, 'puts'>): readonly BoundEntry[] =>
  puts.map(({ entry, position }) => ({
    id: entry.id,
    position,
    match: entry.match,
    signalId: entry.signalId,
  }));

/**
 * Puts the entries of every standing kill that now concerns the agent, its descendants, or what the identifier turned
 * out to be, and appends them to the feed. What a standing kill has put once it does not put again, so that a lift is
 * not undone by the next change of an agent. A kill that was decided without knowing of a protected agent does not hit
 * it: waiting is no way around the two who must approve. Call it last in the transaction, under `lockRegistry`.
 */
export async function bindLearnt(tx: Statements, learnt: Learnt): Promise<Binding> {
  const rows =
    'agent' in learnt ? await underAgents(tx, [learnt.agent]) : await behind(tx, learnt.identifier);
  const running = rows.filter((row) => !hasRunOut(row, learnt.atMs));
  const entries = running.filter(({ withheld }) => !withheld).flatMap(entriesOf);
  const distinct = new Map(entries.map((entry) => [bindingKey(entry.standingId, entry.match), entry]));
  const bound = await boundBefore(tx, [...distinct.values()]);
  const puts = [...distinct].flatMap(([key, entry]) => (bound.has(key) ? [] : [entry]));
  return {
    puts: await writeLateEntries(tx, puts, learnt.atMs),
    withheld: [...new Set(running.flatMap((row) => (row.withheld ? [row.signal_id] : [])))],
  };
}

const bindingKey = (standingId: string | undefined, match: Match): string =>
  `${standingId} ${matchKey(match)}`;

/** What the standing kills have put already, lifted entries included: exactly this, for one that is broader is another. */
async function boundBefore(tx: Statements, entries: readonly Revocation[]): Promise<ReadonlySet<string>> {
  if (entries.length === 0) return new Set();
  const asked = entries.map(({ standingId, match }) => ({ standing_id: standingId, match }));
  const { rows } = await tx.execute<{ standing_id: string; match: Match }>(sql`
    SELECT DISTINCT r.standing_id, r.match
      FROM json_to_recordset(${JSON.stringify(asked)}::json) AS x (standing_id text, match jsonb)
      JOIN hub.revocations r ON r.standing_id = x.standing_id AND r.match = x.match`);
  return new Set(rows.map((row) => bindingKey(row.standing_id, row.match)));
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
  readonly withheld: boolean;
};

const standingColumns = sql`s.id AS standing_id, s.signal_id, s.source_id, s.template, s.cut_off::float8 AS cut_off,
  s.lapses_at::float8 AS lapses_at, s.lift_at_ms::float8 AS lift_at_ms`;

/** A protected agent that the kill `s` was not decided about, nor has hit before it was protected. */
const isGuarded = (agent: SQL) => sql`(s.template ->> 'effect' <> 'observe'
  AND EXISTS (SELECT FROM hub.agents a WHERE a.name = ${agent} AND a.protected)
  AND NOT EXISTS (SELECT FROM hub.signals g WHERE g.id = ANY (s.signals) AND ${agent} = ANY (g.agents))
  AND NOT EXISTS (SELECT FROM hub.revocations r WHERE r.standing_id = s.id AND r.agent = ${agent} AND r.state = 'live'))`;

/** A subject with the link's match is an agent as a whole: it names who holds tokens, and not one session or token. */
const namesHolder = sql`l.match ?| ARRAY['sub', 'client_id', 'workload'] AND NOT l.match ?| ARRAY['jti', 'sid', 'token_sha256']`;

/** Every token of the identity `i` is one of those that the link `l` names. @see covers */
const linkCovers = sql`(i.match @> l.match OR (l.match ->> 'workload' LIKE '%/*' AND i.match @> (l.match - 'workload')
  AND starts_with(i.match ->> 'workload', rtrim(l.match ->> 'workload', '*'))))`;

/** Every token that the link `l` names is one of the identity `i`, and the link names more than one session or token. */
const linkWithin = sql`(NOT l.match ?| ARRAY['jti', 'sid', 'token_sha256']
  AND (l.match @> i.match OR (i.match ->> 'workload' LIKE '%/*' AND l.match @> (i.match - 'workload')
    AND starts_with(l.match ->> 'workload', rtrim(i.match ->> 'workload', '*')))))`;

/**
 * Of each agent: its own, those of its ancestors that reach down the lineage, and both again for each of its descendants.
 * An agent's own are those for it and those for an identifier that is linked to it or to a key of it.
 */
async function underAgents(tx: Statements, agents: readonly AgentName[]): Promise<readonly BindingRow[]> {
  if (agents.length === 0) return [];
  const { rows } = await tx.execute<BindingRow>(sql`
    WITH RECURSIVE below (name, depth) AS (
      SELECT name, 0 FROM unnest(${sql.param(agents)}::text[]) AS a (name)
      UNION
      SELECT p.child, b.depth + 1 FROM below b JOIN hub.agent_parents p ON p.parent = b.name WHERE b.depth < ${lineageDepthMax}),
    above (name, ancestor, depth) AS (
      SELECT DISTINCT b.name, b.name, 0 FROM below b
      UNION
      SELECT a.name, p.parent, a.depth + 1 FROM above a JOIN hub.agent_parents p ON p.child = a.ancestor
       WHERE a.depth < ${lineageDepthMax}),
    killed (agent, standing_id, lineage) AS (
      SELECT s.agent, s.id, (s.template ->> 'lineage')::boolean FROM hub.standing_kills s
       WHERE s.state = 'standing' AND s.agent IN (SELECT ancestor FROM above)
      UNION
      SELECT l.agent, s.id, (s.template ->> 'lineage')::boolean FROM hub.identity_links l
        JOIN hub.standing_kills s ON s.identifier = l.identifier AND s.state = 'standing'
       WHERE l.agent IN (SELECT ancestor FROM above)
      UNION
      SELECT i.agent, s.id, (s.template ->> 'lineage')::boolean FROM hub.agent_identities i
        JOIN hub.identity_links l ON ${linkCovers} AND ${namesHolder}
        JOIN hub.standing_kills s ON s.identifier = l.identifier AND s.state = 'standing'
       WHERE i.agent IN (SELECT ancestor FROM above)),
    concerned (name, standing_id) AS (
      SELECT DISTINCT a.name, k.standing_id FROM above a JOIN killed k ON k.agent = a.ancestor WHERE a.depth = 0 OR k.lineage)
    SELECT ${standingColumns}, c.name AS agent, i.match, ${isGuarded(sql`c.name`)} AS withheld
      FROM concerned c JOIN hub.standing_kills s ON s.id = c.standing_id JOIN hub.agent_identities i ON i.agent = c.name`);
  return rows;
}

/** What waits for the identifier: for the key that it is linked to, and for each agent that it is. */
async function behind(tx: Statements, identifier: Identifier): Promise<readonly BindingRow[]> {
  const { rows: keys } = await tx.execute<BindingRow>(sql`
    SELECT ${standingColumns}, NULL AS agent, l.match,
           EXISTS (SELECT FROM hub.agent_identities i WHERE (${linkCovers} OR ${linkWithin}) AND ${isGuarded(sql`i.agent`)}) AS withheld
      FROM hub.identity_links l JOIN hub.standing_kills s ON s.identifier = l.identifier AND s.state = 'standing'
     WHERE l.identifier = ${identifier} AND l.match IS NOT NULL`);
  const { rows: agents } = await tx.execute<{ agent: AgentName }>(sql`
    SELECT l.agent FROM hub.identity_links l WHERE l.identifier = ${identifier} AND l.agent IS NOT NULL
    UNION
    SELECT i.agent FROM hub.identity_links l JOIN hub.agent_identities i ON ${linkCovers}
     WHERE l.identifier = ${identifier} AND ${namesHolder}`);
  const ofAgents = await underAgents(
    tx,
    agents.map(({ agent }) => agent),
  );
  return [...keys, ...ofAgents];
}

const hasRunOut = ({ lapses_at: lapsesAt, lift_at_ms: liftAtMs }: BindingRow, nowMs: Millis): boolean =>
  (lapsesAt !== null && lapsesAt * 1_000 < nowMs) || (liftAtMs !== null && liftAtMs <= nowMs);

/** None when what was learnt is outside what it holds for. */
function entriesOf(row: BindingRow): readonly Revocation[] {
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
