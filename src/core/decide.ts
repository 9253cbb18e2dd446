import type { Decision, Hold, LinkChange, Memory, Outcome, Warning } from './decision.ts';
import { isLeftBehind, type Lift, liftableBy, liftEntries, strongerThan } from './decide-lift.ts';
import { holdOf, isWaived, kills, softPuts, speaksOf } from './decide-limits.ts';
import { linkChangeOf } from './decide-links.ts';
import { type Order, orderOf, reactionOf } from './decide-order.ts';
import { type Plan, planOf } from './decide-plan.ts';
import { textOfLift, textOfPlan, warningsOfPlan, warningsOfStatement } from './decide-words.ts';
import type { World } from './decide-times.ts';
import { builtInPolicyVersion, type Reaction } from './reactions.ts';
import type { Resolution } from './resolution.ts';
import type { Statement } from './signal.ts';
import { keysOfSubject } from './subject-keys.ts';

/**
 * What follows from a statement: pure, the same for the same arguments, and it never throws for what a sender can say.
 * What is put, lifted, remembered and made to stand is to be applied in one transaction with what was read for it.
 *
 * @see DESIGN §5, §9, docs/reactions.md
 */
export function decide(statement: Statement, resolution: Resolution, memory: Memory, world: World): Decision {
  const reaction = reactionOf(statement);
  const decided = (parts: Decided): Decision =>
    assemble(statement, reaction, world, memory.heardBefore ? { ...parts, tells: false } : parts);
  if (!speaksOf(statement.source, statement.eventType)) {
    const text = 'This source may not report such events; nothing follows.';
    const warnings = [{ code: 'source-not-allowed', text }];
    return decided({ outcome: 'recorded', text, warnings, tells: false });
  }
  if (memory.saidBefore) {
    const text = 'The same was said before, with the same txn; it ends here.';
    return decided({ outcome: 'recorded', text, tells: false });
  }
  if (reaction.rule === 'revocation-lifted') return decided(liftNamed(statement, memory, world));
  if (isOutdated(reaction, statement, memory) && reaction.outdated === 'nothing') {
    return decided({
      outcome: 'recorded',
      text: 'A newer event of its kind is known; this one changes nothing.',
      tells: false,
    });
  }
  const remember = rememberedBy(reaction, statement, memory, world);
  if (reaction.effect === 'lift') {
    const lift = liftEntries(memory.familyEntries, memory.familyStanding, world);
    // Who lifts nothing may stand against another's denial: nobody is told that all is well.
    const tells = lift.lifts.length + lift.standingEnds.length > 0;
    return decided({ ...outcomeOfLift(lift), ...remember, tells });
  }
  const order = orderOf(statement, reaction, world.nowMs / 1_000);
  if (order === undefined) {
    const text = 'Noted; by policy nothing is refused for it.';
    return decided({ outcome: 'recorded', text, ...linkParts(statement, reaction), ...remember });
  }
  const plan = isOutdated(reaction, statement, memory)
    ? planOf({ statement, resolution, world, ...asPastCutOff(reaction, order) })
    : planOf({ statement, resolution, world, reaction, order });
  const hold = holdOf(plan, statement, memory, world);
  if (hold !== undefined) return decided(heldParts(plan, hold, statement, world));
  const lifts = reaction.lifts === 'stronger' && !isTied(statement, memory);
  const ended = lifts ? liftEntries(strongerThan(order.effect, memory), [], world) : undefined;
  return decided({ ...appliedParts(plan, order, world, ended), ...remember });
}

/**
 * For when deciding threw: the built-in reaction on the keys that the subject names itself, under the limits that need no
 * registry, and an alert. When what it needs cannot be read there is no decision: the signal is refused, to be sent again.
 */
export function undecidedDecision(statement: Statement, world: World): Decision {
  const reaction = reactionOf(statement);
  const order = orderOf(statement, reaction, world.nowMs / 1_000);
  const nothing: Resolution = { keys: [], agents: [], owned: [], unresolved: [], awaited: [] };
  const { keys } = keysOfSubject(statement.query, () => undefined);
  const warning = {
    code: 'undecided',
    text: 'Deciding failed: only what the subject names by itself was acted on. Look at once.',
  };
  const isAllowed = speaksOf(statement.source, statement.eventType);
  if (order === undefined || !isAllowed) {
    return assemble(statement, reaction, world, {
      outcome: 'undecided',
      text: warning.text,
      warnings: [warning],
      tells: isAllowed,
    });
  }
  const plan = planOf({ statement, reaction, order, resolution: { ...nothing, keys }, world });
  const hold = holdOf(plan, statement, { killsInLastMinute: 0, corroborated: false }, world);
  return assemble(statement, reaction, world, {
    outcome: 'undecided',
    text: warning.text,
    warnings: [warning],
    plan: hold ? { ...plan, puts: softPuts(plan, statement.source, world) } : plan,
    kills: kills(plan),
    tells: hold === undefined,
  });
}

/** What a branch found out; `assemble` fills in the rest. */
type Decided = Partial<Lift> & {
  readonly outcome: Outcome;
  readonly text: string;
  readonly warnings?: readonly Warning[];
  readonly plan?: Plan;
  readonly kills?: boolean;
  readonly tells?: boolean;
  readonly hold?: Hold;
  readonly undoes?: string;
  readonly links?: readonly LinkChange[];
  readonly remember?: Decision['remember'];
};

