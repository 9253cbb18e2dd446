import { setTimeout as sleep } from 'node:timers/promises';
import { isCliProblem, wrongUsage } from '../cli-problem.ts';
import type { CommandContext } from '../command.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { followEnforcement } from '../follow-enforcement.ts';
import { type Hub, path } from '../hub.ts';
import { newSignalId } from '../post-signal.ts';
import { type FileLine, readLines } from '../read-lines.ts';
import type { Paint } from '../paint.ts';
import { conclusionLine } from '../signal-text.ts';
import { countText } from '../text.ts';
import type { Enforcement, LineAnswer, LineRefusal, SignalAnswer } from '../wire.ts';

/** Of one request: half of what a hub takes. */
const partMax = { lines: 500, characters: 262_144 } as const;
const partAnswerMs = 60_000;
/** Before lines that were turned away for now are said again. */
const againWaitsMs = [500, 2_000, 5_000] as const;
/** Signals whose enforcement is asked for at a time. */
const askedAtOnce = 8;

type Saying = { readonly file: string; readonly dryRun: boolean; readonly waitMs: number };

/** What became of the lines so far. */
type Tally = {
  readonly counts: Map<string, number>;
  /** Signals that put or lifted something, in the order of their lines. */
  readonly acting: string[];
};

/** Says every line of a file, tells those that did not simply take effect, and sums up. */
export async function sayBatch(context: CommandContext, saying: Saying): Promise<ExitCode> {
  const { screen, surroundings } = context;
  const { file, dryRun, waitMs } = saying;
  const hub = await context.connect();
  const tally: Tally = { counts: new Map(), acting: [] };
  let from = 1;
  try {
    for await (const part of partsOf(readLines('--batch', file, surroundings))) {
      from = part[0]?.number ?? from;
      for (const answer of await sayPart(hub, part, dryRun)) note(context, tally, answer);
    }
  } catch (error) {
    const isHalfDone = isCliProblem(error) && error.exitCode !== exitCodes.usage && tally.counts.size > 0;
    if (isHalfDone) screen.note(`Said until line ${from - 1}: ${countsText(tally)}.`);
    throw error;
  }
  if (tally.counts.size === 0) throw wrongUsage(`--batch: ${file} has no line.`);
  const open = dryRun ? [] : await findUnconfirmed(context, hub, tally.acting, waitMs);
  const exitCode = dryRun && !isTroubled(tally) ? exitCodes.done : exitCodeOf(tally, open.length);
  const summary = {
    counts: Object.fromEntries(tally.counts),
    not_confirmed: open.map(({ id }) => id),
    exit_code: exitCode,
  };
  if (screen.json) screen.append(summary, () => '');
  screen.line(`${dryRun ? 'dry run: ' : ''}${countsText(tally)}`);
  for (const line of openLines(open, screen.paint)) screen.line(line);
  return exitCode;
}

async function* partsOf(lines: AsyncIterable<FileLine>): AsyncGenerator<readonly FileLine[]> {
  let part: FileLine[] = [];
  let characters = 0;
  for await (const line of lines) {
    const isFull = part.length === partMax.lines || characters + line.text.length > partMax.characters;
    if (part.length > 0 && isFull) {
      yield part;
      [part, characters] = [[], 0];
    }
    part.push({ ...line, text: withId(line.text) });
    characters += line.text.length;
  }
  if (part.length > 0) yield part;
}

/** Lines without an id get one, so that saying them again after a lost answer is harmless. */
function withId(text: string): string {
  try {
    const said: unknown = JSON.parse(text);
    const isObject = typeof said === 'object' && said !== null && !Array.isArray(said);
    return isObject && !('id' in said) ? JSON.stringify({ ...said, id: newSignalId() }) : text;
  } catch {
    // The hub says what is wrong with it.
    return text;
  }
}

/** The answers in the order of the lines, with the numbers that the file has for them. */
async function sayPart(hub: Hub, part: readonly FileLine[], dryRun: boolean): Promise<readonly LineAnswer[]> {
  const answers = new Map<number, LineAnswer>();
  let left = part;
  for (const waitMs of [0, ...againWaitsMs]) {
    await sleep(waitMs);
    const heard: readonly LineAnswer[] = await hub.call('POST', '/v1/signals', {
      lines: left.map(({ text }) => text),
      repeatable: true,
      timeoutMs: partAnswerMs,
      ...(dryRun && { query: { dry_run: true } }),
    });
    for (const answer of heard) {
      const line = left[answer.line - 1]?.number;
      if (line !== undefined) answers.set(line, { ...answer, line });
    }
    left = left.filter(({ number }) => isTurnedAway(answers.get(number)));
    if (left.length === 0) break;
  }
  return part.flatMap(({ number }) => answers.get(number) ?? []);
}

