import { Option, type Command } from 'commander';
import type { JsonObject } from '../../core/vocabulary.ts';
import { parseSince } from '../arguments.ts';
import { wrongUsage } from '../cli-problem.ts';
import type { Bind, CommandContext } from '../command.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { path, type Query } from '../hub.ts';
import { bindList, type Listing, type PageOptions, readPage, showPage, withPages } from '../list.ts';
import { fields, millisText } from '../text.ts';
import type { Delivery, DeliveryDetail } from '../wire.ts';

type FilterOptions = {
  readonly state?: string;
  readonly event?: string;
  readonly subject?: string;
  readonly signal?: string;
  readonly since?: string;
};
type ListOptions = FilterOptions & PageOptions;

const states: readonly Delivery['state'][] = ['pending', 'delivered', 'dead', 'cancelled'];

/** `stream events|dead`: what it was sent, what waits, and what did not get through. */
export function addEventCommands(stream: Command, bind: Bind): void {
  const events = withPages(
    withFilter(
      stream
        .command('events')
        .description('list what a stream was sent and what waits, newest first; with a SET, show its claims')
        .argument('<ID>', 'str_…')
        .argument('[JTI]', 'set_…')
        .addOption(new Option('--state <state>').choices(states)),
    ),
  );
  bind<ListOptions>(
    events,
    [
      'stream events str_01JD… --state pending',
      'stream events str_01JD… --subject agent:build-runner --since 2h',
      'stream events str_01JD… set_01JD…',
    ],
    listOrShow,
  );
  bindList<Delivery, ListOptions>(
    bind,
    withFilter(
      stream
        .command('dead')
        .description('list the SETs that a receiver did not take, newest first, with its last answer')
        .argument('<ID>', 'str_…'),
    ),
    ['stream dead str_01JD…', 'stream dead str_01JD… --since 2h'],
    (context, options, [id = '']) => ({
      ...eventsOf(context, options),
      path: path`/v1/streams/${id}/dead-letters`,
      empty: 'No dead letters: the receiver took everything, or it is still on its way.',
    }),
  );
}

const withFilter = (command: Command): Command =>
  command
    .option('--event <type>', 'of this type')
    .option('--subject <text>', 'about this principal, such as agent:NAME, or with this value in the subject')
    .option('--signal <id>', 'what this signal caused')
    .option('--since <time>', 'made then or later: a time, or a span such as 2h');

const filterOf = (
  { state, event, subject, signal, since }: FilterOptions,
  { surroundings }: CommandContext,
): Query => ({
  state,
  event_type: event,
  subject,
  signal_id: signal,
  since_ms: since === undefined ? undefined : parseSince('--since', since, surroundings.nowMs()),
});

async function listOrShow(
  context: CommandContext,
  options: ListOptions,
  [id = '', jti]: readonly string[],
): Promise<ExitCode> {
  if (jti === undefined) {
    const listing: Listing<Delivery> = {
      ...eventsOf(context, options),
      path: path`/v1/streams/${id}/deliveries`,
      empty: 'No SETs: the stream was sent none lately, and none waits.',
    };
    showPage(context.screen, await readPage<Delivery>(context, listing, options), listing);
    return exitCodes.done;
  }
  const given = (['state', 'event', 'subject', 'signal', 'since'] as const).find(
    (name) => options[name] !== undefined,
  );
  if (given !== undefined) throw wrongUsage(`--${given} is for the list: ${jti} is one SET.`);
  const hub = await context.connect();
  context.screen.show(
    await hub.call<DeliveryDetail>('GET', path`/v1/streams/${id}/deliveries/${jti}`),
    linesOf,
  );
  return exitCodes.done;
}

const eventsOf = (
  context: CommandContext,
  options: FilterOptions,
): Pick<Listing<Delivery>, 'query' | 'header' | 'cells'> => ({
  query: filterOf(options, context),
  header: ['made', 'event', 'about', 'state', 'attempts', 'set', 'answer'],
  cells: (one) => [
    millisText(one.created_at_ms),
    shortName(one.event_type),
    aboutText(one),
    one.state,
    String(one.attempts),
    one.jti,
    answerText(one),
  ],
});

const linesOf = (one: DeliveryDetail): readonly string[] => [
  ...fields({
    set: one.jti,
    event: shortName(one.event_type),
    about: subjectText(one.subject),
    principal: one.principal,
    signal: one.signal_id,
    state: one.state,
    attempts: one.attempts,
    'last answer': answerText(one),
    made: millisText(one.created_at_ms),
    'first sent': one.first_sent_at_ms && millisText(one.first_sent_at_ms),
    'not before': one.due_at_ms && millisText(one.due_at_ms),
    [one.state]: one.settled_at_ms && millisText(one.settled_at_ms),
    'signed with': one.kid ?? 'not signed yet',
  }),
  '',
  ...JSON.stringify(one.claims, null, 2).split('\n'),
];

const shortName = (uri: string): string => uri.slice(uri.lastIndexOf('/') + 1);

const answerText = ({ answer }: Delivery): string =>
  [answer?.status, answer?.err, answer?.description].filter((part) => part !== undefined).join(' ');

/** An agent by its name, everybody else as the SET has them. */
const aboutText = ({ principal, subject }: Delivery): string =>
  principal.startsWith('agent:') ? principal : subjectText(subject);

/** The values of a subject identifier, with the way to each: `user.email=jdoe@example.com`. @see RFC 9493 */
function subjectText(subject: object): string {
  const parts = (value: unknown, way: readonly string[]): readonly string[] =>
    typeof value === 'object' && value !== null
      ? Object.entries(value as JsonObject).flatMap(([name, inner]) =>
          name === 'format' ? [] : parts(inner, [...way, name]),
        )
      : [`${way.join('.')}=${String(value)}`];
  return parts(subject, []).join(' ');
}
