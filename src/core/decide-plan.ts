import type { BlastRadius, PlannedPut, PlannedStanding, StandingTemplate } from './decision.ts';
import { type Order, orderForOwned } from './decide-order.ts';
import { isKeyAlone, isNarrow, sanctionFor, type World } from './decide-times.ts';
import { covers, matchKey, mergeMatches } from './match-key.ts';
import type { Reaction } from './reactions.ts';
import type { KnownAgent, Resolution, ResolvedAgent } from './resolution.ts';
import type { Match } from './revocation.ts';
import type { Statement } from './signal.ts';
import type { AgentName } from './vocabulary.ts';

/** All that an order puts, before limits. */
export type Plan = {
  readonly puts: readonly PlannedPut[];
  readonly standing: readonly PlannedStanding[];
  readonly agents: readonly AgentName[];
  readonly protected: readonly AgentName[];
  readonly blast: BlastRadius;
  /** Matches that no living token can fulfil. */
  readonly spared: readonly Match[];
  /** Matches that the source may not speak about. */
  readonly outside: readonly Match[];
  /** Part of what the event is about is not known here. */
  readonly isUnresolved: boolean;
};

type PlanInput = {
  readonly statement: Statement;
  readonly reaction: Reaction;
  readonly order: Order;
  readonly resolution: Resolution;
  readonly world: World;
};

/** One agent with what is ordered for it and, where the reaction spreads, for its descendants. */
type Hit = { readonly agent: ResolvedAgent; readonly order: Order };

/** Who and what is hit: the subject's keys, the agents it is, their descendants, the agents it owns. */
export function planOf(input: PlanInput): Plan {
  const { reaction, resolution, order } = input;
  const whole = subjectHits(input);
  const hits = [...whole, ...ownedHits(input)];
  const puts = createPuts(input);
  const standing: PlannedStanding[] = [];

  for (const { agent, order } of hits) {
    const template = templateOf(order, input);
    const index = template === undefined ? undefined : standing.push({ template, agent: agent.name }) - 1;
    for (const member of lineageOf(agent, reaction)) {
      for (const identity of member.identities) puts.add(identity, order, member.name, index);
    }
  }
  // A key that is not among its agent's identities is the agent's all the same, if there is but one.
  const only = whole.length === 1 ? whole[0] : undefined;
  const itsStanding = only && standing.length > 0 ? 0 : undefined;
  for (const key of keysOf(input)) puts.add(key, order, only?.agent.name, itsStanding);
  if (reaction.aim === 'subject' || reaction.aim === 'agent') {
    for (const { identifier, within } of resolution.awaited) {
      const template = templateOf(order, input);
      if (template) standing.push({ template: { ...template, ...(within && { within }) }, identifier });
    }
  }
  const isUnresolved = resolution.unresolved.length > 0 && !(reaction.aim === 'owned' && hits.length > 0);
  return { ...puts.all(), standing, isUnresolved, ...countHits(input, hits, puts.all().puts) };
}

function keysOf({ reaction, resolution }: PlanInput): readonly Match[] {
  if (reaction.aim === 'owned') return [];
  return reaction.aim === 'token' ? resolution.keys.filter(isNarrow) : resolution.keys;
}

/**
 * Agents that are the subject as a whole. A token, a session or a key alone is less than the agent it belongs to and
 * hits no more than itself; so is one user's part of what an agent does.
 */
function subjectHits({ reaction, resolution, order }: PlanInput): readonly Hit[] {
  if (reaction.aim === 'token' || reaction.aim === 'owned') return [];
  const { keys, agents } = resolution;
  if (keys.some((key) => isNarrow(key) || (reaction.aim === 'subject' && isKeyAlone(key)))) return [];
  const isWhole = ({ identities }: ResolvedAgent) =>
    identities.length === 0 || identities.some((identity) => keys.some((key) => covers(key, identity)));
  return agents.filter((agent) => keys.length === 0 || isWhole(agent)).map((agent) => ({ agent, order }));
}

