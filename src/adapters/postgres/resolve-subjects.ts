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

/**
 * Everything that the registries hold about the subjects, whatever their number: who is named in one read, once more
 * where links say which keys are meant, and the agents in one more. Those are read before, too, where a link names one,
 * for then its keys are meant; and not again where nobody is added.
 *
 * @throws Problem `invalid-request` for a subject that multiplies too much: `directKeys` says it of each alone.
 */
export async function readRegistries(
  tx: Statements,
  queries: readonly SubjectQuery[],
): Promise<RegistryFacts> {
  const direct = queries.flatMap(directKeys);
  const first = await readNamed(tx, queries, direct);
  const names = namesOf(queries, first);
  if (first.links.size === 0) return { ...first, ...(await readAgents(tx, names)) };
  const linksAgent = [...first.links.values()].some((link) => 'agent' in link);
  const before = linksAgent ? await readAgents(tx, names) : undefined;
  const agents: RegistryFacts['agents'] = before?.agents ?? new Map();
  const linked = queries.flatMap((query) => keysThroughLinks(query, { links: first.links, agents }));
  const named = await readNamed(tx, queries, [...direct, ...linked]);
  const asked = new Set(names);
  const allNames = namesOf(queries, named);
  const addsNobody = before !== undefined && allNames.every((name) => asked.has(name));
  return { ...named, ...(addsNobody ? before : await readAgents(tx, allNames)) };
}

type Named = Pick<RegistryFacts, 'links' | 'owned' | 'identities'>;
type NamedRow = {
  readonly links: readonly { identifier: string; agent: string | null; match: Match | null }[] | null;
  readonly owned: readonly { identifier: string; agent: string }[] | null;
  readonly identities: readonly { agent: string; match: Match }[] | null;
};

async function readNamed(
  tx: Statements,
  queries: readonly SubjectQuery[],
  keys: readonly Match[],
): Promise<Named> {
  const identifiers = distinct(queries.flatMap(({ parts }) => parts.flatMap((part) => part.identifiers)));
  const direct = distinctMatches(keys);
  const exact = distinct(direct.flatMap(identityKeysAround));
  const below = direct.flatMap(({ workload, ...rest }) =>
    workload?.endsWith('/*') ? [{ prefix: workload.slice(0, -1), rest }] : [],
  );
  const { rows } = await tx.execute<NamedRow>(sql`
    SELECT (SELECT json_agg(json_build_object('identifier', l.identifier, 'agent', l.agent, 'match', l.match))
              FROM hub.identity_links l WHERE l.identifier = ANY (${sql.param(identifiers)}::text[])) AS links,
           (SELECT json_agg(json_build_object('identifier', o.identifier, 'agent', o.agent))
              FROM hub.agent_owners o WHERE o.identifier = ANY (${sql.param(identifiers)}::text[])) AS owned,
           (SELECT json_agg(json_build_object('agent', agent, 'match', match)) FROM (
              SELECT i.agent, i.match FROM hub.agent_identities i WHERE i.match_key = ANY (${sql.param(exact)}::text[])
              UNION
              SELECT i.agent, i.match FROM unnest(${sql.param(direct.map((match) => JSON.stringify(match)))}::jsonb[]) AS d (match)
                JOIN hub.agent_identities i ON i.match @> d.match
              UNION
              SELECT i.agent, i.match FROM json_to_recordset(${JSON.stringify(below)}::json) AS b (prefix text, rest jsonb)
                JOIN hub.agent_identities i ON i.match @> b.rest AND starts_with(i.match ->> 'workload', b.prefix)) i) AS identities`);
  const [row] = rows;
  return {
    links: new Map((row?.links ?? []).flatMap(toLink)),
    owned: grouped(row?.owned ?? [], (owner) => [identifier(owner.identifier), agentName(owner.agent)]),
    identities: (row?.identities ?? []).map(({ agent, match }) => ({ agent: agentName(agent), match })),
  };
}

type Link = [ReturnType<typeof identifier>, { agent: AgentName } | { match: Match }];

function toLink(link: NonNullable<NamedRow['links']>[number]): readonly Link[] {
  if (link.agent !== null) return [[identifier(link.identifier), { agent: agentName(link.agent) }]];
  return link.match === null ? [] : [[identifier(link.identifier), { match: link.match }]];
}

type AgentsRow = {
  readonly agents:
    | readonly { name: string; protected: boolean; identities: readonly Match[] | null }[]
    | null;
  readonly lineage: readonly { root: string; name: string; depth: number }[] | null;
};

const namesOf = (
  queries: readonly SubjectQuery[],
  { links, owned, identities }: Named,
): readonly AgentName[] =>
  distinct([
    ...queries.flatMap(({ agent }) => agent ?? []),
    ...[...links.values()].flatMap((link) => ('agent' in link ? [link.agent] : [])),
    ...[...owned.values()].flat(),
    ...identities.map(({ agent }) => agent),
  ]);

/** The agents that are named, and all below them. */
async function readAgents(
  tx: Statements,
  names: readonly AgentName[],
): Promise<Pick<RegistryFacts, 'agents' | 'descendants'>> {
  if (names.length === 0) return { agents: new Map(), descendants: new Map() };
  const { rows } = await tx.execute<AgentsRow>(sql`
    WITH RECURSIVE lineage (root, name, depth) AS (
      SELECT a.name, a.name, 0 FROM hub.agents a WHERE a.name = ANY (${sql.param(names)}::text[])
      UNION
      SELECT l.root, p.child, l.depth + 1 FROM lineage l
       CROSS JOIN LATERAL (SELECT p.child FROM hub.agent_parents p WHERE p.parent = l.name) p
       WHERE l.depth < ${lineageDepthMax})
    SELECT (SELECT json_agg(json_build_object('name', a.name, 'protected', a.protected, 'identities', i.identities))
              FROM (SELECT DISTINCT name FROM lineage) n
             CROSS JOIN LATERAL (SELECT a.name, a.protected FROM hub.agents a WHERE a.name = n.name LIMIT 1) a
             CROSS JOIN LATERAL (
               SELECT json_agg(i.match ORDER BY i.match_key) AS identities FROM hub.agent_identities i WHERE i.agent = n.name) i)
             AS agents,
           (SELECT json_agg(d ORDER BY d.depth, d.name) FROM (
              SELECT root, name, min(depth) AS depth FROM lineage WHERE name <> root GROUP BY root, name) d) AS lineage`);
  const [row] = rows;
  const agents = (row?.agents ?? []).map((agent): [AgentName, KnownAgent] => [
    agentName(agent.name),
    { name: agentName(agent.name), protected: agent.protected, identities: agent.identities ?? [] },
  ]);
  return {
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
