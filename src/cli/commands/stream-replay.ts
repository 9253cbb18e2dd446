import type { Command } from 'commander';
import { parseTime, several } from '../arguments.ts';
import type { Bind, CommandContext } from '../command.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { path } from '../hub.ts';

type ReplayOptions = {
  readonly set?: readonly string[];
  readonly from?: string;
  readonly until?: string;
  readonly dryRun?: true;
};

/** `stream replay|sample`: what is sent again, and what is sent to try it out. */
export function addReplayCommands(stream: Command, bind: Bind): void {
  bind<ReplayOptions>(
    stream
      .command('replay')
      .description('send dead SETs again: the same bytes')
      .argument('<ID>', 'str_…')
      .option('--set <jti>', 'only this one (may be repeated)', several)
      .option('--from <time>', 'made at or after this time, such as 2026-11-24T12:00:00Z')
      .option('--until <time>', 'made at or before this time')
      .option('--dry-run', 'only count them'),
    ['stream replay str_01JD… --dry-run', 'stream replay str_01JD… --from 2026-11-24T12:00:00Z'],
    replay,
  );
  bind(
    stream
      .command('sample')
      .description('send one of each event that the stream delivers, about sample@example.com')
      .argument('<ID>', 'str_…'),
    ['stream sample str_01JD…'],
    sample,
  );
}

async function replay(
  { connect, screen }: CommandContext,
  { set, from, until, dryRun }: ReplayOptions,
  [id = '']: readonly string[],
): Promise<ExitCode> {
  const body = {
    ...(set === undefined ? {} : { jtis: [...set] }),
    ...(from === undefined ? {} : { from_ms: parseTime('--from', from) }),
    ...(until === undefined ? {} : { until_ms: parseTime('--until', until) }),
  };
  const hub = await connect();
  const query = dryRun === true ? { dry_run: true } : {};
  const answer = await hub.call<Replayed>('POST', path`/v1/streams/${id}/replay`, { body, query });
  screen.show(answer, ({ count, outdated, more, dry_run: isDry }) => [
    `${sets(count)} ${isDry ? 'would be sent again.' : 'on the way again.'}`,
    ...(outdated > 0 ? [`${sets(outdated)} not: a later one about the same says what holds now.`] : []),
    ...(more ? ['There may be more: this is as many as go at a time. Say it again for the rest.'] : []),
  ]);
  return exitCodes.done;
}

const sets = (count: number): string => `${count} ${count === 1 ? 'SET' : 'SETs'}`;

type Replayed = {
  readonly count: number;
  readonly outdated: number;
  readonly more: boolean;
  readonly dry_run: boolean;
};

async function sample(
  { connect, screen }: CommandContext,
  _: object,
  [id = '']: readonly string[],
): Promise<ExitCode> {
  const hub = await connect();
  const answer = await hub.call<{ readonly event_types: readonly string[] }>(
    'POST',
    path`/v1/streams/${id}/samples`,
  );
  screen.show(answer, ({ event_types: types }) =>
    types.length === 0
      ? ['The stream delivers no events: its receiver asked for none.']
      : [
          `On the way, about sample@example.com: ${types.length} ${types.length === 1 ? 'event' : 'events'}.`,
          ...types.map((type) => `  ${type}`),
        ],
  );
  return exitCodes.done;
}
