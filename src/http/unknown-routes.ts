import type { FastifyInstance } from 'fastify';
import { Problem } from '../core/problem.ts';

/** Tells a path that does not exist from a method that the path does not have (RFC 9110 §15.5.6). */
export function answerUnknownRoutes(app: FastifyInstance): void {
  const patterns = new Map<string, { readonly shape: RegExp; readonly methods: Set<string> }>();
  app.addHook('onRoute', ({ method, url }) => {
    const pattern = patterns.get(url) ?? { shape: shapeOf(url), methods: new Set<string>() };
    patterns.set(url, pattern);
    for (const one of [method].flat()) pattern.methods.add(one);
  });
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.replace(/[?#].*$/s, '');
    const methods = [...patterns.values()]
      .filter(({ shape }) => shape.test(path))
      .flatMap((one) => [...one.methods]);
    if (methods.length === 0 || methods.includes(request.method)) {
      throw new Problem('not-found', 'There is nothing at this path.', {
        hint: 'GET /openapi.json lists all paths.',
      });
    }
    const allowed = [...new Set(methods)].sort().join(', ');
    void reply.header('allow', allowed);
    throw new Problem('method-not-allowed', `This path has ${allowed}.`);
  });
}

/** A route pattern as an expression: `:name` is one segment, `*` the rest. */
function shapeOf(url: string): RegExp {
  const source = url
    .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
    .replace(/:[A-Za-z_]+/g, '[^/]+')
    .replaceAll('*', '.*');
  return new RegExp(`^${source}$`);
}
