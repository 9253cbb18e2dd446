#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import type { App, Listening } from './app.ts';
import { type ExitCode, exitCodes } from './cli/exit-codes.ts';
import { runCommandLine } from './cli/program.ts';
import type { ServeOptions } from './cli/surroundings.ts';
import { parseConfig } from './config.ts';
import { isProblem } from './core/problem.ts';
import { createLog, type Log } from './http/log.ts';

/** Whoever stops the hub waits so long at the most. */
const shutdownMs = 10_000;

const durabilities: Readonly<Record<Listening['durability'], string>> = {
  process: 'process: survives kill -9, not a crash of the machine (PostgreSQL does: set DATABASE_URL)',
  server: 'server: what PostgreSQL promises',
};

const interruption = new AbortController();
let isInterruptible = false;
process.stdout.on('error', endUnread);
process.stderr.on('error', endUnread);

process.exitCode = await runCommandLine(process.argv.slice(2), {
  version: readVersion(),
  env: process.env,
  workingDirectory: process.cwd(),
  homeDirectory: homedir(),
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  nowMs: Date.now,
  interrupted,
  serve,
});

function readVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** Ctrl-C goes on ending the process until somebody asks. */
function interrupted(): AbortSignal {
  if (!isInterruptible) process.once('SIGINT', () => interruption.abort());
  isInterruptible = true;
  return interruption.signal;
}

/** Who read the answer has gone, as `head` does when it has enough: what would go on ends as by Ctrl-C, and in silence. */
function endUnread(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
  interruption.abort();
}

/** Starts the hub, which then runs until it is told to stop. JSON lines go to stdout, what people read to stderr. */
async function serve(options: ServeOptions): Promise<ExitCode> {
  try {
    const config = { ...parseConfig(process.env), ...options };
    const log = createLog(config.logLevel, process.stdout);
    // A hub whose log nobody reads is to be seen as such, and not to end as if it were well.
    for (const output of [process.stdout, process.stderr]) output.off('error', endUnread);
    endOnBugs(log);
    // Loaded here: no other command waits for the hub's own modules.
    const { createApp } = await import('./app.ts');
    const app = await createApp(config, log);
    endOnSignals(app, log);
    const listening = await app.listen();
    log.info({ ...listening }, 'the hub listens');
    announce(listening);
    return exitCodes.done;
  } catch (error) {
    return explain(error);
  }
}

function announce({ url, version, durability, adminTokenPath }: Listening): void {
  const lines = [
    `caep-hub ${version}`,
    `  listens      ${url}      API: ${url}/docs`,
    `  admin token  ${adminTokenPath ?? 'as in ADMIN_TOKEN'}`,
    `  durability   ${durabilities[durability]}`,
  ];
  process.stderr.write(`${lines.join('\n')}\n`);
}

/** Says what is wrong and what to do, and answers the exit code. A bug is told with its trace. */
function explain(error: unknown): ExitCode {
  if (!isProblem(error)) {
    process.stderr.write(
      `caep-hub: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    return exitCodes.bug;
  }
  process.stderr.write(`caep-hub: ${error.message}\n${error.hint === undefined ? '' : `  ${error.hint}\n`}`);
  if (error.code === 'invalid-configuration') return exitCodes.usage;
  return error.code === 'storage-unavailable' ? exitCodes.unreachable : exitCodes.refused;
}

/** The first signal shuts down in order, the second at once. */
function endOnSignals(app: App, log: Log): void {
  let stopping = false;
  const stop = (name: NodeJS.Signals): void => {
    if (stopping) process.exit(exitCodes.bug);
    stopping = true;
    log.info({ signal: name }, 'the hub shuts down');
    setTimeout(() => {
      log.error('the hub did not shut down in time');
      process.exit(exitCodes.bug);
    }, shutdownMs).unref();
    void app.close().then(() => process.exit(exitCodes.done));
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

/** After a bug that nobody caught nothing is certain any more: what was answered is on disk, another process goes on. */
function endOnBugs(log: Log): void {
  const end = (error: unknown): void => {
    log.fatal({ err: error }, 'the hub ends by a bug');
    process.exit(exitCodes.bug);
  };
  process.on('uncaughtException', end);
  process.on('unhandledRejection', end);
}
