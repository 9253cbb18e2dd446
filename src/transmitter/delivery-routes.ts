import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type, type Static } from 'typebox';
import { Problem } from '../core/problem.ts';
import { streamUpdatedEventType, verificationEventType } from '../core/set-claims.ts';
import { streamId } from '../core/vocabulary.ts';
import { listOf, pageDefault } from '../http/list-page.ts';
import { toEventUri } from './admin-schemas.ts';
import type { DeliveryFilter, DeliveryLog } from './delivery-ports.ts';
import {
  deliveryFilter,
  DeliveryDetailReply,
  DeliveryReply,
  stateFilter,
  toDeliveryReply,
  toDetailReply,
} from './delivery-schemas.ts';
import { noSuchStream } from './manage.ts';
import type { StreamStore } from './ports.ts';

export type DeliveryRoutesOptions = {
  readonly find: StreamStore['find'];
  readonly log: DeliveryLog;
};

const tags = ['streams'];
const config = { scopes: ['streams.write'] } as const;
const closed = { additionalProperties: false } as const;
const IdParams = Type.Object({ id: Type.String({ maxLength: 64 }) });
const page = {
  cursor: Type.Optional(Type.Integer({ minimum: 0, description: '`next_cursor` of the page before.' })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200, default: pageDefault })),
};

const DeadQuery = Type.Object({ ...deliveryFilter, ...page }, closed);
const DeliveriesQuery = Type.Object({ ...stateFilter, ...deliveryFilter, ...page }, closed);

const listDeliveries = {
  config,
  schema: {
    tags,
    summary: 'List what a stream was sent, and what waits',
    description:
      'Newest first. Where a filter finds little, a page may be short or empty and yet have a `next_cursor`: the list goes ' +
      'on further back. What is delivered or cancelled is kept for 7 days, what is dead for 30; what a later one outdates, no ' +
      'longer than that one.',
    params: IdParams,
    querystring: DeliveriesQuery,
    response: { 200: listOf(DeliveryReply) },
  },
} as const;

const listDead = {
  config,
  schema: {
    tags,
    summary: 'List the SETs that a receiver did not take',
    description: 'The deliveries of a stream that are `dead`, newest first.',
    params: IdParams,
    querystring: DeadQuery,
    response: { 200: listOf(DeliveryReply) },
  },
} as const;

const showDelivery = {
  config,
  schema: {
    tags,
    summary: 'Show a SET of a stream',
    params: Type.Object({ ...IdParams.properties, jti: Type.String({ maxLength: 128 }) }),
    response: { 200: DeliveryDetailReply },
  },
} as const;

/** `/v1/streams/:id/{deliveries[/:jti],dead-letters}` */
export const deliveryRoutes: FastifyPluginAsyncTypebox<DeliveryRoutesOptions> = async (
  app,
  { find, log },
) => {
  const idOf = async (id: string) => {
    const stream = await find(streamId(id));
    if (stream === undefined) throw noSuchStream();
    return stream.id;
  };

  async function list(id: string, query: Static<typeof DeliveriesQuery>) {
    const { cursor: before, limit = pageDefault } = query;
    const { items, next } = await log.list(await idOf(id), toFilter(query), {
      ...(before === undefined ? {} : { before }),
      limit,
    });
    return { items: items.map(toDeliveryReply), next_cursor: next === undefined ? null : String(next) };
  }

  app.get('/v1/streams/:id/deliveries', listDeliveries, ({ params, query }) => list(params.id, query));
  app.get('/v1/streams/:id/dead-letters', listDead, ({ params, query }) =>
    list(params.id, { ...query, state: 'dead' }),
  );
  app.get('/v1/streams/:id/deliveries/:jti', showDelivery, async ({ params: { id, jti } }) => {
    const found = await log.find(await idOf(id), jti);
    if (found !== undefined) return toDetailReply(found);
    throw new Problem('not-found', 'There is no such SET in this stream.', {
      hint: 'It may be of another stream, or longer ago than SETs are kept: GET /v1/streams/:id/deliveries lists them.',
    });
  });
};

const toFilter = (query: Static<typeof DeliveriesQuery>): DeliveryFilter => ({
  ...(query.state === undefined ? {} : { state: query.state }),
  ...(query.event_type === undefined ? {} : { eventType: eventUriOf(query.event_type) }),
  ...(query.subject === undefined ? {} : { subject: query.subject }),
  ...(query.signal_id === undefined ? {} : { signalId: query.signal_id }),
  ...(query.since_ms === undefined ? {} : { sinceMs: query.since_ms }),
});

/** Those about the stream itself, too, which nobody can ask a stream for. */
const eventUriOf = (name: string): string =>
  [verificationEventType, streamUpdatedEventType].find((uri) => uri === name || uri.endsWith(`/${name}`)) ??
  toEventUri(name, '/query/event_type');
