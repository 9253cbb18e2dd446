import { obligationsOf, reachOf } from './decide-order.ts';
import type { Plan } from './decide-plan.ts';
import type { World } from './decide-times.ts';
import type { Hold, Memory, PlannedPut } from './decision.ts';
import { findEventType } from './events/event-types.ts';
import { namesWholeIssuer } from './match-key.ts';
import { Problem } from './problem.ts';
import { type Effect, effects } from './revocation.ts';
import type { Statement } from './signal.ts';
import type { Source } from './source.ts';
import type { Identifier } from './vocabulary.ts';

/**
 * Refuses at the door what the source may not say at all: an event type, or a subject of an issuer that is not its own.
 * `decide` holds the same limits; asking here first gives the caller a refusal instead of a record.
 *
 * @throws Problem `source-not-allowed`.
 */
export function requireAllowed(statement: Pick<Statement, 'source' | 'eventType' | 'query'>): void {
  const { source, eventType, query } = statement;
  if (!speaksOf(source, eventType)) {
    throw new Problem('source-not-allowed', `This source may not report ${eventType}.`, {
      hint: 'Ask for the event type to be added to the source.',
      errors: [{ path: '/event', message: 'is not among the event types of this source' }],
    });
  }
  const issuers = query.parts.flatMap(({ matches }) => matches.flatMap(({ iss }) => iss ?? []));
  const stranger = issuers.find(
    (iss) => source.subjectIssuers !== undefined && !source.subjectIssuers.includes(iss),
  );
  if (stranger !== undefined) {
    throw new Problem('source-not-allowed', 'This source may not speak about subjects of that issuer.', {
      hint: 'Ask for the issuer to be added to the source.',
      errors: [{ path: '/subject', message: 'names an issuer that is not among those of this source' }],
    });
  }
  if (source.subjectDomains === undefined) return;
  const allowed = new Set(source.subjectDomains);
  const domains = query.parts.flatMap(({ identifiers }) => identifiers.flatMap((one) => domainOf(one) ?? []));
  if (domains.every((domain) => allowed.has(domain))) return;
  throw new Problem('source-not-allowed', 'This source may not speak about addresses of that domain.', {
    hint: 'Ask for the domain to be added to the source.',
    errors: [{ path: '/subject', message: 'has a domain that is not among those of this source' }],
  });
}

/** Of an address or account, in lower case. */
const domainOf = (identifier: Identifier): string | undefined =>
  /^(?:email|account):.*@([^@]+)$/.exec(identifier)?.[1];

export function speaksOf(source: Source, eventType: string): boolean {
  const name = findEventType(eventType)?.name;
  return source.eventTypes?.some((allowed) => allowed === eventType || allowed === name) ?? true;
}

/** Why a plan waits for a person; nothing when it may happen, or when enough have approved what would hold it now. */
export function holdOf(
  plan: Plan,
  statement: Statement,
  memory: Pick<Memory, 'killsInLastMinute' | 'corroborated'>,
  world: World,
): Hold | undefined {
  const hold = reasonToHold(plan, statement, memory);
  return hold && isWaived(hold, world) ? undefined : hold;
}

/** A release lets through what no person must see, and of the rest what as many as it takes have approved. */
export const isWaived = (hold: Hold, { released }: World): boolean =>
  released !== undefined && (!needsPerson(hold) || released.approvals >= hold.approvalsRequired);

/** No clock lets it through. */
export const needsPerson = ({ code, approvalsRequired }: Hold): boolean =>
  approvalsRequired > 1 || code === 'issuer-wide';

/** The weightiest reason first. */
function reasonToHold(
  plan: Plan,
  statement: Statement,
  memory: Pick<Memory, 'killsInLastMinute' | 'corroborated'>,
): Hold | undefined {
  const planned = effectsOf(plan);
  if (planned.length === 0) return undefined;
  const { source } = statement;
  if (plan.protected.length > 0 && planned.some((effect) => effect !== 'observe')) {
    return {
      code: 'protected-agent',
      approvalsRequired: 2,
      text: `It would hit ${plan.protected.join(', ')}, protected: two persons must approve, and what is not protected waits with it.`,
    };
  }
  if (plan.puts.some(({ match }) => namesWholeIssuer(match))) {
    return {
      code: 'issuer-wide',
      approvalsRequired: 1,
      text: 'It would hit every token of an issuer, or of a trust domain.',
    };
  }
  const strongest = Math.min(...planned.map((effect) => effects.indexOf(effect)));
  if (strongest < effects.indexOf(source.strongestEffect)) {
    return {
      code: 'beyond-source',
      approvalsRequired: 1,
      text: `This source may go as far as ${source.strongestEffect}, not ${effects[strongest]}.`,
    };
  }
  const passesBrake =
    source.person || memory.corroborated || memory.killsInLastMinute < source.killsPerMinute;
  if (kills(plan) && !passesBrake) {
    return {
      code: 'brake',
      approvalsRequired: 1,
      text: `This source ordered ${memory.killsInLastMinute} kills within a minute; it may order ${source.killsPerMinute}.`,
    };
  }
  return undefined;
}

/** What a held plan does meanwhile: nothing to the protected or to whole issuers, and it ends with the waiting. */
export function softPuts(plan: Plan, source: Source, world: World): readonly PlannedPut[] {
  const effect = softEffectOf(source);
  const nowSeconds = world.nowMs / 1_000;
  const shielded = new Set<string>(plan.protected);
  const waiting = plan.puts.filter(({ agent, match }) => {
    const isShielded = agent === undefined ? shielded.size > 0 : shielded.has(agent);
    return !isShielded && !namesWholeIssuer(match);
  });
  return waiting.map(({ match, agent, reason }) => ({
    match,
    effect,
    reach: reachOf(effect),
    reason,
    lapsesAt: Math.ceil(nowSeconds) + source.heldSeconds,
    ...(agent !== undefined && { agent }),
    ...obligationsOf(effect, {}, nowSeconds),
  }));
}

export const kills = (plan: Plan): boolean => effectsOf(plan).includes('deny');

/** Of what is put at once and of what waits to be learnt: waiting is no way around a limit. */
const effectsOf = ({ puts, standing }: Plan): readonly Effect[] =>
  [...puts, ...standing.map(({ template }) => template)].map(({ effect }) => effect);

/** Never a denial, which would be the kill itself, and never more than the source may cause. */
function softEffectOf(source: Source): Effect {
  const rank = Math.max(
    effects.indexOf('restrict'),
    effects.indexOf(source.softEffect),
    effects.indexOf(source.strongestEffect),
  );
  return effects[rank] ?? 'observe';
}
