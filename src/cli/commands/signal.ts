import { Option, type Command } from 'commander';
import { outcomes } from '../../core/decision.ts';
import { confidences, type Confidence } from '../../core/signal.ts';
import { parseCount, readJsonObject } from '../arguments.ts';
import { wrongUsage } from '../cli-problem.ts';
import type { Bind, CommandContext } from '../command.ts';
import { conclude } from '../conclude.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { path } from '../hub.ts';
import { newSignalId, postSignal, tryOut } from '../post-signal.ts';
import type { Paint } from '../paint.ts';
import { answerLines, conclusionLine, instanceLine, laggardLines } from '../signal-text.ts';
import { bindList, type Listing, type PageOptions, showPage } from '../list.ts';
import { fields, millisText, momentText, secondsText, subjectText } from '../text.ts';
import { parseWait, withWait } from '../wait.ts';
import type { Enforcement, EventType, Signal } from '../wire.ts';
import { readSubject } from './kill.ts';
import { sayBatch } from './signal-batch.ts';

type SayOptions = {
  readonly batch?: string;
  readonly subject?: string;
  readonly data?: string;
  readonly at?: string;
  readonly confidence?: Confidence;
  readonly reason?: string;
  readonly id?: string;
  readonly txn?: string;
  readonly wait: string;
  readonly dryRun?: true;
};
type ListOptions = PageOptions & { readonly outcome?: string; readonly source?: string };

export function addSignalCommands(program: Command, bind: Bind): void {
  const signal = program
    .command('signal')
    .summary('say that something happened; list and show what was said')
    .description('Posts one event about a subject, and watches the points take up what follows from it.')
    .argument('[EVENT]', 'short name or URI; `signal types` lists them')
    .argument('[KEY=VALUE...]', 'about whom')
    .option('--batch <file>', 'say one signal a line instead, as POST /v1/signals takes it; "-" is stdin')
    .option('--subject <json>', 'an RFC 9493 or SSF complex subject instead, or @FILE')
    .option('--data <json>', "the event's own members, or @FILE")
    .option('--at <second>', 'when it happened, in Unix seconds; default now')
    .addOption(new Option('--confidence <level>', 'how sure the sender is').choices(confidences))
    .option('--reason <text>', 'for people who look at it later')
    .option('--id <id>', 'idempotency key: the same again is the same signal')
    .option('--txn <txn>', 'ties together what belongs to one transaction')
    .option('--dry-run', 'show what would follow, and change nothing');
  bind<SayOptions>(
    withWait(signal),
    [
      'signal credential-compromise agent=build-runner',
      'signal session-revoked --subject \'{"format":"email","email":"mara@example.com"}\'',
      'signal risk-level-change agent=build-runner --data @risk.json --dry-run',
      'signal --batch alerts.ndjson',
      'signal show sig_01JD…',
    ],
    say,
  );
  bind(
    signal.command('show').description('show a signal and who enforces it').argument('<SIGNAL>', 'sig_…'),
    ['signal show sig_01JD…'],
    show,
  );
  bindList<Signal, ListOptions>(
    bind,
    signal
      .command('list')
      .description('list signals, newest first')
      .addOption(new Option('--outcome <outcome>').choices(outcomes))
      .option('--source <source>'),
    ['signal list', 'signal list --outcome held --source splunk'],
    list,
  );
  bind(
    signal.command('types').description('list the event types that the hub understands'),
    ['signal types'],
    types,
  );
}

