import { Command, CommanderError } from 'commander';
import type { Bind, CommandContext, GlobalOptions } from './command.ts';
import { type CliProblem, isCliProblem, wrongUsage } from './cli-problem.ts';
import { addAgentCommands } from './commands/agents.ts';
import { addRevocationCommands } from './commands/revocations.ts';
import { addPointCommands } from './commands/points.ts';
import { addSourceCommands } from './commands/sources.ts';
import { addHookCommands } from './commands/hooks.ts';
import { addIssuerCommands } from './commands/issuers.ts';
import { addKeyCommands } from './commands/keys.ts';
import { addStreamCommands } from './commands/streams.ts';
import { addUpstreamCommands } from './commands/upstreams.ts';
import { addTokenCommands } from './commands/tokens.ts';
import { addClientCommands } from './commands/clients.ts';
import { addAuditCommands } from './commands/audit.ts';
import { addHeldCommands } from './commands/held.ts';
import { addCheckCommand } from './commands/check.ts';
import { addDoctorCommand } from './commands/doctor.ts';
import { addKillCommand } from './commands/kill.ts';
import { addLiftCommands } from './commands/lift.ts';
import { addSignalCommands } from './commands/signal.ts';
import { addWatchCommand } from './commands/watch.ts';
import { findConnection, isPrivate } from './connection.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';
import { createHub } from './hub.ts';
import { createScreen, type Screen } from './screen.ts';
import type { ServeOptions, Surroundings } from './surroundings.ts';

const endings = `
Exit codes:
  0 done and enforced     1 bug          2 usage            3 not confirmed everywhere
  4 refused               5 unreachable  6 held             check: 10 deny, 11 other effect

Which hub, and as whom: --hub and --token, else CAEP_HUB_URL and CAEP_HUB_TOKEN,
else ~/.config/caep-hub/cli.json {"hub", "token"}, else http://127.0.0.1:8080 with
the token in ./data/admin-token. Others on this machine see --token in the list of
processes: prefer the variable or the file.`;

/**
 * Runs one command line.
 *
 * @returns the exit code; every problem has been told.
 */
export async function runCommandLine(
  words: readonly string[],
  surroundings: Surroundings,
): Promise<ExitCode> {
  const screen = createScreen(surroundings, words.includes('--json'));
  let exitCode: ExitCode = exitCodes.done;
  const bind: Bind = (command, examples, handler) => {
    const lines = examples.map((line) => `  $ caep-hub ${line}`);
    command.addHelpText('after', `\nExamples:\n${lines.join('\n')}`).action(async () => {
      const options = command.optsWithGlobals<GlobalOptions & Parameters<typeof handler>[1]>();
      exitCode = await handler(createContext(options, screen, surroundings), options, command.args);
    });
  };
  try {
    await createProgram(bind, screen, surroundings).parseAsync([...words], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return explainUsage(error, screen);
    return isCliProblem(error) ? explain(error, screen) : explainBug(error, screen);
  }
}

function createProgram(bind: Bind, screen: Screen, surroundings: Surroundings): Command {
  const { stdout, stderr, version, serve } = surroundings;
  const program = new Command('caep-hub')
    .description('Continuous access evaluation hub: the off switch of agents.')
    .version(version)
    .option('--hub <url>', 'the hub to talk to')
    .option('--token <token>', 'API token')
    .option('--json', 'answer with one JSON document (NDJSON where the answer goes on)')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: (text) => void (screen.json || stderr.write(text)),
      getOutHelpWidth: () => stdout.columns ?? 80,
      getErrHelpWidth: () => stderr.columns ?? 80,
    })
    .exitOverride()
    .addHelpText('after', endings);
  bind<ServeOptions>(
    program
      .command('serve')
      .description('run the hub; the environment configures it (docs/operations.md)')
      .option(
        '--accept-new-issuer',
        'start with another PUBLIC_URL than streams know it by (docs/streams.md)',
      ),
    ['serve'],
    async (_context, { acceptNewIssuer }) => serve(acceptNewIssuer === true ? { acceptNewIssuer } : {}),
  );
  addKillCommand(program, bind);
  addLiftCommands(program, bind);
  addCheckCommand(program, bind);
  addSignalCommands(program, bind);
  addWatchCommand(program, bind);
  addDoctorCommand(program, bind);
  addAgentCommands(program, bind);
  addRevocationCommands(program, bind);
  addPointCommands(program, bind);
  addSourceCommands(program, bind);
  addHookCommands(program, bind);
  addIssuerCommands(program, bind);
  addStreamCommands(program, bind);
  addUpstreamCommands(program, bind);
  addTokenCommands(program, bind);
  addClientCommands(program, bind);
  addKeyCommands(program, bind);
  addAuditCommands(program, bind);
  addHeldCommands(program, bind);
  return program;
}

function createContext(options: GlobalOptions, screen: Screen, surroundings: Surroundings): CommandContext {
  return {
    screen,
    surroundings,
    async connect() {
      const connection = await findConnection(options, surroundings);
      if (connection.token !== undefined && !isPrivate(connection)) {
        screen.note(`warning: ${connection.url} is not encrypted: everybody on the way can read the token.`);
      }
      return createHub(connection);
    },
  };
}

/** Commander has told it already, but not to a program that reads JSON. */
function explainUsage({ exitCode, message }: CommanderError, screen: Screen): ExitCode {
  if (exitCode === 0) return exitCodes.done;
  const detail = message === '(outputHelp)' ? 'A command is missing.' : message.replace(/^error: /, '');
  if (screen.json) return explain(wrongUsage(detail), screen);
  return exitCodes.usage;
}

function explain({ exitCode, code, message, hint, errors }: CliProblem, screen: Screen): ExitCode {
  if (screen.json) return answerProblem({ code, detail: message, hint, errors }, exitCode, screen);
  screen.note(`caep-hub: ${message}`);
  for (const error of errors)
    screen.note(`  ${error.path === '' ? '(the whole)' : error.path} ${error.message}`);
  if (hint !== undefined) screen.note(`  ${hint}`);
  return exitCode;
}

function explainBug(error: unknown, screen: Screen): ExitCode {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  screen.note('caep-hub: a bug ended the command; what was sent before may have been done.');
  for (const line of text.split('\n')) screen.note(line);
  return screen.json ? answerProblem({ code: 'bug' }, exitCodes.bug, screen) : exitCodes.bug;
}

/** On one line, as it may be the last of an answer that went on. */
function answerProblem(problem: object, exitCode: ExitCode, screen: Screen): ExitCode {
  screen.append({ problem, exit_code: exitCode }, () => '');
  return exitCode;
}
