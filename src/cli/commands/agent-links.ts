import type { Command } from 'commander';
import { parseMatchPairs, readJsonObject } from '../arguments.ts';
import { wrongUsage } from '../cli-problem.ts';
import type { Bind, CommandContext } from '../command.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { path } from '../hub.ts';
import { bindList, type Listing } from '../list.ts';
import { fields, subjectText } from '../text.ts';
import type { Agent, AgentChanged, IdentityLink, LinkChanged } from '../wire.ts';
import { boundLines, tellChanged } from './agent-text.ts';

type SetOptions = { readonly subject: string; readonly agent?: string };

export function addLinkCommands(agent: Command, bind: Bind): void {
  const link = agent
    .command('link')
    .description('which key stands behind an e-mail address, a phone number, an id that no token carries');
  bindList(
    bind,
    link.command('list').description('list links; those of an agent are shown with the agent'),
    ['agent link list'],
    list,
  );
  const setCommand = link
    .command('set')
    .description('tie an identifier to a key, or to an agent; kills that wait for it bind it at once')
    .argument('[KEY=VALUE...]', 'all of which the tokens carry')
    .requiredOption('--subject <json>', 'the identifier: an RFC 9493 subject, or @FILE')
    .option('--agent <name>', 'it stands for this agent, instead of a key');
  bind<SetOptions>(
    setCommand,
    [
      'agent link set --subject \'{"format":"email","email":"mara@example.com"}\' sub=u-17',
      'agent link set --subject \'{"format":"opaque","id":"bot-7"}\' --agent build-runner',
    ],
    set,
  );
  const removeCommand = link
    .command('remove')
    .description('forget a link; what was put because of it stays until lifted')
    .argument('<IDENTIFIER>', 'as listed');
  bind(removeCommand, ['agent link remove email:mara@example.com'], remove);
}

const list = (): Listing<IdentityLink> => ({
  path: '/v1/identity-links',
  header: ['identifier', 'is'],
  cells: ({ identifier, match }) => [identifier, subjectText(match)],
  empty: 'No links. Add one: caep-hub agent link set --subject JSON KEY=VALUE',
});

async function set(
  context: CommandContext,
  { subject: json, agent }: SetOptions,
  pairs: readonly string[],
): Promise<ExitCode> {
  const subject = await readJsonObject('--subject', json);
  if (agent !== undefined) {
    if (pairs.length > 0) throw wrongUsage('--agent and KEY=VALUE are two ways to say whose it is: use one.');
    return linkAgent(context, agent, subject);
  }
  const match = parseMatchPairs(pairs);
  const hub = await context.connect();
  const changed: LinkChanged = await hub.call('PUT', '/v1/identity-links', {
    body: { subject, match },
    lookWith: 'caep-hub agent link list',
  });
  context.screen.show(changed, ({ link, bound }) => [
    ...fields({ identifier: link.identifier, is: subjectText(link.match) }),
    ...boundLines(bound),
  ]);
  return exitCodes.done;
}

/** The hub keeps the links of an agent with the agent, and replaces them as a whole: those there are, are read first. */
async function linkAgent(context: CommandContext, name: string, subject: object): Promise<ExitCode> {
  const hub = await context.connect();
  const { links }: Agent = await hub.call('GET', path`/v1/agents/${name}`);
  const others = links.filter((link) => JSON.stringify(link) !== JSON.stringify(subject));
  const changed: AgentChanged = await hub.call('PATCH', path`/v1/agents/${name}`, {
    body: { links: [...others, subject] },
    lookWith: `caep-hub agent show ${name}`,
  });
  return tellChanged(context, changed);
}

async function remove(
  { connect, screen }: CommandContext,
  _: object,
  [identifier = '']: readonly string[],
): Promise<ExitCode> {
  const hub = await connect();
  await hub.call('DELETE', '/v1/identity-links', {
    query: { identifier },
    lookWith: 'caep-hub agent link list',
  });
  screen.show({ removed: identifier }, () => [
    `${identifier} is forgotten. What was put because of it stays until lifted.`,
  ]);
  return exitCodes.done;
}
