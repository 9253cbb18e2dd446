import type { Command } from 'commander';
import { parseSpan, readTextFile, several } from '../arguments.ts';
import { wrongUsage } from '../cli-problem.ts';
import type { Bind, CommandContext } from '../command.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { path } from '../hub.ts';
import { bindList, type Listing } from '../list.ts';
import type { Screen } from '../screen.ts';
import { answerLines } from '../signal-text.ts';
import { fields, millisText, subjectText } from '../text.ts';
import type { Hook, HookDetail, HookTest, PutHook } from '../wire.ts';

type AddOptions = {
  readonly kind: string;
  readonly secret?: string;
  readonly newSecret?: true;
  readonly keepPrevious?: true;
  readonly dropPrevious?: true;
  readonly issuer?: string;
  readonly header?: string;
  readonly tolerance?: string;
  readonly keysUrl?: string;
  readonly mapping?: string;
};
type TestOptions = {
  readonly body: string;
  readonly header?: readonly string[];
  readonly mapping?: string;
};

/** Of stdin that is taken for a secret. */
const secretCharactersMax = 4_096;

export function addHookCommands(program: Command, bind: Bind): void {
  const hook = program
    .command('hook')
    .description('doors for stock senders, which can only send a webhook (docs/hooks.md)');
  bindList(bind, hook.command('list').description('list hooks'), ['hook list'], list);
  bind(
    hook
      .command('show')
      .description('show a hook, its mapping and what came of what it was sent')
      .argument('<NAME>'),
    ['hook show github'],
    show,
  );
  addAdd(hook, bind);
  bind(
    hook
      .command('remove')
      .description('let a sender in no more; its source and what it said stay')
      .argument('<NAME>'),
    ['hook remove github'],
    remove,
  );
  bind<TestOptions>(
    hook
      .command('test')
      .description('show what a body would do; nothing is written')
      .argument('<NAME>')
      .requiredOption('--body <text>', 'as the sender sends it, or @FILE')
      .option('--header <line>', "'Name: value' that the mapping looks at (may be repeated)", several)
      .option('--mapping <text>', 'try this JSONata instead, or @FILE'),
    ["hook test github --body @push.json --header 'X-GitHub-Event: push'"],
    tryOut,
  );
}

function addAdd(hook: Command, bind: Bind): void {
  const add = hook
    .command('add')
    .description('let a sender in, or change how: what is not named takes its default, save the secret')
    .argument('<NAME>', 'of the hook, and of the source whose limits hold for it')
    .requiredOption('--kind <kind>', 'who sends: github, splunk, okta … docs/hooks.md lists them')
    .option('--secret <where>', 'what the sender proves itself by: "-" for stdin, or @FILE')
    .option('--new-secret', 'have the hub make another one')
    .option('--keep-previous', 'the secret before it stays good, too')
    .option('--drop-previous', 'only the newest secret is good from now on')
    .option('--issuer <url>', 'whose subjects the sender means')
    .option('--header <name>', 'the header that carries the secret (default: Authorization)')
    .option('--tolerance <span>', 'how far the time of a signed request may be from ours (default: 5m)')
    .option('--keys-url <url>', 'where the sender publishes its keys')
    .option('--mapping <text>', 'JSONata that gives the signals of a body, or @FILE');
  bind<AddOptions>(
    add,
    [
      'hook add github --kind github',
      'hook add pagerduty --kind pagerduty --secret -',
      'hook add github --kind github --new-secret --keep-previous',
    ],
    put,
  );
}

const list = (): Listing<Hook> => ({
  path: '/v1/hooks',
  header: ['hook', 'kind', 'mapping', 'set at the sender'],
  cells: (hook) => [hook.source, hook.kind, hook.mapping_of === 'kind' ? 'of its kind' : 'its own', hook.url],
  empty: 'No hooks. Add one: caep-hub hook add NAME --kind KIND',
});

async function show(
  { connect, screen }: CommandContext,
  _: object,
  [name = '']: readonly string[],
): Promise<ExitCode> {
  const hub = await connect();
  screen.show(await hub.call<HookDetail>('GET', path`/v1/hooks/${name}`), (hook) => [
    ...linesOf(hook),
    ...activityLines(hook),
    '',
    ...hook.mapping.split('\n'),
  ]);
  return exitCodes.done;
}

async function put(
  context: CommandContext,
  options: AddOptions,
  [name = '']: readonly string[],
): Promise<ExitCode> {
  const { kind, newSecret, keepPrevious, dropPrevious, issuer, header, tolerance, keysUrl, mapping } =
    options;
  if (keepPrevious === true && dropPrevious === true) {
    throw wrongUsage('--keep-previous and --drop-previous exclude each other.');
  }
  const body = {
    kind,
    ...(options.secret !== undefined && { secret: await readSecret(options.secret, context) }),
    ...(newSecret === true && { new_secret: true }),
    ...(keepPrevious === true && { previous_secret: 'keep' }),
    ...(dropPrevious === true && { previous_secret: 'drop' }),
    ...(issuer !== undefined && { issuer }),
    ...(header !== undefined && { header }),
    ...(tolerance !== undefined && {
      tolerance_seconds: Math.round(parseSpan('--tolerance', tolerance) / 1_000),
    }),
    ...(keysUrl !== undefined && { keys_url: keysUrl }),
    ...(mapping !== undefined && { mapping: await textOrFile('--mapping', mapping) }),
  };
  const hub = await context.connect();
  const lookWith = `caep-hub hook show ${name}`;
  const done = await hub.call<PutHook>('PUT', path`/v1/hooks/${name}`, { body, lookWith });
  context.screen.show(done, (hook) => [...linesOf(hook), ...secretLines(hook)]);
  return exitCodes.done;
}

