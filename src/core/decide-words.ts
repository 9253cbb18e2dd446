import type { Lift } from './decide-lift.ts';
import type { Order } from './decide-order.ts';
import type { Plan } from './decide-plan.ts';
import type { World } from './decide-times.ts';
import type { Outcome, Warning } from './decision.ts';
import type { Effect } from './revocation.ts';
import type { Statement } from './signal.ts';

/** Names in one sentence; the whole list is in the answer. */
const namesMax = 5;

const verbs = {
  deny: 'Refuses',
  restrict: 'Restricts',
  step_up: 'Asks a step-up of',
  require_nonce: 'Asks a fresh nonce of',
  observe: 'Watches',
} as const satisfies Record<Effect, string>;

/** One sentence for a human. */
export function textOfPlan(plan: Plan, order: Order, outcome: Outcome): string {
  if (outcome === 'unresolved') {
    return plan.standing.length > 0
      ? 'Nobody here knows the subject yet; it takes effect as soon as somebody does.'
      : 'Nobody here knows the subject; nothing is refused.';
  }
  if (outcome === 'recorded') return textOfNothing(plan);
  const { agents, descendants, keys } = plan.blast;
  const whom =
    agents === 0
      ? count(keys, 'key')
      : `${named(plan.agents)} (${count(keys, 'key')}, ${count(descendants, 'descendant')})`;
  const cutOffs = plan.puts.flatMap(({ cutOff }) => cutOff ?? []);
  const since = cutOffs.length > 0 ? `, what was issued until ${isoSeconds(Math.max(...cutOffs))}` : '';
  return `${verbs[order.effect]} ${whom}${since}.`;
}

function textOfNothing(plan: Plan): string {
  if (plan.spared.length > 0)
    return 'No token that it speaks of can still be alive; nothing needs to be refused.';
  return plan.outside.length > 0
    ? 'The subject belongs to issuers that this source may not speak about; nothing follows.'
    : 'The subject has nothing that this event speaks of; nothing is refused.';
}

export function textOfLift({ lifts, puts, rests, standingEnds }: Lift): string {
  if (lifts.length + standingEnds.length === 0) return 'Nothing that it could lift is in force.';
  const left =
    puts.length > 0
      ? ` Leaves ${count(puts.length, 'cut-off')} of this moment, so that old tokens do not come back.`
      : '';
  const others = rests.length > 0 ? ` Keeps ${count(rests.length, 'revocation')} of other signals.` : '';
  return `Lifts ${count(lifts.length, 'revocation')}.${left}${others}`;
}

export function warningsOfStatement(statement: Statement, world: World): readonly Warning[] {
  if (statement.eventTime <= world.nowMs / 1_000) return [];
  return [
    {
      code: 'event-time-in-future',
      text: 'The event claims to happen later than now; it was taken as happening now.',
    },
  ];
}

export function warningsOfPlan(plan: Plan, world: World): readonly Warning[] {
  const warnings: Warning[] = [];
  const warn = (holds: boolean, code: string, text: string): void => {
    if (holds) warnings.push({ code, text });
  };
  const unconfigured = new Set(
    plan.puts.flatMap(({ match: { iss } }) =>
      iss !== undefined && !world.issuers.settings(iss) ? [iss] : [],
    ),
  );
  const { isUnresolved } = plan;
  const acts = plan.puts.length > 0;
  warn(
    plan.puts.some(({ effect, cutOff }) => effect === 'deny' && cutOff !== undefined),
    'refresh-not-revoked',
    'Whoever holds a refresh token or client secret can get new tokens: revoke it at the authorization server.',
  );
  warn(
    unconfigured.size > 0,
    'issuer-not-configured',
    `Default token life and skew were assumed for ${named([...unconfigured])}.`,
  );
  warn(
    isUnresolved && acts,
    'subject-partly-resolved',
    'Part of the subject is not known here; what is known was acted on.',
  );
  warn(
    isUnresolved && !acts,
    'subject-unresolved',
    'The subject is not known here: no token is refused for it yet.',
  );
  warn(
    plan.spared.length > 0,
    'older-than-tokens',
    'A cut-off is older than any living token: no entry is needed for it.',
  );
  warn(
    plan.outside.length > 0,
    'subject-outside-source',
    `Left untouched: ${count(plan.outside.length, 'key')} of issuers that this source may not speak about.`,
  );
  return warnings;
}

const count = (amount: number, thing: string): string => `${amount} ${thing}${amount === 1 ? '' : 's'}`;

function named(names: readonly string[]): string {
  const rest = names.length - namesMax;
  return rest > 0 ? `${names.slice(0, namesMax).join(', ')} and ${rest} more` : names.join(', ');
}

const isoSeconds = (seconds: number): string => new Date(seconds * 1_000).toISOString().replace('.000Z', 'Z');
