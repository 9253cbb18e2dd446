import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type, type Static } from 'typebox';
import type { Stream } from '../core/stream.ts';
import { streamId, type Millis, type StreamId } from '../core/vocabulary.ts';
import { harmlessText } from '../core/text.ts';
import type { Caller } from '../http/caller.ts';
import { noSuchStream } from './manage.ts';
import { setsPerPollMax, type Poll } from './poll.ts';
import type { PushAnswer } from './ports.ts';

export type PollRoutesOptions = {
  readonly poll: Poll;
  /** The caller's own stream; nothing for a missing one and for another's. */
  readonly findOwn: (caller: Caller, id: StreamId) => Promise<Stream | undefined>;
  /** A poll is activity of the stream (SSF 1.0 §8.1.1). */
  readonly noteActivity: (id: StreamId, atMs: Millis) => Promise<void>;
  /** Calls back when the token of the caller is over; returns what ends the watching. */
  readonly watchToken: (caller: Caller, callback: () => void) => () => void;
  readonly nowMs: () => Millis;
};

/** SETs that one poll may acknowledge, and report as faulty. */
const idsMax = 1_000;
const idLengthMax = 256;
const errTextMax = 256;
const descriptionMax = 1_000;

const PollBody = Type.Object(
  {
    maxEvents: Type.Optional(
      Type.Integer({
        minimum: 0,
        description: `At most so many SETs, never more than ${setsPerPollMax}; 0: none.`,
      }),
    ),
    returnImmediately: Type.Optional(
      Type.Boolean({ default: false, description: 'Answer at once, even when there is nothing.' }),
    ),
    ack: Type.Optional(
      Type.Array(Type.String({ maxLength: idLengthMax }), {
        maxItems: idsMax,
        examples: [['set_01JD0000000000000000000000']],
      }),
    ),
    setErrs: Type.Optional(
      Type.Record(
        Type.String({ maxLength: idLengthMax }),
        Type.Object(
          { err: Type.String({ minLength: 1 }), description: Type.Optional(Type.String()) },
          { additionalProperties: true },
        ),
        { maxProperties: idsMax },
      ),
    ),
  },
  { additionalProperties: true },
);

const pollStream = {
  config: { scopes: ['ssf.read', 'ssf.manage'] },
  schema: {
    tags: ['ssf'],
    summary: 'Poll a stream for SETs',
    description:
      'RFC 8936. What is acknowledged, or reported as faulty, is taken note of first, whatever the status of the stream. ' +
      'Unless `returnImmediately` is true the answer waits until there is a SET, or 25 seconds. What is not acknowledged ' +
      'comes again after 30 seconds.',
    params: Type.Object({ stream_id: Type.String({ maxLength: 128 }) }),
    body: PollBody,
    response: {
      200: Type.Object({
        sets: Type.Record(Type.String(), Type.String(), { description: 'jti → SET' }),
        moreAvailable: Type.Boolean(),
      }),
    },
  },
} as const;

/** `/ssf/poll/:stream_id` */
export const pollRoutes: FastifyPluginAsyncTypebox<PollRoutesOptions> = async (app, options) => {
  app.post('/ssf/poll/:stream_id', pollStream, async (request, reply) => {
    const stream = await options.findOwn(request.caller, streamId(request.params.stream_id));
    if (stream?.delivery.method !== 'poll') throw noSuchStream();
    await options.noteActivity(stream.id, options.nowMs());
    const gone = new AbortController();
    reply.raw.once('close', () => gone.abort());
    const unwatch = options.watchToken(request.caller, () => gone.abort());
    void reply.header('cache-control', 'no-store');
    try {
      const { sets, moreAvailable } = await options.poll(stream.id, toAsk(request.body), gone.signal);
      return { sets: { ...sets }, moreAvailable };
    } finally {
      unwatch();
    }
  });
};

const toAsk = ({
  maxEvents = setsPerPollMax,
  returnImmediately = false,
  ack = [],
  setErrs = {},
}: Static<typeof PollBody>) => ({
  setsMax: maxEvents,
  returnImmediately,
  acks: ack,
  errors: new Map(
    Object.entries(setErrs).map(([jti, { err, description }]): [string, PushAnswer] => [
      jti,
      {
        err: harmlessText(err, errTextMax),
        ...(description === undefined ? {} : { description: harmlessText(description, descriptionMax) }),
      },
    ]),
  ),
});
