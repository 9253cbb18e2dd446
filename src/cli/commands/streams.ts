import { Option, type Command } from 'commander';
import { defaultSubjects, deliveryMethods, signingAlgorithms } from '../../core/stream.ts';
import type { JsonObject } from '../../core/vocabulary.ts';
import { parseSpan, readTextFile, several } from '../arguments.ts';
import { wrongUsage } from '../cli-problem.ts';
import type { Bind, CommandContext } from '../command.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { path } from '../hub.ts';
import { bindList, type Listing, type PageOptions } from '../list.ts';
import { fields, millisText, spanText } from '../text.ts';
import type { Stream } from '../wire.ts';
import { addEventCommands } from './stream-events.ts';
import { addReplayCommands } from './stream-replay.ts';

type ListOptions = PageOptions & { readonly receiver?: string };
type CreateOptions = {
  readonly receiver: string;
  readonly push?: string;
  readonly authorizationFile?: string;
  readonly event?: readonly string[];
  readonly description?: string;
  readonly algorithm?: string;
  readonly defaultSubjects?: string;
  readonly inactivityTimeout?: string;
};
type StatusOptions = { readonly reason?: string; readonly drop?: true };

export function addStreamCommands(program: Command, bind: Bind): void {
  const stream = program.command('stream').description('what the hub sends to downstream receivers (SSF)');
  bindList<Stream, ListOptions>(
    bind,
    stream.command('list').description('list streams').option('--receiver <name>', 'of this receiver'),
    ['stream list', 'stream list --receiver siem'],
    list,
  );
  bind(
    stream.command('show').description('show a stream').argument('<ID>', 'str_…'),
    ['stream show str_01JD…'],
    show,
  );
  addCreate(stream, bind);
  bind<StatusOptions>(
    stream
      .command('pause')
      .description('stop a stream; its receiver is told')
      .argument('<ID>', 'str_…')
      .option('--reason <text>', 'told to the receiver')
      .option('--drop', 'hold nothing for later: disable it'),
    ['stream pause str_01JD… --reason "moving house"'],
    pause,
  );
  bind<StatusOptions>(
    stream
      .command('resume')
      .description('let a stream go on; its receiver is told')
      .argument('<ID>', 'str_…')
      .option('--reason <text>', 'told to the receiver'),
    ['stream resume str_01JD…'],
    resume,
  );
  bind(
    stream
      .command('delete')
      .description('delete a stream, with all that waits in it; its receiver is not told')
      .argument('<ID>', 'str_…'),
    ['stream delete str_01JD…'],
    remove,
  );
  bind(
    stream.command('verify').description('send a verification event over it').argument('<ID>', 'str_…'),
    ['stream verify str_01JD…'],
    verify,
  );
  addEventCommands(stream, bind);
  addReplayCommands(stream, bind);
}

function addCreate(stream: Command, bind: Bind): void {
  const create = stream
    .command('create')
    .description('make a stream for a receiver, who manages it from then on')
    .requiredOption('--receiver <name>', 'the holder of its API token, or client:ID')
    .option('--push <url>', 'where SETs are pushed to (default: the receiver polls)')
    .option('--authorization-file <file>', 'with --push: holds the value of its Authorization header')
    .option('--event <type>', 'what it carries (may be repeated; default: all of CAEP and RISC)', several)
    .option('--description <text>')
    .addOption(new Option('--algorithm <name>', 'how SETs are signed').choices(signingAlgorithms))
    .addOption(new Option('--default-subjects <whom>', 'whom it has at first').choices(defaultSubjects))
    .option('--inactivity-timeout <span>', 'without activity for so long it is paused');
  bind<CreateOptions>(
    create,
    [
      'stream create --receiver siem --event session-revoked --event credential-change',
      'stream create --receiver siem --push https://siem.example/sets --authorization-file ./siem.secret',
    ],
    make,
  );
}

const list = (_: CommandContext, { receiver }: ListOptions): Listing<Stream> => ({
  path: '/v1/streams',
  query: { receiver },
  header: ['stream', 'receiver', 'status', 'goes', 'description'],
  cells: (stream) => [stream.id, stream.receiver, stream.status, wayOf(stream), stream.description ?? ''],
  empty: 'No streams.',
});

async function show(
  { connect, screen }: CommandContext,
  _: object,
  [id = '']: readonly string[],
): Promise<ExitCode> {
  const hub = await connect();
  screen.show(await hub.call<Stream>('GET', path`/v1/streams/${id}`), linesOf);
  return exitCodes.done;
}

