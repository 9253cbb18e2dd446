import type { Command } from 'commander';
import type { Bind, CommandContext } from '../command.ts';
import { examine, type Finding } from '../doctor/examine.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import type { Paint } from '../paint.ts';
import { padTo } from '../text.ts';

export function addDoctorCommand(program: Command, bind: Bind): void {
  const command = program
    .command('doctor')
    .summary('look the hub over, and say what to do')
    .description(
      'Reach, token, readiness, durability, clock, issuers, points, held signals, audit chain, entries that never ' +
        'end. Ends with 0 when nothing is wrong, with 3 when something is.',
    );
  bind(command, ['doctor', 'doctor --json | jq ".findings[] | select(.state == \\"wrong\\")"'], doctor);
}

async function doctor({ connect, screen, surroundings }: CommandContext): Promise<ExitCode> {
  const hub = await connect();
  const findings = await examine(hub, surroundings.nowMs);
  const wrong = findings.some(({ state }) => state === 'wrong');
  const exitCode = wrong ? exitCodes.notConfirmed : exitCodes.done;
  screen.show({ hub: hub.connection.url, findings, exit_code: exitCode }, () =>
    findings.flatMap((finding) => linesOf(finding, screen.paint)),
  );
  return exitCode;
}

function linesOf({ check, state, text, remedy }: Finding, paint: Paint): readonly string[] {
  const marks = { fine: paint.green('ok   '), note: paint.yellow('note '), wrong: paint.red('WRONG') };
  return [
    `${marks[state]}  ${padTo(check, 10)}  ${text}`,
    ...(remedy === undefined ? [] : [`${' '.repeat(19)}${paint.bold('→')} ${remedy}`]),
  ];
}
