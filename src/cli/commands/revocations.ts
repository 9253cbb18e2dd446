import { Option, type Command } from 'commander';
import { effects } from '../../core/revocation.ts';
import { parseCount, parseMatchPairs } from '../arguments.ts';
import { type Bind, type CommandContext, withExamples } from '../command.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { path } from '../hub.ts';
import { fields, millisText, secondsText, subjectText, table } from '../text.ts';
import type { Revocation } from '../wire.ts';
import { addLiftCommand } from './lift.ts';

type ListOptions = {
  readonly all?: true;
  readonly agent?: string;
  readonly signal?: string;
  readonly effect?: string;
  readonly limit: string;
};

export function addRevocationCommands(program: Command, bind: Bind): void {
  const revocation = program.command('revocation').description('what is in force, and what was');
  const listCommand = revocation
    .command('list')
    .description('list revocations, newest first')
    .argument('[KEY=VALUE...]', 'those whose match has these members')
    .option('--all', 'lifted and lapsed ones too')
    .option('--agent <name>')
    .option('--signal <id>')
    .addOption(new Option('--effect <effect>').choices(effects))
    .option('--limit <count>', 'at most so many', '50');
  bind<ListOptions>(
    withExamples(listCommand, ['revocation list', 'revocation list --agent build-runner --all']),
    list,
  );
  bind(revocation.command('show').description('show a revocation').argument('<REVOCATION>'), show);
  addLiftCommand(revocation, bind);
}

async function list(
  { connect, screen }: CommandContext,
  options: ListOptions,
  pairs: readonly string[],
): Promise<ExitCode> {
  const { all, agent, signal, effect, limit } = options;
  const members = pairs.length === 0 ? {} : parseMatchPairs(pairs);
  const query = { state: all === true ? undefined : 'live', agent, signal, effect, ...members };
  const hub = await connect();
  const page = await hub.list<Revocation>('/v1/revocations', query, parseCount('--limit', limit, 1));
  screen.show(page, ({ items, next_cursor: more }) => [
    ...table(
      ['revocation', 'effect', 'state', 'put', 'match'],
      items.map((entry) => [
        entry.id,
        entry.effect,
        entry.state,
        millisText(entry.put_at_ms),
        subjectText(entry.match),
      ]),
      'Nothing is in force.',
    ),
    ...(more === null ? [] : ['There are more: raise --limit.']),
  ]);
  return exitCodes.done;
}

async function show(
  { connect, screen }: CommandContext,
  _: object,
  [id = '']: readonly string[],
): Promise<ExitCode> {
  const hub = await connect();
  const revocation: Revocation = await hub.call('GET', path`/v1/revocations/${id}`);
  screen.show(revocation, (entry) =>
    fields({
      revocation: entry.id,
      state: entry.state,
      effect: entry.effect,
      match: subjectText(entry.match),
      reach: entry.reach,
      'issued until': entry.cut_off === undefined ? 'whenever issued' : secondsText(entry.cut_off),
      ends: endOf(entry),
      restrict: entry.restrict === undefined ? undefined : JSON.stringify(entry.restrict),
      'step-up': entry.step_up === undefined ? undefined : JSON.stringify(entry.step_up),
      reason: entry.reason,
      signal: entry.signal_id,
      source: entry.source,
      agent: entry.agent,
      position: entry.position,
      put: millisText(entry.put_at_ms),
      ended: entry.ended_at_ms === undefined ? undefined : millisText(entry.ended_at_ms),
      'ended by': entry.ended_by,
    }),
  );
  return exitCodes.done;
}

function endOf({ lapses_at: lapses, lift_at_ms: lift }: Revocation): string {
  if (lift !== undefined) return `lifted by the hub at ${millisText(lift)}`;
  return lapses === undefined ? 'when it is lifted' : `lapses at ${secondsText(lapses)}`;
}
