import { Option, type Command } from 'commander';
import type { Bind, CommandContext } from '../command.ts';
import { conclude } from '../conclude.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { path } from '../hub.ts';
import { bindList, type Listing, type PageOptions } from '../list.ts';
import { fields, millisText, subjectText } from '../text.ts';
import { parseWait, withWait } from '../wait.ts';
import type { Held, Release } from '../wire.ts';

type ListOptions = PageOptions & { readonly state: string };

export function addHeldCommands(program: Command, bind: Bind): void {
  const held = program.command('held').description('signals that wait for a person');
  bindList<Held, ListOptions>(
    bind,
    held
      .command('list')
      .description('list held signals, those with the nearest deadline first')
      .addOption(
        new Option('--state <state>').choices(['waiting', 'released', 'discarded']).default('waiting'),
      ),
    ['held list', 'held list --state discarded'],
    list,
  );
  bind(
    held.command('show').description('show a held signal').argument('<SIGNAL>', 'sig_…'),
    ['held show sig_01JD…'],
    show,
  );
  const releaseCommand = held
    .command('release')
    .description('approve it; with enough approvals it takes effect. Never by its own maker')
    .argument('<SIGNAL>', 'sig_…');
  bind<{ readonly wait: string }>(withWait(releaseCommand), ['held release sig_01JD…'], release);
  bind(
    held
      .command('discard')
      .description('it takes no effect, and what was put meanwhile ends')
      .argument('<SIGNAL>', 'sig_…'),
    ['held discard sig_01JD…'],
    discard,
  );
}

const list = (_: CommandContext, { state }: ListOptions): Listing<Held> => ({
  path: '/v1/held',
  query: { state },
  header: ['deadline', 'then', 'approvals', 'signal', 'why'],
  cells: (held) => [
    millisText(held.deadline_ms),
    held.at_deadline,
    `${held.approvals.length}/${held.approvals_required}`,
    held.signal.signal_id ?? '',
    `${held.code}: ${subjectText(held.signal.subject)}`,
  ],
  empty: `No signals are ${state}.`,
});

async function show(
  { connect, screen }: CommandContext,
  _: object,
  [id = '']: readonly string[],
): Promise<ExitCode> {
  const hub = await connect();
  screen.show(await hub.call<Held>('GET', path`/v1/held/${id}`), linesOf);
  return exitCodes.done;
}

async function release(
  context: CommandContext,
  options: { readonly wait: string },
  [id = '']: readonly string[],
): Promise<ExitCode> {
  const waitMs = parseWait(options.wait);
  const hub = await context.connect();
  const { held, signal }: Release = await hub.call('POST', path`/v1/held/${id}/release`, {
    lookWith: `caep-hub held show ${id}`,
  });
  if (signal !== undefined) return conclude(context, hub, signal, { waitMs });
  context.screen.show({ held, exit_code: exitCodes.held }, () => [
    ...linesOf(held),
    'Approved. It waits for another person.',
  ]);
  return exitCodes.held;
}

async function discard(
  { connect, screen }: CommandContext,
  _: object,
  [id = '']: readonly string[],
): Promise<ExitCode> {
  const hub = await connect();
  const discarded: Held = await hub.call('POST', path`/v1/held/${id}/discard`, {
    lookWith: `caep-hub held show ${id}`,
  });
  screen.show(discarded, linesOf);
  return exitCodes.done;
}

const linesOf = (held: Held): readonly string[] =>
  fields({
    signal: held.signal.signal_id,
    state: held.state,
    event: held.signal.event,
    subject: subjectText(held.signal.subject),
    by: `${held.signal.actor} (source ${held.signal.source})`,
    'held for': `${held.code}: ${held.text}`,
    would: held.signal.decision.text,
    approvals:
      `${held.approvals.length} of ${held.approvals_required}  ${held.approvals.map(({ actor }) => actor).join(', ')}`.trimEnd(),
    deadline: `${millisText(held.deadline_ms)}, then ${held.at_deadline}`,
    decided:
      held.decided_at_ms === undefined
        ? undefined
        : `${millisText(held.decided_at_ms)} by ${held.decided_by ?? ''}`,
  });
