import { createHash } from 'node:crypto';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { accessTokenAlgorithm } from '../core/access-token-algorithm.ts';
import { Problem } from '../core/problem.ts';
import type { SigningAlgorithm } from '../core/stream.ts';
import { matchesEtag } from '../http/etag.ts';
import { jwksCacheSeconds } from './key-life.ts';
import { type KeyPurpose, keyPurposes } from './key-ports.ts';
import type { KeyRing } from './key-ring.ts';
import { JwkSet, KeyList, RotateBody, RotationReply, toKeyReply } from './key-schemas.ts';

export type KeyRoutesOptions = {
  readonly keys: Readonly<Record<KeyPurpose, Pick<KeyRing, 'jwks' | 'list' | 'rotate'>>>;
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
    summary: 'Replace a signing key',
    description:
      'The new key is published at once and signs when everybody may know it; the old one is served until no SET that it signed is under way, and no access token of it lives.',
    body: RotateBody,
    response: { 201: RotationReply },
  },
} as const;

/** `/jwks.json`, `/v1/keys`. */
export const keyRoutes: FastifyPluginAsyncTypebox<KeyRoutesOptions> = async (app, { keys, nowMs }) => {
  app.get('/jwks.json', getJwks, async (request, reply) => {
    const jwks = { keys: [...(await keys.sets.jwks())] };
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
    const items = await Promise.all(
      keyPurposes.map(async (purpose) => {
        const all = await keys[purpose].list();
        return all.map((key) => toKeyReply(purpose, key, all, nowMs()));
      }),
    );
    return { items: items.flat(), next_cursor: null };
  });

  app.post('/v1/keys/rotate', rotateKey, async (request, reply) => {
    const { for: purpose = 'sets', compromised = false } = request.body;
    const algorithm = algorithmOf(purpose, request.body.algorithm);
    const by = { actor: request.caller.actor, correlationId: request.id };
    const { key, removed } = await keys[purpose].rotate({ algorithm, compromised, by });
    const all = await keys[purpose].list();
    return reply.code(201).send({ ...toKeyReply(purpose, key, all, nowMs()), removed: [...removed] });
  });
};

function algorithmOf(purpose: KeyPurpose, asked: SigningAlgorithm | undefined): SigningAlgorithm {
  if (purpose === 'sets' && asked !== undefined) return asked;
  if (purpose === 'access-tokens' && (asked ?? accessTokenAlgorithm) === accessTokenAlgorithm) {
    return accessTokenAlgorithm;
  }
  const message = asked === undefined ? 'is missing' : `must be ${accessTokenAlgorithm} for access tokens`;
  throw new Problem('invalid-request', 'There are no such keys.', {
    errors: [{ path: '/algorithm', message }],
  });
}
