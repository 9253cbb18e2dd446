import { Problem } from '../core/problem.ts';
import type { HandledSignal } from '../core/handled-signal.ts';
import type { ExplainError } from '../http/answer-errors.ts';
import { problemOf } from '../http/answer-errors.ts';
import type { Refusal } from '../http/authenticate.ts';
import type { Caller } from '../http/caller.ts';
import { parseJson } from '../http/json-body.ts';
import type { Line } from '../http/ndjson.ts';
import { bugBody, problemBody, problemReplies, type ProblemReply } from '../http/problem-replies.ts';
import { serverLimits } from '../http/server.ts';
import { toSignalAnswer } from '../http/signal-answer.ts';
import type { HandleSignal, MakeStatement } from '../pipeline/ports.ts';
import { requireSignalBody, statementOf } from './say-signal.ts';

export const batchLimits = {
  lines: 1_000,
  bytes: 1_048_576,
  /** As much as a signal may have that comes alone. */
  lineBytes: serverLimits.bodyBytes,
  /** Batches under way: their lines together stay below what may wait in the pipeline. */
  places: { all: 8, ofSource: 2 },
  /** Lines that are read in one turn of the event loop: a kill that comes meanwhile waits for no more of them. */
  linesPerTurn: 100,
  /** A dry run is a transaction of its own; more at a time would keep real signals from the database. */
  dryRunsAtOnce: 4,
  /** Entries of one signal that its line lists; GET /v1/signals/:id has all. */
  listed: 20,
  /** After the last signal has been handled the sender takes the answers within this time, or loses them. */
  answerMs: 60_000,
} as const;

export type BatchOptions = {
  readonly handle: HandleSignal;
  readonly makeStatement: MakeStatement;
  readonly explainError: ExplainError;
  readonly noteRefusal: (refusal: Refusal) => void;
};

export type Batch = {
  readonly caller: Caller;
  readonly lines: readonly Line[];
  readonly correlationId: string;
  readonly dryRun: boolean;
  /** Told of what is no refusal, and of what was turned away for now. */
  readonly onTrouble: (trouble: { readonly kind: 'bug' | 'turned-away'; readonly error: unknown }) => void;
};

/**
 * Says every line of a batch and answers each by a line of JSON, in the order of the lines. All are handed to the pipeline
 * as fast as they can be read: none waits for what becomes of another, so that they share its transactions. None of the
 * promises rejects.
 */
export function sayBatch(options: BatchOptions, batch: Batch): readonly Promise<string>[] {
  const { caller, dryRun } = batch;
  const say = async ({ line, bytes }: Line): Promise<string> => {
    try {
      if (bytes.length > batchLimits.lineBytes) throw lineTooLong();
      const body = requireSignalBody(parseJson(bytes, 'line'));
      const { correlationId } = batch;
      const statement = statementOf(options.makeStatement, { caller, body, bytes, correlationId });
      const handled = await options.handle(statement, { dryRun });
      return JSON.stringify({ line, ...shortened(toSignalAnswer(handled, { dryRun }), handled) });
    } catch (thrown) {
      return JSON.stringify({ line, ...refusalOf(thrown, options, batch) });
    }
  };
  return dryRun ? inLanes(batch.lines, say) : inTurns(batch.lines, say);
}

/** All that are read in one turn at once, and the next in the next. */
function inTurns<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): readonly Promise<Result>[] {
  let turn: Promise<void> | undefined;
  return items.map((item, index) => {
    if (index > 0 && index % batchLimits.linesPerTurn === 0)
      turn = (turn ?? Promise.resolve()).then(nextTurn);
    return turn === undefined ? work(item) : turn.then(() => work(item));
  });
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** So many at a time. */
function inLanes<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): readonly Promise<Result>[] {
  const lanes: Promise<unknown>[] = Array.from({ length: batchLimits.dryRunsAtOnce }, () =>
    Promise.resolve(),
  );
  return items.map((item, index) => {
    const lane = index % lanes.length;
    const result = (lanes[lane] ?? Promise.resolve()).then(() => work(item));
    lanes[lane] = result;
    return result;
  });
}

/** A line stays short however much its signal hits: a batch of large families would not fit into memory. */
function shortened(answer: ReturnType<typeof toSignalAnswer>, { signalId }: HandledSignal): object {
  const { revocations, lifted, agents, warnings } = answer;
  const longest = Math.max(revocations.length, lifted.length, agents.length);
  if (longest <= batchLimits.listed) return answer;
  const where = answer.dry_run === true ? 'alone it has all' : `GET /v1/signals/${signalId} has all`;
  const text = `Lists have the first ${batchLimits.listed} of up to ${longest}: ${where}.`;
  return {
    ...answer,
    revocations: revocations.slice(0, batchLimits.listed),
    lifted: lifted.slice(0, batchLimits.listed),
    agents: agents.slice(0, batchLimits.listed),
    warnings: [...warnings, { code: 'shortened', text }],
  };
}

function refusalOf(thrown: unknown, options: BatchOptions, { caller, onTrouble }: Batch): object {
  const problem = problemOf(thrown, options.explainError);
  if (problem === undefined) {
    onTrouble({ kind: 'bug', error: thrown });
    return bugBody;
  }
  const { status, retryAfterSeconds }: ProblemReply = problemReplies[problem.code];
  if (status === 403) options.noteRefusal({ who: caller.actor, reason: problem.code });
  if (status === 503) onTrouble({ kind: 'turned-away', error: problem });
  return {
    ...(retryAfterSeconds === undefined ? {} : { retry_after: retryAfterSeconds }),
    ...problemBody(problem),
  };
}

const lineTooLong = (): Problem =>
  new Problem('body-too-large', `The line is longer than ${batchLimits.lineBytes} bytes.`);