async function say(
  context: CommandContext,
  options: SayOptions,
  [event, ...pairs]: readonly string[],
): Promise<ExitCode> {
  if (options.batch !== undefined) return sayFile(context, options.batch, event, options);
  if (event === undefined) throw wrongUsage('No event is named.', '`caep-hub signal types` lists them.');
  const { at, confidence, reason, id = newSignalId(), txn, dryRun } = options;
  const waitMs = parseWait(options.wait);
  const body = {
    event,
    subject: await readSubject(options.subject, pairs),
    ...(options.data !== undefined && { data: await readJsonObject('--data', options.data) }),
    ...(at !== undefined && { event_timestamp: parseCount('--at', at) }),
    ...(confidence !== undefined && { confidence }),
    ...(reason !== undefined && { reason }),
    ...(txn !== undefined && { txn }),
    id,
  };
  const hub = await context.connect();
  if (dryRun !== true) return conclude(context, hub, await postSignal(hub, body), { waitMs });
  const { screen } = context;
  screen.show(await tryOut(hub, body), (answer) => answerLines(answer, screen.paint));
  return exitCodes.done;
}

/** What is said stands in the lines: beside a file only what concerns all of them. */
function sayFile(
  context: CommandContext,
  file: string,
  event: string | undefined,
  options: SayOptions,
): Promise<ExitCode> {
  const { wait, dryRun = false, subject, data, at, confidence, reason, id, txn } = options;
  if ([event, subject, data, at, confidence, reason, id, txn].some((own) => own !== undefined)) {
    throw wrongUsage(
      'With --batch every line says all by itself.',
      'Leave the rest to the lines of the file.',
    );
  }
  return sayBatch(context, { file, dryRun, waitMs: parseWait(wait) });
}

async function show(context: CommandContext, _: object, [id = '']: readonly string[]): Promise<ExitCode> {
  const hub = await context.connect();
  const signal: Signal = await hub.call('GET', path`/v1/signals/${id}`);
  // Where there is nothing to enforce, the signal says nothing of it.
  const enforcement: Enforcement | undefined =
    signal.enforcement && (await hub.call('GET', path`/v1/signals/${id}/enforcement`));
  const { screen } = context;
  screen.show({ ...signal, ...(enforcement && { enforcement }) }, () => [
    ...fields({
      event: signal.event,
      subject: subjectText(signal.subject),
      data: Object.keys(signal.data).length === 0 ? undefined : JSON.stringify(signal.data),
      happened: secondsText(signal.event_timestamp),
      received: millisText(signal.received_at_ms),
      by: `${signal.actor} (source ${signal.source})`,
      reason: signal.reason,
      rule: `${signal.decision.rule} (policy ${signal.decision.policy_version})`,
    }),
    ...answerLines(signal, screen.paint),
    ...(enforcement ? enforcementLines(enforcement, screen.paint) : []),
  ]);
  return exitCodes.done;
}

function enforcementLines(enforcement: Enforcement, paint: Paint): readonly string[] {
  const settled = enforcement.instances.filter(({ state }) => state !== 'pending');
  const width = Math.max(0, ...settled.map(({ point, instance }) => point.length + instance.length + 1));
  return [
    ...settled.map((one) => instanceLine(one, width, paint)),
    ...laggardLines(enforcement, paint),
    conclusionLine(enforcement, paint),
  ];
}

const list = ({ surroundings }: CommandContext, { outcome, source }: ListOptions): Listing<Signal> => {
  const nowMs = surroundings.nowMs();
  return {
    path: '/v1/signals',
    query: { outcome, source },
    header: ['received', 'signal', 'event', 'outcome', 'subject'],
    cells: (signal) => [
      momentText(signal.received_at_ms, nowMs),
      signal.signal_id ?? '',
      signal.event.replace(/^.*[/:]/, ''),
      signal.decision.outcome,
      subjectText(signal.subject),
    ],
    empty: 'No signals.',
  };
};

async function types({ connect, screen }: CommandContext): Promise<ExitCode> {
  const hub = await connect();
  const reply: { readonly items: readonly EventType[] } = await hub.call('GET', '/v1/event-types');
  showPage(screen, reply, {
    header: ['type', 'from', 'means'],
    cells: ({ name, profile, description }) => [name, profile, description],
    empty: 'The hub understands none.',
  });
  return exitCodes.done;
}
