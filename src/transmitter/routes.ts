import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import { matchesEtag } from '../http/etag.ts';
import { parseJson } from '../http/json-body.ts';
import type { Management, Receiver } from './manage.ts';
import { type Metadata, metadataOf, metadataPath, ssfPaths } from './metadata.ts';
import { receiverOf } from './receiver.ts';
import { routes } from './route-schemas.ts';
import { toStatus } from './schemas.ts';

export type SsfRoutesOptions = {
  readonly management: Management;
  readonly issuer: () => string;
  /** Empty, or the path of the issuer without a slash at its end. */
  readonly issuerPath: string;
  readonly nowMs: () => number;
};

const metadataCaching = 'public, max-age=300';

/** The metadata and `/ssf`: what receivers do with their streams. */
export const ssfRoutes: FastifyPluginAsyncTypebox<SsfRoutesOptions> = async (app, options) => {
  const { management, issuer, nowMs } = options;
  const from = (request: FastifyRequest): Receiver => ({
    receiver: receiverOf(request.caller),
    by: { actor: request.caller.actor, atMs: nowMs(), correlationId: request.id },
  });
  // Examples of the specification have no Content-Type: whatever it says, a body is JSON or refused.
  app.addContentTypeParser('*', { parseAs: 'buffer' }, async (_request: FastifyRequest, bytes: Buffer) =>
    bytes.length === 0 ? undefined : parseJson(bytes),
  );

  let metadata: Metadata | undefined;
  app.get(metadataPath(options.issuerPath), routes.metadata, async (request, reply) => {
    metadata ??= metadataOf(issuer());
    void reply.header('cache-control', metadataCaching).header('etag', metadata.etag);
    if (matchesEtag(request.headers['if-none-match'], metadata.etag)) return reply.code(304).send();
    return reply.type('application/json').send(metadata.text);
  });

  app.post(ssfPaths.configuration_endpoint, routes.create, async (request, reply) =>
    reply.code(201).send(await management.create(from(request), request.body)),
  );
  app.get(ssfPaths.configuration_endpoint, routes.read, async (request) => {
    const { stream_id: id } = request.query;
    return id === undefined
      ? [...(await management.list(from(request)))]
      : management.show(from(request), id);
  });
  app.patch(ssfPaths.configuration_endpoint, routes.patch, async (request) =>
    management.patch(from(request), request.body.stream_id, request.body),
  );
  app.put(ssfPaths.configuration_endpoint, routes.replace, async (request) =>
    management.replace(from(request), request.body.stream_id, request.body),
  );
  app.delete(ssfPaths.configuration_endpoint, routes.remove, async (request, reply) => {
    await management.remove(from(request), request.query.stream_id);
    return reply.code(204).send(null);
  });

  app.get(ssfPaths.status_endpoint, routes.status, async (request) =>
    toStatus(await management.status(from(request), request.query.stream_id)),
  );
  app.post(ssfPaths.status_endpoint, routes.setStatus, async (request) => {
    const { stream_id: id, status, reason } = request.body;
    return toStatus(await management.setStatus(from(request), id, status, reason));
  });

  app.post(ssfPaths.add_subject_endpoint, routes.addSubject, async (request, reply) => {
    const { stream_id: id, subject, verified = true } = request.body;
    await management.addSubject(from(request), id, subject, verified);
    return reply.code(200).send();
  });
  app.post(ssfPaths.remove_subject_endpoint, routes.removeSubject, async (request, reply) => {
    await management.removeSubject(from(request), request.body.stream_id, request.body.subject);
    return reply.code(204).send(null);
  });
  app.post(ssfPaths.verification_endpoint, routes.verify, async (request, reply) => {
    await management.verify(from(request), request.body.stream_id, request.body.state);
    return reply.code(204).send(null);
  });
};
