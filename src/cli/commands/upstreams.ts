import type { Command } from 'commander';
import type { Bind, CommandContext } from '../command.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { path } from '../hub.ts';
import { bindList, type Listing, showPage } from '../list.ts';
import { columns, millisText, subjectText } from '../text.ts';
import type { ReceivedSet, RemovedUpstream, TestedUpstream, Upstream, VerifiedUpstream } from '../wire.ts';
import { addAdd, addSet, roundTimeoutMs } from './upstream-add.ts';
import { linesOf } from './upstream-text.ts';

export function addUpstreamCommands(program: Command, bind: Bind): void {
  const upstream = program.command('upstream').description('Transmitters that the hub listens to (SSF)');
  bind(upstream.command('list').description('list upstreams, and how they are'), ['upstream list'], list);
  bind(
    upstream.command('show').description('show an upstream').argument('<NAME>'),
    ['upstream show okta'],
    show,
  );
  addAdd(upstream, bind);
  addSet(upstream, bind);
  const steps: readonly Step[] = [
    ['verify', 'ask for a verification event, and wait for it', verify],
    ['connect', 'connect anew: find its stream again, or make it', connect],
    ['test', 'try everything that changes nothing', test],
    ['pause', 'take nothing from it, and have its stream paused', pausing(true)],
    ['resume', 'go on with it', pausing(false)],
  ];
  for (const [name, description, run] of steps) {
    bind(upstream.command(name).description(description).argument('<NAME>'), [`upstream ${name} okta`], run);
  }
  bind<{ readonly keepStream?: true }>(
    upstream
      .command('remove')
      .description('listen to it no more; its stream is deleted, what was done on its word stays')
      .argument('<NAME>')
      .option('--keep-stream', 'leave its stream at the Transmitter'),
    ['upstream remove okta'],
    remove,
  );
  bindList<ReceivedSet>(
    bind,
    upstream
      .command('sets')
      .description('SETs of it that put nothing into force, and why')
      .argument('<NAME>'),
    ['upstream sets okta'],
    sets,
  );
}

type Step = readonly [
  string,
  string,
  (context: CommandContext, _: object, operands: readonly string[]) => Promise<ExitCode>,
];

async function list({ connect, screen }: CommandContext): Promise<ExitCode> {
  const hub = await connect();
  showPage(screen, await hub.call<{ readonly items: readonly Upstream[] }>('GET', '/v1/upstreams'), {
    header: ['upstream', 'is', 'by', 'last SET', 'issuer', 'why'],
    cells: ({ name, health, delivery, last_set_at_ms: at, issuer }) => [
      name,
      health.state,
      delivery,
      at === undefined ? 'never' : millisText(at),
      issuer,
      health.state === 'verified' ? '' : health.text,
    ],
    empty: 'No upstreams: caep-hub upstream add NAME ISSUER.',
  });
  return exitCodes.done;
}

async function show(
  { connect, screen }: CommandContext,
  _: object,
  [name = '']: readonly string[],
): Promise<ExitCode> {
  const hub = await connect();
  screen.show(await hub.call<Upstream>('GET', path`/v1/upstreams/${name}`), linesOf);
  return exitCodes.done;
}

async function verify(
  { connect, screen }: CommandContext,
  _: object,
  [name = '']: readonly string[],
): Promise<ExitCode> {
  const hub = await connect();
  const verified = await hub.call<VerifiedUpstream>('POST', path`/v1/upstreams/${name}/verify`, {
    timeoutMs: roundTimeoutMs,
    lookWith: `caep-hub upstream show ${name}`,
  });
  screen.show(verified, ({ verified: came, upstream: { health } }) => [
    came
      ? `The verification event of ${name} came: SETs arrive.`
      : `The verification event of ${name} was asked for and has not come yet. ${health.text}`,
  ]);
  return verified.verified ? exitCodes.done : exitCodes.notConfirmed;
}

async function connect(
  { connect: open, screen }: CommandContext,
  _: object,
  [name = '']: readonly string[],
): Promise<ExitCode> {
  const hub = await open();
  const connected = await hub.call<Upstream>('POST', path`/v1/upstreams/${name}/connect`, {
    timeoutMs: roundTimeoutMs,
    lookWith: `caep-hub upstream show ${name}`,
  });
  screen.show(connected, linesOf);
  return exitCodes.done;
}

async function test(
  { connect, screen }: CommandContext,
  _: object,
  [name = '']: readonly string[],
): Promise<ExitCode> {
  const hub = await connect();
  const tested = await hub.call<TestedUpstream>('POST', path`/v1/upstreams/${name}/test`, {
    timeoutMs: roundTimeoutMs,
    repeatable: true,
  });
  screen.show(tested, ({ steps }) => columns(steps.map(({ step, outcome, text }) => [step, outcome, text])));
  return tested.ok ? exitCodes.done : exitCodes.notConfirmed;
}

const pausing =
  (paused: boolean) =>
  async (
    { connect, screen }: CommandContext,
    _: object,
    [name = '']: readonly string[],
  ): Promise<ExitCode> => {
    const hub = await connect();
    const changed = await hub.call<Upstream>('PATCH', path`/v1/upstreams/${name}`, { body: { paused } });
    screen.show(changed, ({ warnings = [] }) => [
      paused
        ? `${name} is paused: caep-hub upstream resume ${name} goes on with it.`
        : `${name} goes on: it is looked after now.`,
      ...warnings.map((warning) => `warning: ${warning}`),
    ]);
    return exitCodes.done;
  };

async function remove(
  { connect, screen }: CommandContext,
  { keepStream }: { readonly keepStream?: true },
  [name = '']: readonly string[],
): Promise<ExitCode> {
  const hub = await connect();
  const removed = await hub.call<RemovedUpstream>('DELETE', path`/v1/upstreams/${name}`, {
    query: { keep_stream: keepStream },
    timeoutMs: roundTimeoutMs,
    lookWith: 'caep-hub upstream list',
  });
  screen.show(removed, ({ stream, text }) => [
    `${name} is removed. ${wordsOf[stream]}`,
    ...(text === undefined ? [] : [text]),
  ]);
  return removed.stream === 'not-deleted' ? exitCodes.notConfirmed : exitCodes.done;
}

const wordsOf: Record<RemovedUpstream['stream'], string> = {
  deleted: 'Its stream is deleted.',
  kept: 'Its stream is left at its Transmitter.',
  none: 'It had no stream.',
  'not-deleted': 'Its stream is still at its Transmitter: delete it there.',
};

const sets = (_: CommandContext, __: object, [name = '']: readonly string[]): Listing<ReceivedSet> => ({
  path: path`/v1/upstreams/${name}/sets`,
  header: ['came', 'event', 'about', 'outcome', 'why'],
  cells: (one) => [
    millisText(one.received_at_ms),
    one.event_type.slice(one.event_type.lastIndexOf('/') + 1),
    subjectText(one.subject),
    one.outcome,
    one.text,
  ],
  empty: `None. What took effect: caep-hub signal list --source ${name}`,
});
