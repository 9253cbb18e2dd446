import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Readable } from 'node:stream';
import { Type } from 'typebox';
import { pageOf } from '../http/list-page.ts';
import { Problem } from '../core/problem.ts';
import { matchesEtag } from '../http/etag.ts';
import { signalId } from '../core/vocabulary.ts';
import { refuseToken } from '../http/authenticate.ts';
import { type EnforcementView, nothingToEnforce } from './enforcement.ts';
import { streamEnforcement } from './enforcement-stream.ts';
import type { FeedConnections } from './feed-connections.ts';
import { readCursor, refusalOf, subscriberOf } from './feed-request.ts';
import type { FindStart } from './feed-start.ts';
import { requireInstanceName } from './instance-name.ts';
import type { PollFeed } from './long-poll.ts';
import type { FindSignalSeq, ReportStore, WatchToken } from './ports.ts';
import type { PointRegistry } from './point-registry.ts';
import type { ReceiptBook } from './receipt-book.ts';
import type { TakeReports } from './reports.ts';
import {
  AddedPointReply,
  enforcementResponse,
  FeedQuery,
  feedResponse,
  NameParams,
  PointBody,
  PointReply,
  pollMsDefault,
  snapshotResponse,
  toEnforcementReply,
} from './schemas.ts';
import {
  ReceiptBodySchema,
  ReceiptReply,
  ReportBodySchema,
  ReportQuerySchema,
  ReportsReply,
  toReportReply,
} from './receipt-schemas.ts';
import type { SnapshotReaders } from './snapshot-readers.ts';
import type { Snapshots } from './snapshot.ts';

export type FeedRoutesOptions = {
  readonly findStart: FindStart;
  readonly connections: FeedConnections;
  readonly pollFeed: PollFeed;
  readonly snapshots: Snapshots;
  readonly snapshotReaders: SnapshotReaders;
};

const feedScopes = ['feed.read', 'point'] as const;

/** `/v1/feed`: what points enforce, as a stream, by long poll and as a snapshot. */
export const feedRoutes: FastifyPluginAsyncTypebox<FeedRoutesOptions> = async (app, options) => {
  app.get(
    '/v1/feed',
    {
      config: { scopes: feedScopes, refuses: [410, 429] },
      schema: {
        tags: ['feed'],
        summary: 'Follow the feed of revocations',
        description:
          'Server-sent events: `hello`, `configuration`, then `put`, `lift` and `drop` in order, and a `heartbeat` each ' +
          'second. Resume with `Last-Event-ID` or `from`; 410 asks for a snapshot. `wait=changes` answers once, as JSON.',
        querystring: FeedQuery,
        response: feedResponse,
      },
    },
    async (request, reply) => {
      const subscriber = subscriberOf(request.caller, request.headers);
      const cursor = readCursor(request.headers['last-event-id'], request.query.from);
      options.connections.admit(subscriber);
      const { caller, id: correlationId } = request;
      const seq = await options.findStart(cursor, { ...subscriber, actor: caller.actor, correlationId });
      options.connections.admit(subscriber);
      if (request.query.wait === undefined) {
        reply.hijack();
        options.connections.open(subscriber, reply.raw, seq);
        return reply;
      }
      const waiting = options.connections.enter(subscriber, reply.raw);
      try {
        const timeoutMs = request.query.timeout_ms ?? pollMsDefault;
        const events = await options.pollFeed({ ...subscriber, seq, timeoutMs, stop: waiting.stop });
        if (waiting.refused !== undefined) {
          throw refusalOf(waiting.refused, (why) => refuseToken(why));
        }
        return { events: [...events] };
      } finally {
        waiting.leave();
      }
    },
  );

  app.get(
    '/v1/feed/snapshot',
    {
      config: { scopes: feedScopes, refuses: [429] },
      schema: {
        tags: ['feed'],
        summary: 'Take every live entry at one position',
        description:
          'NDJSON: a header line with the position, one entry a line, a trailer with count and digest.',
        response: snapshotResponse,
      },
    },
    async (request, reply) => {
      subscriberOf(request.caller, request.headers);
      void reply.header('vary', 'Accept, Accept-Encoding');
      if (matchesEtag(request.headers['if-none-match'], options.snapshots.etag)) {
        return reply.code(304).header('etag', options.snapshots.etag).send(null);
      }
      options.snapshotReaders.enter(reply.raw);
      const { etag, contentType, encoding, body } = await options.snapshots.take(request.headers);
      void reply.header('etag', etag).header('cache-control', 'no-cache').type(contentType);
      if (encoding !== 'identity') void reply.header('content-encoding', encoding);
      return reply.send(Readable.from(body));
    },
  );

  app.addHook('preClose', async () => options.connections.close());
};

export type PointRoutesOptions = { readonly registry: PointRegistry };

