import { covers, membersOf } from '../core/match-key.ts';
import { isProblem } from '../core/problem.ts';
import type { KnownAgent, Resolution, ResolvedAgent, SubjectQuery } from '../core/resolution.ts';
import type { Match } from '../core/revocation.ts';
import { keysOfSubject, principalPart, type SubjectKeys } from '../core/subject-keys.ts';
import type { AgentName, Identifier } from '../core/vocabulary.ts';

/** What the registries hold about everything that a group of signals names. */
export type RegistryFacts = {
  readonly links: ReadonlyMap<Identifier, { readonly agent: AgentName } | { readonly match: Match }>;
  /** Agents by an identifier of their owner. */
  readonly owned: ReadonlyMap<Identifier, readonly AgentName[]>;
  /** Identities that may be within, or around, what a subject says. */
  readonly identities: readonly { readonly agent: AgentName; readonly match: Match }[];
  readonly agents: ReadonlyMap<AgentName, KnownAgent>;
  /** Descendants of an agent, nearest first. */
  readonly descendants: ReadonlyMap<
    AgentName,
    readonly { readonly name: AgentName; readonly depth: number }[]
  >;
};

/**
 * What tokens carry for the subject, by what it says itself.
 *
 * @throws Problem `invalid-request` when its aliases multiply beyond `subjectKeysMax`.
 */
export const directKeys = (query: SubjectQuery): readonly Match[] => directly(query).keys;

/** Asked for each signal when it comes, when the registries are read, and when it is resolved. */
const known = new WeakMap<SubjectQuery, SubjectKeys>();

function directly(query: SubjectQuery): SubjectKeys {
  let keys = known.get(query);
  if (keys === undefined) {
    keys = keysOfSubject(query, () => undefined);
    known.set(query, keys);
  }
  return keys;
}

/**
 * What tokens carry for the subject, by what it says and by what it is linked to. Nothing when those multiply too much:
 * `resolveSubject` says so of it alone.
 */
export function keysThroughLinks(
  query: SubjectQuery,
  facts: Pick<RegistryFacts, 'links' | 'agents'>,
): readonly Match[] {
  try {
    return keysOfSubject(query, (id) => linkedKeys(id, facts)).keys;
  } catch (error) {
    if (isProblem(error)) return [];
    throw error;
  }
}

/**
 * What the registries make of a subject.
 *
 * @throws Problem `invalid-request` when its aliases and their links multiply beyond `subjectKeysMax`.
 */
export function resolveSubject(query: SubjectQuery, facts: RegistryFacts): Resolution {
  const isLinked = query.parts.some((part) => part.identifiers.some((id) => facts.links.has(id)));
  const { keys, unresolved, awaited } = isLinked
    ? keysOfSubject(query, (id) => linkedKeys(id, facts))
    : directly(query);
  const principal = principalPart(query)?.identifiers ?? [];
  const linked = principal.flatMap((id) => {
    const link = facts.links.get(id);
    return link !== undefined && 'agent' in link ? [link.agent] : [];
  });
  const named = query.agent === undefined ? [] : [query.agent];
  const byKey = keys.flatMap((key) => agentsOf(key, facts));
  return {
    keys,
    agents: agentsNamed([...named, ...linked, ...byKey], facts),
    owned: agentsNamed(
      principal.flatMap((id) => facts.owned.get(id) ?? []),
      facts,
    ),
    unresolved,
    awaited,
  };
}

/** The one agent that the subject is, else the subject: by this a second source's word about it is found. */
export function principalOf(query: SubjectQuery, resolution: Resolution): string {
  const [agent, ...others] = resolution.agents;
  return agent !== undefined && others.length === 0 ? `agent:${agent.name}` : query.key;
}

/** Name one session or token of somebody, who is more than that. */
export const passingMembers = ['jti', 'sid', 'token_sha256'] as const;

function linkedKeys(
  id: Identifier,
  facts: Pick<RegistryFacts, 'links' | 'agents'>,
): readonly Match[] | undefined {
  const link = facts.links.get(id);
  if (link === undefined) return undefined;
  return 'match' in link ? [link.match] : (facts.agents.get(link.agent)?.identities ?? []);
}

/** Those whose identity is the key, lies within it, or lies around it. */
function agentsOf(key: Match, facts: RegistryFacts): readonly AgentName[] {
  const passes = passingMembers.some((member) => key[member] !== undefined);
  const hit = facts.identities.filter(({ match }) => names(key, match) || (!passes && names(match, key)));
  return hit.map(({ agent }) => agent);
}

/** `covers`, but what has no members names nobody rather than everybody. */
const names = (broad: Match, narrow: Match): boolean => membersOf(broad).length > 0 && covers(broad, narrow);

function agentsNamed(names: readonly AgentName[], facts: RegistryFacts): readonly ResolvedAgent[] {
  return [...new Set(names)].flatMap((name) => {
    const agent = facts.agents.get(name);
    if (agent === undefined) return [];
    const descendants = (facts.descendants.get(name) ?? []).flatMap(({ name: below, depth }) => {
      const descendant = facts.agents.get(below);
      return descendant === undefined ? [] : [{ ...descendant, depth }];
    });
    return [{ ...agent, descendants }];
  });
}
