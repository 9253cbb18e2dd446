import { Option, type Command } from 'commander';
import { parseCount } from '../arguments.ts';
import type { Bind, CommandContext } from '../command.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { path } from '../hub.ts';
import { bindList, type Listing, type PageOptions, showPage } from '../list.ts';
import { fields, millisText, momentText, spanText, subjectText, table } from '../text.ts';
import type { AddedPoint, Point, Report } from '../wire.ts';

type AddOptions = { readonly expect?: string; readonly ephemeral?: true };
type ReportOptions = PageOptions & { readonly kind?: string };

export function addPointCommands(program: Command, bind: Bind): void {
  const point = program.command('point').description('who enforces, and how far each instance is');
  bind(point.command('list').description('list enforcement points'), ['point list'], list);
  bind(
    point.command('show').description('show a point and its instances').argument('<NAME>'),
    ['point show edge'],
    show,
  );
  const addCommand = point
    .command('add')
    .description('add a point; prints its token, this once')
    .argument('<NAME>')
    .option('--expect <count>', 'with fewer instances nothing counts as enforced everywhere (default: 1)')
    .option('--ephemeral', 'instances that fall silent leave once they have closed');
  bind<AddOptions>(addCommand, ['point add edge --expect 3'], add);
  bind(
    point.command('retire').description('wait for it no more; its tokens end').argument('<NAME>'),
    ['point retire edge'],
    retire,
  );
  bindList<Report, ReportOptions>(
    bind,
    point
      .command('reports')
      .description('list what instances refused and saw, newest first')
      .argument('[NAME]')
      .addOption(new Option('--kind <kind>').choices(['refusal', 'sighting'])),
    ['point reports', 'point reports edge --kind refusal'],
    reports,
  );
}

async function list({ connect, screen }: CommandContext): Promise<ExitCode> {
  const hub = await connect();
  const reply: { readonly items: readonly Point[] } = await hub.call('GET', '/v1/points');
  showPage(screen, reply, {
    header: ['point', 'expects', 'connected', 'silent', ''],
    cells: ({ name, expect, instances, retired_at_ms: retired }) => [
      name,
      String(expect),
      String(instances.filter(({ state }) => state === 'connected').length),
      String(instances.filter(({ state }) => state === 'silent').length),
      retired === undefined ? '' : `retired ${millisText(retired)}`,
    ],
    empty: 'No points: nobody enforces anything. Add one: caep-hub point add NAME --expect 1',
  });
  return exitCodes.done;
}

async function show(context: CommandContext, _: object, [name = '']: readonly string[]): Promise<ExitCode> {
  const hub = await context.connect();
  return tell(context, await hub.call('GET', path`/v1/points/${name}`));
}

async function add(
  { connect, screen }: CommandContext,
  { expect, ephemeral }: AddOptions,
  [name = '']: readonly string[],
): Promise<ExitCode> {
  const body = {
    name,
    ...(expect !== undefined && { expect: parseCount('--expect', expect) }),
    ...(ephemeral === true && { ephemeral }),
  };
  const hub = await connect();
  const lookWith = `caep-hub point show ${name}; where it is and its token is lost, \`caep-hub token create HOLDER --scope point --point ${name}\` makes another`;
  const added: AddedPoint = await hub.call('POST', '/v1/points', { body, lookWith });
  screen.show(added, ({ token, expect }) => [
    `Point ${name} expects ${expect}. Its token, shown this once:`,
    token.secret,
    `Each process names itself: Caep-Point: ${name}/INSTANCE`,
  ]);
  return exitCodes.done;
}

async function retire(context: CommandContext, _: object, [name = '']: readonly string[]): Promise<ExitCode> {
  const hub = await context.connect();
  return tell(
    context,
    await hub.call('POST', path`/v1/points/${name}/retire`, { lookWith: `caep-hub point show ${name}` }),
  );
}

const reports = (
  { surroundings }: CommandContext,
  { kind }: ReportOptions,
  [point]: readonly string[],
): Listing<Report> => {
  const nowMs = surroundings.nowMs();
  return {
    path: '/v1/points/reports',
    query: { point, kind },
    header: ['received', 'instance', 'kind', 'what'],
    cells: (report) => [
      momentText(report.received_at_ms, nowMs),
      `${report.point}/${report.instance}`,
      report.kind,
      subjectText(report.detail),
    ],
    empty: 'No reports.',
  };
};

function tell({ screen, surroundings }: CommandContext, point: Point): ExitCode {
  const nowMs = surroundings.nowMs();
  screen.show(point, (shown) => linesOf(shown, nowMs));
  return exitCodes.done;
}

const linesOf = (
  { name, expect, ephemeral, instances, created_at_ms, retired_at_ms }: Point,
  nowMs: number,
): readonly string[] => [
  ...fields({
    point: name,
    expects: expect,
    ephemeral: ephemeral ? 'yes' : undefined,
    added: millisText(created_at_ms),
    retired: retired_at_ms === undefined ? undefined : millisText(retired_at_ms),
  }),
  ...table(
    ['instance', 'state', 'behind', 'stale', 'seen', 'is'],
    instances.map((instance) => [
      instance.instance,
      instance.state,
      instance.behind === undefined ? '?' : String(instance.behind),
      spanText(instance.stale_ms),
      momentText(instance.last_seen_ms, nowMs),
      `${instance.kind} ${instance.version}${instance.divergent === true ? ', DIVERGENT' : ''}`,
    ]),
    'No instance was ever seen.',
  ),
];
