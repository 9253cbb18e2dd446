import { Option, type Command } from 'commander';
import type { Bind, CommandContext } from '../command.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { keepUp, type Listing as Followed, pause, poll } from '../follow.ts';
import type { Query } from '../hub.ts';
import { bindList, type Listing, type PageOptions } from '../list.ts';
import { columns, countText, millisText } from '../text.ts';
import type { AuditProof, AuditRow } from '../wire.ts';

type FilterOptions = {
  readonly actor?: string;
  readonly action?: string;
  readonly target?: string;
  readonly signal?: string;
  readonly txn?: string;
  readonly outcome?: string;
};
type ListOptions = FilterOptions & PageOptions;

/** A chain of millions of rows takes its time. */
const verifyMs = 300_000;

export function addAuditCommands(program: Command, bind: Bind): void {
  const audit = program
    .command('audit')
    .description('who did what, and the proof that nobody changed it since');
  const listCommand = withFilter(
    audit.command('list').description('list what was done and refused, newest first'),
  );
  bindList<AuditRow, ListOptions>(
    bind,
    listCommand,
    ['audit list --signal sig_01JD…', 'audit list --outcome refused'],
    list,
  );
  bind<FilterOptions>(
    withFilter(
      audit
        .command('follow')
        .description('follow it live, until Ctrl-C; goes on by itself when the hub was away'),
    ),
    ['audit follow', 'audit follow --outcome refused --json'],
    follow,
  );
  bind(
    audit.command('verify').description('recompute the chain; ends with 3 when it is broken'),
    ['audit verify', 'audit verify --json | jq .head'],
    verify,
  );
}

const withFilter = (command: Command): Command =>
  command
    .option('--actor <name>')
    .option('--action <noun.verb>')
    .option('--target <id>')
    .option('--signal <id>', 'the signal itself, or what it caused')
    .option('--txn <txn>')
    .addOption(new Option('--outcome <outcome>').choices(['done', 'refused']));

const queryOf = ({ actor, action, target, signal, txn, outcome }: FilterOptions): Query => ({
  actor,
  action,
  target,
  signal_id: signal,
  txn,
  outcome,
});

const list = (_: CommandContext, options: ListOptions): Listing<AuditRow> => ({
  path: '/v1/audit',
  query: queryOf(options),
  header: ['at', 'who', 'outcome', 'did', 'to'],
  cells: cellsOf,
  empty: 'Nothing was done.',
});

async function follow(
  { connect, screen, surroundings }: CommandContext,
  options: FilterOptions,
): Promise<ExitCode> {
  const hub = await connect();
  const { nowMs } = surroundings;
  const { note } = screen;
  const stop = surroundings.interrupted();
  const following = { hub, stop, nowMs, note, moved: (ms: number) => pause(ms, stop) };
  const rows: Followed<AuditRow> = {
    path: '/v1/audit',
    query: queryOf(options),
    listedBy: 'caep-hub audit list',
    idOf: ({ id }) => String(id),
    tell: (row) => screen.append(row, () => columns([cellsOf(row)]).join('')),
  };
  await keepUp('audit', (memory) => poll(following, memory, rows), following);
  return exitCodes.done;
}

async function verify({ connect, screen }: CommandContext): Promise<ExitCode> {
  const hub = await connect();
  const proof: AuditProof = await hub.call('GET', '/v1/audit/verify', { timeoutMs: verifyMs });
  const exitCode = proof.intact ? exitCodes.done : exitCodes.notConfirmed;
  screen.show({ ...proof, exit_code: exitCode }, ({ intact, rows, unchained, head, broken }) => [
    intact
      ? screen.paint.green(`INTACT  ${countText(rows, 'row')} recomputed`)
      : screen.paint.red(`BROKEN  at ${broken?.chain_seq ?? '?'}: ${broken?.why ?? 'unknown'}`),
    `head ${head.chain_seq}  ${head.hash}`,
    ...(unchained === 0 ? [] : [`${countText(unchained, 'row')} will be chained within a second.`]),
    'Note the head elsewhere: who can rewrite the database can rewrite the chain, but not what you noted.',
  ]);
  return exitCode;
}

const cellsOf = ({ at_ms: at, actor, outcome, action, target }: AuditRow): readonly string[] => [
  millisText(at),
  actor,
  outcome,
  action,
  target,
];
