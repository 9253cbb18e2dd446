import { Option, type Command } from 'commander';
import { effects, reaches } from '../../core/revocation.ts';
import type { JsonObject } from '../../core/vocabulary.ts';
import { parseCount, parseSpan, parseSubjectPairs, readJsonObject } from '../arguments.ts';
import { confirm } from '../ask.ts';
import { CliProblem, wrongUsage } from '../cli-problem.ts';
import type { Bind, CommandContext } from '../command.ts';
import { conclude } from '../conclude.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { newSignalId, postSignal, tryOut } from '../post-signal.ts';
import { answerLines } from '../signal-text.ts';
import { parseWait, withWait } from '../wait.ts';
import type { SignalRequest } from '../wire.ts';

type KillOptions = {
  readonly subject?: string;
  readonly event: string;
  readonly effect?: string;
  readonly reach?: string;
  readonly cutOff?: string;
  readonly for?: string;
  readonly data?: string;
  readonly reason?: string;
  readonly id?: string;
  readonly wait: string;
  readonly dryRun?: true;
  readonly yes?: true;
};

const ordered = 'revocation-ordered';

export function addKillCommand(program: Command, bind: Bind): void {
  const command = program
    .command('kill')
    .summary('refuse an agent, client, key or token everywhere, now')
    .description(
      'Shows whom it would hit, asks, fires, and watches every enforcement point confirm.\n' +
        'Keys: agent, or iss sub client_id workload jkt x5t#S256 jti sid token_sha256 (all given must hold).\n' +
        'Needs signals.write and revocations.write; signals.read to watch the points.',
    )
    .argument('[KEY=VALUE...]', 'whom')
    .option('--subject <json>', 'an RFC 9493 or SSF complex subject instead, or @FILE')
    .option('--event <type>', 'what happened; `signal types` lists them', ordered)
    .addOption(new Option('--effect <effect>', 'default deny').choices(effects))
    .addOption(new Option('--reach <reach>', 'default chain for deny, else actor').choices(reaches))
    .option('--cut-off <when>', 'refuse only what was issued until "now", or until a Unix second')
    .option('--for <span>', 'the hub lifts it by itself after 30m, 2h, …')
    .option('--data <json>', 'further members of the event, or @FILE')
    .option('--reason <text>', 'for people who look at it later')
    .option('--id <id>', 'idempotency key: the same again is the same signal')
    .option('--dry-run', 'show whom it would hit, and change nothing')
    .option('-y, --yes', 'do not ask');
  bind<KillOptions>(
    withWait(command),
    [
      'kill agent=build-runner',
      'kill client_id=build-runner iss=https://login.example --cut-off now',
      'kill jkt=0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I --event key-compromised --yes',
      'kill agent=build-runner --effect restrict --data \'{"restrict":{"read_only":true}}\' --for 2h',
    ],
    kill,
  );
}

async function kill(
  context: CommandContext,
  options: KillOptions,
  pairs: readonly string[],
): Promise<ExitCode> {
  const { screen, surroundings } = context;
  const waitMs = parseWait(options.wait);
  const body = await readOrder(options, pairs);
  const hub = await context.connect();
  const previewed = options.yes !== true;
  if (options.dryRun === true || previewed) {
    const preview = await tryOut(hub, body);
    if (options.dryRun === true) {
      screen.show(preview, (answer) => answerLines(answer, screen.paint));
      return exitCodes.done;
    }
    for (const line of answerLines(preview, screen.paint)) screen.note(line);
    if (!(await confirm('Fire?', screen, surroundings))) {
      throw new CliProblem(exitCodes.refused, 'declined', 'Not confirmed: nothing was done.');
    }
  }
  const answer = await postSignal(hub, { ...body, id: options.id ?? newSignalId() });
  return conclude(context, hub, answer, { waitMs, mustRefuse: true, previewed });
}

async function readOrder(options: KillOptions, pairs: readonly string[]): Promise<SignalRequest> {
  const { event, reason, id } = options;
  const data = await readData(options);
  return {
    event,
    subject: await readSubject(options.subject, pairs),
    ...(Object.keys(data).length > 0 && { data }),
    ...(reason !== undefined && { reason }),
    ...(id !== undefined && { id }),
  };
}

/** From `--subject` or from pairs, not from both. */
export async function readSubject(json: string | undefined, pairs: readonly string[]): Promise<JsonObject> {
  if (json === undefined) return parseSubjectPairs(pairs);
  if (pairs.length > 0) throw wrongUsage('--subject and KEY=VALUE are two ways to say whom: use one.');
  return readJsonObject('--subject', json);
}

async function readData(options: KillOptions): Promise<JsonObject> {
  const { effect, reach, cutOff, for: span } = options;
  const given = options.data === undefined ? {} : await readJsonObject('--data', options.data);
  const order: JsonObject = {
    ...(effect !== undefined && { effect }),
    ...(reach !== undefined && { reach }),
    ...(cutOff !== undefined && { cut_off: cutOff === 'now' ? cutOff : parseCount('--cut-off', cutOff) }),
    ...(span !== undefined && {
      lift_after_seconds: Math.max(1, Math.round(parseSpan('--for', span) / 1_000)),
    }),
  };
  if (options.event !== ordered && Object.keys(order).length > 0) {
    throw wrongUsage(
      `--effect, --reach, --cut-off and --for go with ${ordered} only: what follows from ${options.event} is policy.`,
    );
  }
  return { ...given, ...order };
}
