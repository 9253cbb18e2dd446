import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { listOf, pageOf, pageQuery } from '../http/list-page.ts';
import { parseIdentity } from '../core/known-as.ts';
import { matchKey } from '../core/match-key.ts';
import { Problem } from '../core/problem.ts';
import { agentName, type AgentName } from '../core/vocabulary.ts';
import { may, type Caller } from '../http/caller.ts';
import type { AgentPatch, AgentStore, Change, OrderAgent } from './ports.ts';
import {
  AgentChangedReply,
  AgentCreateBody,
  AgentPatchBody,
  AgentReply,
  IdentityBody,
  OrderBody,
  OrderReply,
  toAgentDraft,
  toAgentPatch,
  toAgentReply,
  toBoundReply,
  toOrderReply,
} from './schemas.ts';

export type AgentRoutesOptions = {
  readonly store: AgentStore;
  readonly order: OrderAgent;
  readonly nowMs: () => number;
  /** The issuer meant where an identity leaves `iss` out. */
  readonly onlyIssuer: () => string | undefined;
};

const tags = ['agents'];
const NameParams = Type.Object({ name: Type.String({ maxLength: 64 }) });

const listAgents = {
  config: { scopes: ['agents.read', 'agents.write'] },
  schema: {
    tags,
    summary: 'List agents',
    querystring: Type.Object(pageQuery(), { additionalProperties: false }),
    response: { 200: listOf(AgentReply) },
  },
} as const;

const registerAgent = {
  config: { scopes: ['agents.write'] },
  schema: {
    tags,
    summary: 'Register an agent',
    description:
      'Kills that stand for one of its parents or identifiers bind it in the same transaction; `bound` lists what they put.',
    body: AgentCreateBody,
    response: { 201: AgentChangedReply },
  },
} as const;

const showAgent = {
  config: { scopes: ['agents.read', 'agents.write'] },
  schema: { tags, summary: 'Show an agent', params: NameParams, response: { 200: AgentReply } },
} as const;

const changeAgent = {
  config: { scopes: ['agents.write'] },
  schema: {
    tags,
    summary: 'Change an agent',
    description: 'What is left out stays; a list replaces the whole list.',
    params: NameParams,
    body: AgentPatchBody,
    response: { 200: AgentChangedReply },
  },
} as const;

const learnIdentity = {
  config: { scopes: ['agents.write'] },
  schema: {
    tags,
    summary: 'Teach the hub one more key of an agent',
    description: 'Kills that stand for the agent or its parents bind it in the same transaction.',
    params: NameParams,
    body: IdentityBody,
    response: { 200: AgentChangedReply },
  },
} as const;

const retireAgent = {
  config: { scopes: ['agents.write'] },
  schema: {
    tags,
    summary: 'Retire an agent',
    description: 'It keeps its name, history and revocations, and is still hit by signals about it.',
    params: NameParams,
    response: { 200: AgentReply },
  },
} as const;

const disableAgent = {
  config: { scopes: ['agents.disable'] },
  schema: {
    tags,
    summary: 'Disable an agent',
    description:
      'Denies every token of the agent and of its descendants, whenever issued, until lifted. Becomes the signal `revocation-ordered`.',
    params: NameParams,
    body: OrderBody,
    response: { 202: OrderReply },
  },
} as const;

const enableAgent = {
  config: { scopes: ['agents.disable'] },
  schema: {
    tags,
    summary: 'Enable an agent',
    description:
      'Undoes the signals aimed at it; of one aimed at a parent it lifts only what hits this agent. A cut-off at this moment stays behind, so that tokens stolen before do not come ' +
      'back to life.',
    params: NameParams,
    body: OrderBody,
    response: { 202: OrderReply },
  },
} as const;

