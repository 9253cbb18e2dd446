import type { Command } from 'commander';
import type { JsonObject } from '../../core/vocabulary.ts';
import { matchMembers } from '../../core/revocation.ts';
import { parseMatchPairs, parseSpan, readJsonObject, several } from '../arguments.ts';
import { wrongUsage } from '../cli-problem.ts';
import type { Bind, CommandContext } from '../command.ts';
import { type Concluded, settle } from '../conclude.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { type Hub, path } from '../hub.ts';
import { bindList, type Listing } from '../list.ts';
import { subjectText } from '../text.ts';
import { parseWait, withWait } from '../wait.ts';
import type { Agent, AgentOrdered, Signal } from '../wire.ts';
import { addLinkCommands } from './agent-links.ts';
import { tell, tellChanged } from './agent-text.ts';

/** A list is `false` where it is to be emptied. */
type MemberOptions = {
  readonly owner?: string;
  readonly description?: string;
  readonly ownerEmail?: readonly string[] | false;
  readonly identity?: readonly string[] | false;
  readonly link?: readonly string[] | false;
  readonly parent?: readonly string[] | false;
  readonly protected?: boolean;
};
type OrderOptions = { readonly reason?: string; readonly for?: string; readonly wait: string };

export function addAgentCommands(program: Command, bind: Bind): void {
  const agent = program.command('agent').description('who is under governance, and which keys are theirs');
  bindList(bind, agent.command('list').description('list agents'), ['agent list'], list);
  bind(
    agent.command('show').description('show an agent').argument('<NAME>'),
    ['agent show build-runner'],
    show,
  );
  const add = withMembers(agent.command('add').description('register an agent').argument('<NAME>'));
  bind<MemberOptions>(
    add,
    [
      'agent add build-runner --owner Mara --identity client_id=build-runner,iss=https://login.example',
      'agent add report-writer --parent build-runner --identity jkt=0ZcOCORZNYy-…',
    ],
    register,
  );
  const set = agent
    .command('set')
    .description('change an agent; a list replaces the whole list')
    .argument('<NAME>');
  bind<MemberOptions>(
    withClearing(withMembers(set)),
    ['agent set build-runner --protected', 'agent set report-writer --no-parent --owner Mara'],
    change,
  );
  const learn = agent
    .command('learn')
    .description('teach the hub one more key of an agent; kills that stand bind it at once')
    .argument('<NAME>')
    .argument('<KEY=VALUE...>', 'all of which its tokens carry');
  bind(learn, ['agent learn build-runner jkt=0ZcOCORZNYy-…'], learnIdentity);
  bind(
    agent.command('retire').description('keep its name and history, and let it rest').argument('<NAME>'),
    ['agent retire build-runner'],
    retire,
  );
  const disable = agent
    .command('disable')
    .description('deny every token of an agent and of its descendants, whenever issued')
    .argument('<NAME>')
    .option('--for <span>', 'the hub lifts it by itself after 30m, 2h, …');
  bind<OrderOptions>(
    withOrder(disable),
    ['agent disable build-runner --for 2h --reason "odd hours"'],
    (context, options, [name = '']) => order(context, options, name, 'disable'),
  );
  const enable = agent
    .command('enable')
    .description('undo what disables an agent; tokens from before stay dead')
    .argument('<NAME>');
  bind<OrderOptions>(withOrder(enable), ['agent enable build-runner'], (context, options, [name = '']) =>
    order(context, options, name, 'enable'),
  );
  addLinkCommands(agent, bind);
}

const withMembers = (command: Command): Command =>
  command
    .option('--owner <name>', 'the accountable person')
    .option('--description <text>')
    .option('--owner-email <email>', 'how events name the owner (may be repeated)', several)
    .option('--identity <KEY=VALUE,…>', 'what its tokens carry, all together; or JSON (repeatable)', several)
    .option('--link <json>', 'a subject that stands for it though no token carries it (repeatable)', several)
    .option('--parent <agent>', 'who delegated to it (may be repeated)', several)
    .option('--protected', 'hit only after two persons approved');

const withClearing = (command: Command): Command =>
  command
    .option('--no-owner-email', 'nothing names its owner')
    .option('--no-identity', 'its tokens carry nothing that is known')
    .option('--no-link', 'nothing else stands for it')
    .option('--no-parent', 'nobody delegated to it')
    .option('--no-protected', 'no approvals needed to hit it');

const withOrder = (command: Command): Command =>
  withWait(command.option('--reason <text>', 'for people who look at it later'));

