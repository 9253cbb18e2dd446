import { timingSafeEqual } from 'node:crypto';
import { reactionOf } from '../core/decide-order.ts';
import type { HandledSignal } from '../core/handled-signal.ts';
import { Problem } from '../core/problem.ts';
import type { Statement } from '../core/signal.ts';
import { refuseFaultyJson } from '../core/text.ts';
import { signalId, type SignalId } from '../core/vocabulary.ts';
import { decideGroup, entriesMax, rowsOf } from './decide-group.ts';
import { createGroups, TooMuchForOneGroup, type Settled } from './groups.ts';
import { handledSignal } from './handled-signal.ts';
import type { HandleSignal } from './ports.ts';
import { directKeys } from './resolve-subject.ts';
import type {
  AskedSignal,
  CommittedSignal,
  DecidedSignal,
  EarlierSignal,
  FirstAnswers,
  FirstQuestions,
  PipelinePorts,
  SignalTransaction,
} from './store.ts';

/** What one transaction takes on: signals, and bytes of their bodies. */
const groupLimits = { itemsMax: 256, weightMax: 4 * 1024 * 1024 } as const;

/**
 * The pipeline. Statements that arrive while a transaction is under way share the next one; those about the same
 * subject from the same source, or with the same external id, follow each other.
 *
 * @see HandleSignal, DESIGN §2, §5
 */
export function createHandleSignal(ports: PipelinePorts): HandleSignal {
  const commit = createGroups<AskedSignal, Committed>(
    {
      async run(group) {
        const outcomes = await ports.store.transact(firstQuestions(group), (tx, facts) =>
          handleGroup(ports, tx, group, facts),
        );
        announce(ports, outcomes);
        return outcomes;
      },
      keysOf,
      isAlone: ({ statement }) => changesLinks(statement),
      weightOf: ({ statement }) => statement.body.byteLength,
    },
    groupLimits,
  );
  return async (statement, { dryRun = false, released } = {}) => {
    refuseUnstorable(statement);
    directKeys(statement.query);
    if (dryRun) return rehearse(ports, { signalId: signalId('dry-run'), statement });
    const { sets: _, ...handled } = await commit({
      signalId: released?.signalId ?? signalId(ports.newId('sig')),
      statement,
      ...(released === undefined ? {} : { released }),
    });
    return handled;
  };
}

/** Once for a group, before anybody is answered. */
function announce({ announcer }: PipelinePorts, outcomes: readonly Outcome[]): void {
  const fresh = outcomes.flatMap((one) => (one.kind === 'done' && !one.result.duplicate ? [one.result] : []));
  if (fresh.some(({ lastSeq }) => lastSeq !== undefined)) announcer.announce('feed');
  if (fresh.some(({ sets }) => sets > 0)) announcer.announce('deliveries');
}

/** What became of a signal, and how many SETs go out because of it. */
type Committed = HandledSignal & { readonly sets: number };

/** Whatever a statement is compared with: its order among its own kind matters. */
function keysOf({ statement, released }: AskedSignal): readonly string[] {
  const { source, externalId, query } = statement;
  return [
    JSON.stringify(['subject', source.id, query.key]),
    ...(externalId === undefined ? [] : [JSON.stringify(['id', source.id, externalId])]),
    ...(released === undefined ? [] : [JSON.stringify(['held', released.signalId])]),
  ];
}

type Outcome = Settled<Committed>;

