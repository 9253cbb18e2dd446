import { Problem } from '../core/problem.ts';
import { nameShape, type PointName } from '../core/vocabulary.ts';
import type { Caller } from '../http/caller.ts';

export type InstanceName = { readonly point: PointName; readonly instance: string };

/**
 * Which instance calls, by the header `Caep-Point: <point>/<instance>`. The token says for which point it may speak;
 * nothing for a watcher, who has no such token and no such header.
 *
 * @throws Problem `invalid-request`, `insufficient-scope`
 */
export function instanceNameOf(
  caller: Caller,
  header: string | readonly string[] | undefined,
): InstanceName | undefined {
  if (header === undefined && caller.point === undefined) return undefined;
  const [point = '', instance = '', ...more] = typeof header === 'string' ? header.split('/') : [];
  if (!nameShape.test(point) || !nameShape.test(instance) || more.length > 0) {
    throw new Problem('invalid-request', 'The header Caep-Point must name the calling process.', {
      hint: 'Send Caep-Point: <point>/<instance>, one instance name for each process.',
      errors: [{ path: '/headers/caep-point', message: 'must have the form <point>/<instance>' }],
    });
  }
  if (caller.point !== point) {
    throw new Problem('insufficient-scope', `The token is not one of the point ${point}.`, {
      hint: 'Leave the header out to watch, or use the token that was made with the point.',
    });
  }
  return { point: caller.point, instance };
}

/** @throws Problem `insufficient-scope` for callers that are no instance of a point. */
export function requireInstanceName(
  caller: Caller,
  header: string | readonly string[] | undefined,
): InstanceName {
  const named = instanceNameOf(caller, header);
  if (named) return named;
  throw new Problem('insufficient-scope', 'Only instances of a point may say this.', {
    hint: 'Use the token that was made with the point, and send Caep-Point: <point>/<instance>.',
  });
}
