import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { listOf, pageOf, pageQuery } from '../http/list-page.ts';
import { outcomes } from '../core/decision.ts';
import { eventTypes } from '../core/events/event-types.ts';
import { Problem } from '../core/problem.ts';
import { type EnforcementView, toSignalAnswer } from '../http/signal-answer.ts';
import type { HandleSignal } from '../pipeline/ports.ts';
import { formatCursor, parseListCursor } from '../http/list-cursor.ts';
import type { Caller } from '../http/caller.ts';
import type { Deciding, HeldStore, SignalReader } from './ports.ts';
import {
  EventTypeReply,
  HeldReply,
  ReleaseReply,
  SignalReply,
  toEventTypeReply,
  toHeldReply,
  toSignalReply,
} from './schemas.ts';

const tags = ['signals'];
const heldTags = ['held'];
const page = pageQuery(Type.String({ maxLength: 100 }));
const IdParams = Type.Object({ id: Type.String({ maxLength: 64 }) });

export type SignalReadOptions = { readonly reader: SignalReader; readonly enforcement: EnforcementView };

/** What was said, and what there is to say. */
export const signalReadRoutes: FastifyPluginAsyncTypebox<SignalReadOptions> = async (
  app,
  { reader, enforcement },
) => {
  app.get(
    '/v1/signals',
    {
      config: { scopes: ['signals.read'] },
      schema: {
        tags,
        summary: 'List signals, newest first',
        querystring: Type.Object(
          {
            ...page,
            source: Type.Optional(Type.String({ maxLength: 64 })),
            outcome: Type.Optional(Type.Enum([...outcomes])),
          },
          { additionalProperties: false },
        ),
        response: { 200: listOf(SignalReply) },
      },
    },
    async ({ query: { cursor, limit, source, outcome } }) => {
      const after = cursor === undefined ? undefined : parseListCursor(cursor);
      const filter = {
        ...(source === undefined ? {} : { sourceId: source }),
        ...(outcome === undefined ? {} : { outcome }),
      };
      const from = after === undefined ? {} : { after: { receivedAtMs: after.atMs, id: after.id } };
      return pageOf({
        limit,
        find: (rows) => reader.list(filter, { limit: rows, ...from }),
        toItem: (record) => toSignalReply(record),
        cursorOf: ({ answer }) => formatCursor({ atMs: answer.receivedAtMs, id: answer.signalId }),
      });
    },
  );

  app.get(
    '/v1/signals/:id',
    {
      config: { scopes: ['signals.read'] },
      schema: { tags, summary: 'Show a signal', params: IdParams, response: { 200: SignalReply } },
    },
    async ({ params }) => {
      const record = await reader.find(params.id);
      if (record === undefined) throw notFound('signal', '/v1/signals');
      const { signalId, lastSeq } = record.answer;
      const now = lastSeq === undefined ? undefined : await enforcement.now({ signalId, lastSeq });
      return toSignalReply(record, now);
    },
  );

  app.get(
    '/v1/event-types',
    {
      config: { scopes: ['signals.read', 'signals.write'] },
      schema: {
        tags,
        summary: 'List the event types that the hub understands',
        response: { 200: Type.Object({ items: Type.Array(EventTypeReply) }) },
      },
    },
    async () => ({ items: eventTypes.map(toEventTypeReply) }),
  );
};

export type HeldRoutesOptions = {
  readonly held: HeldStore;
  readonly handle: HandleSignal;
  readonly nowMs: () => number;
};

/** `/v1/held`: signals that wait for a person. */
export const heldRoutes: FastifyPluginAsyncTypebox<HeldRoutesOptions> = async (app, { held }) => {
  app.get(
    '/v1/held',
    {
      config: { scopes: ['signals.read', 'held.release'] },
      schema: {
        tags: heldTags,
        summary: 'List held signals, those with the nearest deadline first',
        querystring: Type.Object(
          { ...page, state: Type.Optional(Type.Enum(['waiting', 'released', 'discarded'])) },
          { additionalProperties: false },
        ),
        response: { 200: listOf(HeldReply) },
      },
    },
    async ({ query: { cursor, limit, state = 'waiting' } }) => {
      const after = cursor === undefined ? undefined : parseListCursor(cursor);
      const from = after === undefined ? {} : { after: { deadlineMs: after.atMs, id: after.id } };
      return pageOf({
        limit,
        find: (rows) => held.list(state, { limit: rows, ...from }),
        toItem: toHeldReply,
        cursorOf: ({ deadlineMs, signal }) => formatCursor({ atMs: deadlineMs, id: signal.answer.signalId }),
      });
    },
  );

  app.get(
    '/v1/held/:id',
    {
      config: { scopes: ['signals.read', 'held.release'] },
      schema: {
        tags: heldTags,
        summary: 'Show a held signal',
        params: IdParams,
        response: { 200: HeldReply },
      },
    },
    async ({ params }) => toHeldReply(await heldOf(held, params.id)),
  );
};

/** What a person decides about them. */
export const heldDecisionRoutes: FastifyPluginAsyncTypebox<HeldRoutesOptions> = async (app, options) => {
  const { held, handle } = options;
  app.post(
    '/v1/held/:id/release',
    {
      config: { scopes: ['held.release'], refuses: [409] },
      schema: {
        tags: heldTags,
        summary: 'Approve a held signal',
        description:
          'With enough approvals it is decided again, by what is known now, and takes effect. Never by its own maker.',
        params: IdParams,
        response: { 200: ReleaseReply, 202: ReleaseReply },
      },
    },
    async (request, reply) => {
      refuseMachine(request.caller);
      const by = decidingOf(request, options.nowMs());
      const approved = await held.approve(request.params.id, by);
      if (approved === undefined) throw notFound('held signal', '/v1/held');
      if (!approved.enough) return { held: toHeldReply(await heldOf(held, request.params.id)) };
      const { answer } = (await heldOf(held, request.params.id)).signal;
      const signal = await handle(approved.statement, {
        released: { signalId: answer.signalId, by: by.actor },
      });
      const after = toHeldReply(await heldOf(held, request.params.id));
      return reply.code(202).send({ held: after, signal: toSignalAnswer(signal) });
    },
  );

  app.post(
    '/v1/held/:id/discard',
    {
      config: { scopes: ['held.release'], refuses: [409] },
      schema: {
        tags: heldTags,
        summary: 'Discard a held signal',
        description: 'It takes no effect, and what was put while it waited ends.',
        params: IdParams,
        response: { 200: HeldReply },
      },
    },
    async (request) => {
      const discarded = await held.discard(request.params.id, decidingOf(request, options.nowMs()));
      if (discarded === undefined) throw notFound('held signal', '/v1/held');
      return toHeldReply(await heldOf(held, request.params.id));
    },
  );
};

/** What was held for a person is not released by a program. */
function refuseMachine(caller: Caller): void {
  if (caller.source.person) return;
  throw new Problem('source-not-allowed', 'Only a person releases what is held.', {
    hint: 'Use a token whose source speaks for a person (POST /v1/tokens with "person": true). You may discard it.',
  });
}

async function heldOf(held: HeldStore, id: string) {
  const found = await held.find(id);
  if (found === undefined) throw notFound('held signal', '/v1/held');
  return found;
}

const decidingOf = (request: FastifyRequest, atMs: number): Deciding => ({
  actor: request.caller.actor,
  atMs,
  correlationId: request.id,
});

const notFound = (what: string, list: string): Problem =>
  new Problem('not-found', `There is no such ${what}.`, { hint: `GET ${list} lists them.` });
