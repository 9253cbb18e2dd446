import type { CommandContext } from './command.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';
import { followEnforcement } from './follow-enforcement.ts';
import type { Hub } from './hub.ts';
import type { Screen } from './screen.ts';
import { answerLines, conclusionLine, instanceLine, laggardLines, outcomeLines } from './signal-text.ts';
import type { Enforcement, SignalAnswer } from './wire.ts';

export type Concluding = {
  /** How long the points are waited for. */
  readonly waitMs: number;
  /** The command was to refuse somebody: an answer that refuses nobody is no success. */
  readonly mustRefuse?: boolean;
  /** Whom it hits was shown already, before a person said yes. */
  readonly previewed?: boolean;
};

export type Concluded = {
  readonly exitCode: ExitCode;
  /** The answer with the last that was seen of the points. */
  readonly document: object;
};

/** Tells what became of a signal, watches the points take it up, and says how to undo it: the whole answer of a command. */
export async function conclude(
  context: CommandContext,
  hub: Hub,
  answer: SignalAnswer,
  concluding: Concluding,
): Promise<ExitCode> {
  const { document, exitCode } = await settle(context, hub, answer, concluding);
  context.screen.show({ ...document, exit_code: exitCode }, () => []);
  return exitCode;
}

/** The same for one of several signals: the document is left to the caller. */
export async function settle(
  { screen, surroundings }: CommandContext,
  hub: Hub,
  answer: SignalAnswer,
  { waitMs, mustRefuse = false, previewed = false }: Concluding,
): Promise<Concluded> {
  const lines = previewed ? outcomeLines(answer, screen.paint) : answerLines(answer, screen.paint);
  for (const line of lines) screen.line(line);
  const id = answer.signal_id ?? '';
  const acts = answer.revocations.length + answer.lifted.length > 0;
  const interrupted = surroundings.interrupted();
  const watched =
    acts && waitMs > 0
      ? await watchPoints(screen, hub, id, { stop: interrupted, atMostMs: waitMs })
      : undefined;
  const enforcement = watched ?? answer.enforcement;
  if (acts && enforcement !== undefined) screen.line(conclusionLine(enforcement, screen.paint));
  if (acts && enforcement?.state !== 'complete') screen.line(`Look again:  caep-hub signal show ${id}`);
  // What a lift leaves behind keeps stolen tokens dead: undoing it is not for a hint.
  if (acts && answer.lifted.length === 0) screen.line(`Undo:        caep-hub undo ${id}`);
  if (answer.decision.outcome === 'held') screen.line(`Decide:      caep-hub held release|discard ${id}`);
  return {
    exitCode: exitCodeOf(answer, acts, enforcement?.state, mustRefuse),
    document: { ...answer, ...(enforcement !== undefined && { enforcement }) },
  };
}

async function watchPoints(
  screen: Screen,
  hub: Hub,
  signalId: string,
  limits: { readonly stop: AbortSignal; readonly atMostMs: number },
): Promise<Enforcement | undefined> {
  const told = new Map<string, string>();
  const last = await followEnforcement(hub, signalId, {
    ...limits,
    onTrouble: (text) => screen.note(text),
    onState({ instances }) {
      const width = Math.max(
        0,
        ...instances.map(({ point, instance }) => point.length + instance.length + 1),
      );
      for (const one of instances) {
        const name = `${one.point}/${one.instance}`;
        if (one.state === 'pending' || told.get(name) === one.state) continue;
        told.set(name, one.state);
        screen.line(instanceLine(one, width, screen.paint));
      }
    },
  });
  for (const line of last === undefined ? [] : laggardLines(last, screen.paint)) screen.line(line);
  return last;
}

function exitCodeOf(
  { decision, revocations }: SignalAnswer,
  acts: boolean,
  state: Enforcement['state'] | undefined,
  mustRefuse: boolean,
): ExitCode {
  if (decision.outcome === 'held') return exitCodes.held;
  if (decision.outcome === 'unresolved') return exitCodes.notConfirmed;
  if (!acts) return mustRefuse ? exitCodes.notConfirmed : exitCodes.done;
  if (mustRefuse && revocations.length === 0) return exitCodes.notConfirmed;
  return state === 'complete' ? exitCodes.done : exitCodes.notConfirmed;
}