/** `/v1/points`: who is expected to enforce, and how far each instance is. */
export const pointRoutes: FastifyPluginAsyncTypebox<PointRoutesOptions> = async (app, { registry }) => {
  const tags = ['points'];
  app.get(
    '/v1/points',
    {
      config: { scopes: ['points.read', 'points.write'] },
      schema: {
        tags,
        summary: 'List enforcement points with their instances',
        response: { 200: Type.Object({ items: Type.Array(PointReply), next_cursor: Type.Null() }) },
      },
    },
    async () => ({ items: await registry.list(), next_cursor: null }),
  );
  app.get(
    '/v1/points/:name',
    {
      config: { scopes: ['points.read', 'points.write'] },
      schema: {
        tags,
        summary: 'Show an enforcement point',
        params: NameParams,
        response: { 200: PointReply },
      },
    },
    async (request) => registry.show(request.params.name),
  );
  app.post(
    '/v1/points',
    {
      config: { scopes: ['points.write'] },
      schema: {
        tags,
        summary: 'Add an enforcement point',
        description:
          'Answers a token of scope `point`, shown this once. Its processes name themselves by `Caep-Point`.',
        body: PointBody,
        response: { 201: AddedPointReply },
      },
    },
    async (request, reply) =>
      reply.code(201).send(await registry.add(request.body, request.caller, request.id)),
  );
  app.post(
    '/v1/points/:name/retire',
    {
      config: { scopes: ['points.write'] },
      schema: {
        tags,
        summary: 'Retire an enforcement point',
        description: 'Nobody waits for it any more. Its tokens end and its feeds are cut.',
        params: NameParams,
        response: { 200: PointReply },
      },
    },
    async (request) => registry.retire(request.params.name, request.caller, request.id),
  );
};

export type ReceiptRoutesOptions = {
  readonly book: Pick<ReceiptBook, 'accept'>;
  readonly takeReports: TakeReports;
  readonly reports: Pick<ReportStore, 'list'>;
};

/** What instances say: how far they are, what they refused, whom they saw. */
export const receiptRoutes: FastifyPluginAsyncTypebox<ReceiptRoutesOptions> = async (app, options) => {
  const tags = ['points'];
  app.post(
    '/v1/points/receipts',
    {
      config: { scopes: ['point'], refuses: [429] },
      schema: {
        tags,
        summary: 'Confirm what is in force at an instance',
        description: 'Cumulative. At once after a deny, else at the pace that the answer asks for.',
        body: ReceiptBodySchema,
        response: { 200: ReceiptReply },
      },
    },
    async (request) => {
      const { point, instance } = requireInstanceName(request.caller, request.headers['caep-point']);
      return options.book.accept(point, instance, request.body);
    },
  );
  app.post(
    '/v1/points/reports',
    {
      config: { scopes: ['point'], refuses: [429] },
      schema: {
        tags,
        summary: 'Report refusals and sightings',
        description: 'Batched, without tokens, kept once each. Nothing follows from them by itself.',
        body: ReportBodySchema,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      await options.takeReports(
        requireInstanceName(request.caller, request.headers['caep-point']),
        request.body,
      );
      return reply.code(204).send(null);
    },
  );
  app.get(
    '/v1/points/reports',
    {
      config: { scopes: ['points.read', 'points.write'] },
      schema: {
        tags,
        summary: 'List what instances refused and saw',
        description: 'Newest first.',
        querystring: ReportQuerySchema,
        response: { 200: ReportsReply },
      },
    },
    async ({ query: { limit, cursor, ...filter } }) =>
      pageOf({
        limit,
        find: (rows) =>
          options.reports.list({ ...filter, ...(cursor !== undefined && { before: cursor }), limit: rows }),
        toItem: toReportReply,
        cursorOf: ({ id }) => id,
      }),
  );
};

export type EnforcementRoutesOptions = {
  readonly view: EnforcementView;
  readonly findSignalSeq: FindSignalSeq;
  readonly watchToken: WatchToken;
};

/** `GET /v1/signals/:id/enforcement`: whether it is in force everywhere, and who has not confirmed. */
export const enforcementRoutes: FastifyPluginAsyncTypebox<EnforcementRoutesOptions> = async (
  app,
  options,
) => {
  app.get(
    '/v1/signals/:id/enforcement',
    {
      config: { scopes: ['signals.read'], refuses: [409] },
      schema: {
        tags: ['signals'],
        summary: 'Show who enforces what a signal put',
        description:
          'With `Accept: text/event-stream`: an event for each change, until it is complete. A signal that has put and lifted ' +
          'nothing, because it waits or is not resolved yet, is no success: 409 `conflict`.',
        params: Type.Object({ id: Type.String({ maxLength: 64 }) }),
        response: enforcementResponse,
      },
    },
    async (request, reply) => {
      const id = signalId(request.params.id);
      const found = await options.findSignalSeq(id);
      if (found === undefined) {
        throw new Problem('not-found', 'There is no such signal.', { hint: 'GET /v1/signals lists them.' });
      }
      if (found.lastSeq === undefined) throw nothingToEnforce();
      const signal = { signalId: id, lastSeq: found.lastSeq };
      if (!request.headers.accept?.includes('text/event-stream')) {
        return toEnforcementReply(await options.view.state(signal));
      }
      const stop = new AbortController();
      const states = options.view.watch(signal, stop.signal);
      reply.hijack();
      const unwatch = options.watchToken(request.caller, () => stop.abort());
      await streamEnforcement(reply.raw, states, stop).finally(unwatch);
      return reply;
    },
  );
};
