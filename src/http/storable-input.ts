import type { FastifyInstance, FastifyRequest } from 'fastify';
import { findJsonFaults, unstorableText } from '../core/text.ts';
import type { Json } from '../core/vocabulary.ts';

/** How much a request holds is limited before: its size, the nesting of its JSON, and the schema of its route. */
const anyAmount = { depthMax: Infinity, nodesMax: Infinity, textMax: Infinity } as const;

/** Refuses text that no store takes, wherever a request has it, before any route sees it. */
export function refuseUnstorableInput(app: FastifyInstance): void {
  app.addHook('preValidation', async ({ body, params, query }: FastifyRequest) => {
    const parts = [
      [params, '/path'],
      [query, '/query'],
      [body, ''],
    ] as const;
    const unstorable = parts.flatMap(([part, path]) =>
      part === undefined ? [] : findJsonFaults(part as Json, path, anyAmount).unstorable,
    );
    if (unstorable.length > 0) throw unstorableText(unstorable);
  });
}