const isRefusal = (answer: LineAnswer): answer is LineRefusal => 'code' in answer;
const isTurnedAway = (answer: LineAnswer | undefined): boolean =>
  answer !== undefined && isRefusal(answer) && (answer.status === 429 || answer.status === 503);

function note({ screen }: CommandContext, { counts, acting }: Tally, answer: LineAnswer): void {
  const kind = kindOf(answer);
  counts.set(kind, (counts.get(kind) ?? 0) + 1);
  if (!isRefusal(answer) && answer.revocations.length + answer.lifted.length > 0)
    acting.push(answer.signal_id ?? '');
  if (screen.json) screen.append(answer, () => '');
  else if (isRefusal(answer) || loud.has(answer.decision.outcome)) screen.line(lineText(answer));
}

/** Outcomes that somebody must look at. */
const loud: ReadonlySet<string> = new Set<SignalAnswer['decision']['outcome']>(['held', 'unresolved']);

function kindOf(answer: LineAnswer): string {
  if (!isRefusal(answer)) return answer.duplicate ? 'known before' : answer.decision.outcome;
  if (isTurnedAway(answer)) return 'turned away';
  return answer.status === 500 ? 'failed' : 'refused';
}

function lineText(answer: LineAnswer): string {
  if (!isRefusal(answer)) {
    return `line ${answer.line}: ${answer.decision.outcome} ${answer.signal_id ?? ''} ${answer.decision.text}`;
  }
  const places = (answer.errors ?? []).map(({ path, message }) => `${path} ${message}`).join('; ');
  return `line ${answer.line}: ${answer.code}: ${answer.detail ?? ''}${places === '' ? '' : ` (${places})`}`;
}

const countsText = ({ counts }: Tally): string =>
  [
    countText(
      [...counts.values()].reduce((sum, one) => sum + one, 0),
      'line',
    ),
    ...[...counts].map(([kind, count]) => `${count} ${kind}`),
  ].join(', ');

/** Waits for the points at the last signal, for they take them up in order; then looks at every one. */
async function findUnconfirmed(
  { screen, surroundings }: CommandContext,
  hub: Hub,
  acting: readonly string[],
  waitMs: number,
): Promise<readonly Unconfirmed[]> {
  const last = acting.at(-1);
  if (last === undefined) return [];
  await followEnforcement(hub, last, {
    stop: surroundings.interrupted(),
    atMostMs: waitMs,
    onState: () => undefined,
    onTrouble: (text) => screen.note(text),
  });
  const waiting = [...new Set(acting)];
  const open: Unconfirmed[] = [];
  const ask = async (): Promise<void> => {
    for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
      const enforcement: Enforcement = await hub.call('GET', path`/v1/signals/${id}/enforcement`);
      if (enforcement.state !== 'complete') open.push({ id, enforcement });
    }
  };
  await Promise.all(Array.from({ length: askedAtOnce }, ask));
  return open;
}

type Unconfirmed = { readonly id: string; readonly enforcement: Enforcement };

function openLines([first, ...others]: readonly Unconfirmed[], paint: Paint): readonly string[] {
  if (first === undefined) return [];
  return [
    conclusionLine(first.enforcement, paint),
    ...(others.length === 0 ? [] : [`  the same of ${countText(others.length, 'other signal')}`]),
    `Look again:  caep-hub signal show ${first.id}`,
  ];
}

const isTroubled = ({ counts }: Tally): boolean =>
  ['failed', 'turned away', 'refused'].some((kind) => counts.has(kind));

/** The gravest of what happened to any line. */
function exitCodeOf({ counts }: Tally, unconfirmed: number): ExitCode {
  if (counts.has('failed')) return exitCodes.bug;
  if (counts.has('turned away')) return exitCodes.unreachable;
  if (counts.has('refused')) return exitCodes.refused;
  if (counts.has('held')) return exitCodes.held;
  return counts.has('unresolved') || unconfirmed > 0 ? exitCodes.notConfirmed : exitCodes.done;
}
