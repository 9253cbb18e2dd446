import type { Command } from 'commander';
import type { JsonObject } from '../../core/vocabulary.ts';
import { wrongUsage } from '../cli-problem.ts';
import type { Bind, CommandContext } from '../command.ts';
import { conclude } from '../conclude.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { path } from '../hub.ts';
import { newSignalId, postSignal, tryOut } from '../post-signal.ts';
import { answerLines } from '../signal-text.ts';
import { parseWait, withWait } from '../wait.ts';
import type { Signal, SignalAnswer, SignalRequest } from '../wire.ts';

type LiftOptions = {
  readonly reason?: string;
  readonly restoreTokens?: true;
  readonly id?: string;
  readonly dryRun?: true;
  readonly wait: string;
};

export function addLiftCommands(program: Command, bind: Bind): void {
  const undoCommand = withOptions(
    program
      .command('undo')
      .summary('lift everything that one signal put, whatever came after')
      .description('Lifts what one signal put and touches nothing else. A disable leaves a cut-off behind.')
      .argument('<SIGNAL>', 'sig_…')
      .option('--id <id>', 'idempotency key: the same again is the same signal'),
  );
  bind<LiftOptions>(undoCommand, ['undo sig_01JD…', 'undo sig_01JD… --dry-run'], undo);
  addLiftCommand(program, bind);
}

/** Stands alone and below `revocation`. */
export function addLiftCommand(parent: Command, bind: Bind): void {
  const liftCommand = withOptions(
    parent
      .command('lift')
      .summary('lift one revocation')
      .description('Lifts one entry. A disable leaves a cut-off behind: tokens from before stay dead.')
      .argument('<REVOCATION>', 'rev_…'),
  );
  bind<LiftOptions>(
    liftCommand,
    ['lift rev_01JD…', 'lift rev_01JD… --restore-tokens --reason "false alarm"'],
    lift,
  );
}

const withOptions = (command: Command): Command =>
  withWait(command)
    .option('--reason <text>', 'for people who look at it later')
    .option('--restore-tokens', 'leave no cut-off behind; waits for two persons')
    .option('--dry-run', 'show what would end, and change nothing');

/** One order to lift names the signal; the hub finds what of it still lives. */
async function undo(
  context: CommandContext,
  options: LiftOptions,
  [signalId = '']: readonly string[],
): Promise<ExitCode> {
  requirePrefix(signalId, 'sig_', 'undo takes a signal', 'caep-hub lift');
  const waitMs = parseWait(options.wait);
  const hub = await context.connect();
  const { subject }: Signal = await hub.call('GET', path`/v1/signals/${signalId}`);
  const body: SignalRequest = {
    event: 'revocation-lifted',
    subject,
    data: { signal_id: signalId, ...membersOf(options) },
  };
  if (options.dryRun === true) return preview(context, await tryOut(hub, body));
  const answer = await postSignal(hub, { ...body, id: options.id ?? newSignalId() });
  return conclude(context, hub, answer, { waitMs });
}

async function lift(
  context: CommandContext,
  options: LiftOptions,
  [revocationId = '']: readonly string[],
): Promise<ExitCode> {
  requirePrefix(revocationId, 'rev_', 'lift takes a revocation', 'caep-hub undo');
  const waitMs = parseWait(options.wait);
  const hub = await context.connect();
  const answer: SignalAnswer = await hub.call('POST', path`/v1/revocations/${revocationId}/lift`, {
    body: membersOf(options),
    query: { ...(options.dryRun === true && { dry_run: true }) },
    lookWith: `caep-hub revocation show ${revocationId}`,
  });
  return options.dryRun === true ? preview(context, answer) : conclude(context, hub, answer, { waitMs });
}

const membersOf = ({ reason, restoreTokens }: LiftOptions): JsonObject => ({
  ...(reason !== undefined && { reason }),
  ...(restoreTokens === true && { restore_tokens: true }),
});

function preview({ screen }: CommandContext, answer: SignalAnswer): ExitCode {
  screen.show(answer, (shown) => answerLines(shown, screen.paint));
  return exitCodes.done;
}

function requirePrefix(id: string, prefix: string, rule: string, other: string): void {
  if (!id.startsWith(prefix))
    throw wrongUsage(`"${id}" does not begin with ${prefix}: ${rule}.`, `The other kind: ${other}.`);
}
