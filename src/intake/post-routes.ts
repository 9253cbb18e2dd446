import { once } from 'node:events';
import { Readable } from 'node:stream';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Static } from 'typebox';
import { Problem } from '../core/problem.ts';
import { isNdjson, ndjsonTypes, splitLines } from '../http/ndjson.ts';
import { bodyBytesOf, readBytes } from '../http/server.ts';
import {
  answerSignal,
  type EnforcementView,
  SignalAnswer,
  SignalQuery,
  toSignalAnswer,
} from '../http/signal-answer.ts';
import { type Batch, batchLimits, type BatchOptions, sayBatch } from './batch.ts';
import { createPlaces, type Place } from './batch-places.ts';
import { statementOf } from './say-signal.ts';
import { BatchBody, BatchReply, SignalBody } from './schemas.ts';

export type PostSignalOptions = BatchOptions & { readonly enforcement: EnforcementView };

const description = `Decided, committed and told to every enforcement point before it is answered with 202. With \`dry_run\` the answer (200) shows what would be hit, and nothing is written.

With \`Content-Type: ${ndjsonTypes[0]}\` (or ${ndjsonTypes.slice(1).join(', ')}) the body is a batch: one signal a line, at most ${batchLimits.lines} lines and ${batchLimits.bytes} bytes, a line as long as a body of one signal may be. The answer is one line of JSON for each line that is not blank, in their order, with the number of the line (the first is 1): what became of the signal, or a problem. Each is decided by itself, so that a line that is refused fails alone; \`id\` makes each idempotent. The status is 200 whenever the batch could be read, for no other status is true of lines that fared differently: look at each. Each is committed before its line is written; lines with a problem of status 429 or 503, and those that have no answer because the connection broke, may be sent again, under the same \`id\` without harm. \`wait\` is for single signals: GET /v1/signals/:id/enforcement says how far one is enforced. Lists in a line have their first ${batchLimits.listed} entries. The hub reads ${batchLimits.places.all} batches at a time, ${batchLimits.places.ofSource} of one source (429).`;

/** `POST /v1/signals`: the door for whoever can speak JSON. */
export const postSignalRoute: FastifyPluginAsyncTypebox<PostSignalOptions> = async (app, options) => {
  const takePlace = createPlaces(batchLimits.places);
  const places = new WeakMap<FastifyRequest, Place>();
  readBytes(app, ndjsonTypes, batchLimits.bytes);
  app.post(
    '/v1/signals',
    {
      config: { scopes: ['signals.write'], refuses: [429] },
      schema: {
        tags: ['signals'],
        summary: 'Say that something happened to a subject',
        description,
        querystring: SignalQuery,
        body: {
          content: {
            'application/json': { schema: SignalBody },
            ...Object.fromEntries(ndjsonTypes.map((type) => [type, { schema: BatchBody }])),
          },
        },
        response: {
          200: {
            description: 'The dry run of a signal; the lines of a batch.',
            content: {
              'application/json': { schema: SignalAnswer },
              [ndjsonTypes[0]]: { schema: BatchReply },
            },
          },
          202: SignalAnswer,
        },
      },
      // Before the body is read: what may not be kept is not taken.
      async preParsing(request, reply) {
        if (!isNdjson(request.mediaType)) return;
        places.set(request, takePlace(request.caller.source.id, once(reply.raw, 'close')));
      },
    },
    async (request, reply) => {
      const query = request.query;
      if (isNdjson(request.mediaType)) return answerBatch(options, request, reply, places.get(request));
      const body = request.body as Static<typeof SignalBody> | undefined;
      if (body === undefined) throw noBody();
      const said = { caller: request.caller, body, bytes: bodyBytesOf(request), correlationId: request.id };
      const statement = statementOf(options.makeStatement, said);
      if (query.dry_run === true) {
        return toSignalAnswer(await options.handle(statement, { dryRun: true }), { dryRun: true });
      }
      return answerSignal(reply, await options.handle(statement), options.enforcement, query);
    },
  );
};

function answerBatch(
  options: PostSignalOptions,
  request: FastifyRequest<{ Querystring: Static<typeof SignalQuery> }>,
  reply: FastifyReply,
  place: Place | undefined,
): FastifyReply {
  const { caller, query } = request;
  if (query.wait !== undefined) throw noWaiting();
  const lines = splitLines(bodyBytesOf(request), batchLimits.lines);
  if (lines.length === 0) throw noLines();
  const answers = sayBatch(options, {
    caller,
    lines,
    correlationId: request.id,
    dryRun: query.dry_run === true,
    onTrouble: troubleOf(request),
  });
  const all = Promise.all(answers);
  place?.until(all);
  const body = Readable.from(inOrder(answers), { objectMode: false });
  void all.then(() => {
    const deadline = setTimeout(() => body.destroy(), batchLimits.answerMs).unref();
    body.once('close', () => clearTimeout(deadline));
  });
  return reply.code(200).type(`${ndjsonTypes[0]}; charset=utf-8`).send(body);
}

async function* inOrder(answers: readonly Promise<string>[]): AsyncGenerator<string> {
  for (const answer of answers) yield `${await answer}\n`;
}

/** One line in the log a batch and kind: a database that is gone is gone for all its lines. */
function troubleOf({ log }: FastifyRequest): Batch['onTrouble'] {
  const told = new Set<string>();
  return ({ kind, error }) => {
    if (told.has(kind)) return;
    told.add(kind);
    if (kind === 'bug') log.error({ err: error }, 'a line of a batch failed by a mistake of the hub');
    else log.warn({ err: error }, 'lines of a batch were turned away');
  };
}

const noBody = (): Problem =>
  new Problem('invalid-request', 'The body is missing.', {
    hint: `Send a signal with Content-Type: application/json, or several with ${ndjsonTypes[0]}.`,
  });

const noLines = (): Problem =>
  new Problem('invalid-request', 'The batch has no line.', { hint: 'Send one signal a line.' });

const noWaiting = (): Problem =>
  new Problem('invalid-request', 'A batch is not waited for.', {
    hint: 'Leave wait out, and ask GET /v1/signals/:id/enforcement.',
    errors: [{ path: '/query/wait', message: 'is for single signals' }],
  });