/** `/v1/agents`: who is under governance, which keys are theirs, who answers for them and who delegated to whom. */
export const agentRoutes: FastifyPluginAsyncTypebox<AgentRoutesOptions> = async (app, options) => {
  const { store, nowMs, onlyIssuer } = options;

  app.get('/v1/agents', listAgents, async ({ query: { cursor, limit } }) =>
    pageOf({
      limit,
      find: (rows) => store.list({ limit: rows, ...(cursor === undefined ? {} : { after: cursor }) }),
      toItem: toAgentReply,
      cursorOf: ({ name }) => name,
    }),
  );

  app.post('/v1/agents', registerAgent, async (request, reply) => {
    const draft = toAgentDraft(request.body, onlyIssuer());
    const bound = await store.create(draft, changeBy(request, nowMs()));
    return reply.code(201).send({ agent: await shown(store, draft.name), bound: toBoundReply(bound) });
  });

  app.get('/v1/agents/:name', showAgent, async (request) => shown(store, agentName(request.params.name)));

  app.patch('/v1/agents/:name', changeAgent, async (request) => {
    const name = agentName(request.params.name);
    const patch = toAgentPatch(request.body, onlyIssuer());
    await refuseUnprotecting(store, name, patch, request.caller);
    const bound = await store.change(name, patch, changeBy(request, nowMs()));
    return { agent: await shown(store, name), bound: toBoundReply(bound ?? []) };
  });

  app.post('/v1/agents/:name/identities', learnIdentity, async (request) => {
    const name = agentName(request.params.name);
    const identity = parseIdentity({ ...request.body.identity }, '/identity', onlyIssuer());
    const bound = await store.learn(name, identity, changeBy(request, nowMs()));
    return { agent: await shown(store, name), bound: toBoundReply(bound ?? []) };
  });

  app.post('/v1/agents/:name/retire', retireAgent, async (request) => {
    const name = agentName(request.params.name);
    await refuseUnprotecting(store, name, { identities: [] }, request.caller);
    await store.retire(name, changeBy(request, nowMs()));
    return shown(store, name);
  });

  app.post('/v1/agents/:name/disable', disableAgent, async (request, reply) => {
    const { name } = await shown(store, agentName(request.params.name));
    const { reason, lift_after_seconds: liftAfterSeconds } = request.body ?? {};
    const handled = await options.order({
      verb: 'disable',
      agent: agentName(name),
      caller: request.caller,
      correlationId: request.id,
      ...(reason === undefined ? {} : { reason }),
      ...(liftAfterSeconds === undefined ? {} : { liftAfterSeconds }),
    });
    return reply.code(202).send(toOrderReply(handled));
  });

  app.post('/v1/agents/:name/enable', enableAgent, async (request, reply) => {
    const { name } = await shown(store, agentName(request.params.name));
    const disabling = await store.disabling(agentName(name));
    if (disabling.signals.length + disabling.revocations.length === 0) {
      throw new Problem('conflict', `Nothing disables ${name}.`, {
        hint: `Weaker entries are lifted by id: GET /v1/revocations?agent=${name} lists them.`,
      });
    }
    const reason = request.body?.reason;
    const handled = await options.order({
      verb: 'enable',
      agent: agentName(name),
      caller: request.caller,
      correlationId: request.id,
      disabling,
      ...(reason === undefined ? {} : { reason }),
    });
    return reply.code(202).send(toOrderReply(handled));
  });
};

/** Else one person could do alone what a protected agent asks two for. */
/** What is no identity of a protected agent any more is not protected any more. */
async function refuseUnprotecting(
  store: AgentStore,
  name: AgentName,
  patch: Pick<AgentPatch, 'protected' | 'identities'>,
  caller: Caller,
): Promise<void> {
  if (may(caller, 'admin')) return;
  if (patch.protected === false)
    throw needsAdmin('Only admin takes the protection of an agent away.', 'protected');
  if (patch.identities === undefined) return;
  const kept = new Set(patch.identities.map(matchKey));
  const agent = await store.find(name);
  if (agent?.protected !== true || agent.identities.every((one) => kept.has(matchKey(one)))) return;
  throw needsAdmin('Only admin takes identities of a protected agent away.', 'identities');
}

const needsAdmin = (detail: string, member: 'protected' | 'identities'): Problem =>
  new Problem('insufficient-scope', detail, {
    hint: 'Ask somebody whose token has the scope admin; what is added needs none.',
    errors: [{ path: `/${member}`, message: 'needs the scope admin' }],
    extra: { scope: 'admin' },
  });

async function shown(store: AgentStore, name: AgentName) {
  const agent = await store.find(name);
  if (agent) return toAgentReply(agent);
  throw new Problem('not-found', 'There is no such agent.', { hint: 'GET /v1/agents lists them.' });
}

const changeBy = (request: FastifyRequest, atMs: number): Change => ({
  actor: request.caller.actor,
  atMs,
  correlationId: request.id,
});