async function make({ connect, screen }: CommandContext, options: CreateOptions): Promise<ExitCode> {
  const { receiver, event, description, algorithm, inactivityTimeout } = options;
  const delivery = await deliveryOf(options);
  const body: JsonObject = {
    receiver,
    ...(delivery !== undefined && { delivery }),
    ...(event !== undefined && { events_requested: event }),
    ...(description !== undefined && { description }),
    ...(algorithm !== undefined && { algorithm }),
    ...(options.defaultSubjects !== undefined && { default_subjects: options.defaultSubjects }),
    ...(inactivityTimeout !== undefined && {
      inactivity_timeout: Math.round(parseSpan('--inactivity-timeout', inactivityTimeout) / 1_000),
    }),
  };
  const hub = await connect();
  screen.show(await hub.call<Stream>('POST', '/v1/streams', { body }), linesOf);
  return exitCodes.done;
}

async function deliveryOf({ push, authorizationFile }: CreateOptions): Promise<JsonObject | undefined> {
  if (push === undefined) {
    if (authorizationFile === undefined) return undefined;
    throw wrongUsage('--authorization-file goes with --push.', 'A poll carries the token of its receiver.');
  }
  const endpoint = { method: deliveryMethods.push, endpoint_url: push };
  if (authorizationFile === undefined) return endpoint;
  const text = await readTextFile('--authorization-file', authorizationFile);
  return { ...endpoint, authorization_header: text.replace(/\r?\n$/, '') };
}

async function pause(
  { connect, screen }: CommandContext,
  { reason, drop }: StatusOptions,
  [id = '']: readonly string[],
): Promise<ExitCode> {
  const body = {
    status: drop === true ? 'disabled' : 'paused',
    ...(reason !== undefined && { reason }),
  };
  const hub = await connect();
  screen.show(await hub.call<Stream>('PATCH', path`/v1/streams/${id}`, { body }), ({ status }) => [
    drop === true
      ? `${id} is ${status}: nothing is sent, and nothing held.`
      : `${id} is ${status}: what comes is held. caep-hub stream resume ${id} lets it go.`,
  ]);
  return exitCodes.done;
}

async function resume(
  { connect, screen }: CommandContext,
  { reason }: StatusOptions,
  [id = '']: readonly string[],
): Promise<ExitCode> {
  const body = { status: 'enabled', ...(reason !== undefined && { reason }) };
  const hub = await connect();
  screen.show(await hub.call<Stream>('PATCH', path`/v1/streams/${id}`, { body }), ({ status }) => [
    `${id} is ${status}.`,
  ]);
  return exitCodes.done;
}

async function remove(
  { connect, screen }: CommandContext,
  _: object,
  [id = '']: readonly string[],
): Promise<ExitCode> {
  const hub = await connect();
  await hub.call('DELETE', path`/v1/streams/${id}`);
  screen.show({ deleted: id }, () => [`${id} is deleted.`]);
  return exitCodes.done;
}

async function verify(
  { connect, screen }: CommandContext,
  _: object,
  [id = '']: readonly string[],
): Promise<ExitCode> {
  const hub = await connect();
  await hub.call('POST', path`/v1/streams/${id}/verify`);
  screen.show({ verifying: id }, () => [`A verification event is on its way over ${id}.`]);
  return exitCodes.done;
}

const wayOf = ({ delivery: { method, endpoint_url: url } }: Stream): string =>
  method === deliveryMethods.push ? `to ${url}` : 'when polled';

const linesOf = (stream: Stream): readonly string[] =>
  fields({
    stream: stream.id,
    receiver: stream.receiver,
    description: stream.description,
    status: stream.reason === undefined ? stream.status : `${stream.status}: ${stream.reason}`,
    delivery:
      stream.delivery.method === deliveryMethods.push
        ? `push to ${stream.delivery.endpoint_url}${stream.delivery.authorized === true ? ', with its secret' : ''}`
        : `poll at ${stream.delivery.endpoint_url}`,
    carries: stream.events_delivered.map((uri) => uri.slice(uri.lastIndexOf('/') + 1)).join(', '),
    'has at first': stream.default_subjects === 'ALL' ? 'everybody' : 'nobody',
    'signed with': stream.algorithm,
    obeys: stream.profile,
    audience: stream.aud,
    'paused after': stream.inactivity_timeout && spanText(stream.inactivity_timeout * 1_000),
    'last activity': millisText(stream.last_activity_at_ms),
    created: millisText(stream.created_at_ms),
  });