const list = (): Listing<Agent> => ({
  path: '/v1/agents',
  header: ['agent', 'status', 'live', 'owner', 'identities'],
  cells: ({ name, status, live_revocations, owner = '', identities }) => [
    name,
    status,
    String(live_revocations),
    owner,
    identities.map(subjectText).join('; '),
  ],
  empty: 'No agents. Register one: caep-hub agent add NAME --identity KEY=VALUE',
});

async function show(context: CommandContext, _: object, [name = '']: readonly string[]): Promise<ExitCode> {
  const hub = await context.connect();
  return tell(context, await hub.call('GET', path`/v1/agents/${name}`));
}

async function register(
  context: CommandContext,
  options: MemberOptions,
  [name = '']: readonly string[],
): Promise<ExitCode> {
  const body = { name, ...(await membersOf(options)) };
  const hub = await context.connect();
  return tellChanged(context, await hub.call('POST', '/v1/agents', { body, lookWith: lookWith(name) }));
}

async function change(
  context: CommandContext,
  options: MemberOptions,
  [name = '']: readonly string[],
): Promise<ExitCode> {
  const body = await membersOf(options);
  if (Object.keys(body).length === 0)
    throw wrongUsage('Nothing to set.', 'caep-hub agent set --help lists the options.');
  const hub = await context.connect();
  return tellChanged(
    context,
    await hub.call('PATCH', path`/v1/agents/${name}`, { body, lookWith: lookWith(name) }),
  );
}

async function learnIdentity(
  context: CommandContext,
  _: object,
  [name = '', ...pairs]: readonly string[],
): Promise<ExitCode> {
  const order = { body: { identity: parseMatchPairs(pairs) }, lookWith: lookWith(name) };
  const hub = await context.connect();
  return tellChanged(context, await hub.call('POST', path`/v1/agents/${name}/identities`, order));
}

async function retire(context: CommandContext, _: object, [name = '']: readonly string[]): Promise<ExitCode> {
  const hub = await context.connect();
  return tell(context, await hub.call('POST', path`/v1/agents/${name}/retire`, { lookWith: lookWith(name) }));
}

/** Ends with the worst ending of its signals: an enable has one for each that disabled the agent. */
async function order(
  context: CommandContext,
  { reason, for: span, wait }: OrderOptions,
  name: string,
  verb: 'disable' | 'enable',
): Promise<ExitCode> {
  const waitMs = parseWait(wait);
  const body: JsonObject = {
    ...(reason !== undefined && { reason }),
    ...(span !== undefined && {
      lift_after_seconds: Math.max(1, Math.round(parseSpan('--for', span) / 1_000)),
    }),
  };
  const hub = await context.connect();
  const ordered: AgentOrdered = await hub.call('POST', path`/v1/agents/${name}/${verb}`, {
    body,
    lookWith: `${lookWith(name)}; ordered once more, it does no harm`,
  });
  const concluded: Concluded[] = [];
  for (const { signal_id: id } of ordered.signals) {
    concluded.push(
      await settle(context, hub, await signalOf(hub, id), { waitMs, mustRefuse: verb === 'disable' }),
    );
  }
  const exitCode = concluded.reduce<ExitCode>(
    (worst, one) => (one.exitCode > worst ? one.exitCode : worst),
    exitCodes.done,
  );
  context.screen.show({ signals: concluded.map(({ document }) => document), exit_code: exitCode }, () => []);
  return exitCode;
}

const lookWith = (name: string): string => `caep-hub agent show ${name}`;
const signalOf = (hub: Hub, id: string): Promise<Signal> => hub.call('GET', path`/v1/signals/${id}`);

async function membersOf(options: MemberOptions): Promise<JsonObject> {
  const { owner, description, ownerEmail, identity, link, parent } = options;
  return {
    ...(owner !== undefined && { owner }),
    ...(description !== undefined && { description }),
    ...(ownerEmail !== undefined && {
      owner_identifiers: (ownerEmail || []).map((email) => ({ format: 'email', email })),
    }),
    ...(identity !== undefined && {
      identities: await Promise.all((identity || []).map(readIdentity)),
    }),
    ...(link !== undefined && {
      links: await Promise.all((link || []).map((json) => readJsonObject('--link', json))),
    }),
    ...(parent !== undefined && { parents: parent || [] }),
    ...(options.protected !== undefined && { protected: options.protected }),
  };
}

/** Before the next member: a value may hold commas. */
const memberSeparator = new RegExp(`,(?=(?:${matchMembers.join('|')})=)`);

/** `KEY=VALUE,KEY=VALUE`, or the same as JSON where a value looks like a further member. */
const readIdentity = async (text: string): Promise<JsonObject> =>
  /^[{@]/.test(text)
    ? readJsonObject('--identity', text)
    : { ...parseMatchPairs(text.split(memberSeparator)) };
