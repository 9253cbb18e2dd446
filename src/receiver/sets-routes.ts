import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { type Static, Type } from 'typebox';
import { Problem } from '../core/problem.ts';
import { listOf, pageOf, pageQuery } from '../http/list-page.ts';
import type { UpstreamManagement } from './manage-upstreams.ts';
import { type ReceivedSetStore, type RecordedSet, recordedOutcomes } from './set-ports.ts';

export type SetsRoutesOptions = {
  readonly management: Pick<UpstreamManagement, 'find'>;
  readonly sets: Pick<ReceivedSetStore, 'list'>;
};

const SetReply = Type.Object({
  jti: Type.String(),
  received_at_ms: Type.Integer(),
  event_type: Type.String(),
  subject: Type.Object({}, { additionalProperties: true }),
  outcome: Type.Enum([...recordedOutcomes]),
  text: Type.String({ description: 'Why.' }),
});

const listSets = {
  config: { scopes: ['upstreams.write', 'audit.read'] },
  schema: {
    tags: ['upstreams'],
    summary: 'List the SETs of an upstream that put nothing into force',
    description:
      'Newest first: verification, news of the stream, event types that the hub does not know, what it did not understand, and ' +
      'what the limits of its source refuse. What took effect is a signal: GET /v1/signals?source=NAME.',
    params: Type.Object({ name: Type.String({ maxLength: 64 }) }),
    querystring: Type.Object(pageQuery(Type.String({ maxLength: 1_500 })), { additionalProperties: false }),
    response: { 200: listOf(SetReply) },
  },
} as const;

/** `/v1/upstreams/:name/sets` */
export const setsRoutes: FastifyPluginAsyncTypebox<SetsRoutesOptions> = async (app, { management, sets }) => {
  app.get('/v1/upstreams/:name/sets', listSets, async ({ params, query: { cursor, limit } }) => {
    const { name } = await management.find(params.name);
    const after = cursor === undefined ? undefined : parseCursor(cursor);
    return pageOf({
      limit,
      find: (rows) => sets.list(name, { limit: rows, ...(after === undefined ? {} : { after }) }),
      toItem: toSetReply,
      cursorOf: ({ receivedAtMs, jti }) =>
        Buffer.from(JSON.stringify([receivedAtMs, jti])).toString('base64url'),
    });
  });
};

const toSetReply = (set: RecordedSet): Static<typeof SetReply> => ({
  jti: set.jti,
  received_at_ms: set.receivedAtMs,
  event_type: set.eventType,
  subject: set.subject,
  outcome: set.outcome,
  text: set.text,
});

/** A `jti` is whatever its Transmitter made it. @throws Problem `invalid-request` */
function parseCursor(text: string): { readonly receivedAtMs: number; readonly jti: string } {
  const [receivedAtMs, jti] = parts(text);
  if (Number.isSafeInteger(receivedAtMs) && typeof jti === 'string' && !jti.includes('\u0000'))
    return { receivedAtMs: receivedAtMs as number, jti };
  throw new Problem('invalid-request', 'That is no cursor of this list.', {
    hint: 'Send the next_cursor of the page before, or none for the first page.',
    errors: [{ path: '/query/cursor', message: 'is not a next_cursor' }],
  });
}

function parts(text: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}