function assemble(statement: Statement, reaction: Reaction, world: World, decided: Decided): Decision {
  const { plan, remember, hold } = decided;
  return {
    outcome: decided.outcome,
    rule: reaction.rule,
    policyVersion: builtInPolicyVersion,
    text: decided.text,
    puts: [...(plan?.puts ?? []), ...(decided.puts ?? [])],
    lifts: decided.lifts ?? [],
    rests: decided.rests ?? [],
    ...(decided.undoes !== undefined && { undoes: decided.undoes }),
    standing: plan?.standing ?? [],
    standingEnds: decided.standingEnds ?? [],
    links: decided.links ?? [],
    ...(remember && { remember }),
    ...(hold && { hold }),
    warnings: [...warningsOfStatement(statement, world), ...(decided.warnings ?? [])],
    agents: plan?.agents ?? [],
    blast: plan?.blast ?? { agents: 0, keys: 0, descendants: 0 },
    kills: decided.kills ?? false,
    tells: decided.tells ?? hold === undefined,
  };
}

/** An identifier without an issuer is nobody's to change who speaks for some issuers only: it stands for keys of others, too. */
function linkParts(statement: Statement, reaction: Reaction): Pick<Decided, 'links' | 'warnings'> {
  const links = linkChangeOf(statement, reaction);
  if (links.length === 0 || statement.source.subjectIssuers === undefined) return { links };
  const text = 'This source speaks for some issuers only: what the identifier stands for stays as it is.';
  return { warnings: [{ code: 'link-outside-source', text }] };
}

function heldParts(plan: Plan, hold: Hold, statement: Statement, world: World): Decided {
  const soft = { ...plan, puts: softPuts(plan, statement.source, world), standing: [] };
  return {
    outcome: 'held',
    text: `${hold.text} Until then: ${soft.puts[0]?.effect ?? 'nothing'}.`,
    hold,
    plan: soft,
    kills: kills(plan),
    warnings: warningsOfPlan(plan, world),
  };
}

function appliedParts(plan: Plan, order: Order, world: World, ended: Lift | undefined): Decided {
  const outcome = outcomeOfPlan(plan, ended);
  return {
    outcome,
    text: textOfPlan(plan, order, outcome),
    plan,
    kills: kills(plan),
    warnings: warningsOfPlan(plan, world),
    ...(ended && { lifts: ended.lifts, puts: ended.puts }),
  };
}

function outcomeOfPlan(plan: Plan, ended: Lift | undefined): Outcome {
  if (plan.puts.length > 0 || (ended !== undefined && ended.lifts.length > 0)) return 'applied';
  if (plan.spared.length > 0 || plan.outside.length > 0) return 'recorded';
  return plan.isUnresolved || plan.standing.length > 0 ? 'unresolved' : 'recorded';
}

function liftNamed(statement: Statement, memory: Memory, world: World): Decided {
  const restoreTokens = statement.data['restore_tokens'] === true;
  const signal = statement.data['signal_id'];
  const undone = typeof signal === 'string' ? signal : undefined;
  const { named, standing, isWhole } = liftableBy(statement.source, memory);
  const lift = liftEntries(named, standing, world, {
    restoreTokens,
    ...(undone !== undefined && { undone }),
  });
  const warnings = isWhole ? [] : [liftOutsideSource];
  const text = 'Tokens from before would live again: two persons must approve.';
  const hold: Hold = { code: 'restore-tokens', text, approvalsRequired: 2 };
  const restores = lift.lifts.length > 0 && (restoreTokens || named.some(isLeftBehind));
  return restores && !isWaived(hold, world)
    ? { outcome: 'held', text, hold, warnings }
    : { ...outcomeOfLift(lift), warnings, ...(undone !== undefined && isWhole && { undoes: undone }) };
}

const liftOutsideSource: Warning = {
  code: 'subject-outside-source',
  text: 'Left in force: what holds at issuers that this source may not speak about.',
};

const outcomeOfLift = (lift: Lift): Decided => ({
  ...lift,
  outcome: lift.lifts.length + lift.standingEnds.length > 0 ? 'applied' : 'recorded',
  text: textOfLift(lift),
});

/**
 * Older than what is known of the same family, or as old and in favour of access. Two disables do not outdate each other;
 * of a level the newest statement alone is true, whatever it says.
 */
function isOutdated(reaction: Reaction, statement: Statement, memory: Memory): boolean {
  const { newest } = memory;
  if (reaction.family === undefined || newest === undefined) return false;
  if (statement.eventTime > newest.eventTime) return false;
  if (isTied(statement, memory)) return reaction.effect === 'lift';
  const isRepeatedDisable = reaction.effect === 'deny' && reaction.family === 'account';
  return !(isRepeatedDisable && newest.eventType === statement.eventType);
}

/** Which of the two came first nobody knows: what the other denies stays. */
const isTied = (statement: Statement, { newest }: Memory): boolean =>
  newest !== undefined && newest.eventTime === statement.eventTime;

/** An old denial whose opposite came since: it still refuses what was issued before its own time, and nothing more. */
function asPastCutOff(
  reaction: Reaction,
  order: Order,
): { readonly reaction: Reaction; readonly order: Order } {
  const { family: _, liftAtMs: __, ...rest } = order;
  const { owned: ___, ...row } = reaction;
  return { reaction: row, order: { ...rest, until: order.asOf, lapse: 'natural' } };
}

function rememberedBy(
  reaction: Reaction,
  statement: Statement,
  memory: Memory,
  world: World,
): Pick<Decided, 'remember'> {
  if (reaction.family === undefined || isOutdated(reaction, statement, memory)) return {};
  const eventTime = Math.min(statement.eventTime, world.nowMs / 1_000);
  return { remember: { family: reaction.family, eventTime } };
}