async function handleGroup(
  ports: PipelinePorts,
  tx: SignalTransaction,
  group: readonly AskedSignal[],
  { earlier, ...facts }: FirstAnswers,
): Promise<readonly Outcome[]> {
  const outcomes = new Map<SignalId, Outcome>();
  const fresh: AskedSignal[] = [];
  for (const [index, asked] of group.entries()) {
    const before = asked.released === undefined ? earlier[index] : undefined;
    const approved = asked.released && (await tx.lockHeld(asked.signalId));
    if (before !== undefined) outcomes.set(asked.signalId, repeat(asked.statement, before));
    else if (asked.released === undefined) fresh.push(asked);
    else if (approved === undefined) outcomes.set(asked.signalId, refused(decidedBefore()));
    else fresh.push({ ...asked, released: { ...asked.released, ...approved } });
  }
  const nowMs = ports.nowMs();
  const decisions = await decideGroup(ports, tx, fresh, facts, nowMs);
  const decided = decisions.flatMap((decision) => (decision.kind === 'done' ? [decision.result] : []));
  const rows = decided.reduce((sum, one) => sum + rowsOf(one), 0);
  if (decided.length > 1 && rows > entriesMax) throw new TooMuchForOneGroup();
  const committed = decided.length === 0 ? [] : await tx.commit(decided, nowMs);
  for (const [index, asked] of fresh.entries()) {
    const decision = decisions[index];
    if (decision === undefined) throw new Error('a signal was not decided');
    outcomes.set(
      asked.signalId,
      decision.kind === 'refused' ? decision : answered(decided, committed, decision.result),
    );
  }
  return group.map((asked) => outcomes.get(asked.signalId) ?? refused(new Error('a signal was forgotten')));
}

function answered(
  decided: readonly DecidedSignal[],
  committed: readonly CommittedSignal[],
  signal: DecidedSignal,
): Outcome {
  const effects = committed[decided.indexOf(signal)];
  if (effects === undefined) return refused(new Error('a signal was not committed'));
  return { kind: 'done', result: { ...handledSignal(signal, effects), sets: signal.sets.length } };
}

/** Decides as if it were the next signal, and leaves nothing behind: no rows, no count, no position. */
function rehearse(ports: PipelinePorts, asked: AskedSignal): Promise<HandledSignal> {
  return ports.store.transact(firstQuestions([asked]), async (tx, { earlier: [before], ...facts }) => {
    if (before !== undefined) {
      const { sets: _, ...handled } = required(repeat(asked.statement, before));
      return handled;
    }
    const [decision] = await decideGroup(ports, tx, [asked], facts, ports.nowMs());
    const decided = required(decision);
    return handledSignal(decided, plannedEffects(decided));
  });
}

function required<T>(settled: Settled<T> | undefined): T {
  if (settled?.kind === 'done') return settled.result;
  throw settled?.error instanceof Error ? settled.error : new Error('a signal was not decided');
}

const plannedEffects = ({ decision }: DecidedSignal): CommittedSignal => ({
  revocations: [...decision.puts, ...decision.rests].map(
    ({ match, effect, cutOff, lapsesAt, agent }, index) => ({
      id: `dry-run-${index + 1}`,
      match,
      effect,
      ...(cutOff === undefined ? {} : { cutOff }),
      ...(lapsesAt === undefined ? {} : { lapsesAt }),
      ...(agent === undefined ? {} : { agent }),
      merged: false,
    }),
  ),
  lifted: decision.lifts.map((id) => ({ id })),
  links: [],
});

const firstQuestions = (group: readonly AskedSignal[]): FirstQuestions => ({
  registries: group.some(({ statement }) => changesLinks(statement)) ? 'write' : 'read',
  keys: group.map(({ statement: { source, externalId } }) => ({ sourceId: source.id, externalId })),
  queries: group.map(({ statement }) => statement.query),
});

/** Whom others name may be somebody else afterwards. */
const changesLinks = (statement: Statement): boolean => reactionOf(statement).link !== undefined;

function repeat(statement: Statement, earlier: EarlierSignal): Outcome {
  const isSame = timingSafeEqual(statement.bodySha256, earlier.bodySha256);
  if (isSame) return { kind: 'done', result: { ...earlier.answer, sets: 0 } };
  return refused(
    new Problem('id-reused', `The id ${statement.externalId} was used for another signal.`, {
      hint: 'An id names one body for ever. Send this one with an id of its own.',
      errors: [{ path: '/id', message: 'was used with another body' }],
      extra: { signal_id: earlier.answer.signalId },
    }),
  );
}

const refused = (error: unknown): Settled<never> => ({ kind: 'refused', error });

const decidedBefore = (): Problem =>
  new Problem('already-decided', 'The signal waits no more: it was released or discarded.');

/** Refused before it joins a group: Postgres would refuse the whole group for it. */
function refuseUnstorable({ subject, data, externalId = '', reason = '', txn, actor }: Statement): void {
  refuseFaultyJson({ id: externalId, reason, txn, actor });
  refuseFaultyJson(subject, '/subject');
  refuseFaultyJson(data, '/data');
}
