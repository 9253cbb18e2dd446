import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import { listOf, pageOf } from '../http/list-page.ts';
import { Problem } from '../core/problem.ts';
import type { JsonObject } from '../core/vocabulary.ts';
import { formatCursor, parseListCursor } from '../http/list-cursor.ts';
import { bodyBytesOf } from '../http/server.ts';
import {
  answerSignal,
  type EnforcementView,
  SignalAnswer,
  SignalQuery,
  toSignalAnswer,
} from '../http/signal-answer.ts';
import type { HandleSignal, MakeStatement } from '../pipeline/ports.ts';
import type { CheckView, RevocationReader, RevocationRecord } from './ports.ts';
import {
  CheckBody,
  CheckReply,
  LiftBody,
  OrderBody,
  RevocationQuery,
  RevocationReply,
  toCheckReply,
  toMatchFilter,
  toOrderData,
  toRevocationReply,
  toTokenContext,
} from './schemas.ts';

const tags = ['revocations'];
const IdParams = Type.Object({ id: Type.String({ maxLength: 64 }) });

export type OrderRoutesOptions = {
  readonly handle: HandleSignal;
  readonly makeStatement: MakeStatement;
  readonly reader: Pick<RevocationReader, 'find'>;
  readonly enforcement: EnforcementView;
};

/** Orders that a person or a runbook gives outright: they become the signals `revocation-ordered` and `revocation-lifted`. */
export const orderRoutes: FastifyPluginAsyncTypebox<OrderRoutesOptions> = async (app, options) => {
  const { handle, makeStatement, reader, enforcement } = options;
  app.post(
    '/v1/revocations',
    {
      config: { scopes: ['revocations.write'], refuses: [429] },
      schema: {
        tags,
        summary: 'Order a revocation',
        description:
          'Becomes the signal `revocation-ordered`: same limits, same audit, same answer as POST /v1/signals.',
        querystring: SignalQuery,
        body: OrderBody,
        response: { 200: SignalAnswer, 202: SignalAnswer },
      },
    },
    async (request, reply) => {
      const { body, query } = request;
      const statement = makeStatement({
        ...spokenBy(request),
        event: 'revocation-ordered',
        subject: body.match as JsonObject,
        data: toOrderData(body),
        paths: { subject: '/match', data: '' },
        ...(body.id === undefined ? {} : { externalId: body.id }),
        ...(body.txn === undefined ? {} : { txn: body.txn }),
      });
      if (query.dry_run === true)
        return toSignalAnswer(await handle(statement, { dryRun: true }), { dryRun: true });
      return answerSignal(reply, await handle(statement), enforcement, query);
    },
  );

  app.post(
    '/v1/revocations/:id/lift',
    {
      config: { scopes: ['revocations.write'], refuses: [429] },
      schema: {
        tags,
        summary: 'Lift a revocation',
        description:
          'Becomes the signal `revocation-lifted`. Lifting a disable leaves a cut-off at this moment behind, unless `restore_tokens`.',
        params: IdParams,
        querystring: SignalQuery,
        body: LiftBody,
        response: { 200: SignalAnswer, 202: SignalAnswer },
      },
    },
    async (request, reply) => {
      const entry = await liveEntry(reader, request.params.id);
      const statement = makeStatement(liftOf(request, entry, request.body));
      if (request.query.dry_run === true) {
        return toSignalAnswer(await handle(statement, { dryRun: true }), { dryRun: true });
      }
      return answerSignal(reply, await handle(statement), enforcement, request.query);
    },
  );
};

const spokenBy = (request: FastifyRequest) => ({
  source: request.caller.source,
  actor: request.caller.actor,
  body: bodyBytesOf(request),
  correlationId: request.id,
});

const liftOf = (request: FastifyRequest, entry: RevocationRecord, body: Static<typeof LiftBody>) => ({
  ...spokenBy(request),
  event: 'revocation-lifted',
  subject: { ...entry.match },
  data: { revocation_id: entry.id, ...body },
  paths: { data: '' },
});

async function liveEntry(reader: Pick<RevocationReader, 'find'>, id: string): Promise<RevocationRecord> {
  const entry = await reader.find(id);
  if (entry === undefined) throw noSuchRevocation();
  if (entry.state === 'live') return entry;
  throw new Problem('already-lifted', entry.state === 'lifted' ? 'It was lifted before.' : 'It has lapsed.', {
    extra: {
      ...(entry.endedAtMs === undefined ? {} : { ended_at_ms: entry.endedAtMs }),
      ...(entry.endedBy === undefined ? {} : { ended_by: entry.endedBy }),
    },
  });
}

/** What is in force, and what was. */
export const revocationReadRoutes: FastifyPluginAsyncTypebox<{ readonly reader: RevocationReader }> = async (
  app,
  { reader },
) => {
  app.get(
    '/v1/revocations',
    {
      config: { scopes: ['revocations.read'] },
      schema: {
        tags,
        summary: 'List revocations, newest first',
        description: 'Members of `match` as parameters find the entries that name them.',
        querystring: RevocationQuery,
        response: { 200: listOf(RevocationReply) },
      },
    },
    async ({ query }) => {
      const { cursor, limit, state, effect, agent, signal } = query;
      const after = cursor === undefined ? undefined : parseListCursor(cursor);
      const match = toMatchFilter(query);
      const filter = {
        ...(state === undefined ? {} : { state }),
        ...(effect === undefined ? {} : { effect }),
        ...(agent === undefined ? {} : { agent }),
        ...(signal === undefined ? {} : { signalId: signal }),
        ...(match === undefined ? {} : { match }),
      };
      const from = after === undefined ? {} : { after: { putAtMs: after.atMs, id: after.id } };
      return pageOf({
        limit,
        find: (rows) => reader.list(filter, { limit: rows, ...from }),
        toItem: toRevocationReply,
        cursorOf: ({ putAtMs, id }) => formatCursor({ atMs: putAtMs, id }),
      });
    },
  );

  app.get(
    '/v1/revocations/:id',
    {
      config: { scopes: ['revocations.read'] },
      schema: { tags, summary: 'Show a revocation', params: IdParams, response: { 200: RevocationReply } },
    },
    async ({ params }) => {
      const entry = await reader.find(params.id);
      if (entry === undefined) throw noSuchRevocation();
      return toRevocationReply(entry);
    },
  );
};

/** `POST /v1/check`: what a point would do with a token of this context. */
export const checkRoute: FastifyPluginAsyncTypebox<{ readonly view: CheckView }> = async (app, { view }) => {
  app.post(
    '/v1/check',
    {
      config: { scopes: ['revocations.read'] },
      schema: {
        tags,
        summary: 'Check a token context against everything in force',
        description:
          'Answered as the points do, with everything that was committed before. Send the claims; never send a token.',
        body: CheckBody,
        response: { 200: CheckReply },
      },
    },
    async ({ body }) => {
      const context = toTokenContext(body);
      await view.catchUp();
      return toCheckReply(view.check(context), view.position());
    },
  );
};

const noSuchRevocation = (): Problem =>
  new Problem('not-found', 'There is no such revocation.', { hint: 'GET /v1/revocations lists them.' });
