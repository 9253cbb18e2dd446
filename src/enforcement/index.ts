/**
 * The enforcement point of caep-hub as a library: an exact local cache of revocations, the check of a request, and the
 * means to stop it in the middle.
 */
import { assembleEnforcer, type Enforcer } from './enforcer.ts';
import type { EnforcerOptions } from './enforcer-options.ts';
import { createFeedClient } from './feed-client.ts';

export type { Access } from './enforcer-access.ts';
export type { Enforcer, EnforcerState, RouteOptions } from './enforcer.ts';
export type { IssuerOption } from './enforcer-issuers.ts';
export type { EnforcerOptions, EnforcerTrouble } from './enforcer-options.ts';
export type { CheckedRequest } from './enforcer-request.ts';
export type { FeedState, FeedTrouble } from './feed-types.ts';
export type { RouteClass } from './posture.ts';
export type { Refusal, RefusalBody, RefusalCode, Retry } from './refusal.ts';
export { toResponse } from './guards/web.ts';

/**
 * Makes this process an enforcement point: follows the hub's feed from now on, and judges requests at once, by what is
 * known and by the posture of their class.
 *
 * ```ts
 * const enforcer = createEnforcer({ hub, token, point: 'charges-api/1', audience, origin });
 * app.addHook('onRequest', enforcer.fastify({ class: 'sensitive' }));
 * ```
 *
 * @throws TypeError that names every option that is wrong.
 */
export const createEnforcer = (options: EnforcerOptions): Enforcer =>
  assembleEnforcer(options, { connect: createFeedClient });
