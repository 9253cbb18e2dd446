import { sql } from 'drizzle-orm';
import { matchKey, membersOf } from '../../core/match-key.ts';
import { lineageDepthMax, type KnownAgent, type SubjectQuery } from '../../core/resolution.ts';
import type { Match } from '../../core/revocation.ts';
import { agentName, identifier, type AgentName } from '../../core/vocabulary.ts';
import {
  directKeys,
  keysThroughLinks,
  passingMembers,
  type RegistryFacts,
} from '../../pipeline/resolve-subject.ts';
import type { Statements } from './database.ts';

type FactsRow = {
  readonly links: readonly { identifier: string; agent: string | null; match: Match | null }[] | null;
  readonly owned: readonly { identifier: string; agent: string }[] | null;
  readonly identities: readonly { agent: string; match: Match }[] | null;
  readonly agents:
    | readonly { name: string; protected: boolean; identities: readonly Match[] | null }[]
    | null;
  readonly lineage: readonly { root: string; name: string; depth: number }[] | null;
};

/**
 * Everything that the registries hold about the subjects, whatever their number: in one read, and in a second one where
 * links say which keys are meant.
 *
 * @throws Problem `invalid-request` for a subject that multiplies too much: `directKeys` says it of each alone.
 */
export async function readRegistries(
  tx: Statements,
  queries: readonly SubjectQuery[],
): Promise<RegistryFacts> {
  const facts = await readFacts(tx, queries, queries.flatMap(directKeys));
  if (facts.links.size === 0) return facts;
  return readFacts(
    tx,
    queries,
    queries.flatMap((query) => [...directKeys(query), ...keysThroughLinks(query, facts)]),
  );
}

async function readFacts(
  tx: Statements,
  queries: readonly SubjectQuery[],
  keys: readonly Match[],
): Promise<RegistryFacts> {
  const names = distinct(queries.flatMap(({ agent }) => agent ?? []));
  const identifiers = distinct(queries.flatMap(({ parts }) => parts.flatMap((part) => part.identifiers)));
  const direct = distinctMatches(keys);
  const exact = distinct(direct.flatMap(identityKeysAround));
  const below = direct.flatMap(({ workload, ...rest }) =>
    workload?.endsWith('/*') ? [{ prefix: workload.slice(0, -1), rest }] : [],
  );
  const { rows } = await tx.execute<FactsRow>(sql`
    WITH RECURSIVE asked (identifier) AS (SELECT unnest(${sql.param(identifiers)}::text[])),
    links AS (SELECT l.identifier, l.agent, l.match FROM hub.identity_links l JOIN asked USING (identifier)),
    owned AS (SELECT o.identifier, o.agent FROM hub.agent_owners o JOIN asked USING (identifier)),
    identities AS (
      SELECT i.agent, i.match FROM hub.agent_identities i
       WHERE i.match_key = ANY (${sql.param(exact)}::text[])
      UNION
      SELECT i.agent, i.match FROM unnest(${sql.param(direct.map((match) => JSON.stringify(match)))}::jsonb[]) AS d (match)
        JOIN hub.agent_identities i ON i.match @> d.match
      UNION
      SELECT i.agent, i.match FROM json_to_recordset(${JSON.stringify(below)}::json) AS b (prefix text, rest jsonb)
        JOIN hub.agent_identities i ON i.match @> b.rest AND starts_with(i.match ->> 'workload', b.prefix)),
    lineage (root, name, depth) AS (
      SELECT a.name, a.name, 0 FROM hub.agents a WHERE a.name IN (
        SELECT unnest(${sql.param(names)}::text[]) UNION SELECT agent FROM links UNION SELECT agent FROM owned
        UNION SELECT agent FROM identities)
      UNION
      SELECT l.root, p.child, l.depth + 1 FROM lineage l JOIN hub.agent_parents p ON p.parent = l.name
       WHERE l.depth < ${lineageDepthMax})
    SELECT (SELECT json_agg(links) FROM links) AS links,
           (SELECT json_agg(owned) FROM owned) AS owned,
           (SELECT json_agg(identities) FROM identities) AS identities,
           (SELECT json_agg(json_build_object('name', a.name, 'protected', a.protected, 'identities', (
              SELECT json_agg(i.match ORDER BY i.match_key) FROM hub.agent_identities i WHERE i.agent = a.name)))
              FROM hub.agents a WHERE a.name IN (SELECT name FROM lineage)) AS agents,
           (SELECT json_agg(d ORDER BY d.depth, d.name) FROM (
              SELECT root, name, min(depth) AS depth FROM lineage WHERE name <> root GROUP BY root, name) d) AS lineage`);
  return toFacts(rows[0]);
}

function toFacts(row: FactsRow | undefined): RegistryFacts {
  const links: [ReturnType<typeof identifier>, { agent: AgentName } | { match: Match }][] = [];
  for (const link of row?.links ?? []) {
    if (link.agent !== null) links.push([identifier(link.identifier), { agent: agentName(link.agent) }]);
    else if (link.match !== null) links.push([identifier(link.identifier), { match: link.match }]);
  }
  const agents = (row?.agents ?? []).map((agent): [AgentName, KnownAgent] => [
    agentName(agent.name),
    { name: agentName(agent.name), protected: agent.protected, identities: agent.identities ?? [] },
  ]);
  return {
    links: new Map(links),
    owned: grouped(row?.owned ?? [], (owner) => [identifier(owner.identifier), agentName(owner.agent)]),
    identities: (row?.identities ?? []).map(({ agent, match }) => ({ agent: agentName(agent), match })),
    agents: new Map(agents),
    descendants: grouped(row?.lineage ?? [], ({ root, name, depth }) => [
      agentName(root),
      { name: agentName(name), depth },
    ]),
  };
}

const passing = new Set<string>(passingMembers);

/** Keys of all identities that would be around a match: some of its members, a workload also by the paths above it. */
function identityKeysAround(match: Match): readonly string[] {
  let subsets: readonly Match[] = [{}];
  for (const member of membersOf(match)) {
    const value = match[member];
    if (value === undefined || passing.has(member)) continue;
    const values = member === 'workload' ? [value, ...pathsAbove(value)] : [value];
    subsets = subsets.flatMap((subset) => [subset, ...values.map((text) => ({ ...subset, [member]: text }))]);
  }
  return subsets.filter((subset) => membersOf(subset).length > 0).map(matchKey);
}

/** Segments above a workload that are looked at, nearest first. */
const pathsAboveMax = 8;

function pathsAbove(workload: string): readonly string[] {
  const segments = workload.replace(/\/\*$/, '').split('/');
  const above: string[] = [];
  for (let kept = segments.length - 1; kept >= 3 && above.length < pathsAboveMax; kept--) {
    above.push(`${segments.slice(0, kept).join('/')}/*`);
  }
  return above;
}

const distinct = <T>(values: readonly T[]): T[] => [...new Set(values)];
const distinctMatches = (matches: readonly Match[]): Match[] => [
  ...new Map(matches.map((match) => [matchKey(match), match])).values(),
];

function grouped<Row, Key, Value>(rows: readonly Row[], pair: (row: Row) => [Key, Value]): Map<Key, Value[]> {
  const groups = new Map<Key, Value[]>();
  for (const row of rows) {
    const [key, value] = pair(row);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [value]);
    else group.push(value);
  }
  return groups;
}
