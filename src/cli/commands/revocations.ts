import { Option, type Command } from 'commander';
import { effects } from '../../core/revocation.ts';
import { parseMatchPairs } from '../arguments.ts';
import type { Bind, CommandContext } from '../command.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { path } from '../hub.ts';
import { bindList, type Listing, type PageOptions } from '../list.ts';
import { fields, millisText, secondsText, subjectText } from '../text.ts';
import type { Revocation } from '../wire.ts';
import { addLiftCommand } from './lift.ts';

type ListOptions = PageOptions & {
  readonly all?: true;
  readonly agent?: string;
  readonly signal?: string;
  readonly effect?: string;
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
    .addOption(new Option('--effect <effect>').choices(effects));
  bindList<Revocation, ListOptions>(
    bind,
    listCommand,
    ['revocation list', 'revocation list --agent build-runner --all'],
    list,
  );
  bind(
    revocation.command('show').description('show a revocation').argument('<REVOCATION>', 'rev_…'),
    ['revocation show rev_01JD…'],
    show,
  );
  addLiftCommand(revocation, bind);
}

const list = (
  _: CommandContext,
  { all, agent, signal, effect }: ListOptions,
  pairs: readonly string[],
): Listing<Revocation> => {
  const members = pairs.length === 0 ? {} : parseMatchPairs(pairs);
  return {
    path: '/v1/revocations',
    query: { state: all === true ? undefined : 'live', agent, signal, effect, ...members },
    header: ['revocation', 'effect', 'state', 'put', 'match'],
    cells: (entry) => [
      entry.id,
      entry.effect,
      entry.state,
      millisText(entry.put_at_ms),
      subjectText(entry.match),
    ],
    empty: 'Nothing is in force.',
  };
};

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