function ownedHits({ reaction, resolution, order }: PlanInput): readonly Hit[] {
  const effect = reaction.aim === 'owned' ? order.effect : reaction.owned;
  if (effect === undefined) return [];
  return resolution.owned.map((agent) => ({ agent, order: orderForOwned(order, effect) }));
}

const lineageOf = (agent: ResolvedAgent, reaction: Reaction): readonly KnownAgent[] =>
  reaction.lineage ? [agent, ...agent.descendants] : [agent];

/** Collects each match once per effect, bounded by what the source may speak about. */
function createPuts({ statement, world }: PlanInput) {
  const puts = new Map<string, PlannedPut>();
  const spared = new Map<string, Match>();
  const outside = new Map<string, Match>();

  function add(match: Match, order: Order, agent: AgentName | undefined, standing: number | undefined): void {
    const bounded = boundBy(statement.source.subjectIssuers, match);
    if (bounded.length === 0) outside.set(matchKey(match), match);
    for (const within of bounded) {
      const sanction = sanctionFor(order, within, world);
      if (sanction === undefined) {
        spared.set(matchKey(within), within);
        continue;
      }
      const key = `${order.effect} ${matchKey(within)}`;
      if (puts.has(key)) continue;
      puts.set(key, {
        ...sanction,
        match: within,
        ...(agent !== undefined && { agent }),
        ...(standing !== undefined && { standing }),
        ...(order.family !== undefined && { family: order.family }),
        ...(order.liftAtMs !== undefined && { liftAtMs: order.liftAtMs }),
      });
    }
  }
  return {
    add,
    all: () => ({ puts: [...puts.values()], spared: [...spared.values()], outside: [...outside.values()] }),
  };
}

/** A source limited to issuers speaks about nobody else's names, and about keys only as those issuers' tokens carry them. */
function boundBy(issuers: readonly string[] | undefined, match: Match): readonly Match[] {
  if (issuers === undefined) return [match];
  if (match.iss !== undefined) return issuers.includes(match.iss) ? [match] : [];
  return issuers.map((iss) => ({ ...match, iss }));
}

/** What an identity gets that is learnt later; nothing when it could hit no living token. */
function templateOf(order: Order, { statement, reaction, world }: PlanInput): StandingTemplate | undefined {
  const sanction = sanctionFor(order, {}, world);
  const { subjectIssuers } = statement.source;
  return (
    sanction && {
      ...sanction,
      ...(order.family !== undefined && { family: order.family }),
      ...(order.liftAtMs !== undefined && { liftAtMs: order.liftAtMs }),
      ...(subjectIssuers && { issuers: subjectIssuers }),
      lineage: reaction.lineage,
      cause: statement.eventType,
      subjectKey: statement.query.key,
    }
  );
}

function countHits({ reaction, resolution }: PlanInput, hits: readonly Hit[], puts: readonly PlannedPut[]) {
  const roots = new Set(hits.map(({ agent }) => agent.name));
  const members = hits.flatMap(({ agent }) => lineageOf(agent, reaction));
  const named = reaction.aim === 'owned' ? [] : resolution.agents;
  const agents = [...new Set(members.map(({ name }) => name))];
  const shielded = [...members, ...named].filter((agent) => agent.protected).map(({ name }) => name);
  return {
    agents,
    protected: [...new Set(shielded)],
    blast: {
      agents: roots.size,
      descendants: agents.filter((name) => !roots.has(name)).length,
      keys: new Set(puts.map(({ match }) => matchKey(match))).size,
    },
  };
}

/**
 * What a standing kill puts for identities that were just learnt under an agent, or for what an identifier turned out to be.
 * Timing is the template's: nothing learnt later is hit harder than what was known at once.
 */
export function bindLate(
  template: StandingTemplate,
  agent: AgentName | undefined,
  identities: readonly Match[],
): readonly PlannedPut[] {
  const { lineage: _, cause: __, subjectKey: ___, within, issuers, ...sanction } = template;
  const joined = identities.flatMap((identity) =>
    within ? (mergeMatches(within, identity) ?? []) : [identity],
  );
  return joined
    .flatMap((match) => boundBy(issuers, match))
    .map((match) => ({ ...sanction, match, ...(agent !== undefined && { agent }) }));
}
