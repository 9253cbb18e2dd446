import { Option, type Command } from 'commander';
import { effects } from '../../core/revocation.ts';
import type { JsonObject } from '../../core/vocabulary.ts';
import { parseCount, parseSpan, several } from '../arguments.ts';
import { isCliProblem } from '../cli-problem.ts';
import type { Bind, CommandContext } from '../command.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { type Hub, path } from '../hub.ts';
import { bindList, type Listing } from '../list.ts';
import { fields, spanText } from '../text.ts';
import type { Source } from '../wire.ts';

type SetOptions = {
  readonly description?: string;
  readonly event?: readonly string[];
  readonly issuer?: readonly string[];
  readonly domain?: readonly string[];
  readonly peer?: string;
  readonly anyEvent?: true;
  readonly anyIssuer?: true;
  readonly anyDomain?: true;
  readonly strongestEffect?: string;
  readonly killsPerMinute?: string;
  readonly softEffect?: string;
  readonly held?: string;
  readonly heldDefault?: string;
  readonly person?: boolean;
};

export function addSourceCommands(program: Command, bind: Bind): void {
  const source = program
    .command('source')
    .description('who speaks through a door, and the most that this may cause');
  bindList(bind, source.command('list').description('list sources'), ['source list'], list);
  bind(source.command('show').description('show a source').argument('<NAME>'), ['source show splunk'], show);
  const setCommand = source
    .command('set')
    .description('set what a source may cause; what is not named stays')
    .argument('<NAME>')
    .option('--description <text>')
    .option('--event <type>', 'it may send this and no other type (may be repeated)', several)
    .option('--issuer <url>', 'it may speak about subjects of this issuer (may be repeated)', several)
    .option('--domain <name>', 'it may speak about addresses of this domain (may be repeated)', several)
    .option('--peer <client>', 'streams of this client are told nothing of what it says')
    .addOption(new Option('--any-event', 'it may send every type').conflicts('event'))
    .addOption(new Option('--any-issuer', 'it may speak about every issuer').conflicts('issuer'))
    .addOption(new Option('--any-domain', 'it may speak about every domain').conflicts('domain'))
    .addOption(new Option('--strongest-effect <effect>', 'anything stronger is held').choices(effects))
    .option('--kills-per-minute <count>', 'kills above this rate are held')
    .addOption(new Option('--soft-effect <effect>', 'what a held kill puts at once').choices(effects))
    .option('--held <span>', 'how long a held signal waits')
    .addOption(new Option('--held-default <what>', 'what happens then').choices(['release', 'discard']))
    .option('--person', 'it speaks for a person at a keyboard: its kills pass the brake')
    .option('--no-person', 'it is a machine');
  bind<SetOptions>(
    setCommand,
    ['source set splunk --kills-per-minute 5 --event credential-compromise --held 30m'],
    set,
  );
}

const list = (): Listing<Source> => ({
  path: '/v1/sources',
  header: ['source', 'kills/min', 'strongest', 'held', 'speaks for'],
  cells: (source) => [
    source.id,
    String(source.kills_per_minute),
    source.strongest_effect,
    `${spanText(source.held_seconds * 1_000)}, then ${source.held_default}`,
    source.person ? 'a person' : 'a machine',
  ],
  empty: 'No sources.',
});

async function show(
  { connect, screen }: CommandContext,
  _: object,
  [name = '']: readonly string[],
): Promise<ExitCode> {
  const hub = await connect();
  screen.show(await hub.call<Source>('GET', path`/v1/sources/${name}`), linesOf);
  return exitCodes.done;
}

/** The hub replaces a source as a whole: what is not named is read first, and a limit that is left out is none. */
async function set(
  { connect, screen }: CommandContext,
  options: SetOptions,
  [name = '']: readonly string[],
): Promise<ExitCode> {
  const changed = membersOf(options);
  const hub = await connect();
  const { event_types, subject_issuers, subject_domains, ...others } = await settingsOf(hub, name);
  const body = {
    ...others,
    ...(event_types !== undefined && options.anyEvent !== true && { event_types }),
    ...(subject_issuers !== undefined && options.anyIssuer !== true && { subject_issuers }),
    ...(subject_domains !== undefined && options.anyDomain !== true && { subject_domains }),
    ...changed,
  };
  const lookWith = `caep-hub source show ${name}`;
  screen.show(await hub.call<Source>('PUT', path`/v1/sources/${name}`, { body, lookWith }), linesOf);
  return exitCodes.done;
}

async function settingsOf(hub: Hub, name: string): Promise<Partial<Source>> {
  try {
    const { id: _, ...settings }: Source = await hub.call('GET', path`/v1/sources/${name}`);
    return settings;
  } catch (error) {
    if (isCliProblem(error) && error.code === 'not-found') return {};
    throw error;
  }
}

function membersOf(options: SetOptions): JsonObject {
  const {
    description,
    event,
    issuer,
    domain,
    peer,
    strongestEffect,
    killsPerMinute,
    softEffect,
    held,
    heldDefault,
    person,
  } = options;
  return {
    ...(description !== undefined && { description }),
    ...(event !== undefined && { event_types: event }),
    ...(issuer !== undefined && { subject_issuers: issuer }),
    ...(domain !== undefined && { subject_domains: domain }),
    ...(peer !== undefined && { peer }),
    ...(strongestEffect !== undefined && { strongest_effect: strongestEffect }),
    ...(killsPerMinute !== undefined && {
      kills_per_minute: parseCount('--kills-per-minute', killsPerMinute),
    }),
    ...(softEffect !== undefined && { soft_effect: softEffect }),
    ...(held !== undefined && { held_seconds: Math.round(parseSpan('--held', held) / 1_000) }),
    ...(heldDefault !== undefined && { held_default: heldDefault }),
    ...(person !== undefined && { person }),
  };
}

const linesOf = (source: Source): readonly string[] =>
  fields({
    source: source.id,
    description: source.description,
    'may send': source.event_types?.join(', ') ?? 'every event type',
    'speaks about': source.subject_issuers?.join(', ') ?? 'every issuer',
    'of the domains': source.subject_domains?.join(', '),
    'does not tell': source.peer,
    'at the most': `${source.strongest_effect}, ${source.kills_per_minute} kills a minute`,
    'what is held': `waits ${spanText(source.held_seconds * 1_000)} with ${source.soft_effect}, then ${source.held_default}`,
    'speaks for': source.person ? 'a person' : 'a machine',
  });
