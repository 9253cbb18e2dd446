import { decide, undecidedDecision } from '../core/decide.ts';
import { reactionOf } from '../core/decide-order.ts';
import type { World } from '../core/decide-times.ts';
import { countsAsKill, type Decision, type Memory, type Warning } from '../core/decision.ts';
import { fanOut, setsPerSignalMax, type Audience } from '../core/fan-out.ts';
import { isProblem, Problem } from '../core/problem.ts';
import type { Resolution } from '../core/resolution.ts';
import { setId, type AgentName, type Millis, type SourceId } from '../core/vocabulary.ts';
import type { Settled } from './groups.ts';
import { principalOf, resolveSubject, type RegistryFacts } from './resolve-subject.ts';
import type {
  AskedSignal,
  DecidedSignal,
  FirstAnswers,
  MemoryQuestion,
  PipelinePorts,
  SignalTransaction,
} from './store.ts';

/** What one signal, or one group of them, may put, and lift: more does not fit the time that a transaction has. */
export const entriesMax = 10_000;

type Resolved = { readonly asked: AskedSignal; readonly resolution: Resolution; readonly principal: string };

/**
 * Resolves and decides a group, in order: those that come later see what those before them count for. One that cannot
 * be resolved is refused by itself.
 */
export async function decideGroup(
  ports: PipelinePorts,
  tx: SignalTransaction,
  group: readonly AskedSignal[],
  { registries: facts, audiences }: Pick<FirstAnswers, 'registries' | 'audiences'>,
  nowMs: Millis,
): Promise<readonly Settled<DecidedSignal>[]> {
  if (group.length === 0) return [];
  const resolved = group.map((asked) => settle(() => resolve(asked, facts)));
  const known = resolved.flatMap((one) => (one.kind === 'done' ? [one.result] : []));
  const memories = await tx.recall(known.map((one) => questionOf(one, nowMs)));
  const byAsked = new Map(known.map(({ asked }, index) => [asked, memories[index]]));
  const killsBefore = new Map<SourceId, number>();
  return resolved.map((one): Settled<DecidedSignal> => {
    if (one.kind === 'refused') return one;
    const memory = byAsked.get(one.result.asked);
    if (memory === undefined) throw new Error('a question about the past has no answer');
    const { id } = one.result.asked.statement.source;
    const before = killsBefore.get(id) ?? 0;
    const killsInLastMinute = memory.killsInLastMinute + before;
    const decided = decideOne(ports, one.result, { ...memory, killsInLastMinute }, audiences, nowMs);
    if (entriesOf(decided) > entriesMax) return { kind: 'refused', error: tooManyEntries(decided) };
    killsBefore.set(id, before + (countsAsKill(decided.decision) ? 1 : 0));
    return { kind: 'done', result: decided };
  });
}

function resolve(asked: AskedSignal, facts: RegistryFacts): Resolved {
  const { query } = asked.statement;
  const resolution = resolveSubject(query, facts);
  if (query.agent !== undefined && resolution.agents.length === 0) throw unknownAgent(query.agent);
  return { asked, resolution, principal: principalOf(query, resolution) };
}

function decideOne(
  ports: PipelinePorts,
  { asked, resolution, principal }: Resolved,
  memory: Memory,
  audiences: readonly Audience[],
  nowMs: Millis,
): DecidedSignal {
  const { signalId, statement, released } = asked;
  const world: World = {
    nowMs,
    issuers: ports.issuers,
    ...(released === undefined ? {} : { released: { approvals: released.approvals ?? 0 } }),
  };
  let decision: Decision;
  try {
    decision = decide(statement, resolution, memory, world);
  } catch (error) {
    ports.onUndecided(signalId, error);
    decision = undecidedDecision(statement, world);
  }
  const { sets, isCut } = fanOut({ statement, decision, resolution, principal }, audiences, {
    iss: ports.iss,
    nowMs,
    newSetId: () => setId(ports.newId('set')),
  });
  return {
    signalId,
    statement,
    decision: isCut ? { ...decision, warnings: [...decision.warnings, notAllTold] } : decision,
    principal,
    sets,
    ...(released === undefined ? {} : { released: { by: released.by } }),
  };
}

function questionOf({ asked: { statement }, principal }: Resolved, nowMs: Millis): MemoryQuestion {
  const { source, actor, query, data } = statement;
  const { family, rule } = reactionOf(statement);
  const names = rule === 'revocation-lifted' ? data : {};
  return {
    sourceId: source.id,
    actor,
    subjectKey: query.key,
    principal,
    family,
    names: {
      ...(typeof names['revocation_id'] === 'string' ? { revocationId: names['revocation_id'] } : {}),
      ...(typeof names['signal_id'] === 'string' ? { signalId: names['signal_id'] } : {}),
    },
    countsKills: !source.person,
    ...(statement.relayed === undefined
      ? {}
      : { relayed: { txn: statement.txn, eventType: statement.eventType } }),
    nowMs,
  };
}

function settle<T>(run: () => T): Settled<T> {
  try {
    return { kind: 'done', result: run() };
  } catch (error) {
    if (!isProblem(error)) throw error;
    return { kind: 'refused', error };
  }
}

/** Each of them is a row to write: what lifts a denial also puts the cut-off that it leaves behind. */
const entriesOf = ({ decision: { puts, lifts, standing } }: DecidedSignal): number =>
  Math.max(puts.length, lifts.length, standing.length);

/** Rows that it writes: what a group has too many of it does not write together. */
export const rowsOf = (decided: DecidedSignal): number => entriesOf(decided) + decided.sets.length;

const notAllTold: Warning = {
  code: 'not-all-told',
  text: `Downstream Receivers are told ${setsPerSignalMax} events of one signal; what it means for others was left out.`,
};

const tooManyEntries = (decided: DecidedSignal): Problem =>
  new Problem(
    'too-many-entries',
    `The signal would put or lift ${entriesOf(decided)} entries; one signal may put or lift ${entriesMax}.`,
    { hint: 'Nothing was done. Say it of fewer at a time: of each agent instead of their owner or parent.' },
  );

const unknownAgent = (name: AgentName): Problem =>
  new Problem('unknown-agent', `There is no agent ${name}.`, {
    hint: 'GET /v1/agents lists them; POST /v1/agents adds one.',
    errors: [{ path: '/subject/agent', message: 'is unknown' }],
  });