/** Where it goes, whole, when it is a part of the URL. */
function secretLines({ secret, url }: PutHook): readonly string[] {
  if (secret === undefined) return [];
  const shown = url.includes('{secret}') ? url.replace('{secret}', secret) : secret;
  return ['', shown, 'Keep it now: the hub does not show it again.'];
}

async function remove(
  { connect, screen }: CommandContext,
  _: object,
  [name = '']: readonly string[],
): Promise<ExitCode> {
  const hub = await connect();
  await hub.call('DELETE', path`/v1/hooks/${name}`, { lookWith: 'caep-hub hook list' });
  screen.show({ removed: name }, () => [
    `${name} takes nothing any more. Its source stays: source show ${name}.`,
  ]);
  return exitCodes.done;
}

async function tryOut(
  { connect, screen }: CommandContext,
  options: TestOptions,
  [name = '']: readonly string[],
): Promise<ExitCode> {
  const body = {
    body: await textOrFile('--body', options.body),
    ...(options.header !== undefined && { headers: Object.fromEntries(options.header.map(readHeader)) }),
    ...(options.mapping !== undefined && { mapping: await textOrFile('--mapping', options.mapping) }),
  };
  const hub = await connect();
  const result = await hub.call<HookTest>('POST', path`/v1/hooks/${name}/test`, { body, repeatable: true });
  screen.show(result, (test) => testLines(test, screen));
  const came = result.failure === undefined && result.signals.every(({ problem }) => problem === undefined);
  return came ? exitCodes.done : exitCodes.refused;
}

function testLines({ signals, failure }: HookTest, { paint }: Screen): readonly string[] {
  if (failure !== undefined) return [`${paint.red('failed')} ${failure.code}: ${failure.text}`];
  if (signals.length === 0) return ['It means nothing here: the mapping gives no signal.'];
  return signals.flatMap(({ signal, answer, problem }, index) => [
    ...(index === 0 ? [] : ['']),
    ...(signal === undefined ? [] : [`${paint.bold(signal.event)} ${subjectText(signal.subject)}`]),
    ...(answer === undefined ? [] : answerLines(answer, paint)),
    ...(problem === undefined
      ? []
      : [
          `${paint.red('refused')} ${problem.code}: ${problem.detail}`,
          ...problem.errors.map((error) => `  ${error.path || '(the whole)'} ${error.message}`),
        ]),
  ]);
}

const linesOf = (hook: Hook): readonly string[] =>
  fields({
    hook: hook.source,
    kind: hook.kind,
    'set at the sender': hook.url,
    header: hook.header,
    tolerance: hook.tolerance_seconds === undefined ? undefined : `${hook.tolerance_seconds} s`,
    issuer: hook.issuer,
    keys: hook.keys_url,
    mapping: hook.mapping_of === 'kind' ? 'that of its kind' : 'its own',
    'secrets since': hook.secrets.map(({ since_ms: sinceMs }) => millisText(sinceMs)).join(', '),
  });

const activityLines = ({ activity }: HookDetail): readonly string[] =>
  fields({
    requests: `${activity.accepted} accepted, ${activity.ignored} ignored, ${activity.failed} failed, ${activity.refused} refused`,
    'last accepted':
      activity.last_accepted_at_ms === undefined ? undefined : millisText(activity.last_accepted_at_ms),
    'last failure':
      activity.last_failure === undefined
        ? undefined
        : `${millisText(activity.last_failure.at_ms)} ${activity.last_failure.code}: ${activity.last_failure.text}`,
  });

/** Others on the machine see arguments. @throws CliProblem */
async function readSecret(where: string, { surroundings }: CommandContext): Promise<string> {
  if (where.startsWith('@')) return (await readTextFile('--secret', where.slice(1))).trim();
  if (where !== '-') {
    throw wrongUsage(
      'A secret is no argument: others see it there.',
      'Write --secret - and give it on stdin, or --secret @FILE.',
    );
  }
  let text = '';
  for await (const chunk of surroundings.stdin) {
    text += String(chunk);
    if (text.length > secretCharactersMax) throw wrongUsage('What is on stdin is no secret: it is too long.');
  }
  return text.trim();
}

const textOrFile = async (option: string, text: string): Promise<string> =>
  text.startsWith('@') ? readTextFile(option, text.slice(1)) : text;

function readHeader(line: string): readonly [string, string] {
  const [, name, value] = /^([A-Za-z0-9-]+): *(.*)$/.exec(line) ?? [];
  if (name === undefined || value === undefined) {
    throw wrongUsage(`--header "${line}" is no header.`, "Write it like 'X-GitHub-Event: push'.");
  }
  return [name, value];
}
