import { createHash } from 'node:crypto';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { matchesEtag } from '../http/etag.ts';
import { jwksCacheSeconds } from './key-life.ts';
import type { KeyRing } from './key-ring.ts';
import { JwkSet, KeyList, RotateBody, RotationReply, toKeyReply } from './key-schemas.ts';

export type KeyRoutesOptions = {
  readonly keys: Pick<KeyRing, 'jwks' | 'list' | 'rotate'>;
  readonly nowMs: () => number;
};

const tags = ['keys'];
/** @see RFC 7517 §8.5.2 */
const jwkSetType = 'application/jwk-set+json';

const getJwks = {
  config: { public: true },
  schema: {
    tags,
    summary: 'The keys that SETs are verified with',
    description: `Public keys only. May be kept for ${jwksCacheSeconds} s: a new key is here for twice as long before it signs. Fetch again when a SET names an unknown \`kid\`.`,
    response: {
      200: { description: 'RFC 7517', content: { [jwkSetType]: { schema: JwkSet } } },
      304: Type.Unsafe<undefined>({ type: 'null', description: 'As the ETag in `If-None-Match` has it.' }),
    },
  },
} as const;

const listKeys = {
  config: { scopes: ['keys.write'] },
  schema: {
    tags,
    summary: 'List signing keys',
    description: 'Those that are served and those that were retired lately, with what each does now.',
    response: { 200: KeyList },
  },
} as const;

const rotateKey = {
  config: { scopes: ['keys.write'] },
  schema: {
    tags,
    summary: 'Replace the signing key of an algorithm',
    description:
      'The new key is published at once and signs when every receiver may know it; the old one is served until no SET that it signed is under way.',
    body: RotateBody,
    response: { 201: RotationReply },
  },
} as const;

/** `/jwks.json`, `/v1/keys`. */
export const keyRoutes: FastifyPluginAsyncTypebox<KeyRoutesOptions> = async (app, { keys, nowMs }) => {
  app.get('/jwks.json', getJwks, async (request, reply) => {
    const jwks = { keys: [...(await keys.jwks())] };
    const text = JSON.stringify(jwks);
    const etag = `"${createHash('sha256').update(text).digest('base64url')}"`;
    void reply.header('cache-control', `public, max-age=${jwksCacheSeconds}`).header('etag', etag);
    if (matchesEtag(request.headers['if-none-match'], etag)) return reply.code(304).send();
    // The bytes that the tag is of; and no charset is added, which JSON has none of.
    return reply
      .type(jwkSetType)
      .serializer(() => text)
      .send(jwks);
  });

  app.get('/v1/keys', listKeys, async () => {
    const all = await keys.list();
    return { items: all.map((key) => toKeyReply(key, all, nowMs())), next_cursor: null };
  });

  app.post('/v1/keys/rotate', rotateKey, async (request, reply) => {
    const { algorithm, compromised = false } = request.body;
    const by = { actor: request.caller.actor, correlationId: request.id };
    const { key, removed } = await keys.rotate({ algorithm, compromised, by });
    const all = await keys.list();
    return reply.code(201).send({ ...toKeyReply(key, all, nowMs()), removed: [...removed] });
  });
};
