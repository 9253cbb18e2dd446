import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { Problem } from '../core/problem.ts';
import { listOf, pageOf, pageQuery } from '../http/list-page.ts';
import type { HookActivities } from './activity.ts';
import { kindOf } from './kinds.ts';
import { hookBodyBytesMax } from './limits.ts';
import type { HookStore, Mapper } from './ports.ts';
import { checkMapping, makeHook, type MadeHook } from './put-hook.ts';
import { rehearse, type RehearseOptions } from './rehearse.ts';
import {
  HookBody,
  HookDetailReply,
  HookReply,
  PutHookReply,
  TestBody,
  TestReply,
  toActivityReply,
  toHookId,
  toHookReply,
  toOptions,
} from './schemas.ts';

export type HookRoutesOptions = RehearseOptions & {
  readonly store: Omit<HookStore, 'addActivity'>;
  readonly mapper: Mapper;
  readonly activities: Pick<HookActivities, 'flush'>;
  /** Where the hub is for others. */
  readonly hubUrl: () => string;
  /** Makes a change known to this node. Never rejects. */
  readonly catchUp: () => Promise<void>;
};

const tags = ['hooks'];
const Params = Type.Object({ source: Type.String({ maxLength: 64 }) });
/** A body as JSON text within JSON, with every character escaped. */
const testBytesMax = 2 * hookBodyBytesMax;

/** `/v1/hooks`: which stock senders may speak, and what is made of what they send. */
export const hookRoutes: FastifyPluginAsyncTypebox<HookRoutesOptions> = async (app, options) => {
  const { store, activities, hubUrl, nowMs, catchUp } = options;
  app.get(
    '/v1/hooks',
    {
      config: { scopes: ['sources.write', 'audit.read'] },
      schema: {
        tags,
        summary: 'List hooks',
        querystring: Type.Object(pageQuery(), { additionalProperties: false }),
        response: { 200: listOf(HookReply) },
      },
    },
    async ({ query: { cursor, limit } }) =>
      pageOf({
        limit,
        find: (rows) => store.list({ limit: rows, ...(cursor === undefined ? {} : { after: cursor }) }),
        toItem: (hook) => toHookReply(hook, hubUrl()),
        cursorOf: ({ id }) => id,
      }),
  );

  app.get(
    '/v1/hooks/:source',
    {
      config: { scopes: ['sources.write', 'audit.read'] },
      schema: {
        tags,
        summary: 'Show a hook and what came of what it was sent',
        params: Params,
        response: { 200: HookDetailReply },
      },
    },
    async ({ params }) => {
      await activities.flush();
      const hook = await store.find(toHookId(params.source));
      if (hook === undefined) throw noSuchHook();
      return { ...toHookReply(hook, hubUrl()), activity: toActivityReply(hook.activity) };
    },
  );

  app.put(
    '/v1/hooks/:source',
    {
      config: { scopes: ['sources.write'] },
      schema: {
        tags,
        summary: 'Let a stock sender in, or change how',
        description:
          'Creates the hook and, where there is none, the source of its name, whose limits hold for it (PUT /v1/sources/:id). What is left out takes its default, save the secret, which stays.',
        params: Params,
        body: HookBody,
        response: { 200: PutHookReply, 201: PutHookReply },
      },
    },
    async (request, reply) => {
      const { body, params } = request;
      const id = toHookId(params.source);
      const kind = kindOf(body.kind);
      if (kind === undefined) throw noSuchHook();
      const wanted = {
        id,
        kind,
        options: toOptions(body, kind),
        newSecret: body.new_secret === true,
        ...(body.mapping === undefined ? {} : { mapping: body.mapping }),
        ...(body.secret === undefined ? {} : { secret: body.secret }),
        ...(body.previous_secret === undefined ? {} : { previousSecret: body.previous_secret }),
      };
      // That of the kind, too: a thread is there when the first body comes.
      await checkMapping(options.mapper, body.mapping ?? kind.mapping);
      const change = { actor: request.caller.actor, atMs: nowMs(), correlationId: request.id };
      const { done, made } = await put(store, wanted, change);
      await catchUp();
      return reply.code(done === 'created' ? 201 : 200).send({
        ...toHookReply(made.hook, hubUrl()),
        ...(made.made === undefined ? {} : { secret: made.made }),
      });
    },
  );

  app.delete(
    '/v1/hooks/:source',
    {
      config: { scopes: ['sources.write'] },
      schema: {
        tags,
        summary: 'Let a stock sender in no more',
        description: 'At once, on every node. Its source stays, and so does what it said.',
        params: Params,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const change = { actor: request.caller.actor, atMs: nowMs(), correlationId: request.id };
      if (!(await store.remove(toHookId(request.params.source), change))) throw noSuchHook();
      await catchUp();
      return reply.code(204).send(null);
    },
  );
};

/** `POST /v1/hooks/:source/test`. */
export const hookTestRoutes: FastifyPluginAsyncTypebox<HookRoutesOptions> = async (app, options) => {
  app.post(
    '/v1/hooks/:source/test',
    {
      bodyLimit: testBytesMax,
      config: { scopes: ['sources.write'] },
      schema: {
        tags,
        summary: 'Show what a body would do',
        description: 'What the mapping makes of it, and what the hub would do then. Nothing is written.',
        params: Params,
        body: TestBody,
        response: { 200: TestReply },
      },
    },
    async ({ params, body, id: correlationId }) => {
      const hook = await options.store.find(toHookId(params.source));
      if (hook === undefined) throw noSuchHook();
      if (body.mapping !== undefined) await checkMapping(options.mapper, body.mapping);
      return rehearse(options, {
        hook,
        body: Buffer.from(typeof body.body === 'string' ? body.body : JSON.stringify(body.body)),
        headers: new Map(
          Object.entries(body.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
        ),
        correlationId,
        ...(body.mapping === undefined ? {} : { mapping: body.mapping }),
      });
    },
  );
};

type Wanted = Parameters<typeof makeHook>[0];

async function put(
  store: Pick<HookStore, 'put'>,
  wanted: Wanted,
  change: Parameters<HookStore['put']>[2],
): Promise<{ readonly done: 'created' | 'replaced'; readonly made: MadeHook }> {
  let made: MadeHook | undefined;
  const done = await store.put(
    wanted.id,
    (before) => {
      made = makeHook(wanted, before, change.atMs);
      return made.hook;
    },
    change,
  );
  if (made === undefined) throw new Error('a hook was put and not made');
  return { done, made };
}

const noSuchHook = () =>
  new Problem('not-found', 'There is no such hook.', { hint: 'GET /v1/hooks lists them.' });
