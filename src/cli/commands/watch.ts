import type { Command } from 'commander';
import type { Bind, CommandContext } from '../command.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { watchAll } from '../watch/watch.ts';

export function addWatchCommand(program: Command, bind: Bind): void {
  const command = program
    .command('watch')
    .summary('follow signals, revocations, receipts and reports live')
    .description(
      'One line each, until Ctrl-C: what was said, what is refused because of it, which points confirmed, ' +
        'and what they refused. Goes on by itself when the hub was away. Shows what the token may read.',
    );
  bind(command, ['watch', 'watch --json | jq -c \'select(.kind == "enforcement")\''], watch);
}

async function watch(context: CommandContext): Promise<ExitCode> {
  const hub = await context.connect();
  await watchAll(context, hub, context.surroundings.interrupted());
  return exitCodes.done;
}
