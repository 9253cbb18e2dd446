import { randomUUID } from 'node:crypto';
import { CliProblem, isCliProblem } from './cli-problem.ts';
import { exitCodes } from './exit-codes.ts';
import type { Hub } from './hub.ts';
import type { SignalAnswer, SignalRequest } from './wire.ts';

/** Under this id the same request is the same signal, however often it is sent. */
export const newSignalId = (): string => `cli-${randomUUID()}`;

/** What would be hit; nothing is written. */
export const tryOut = (hub: Hub, body: SignalRequest): Promise<SignalAnswer> =>
  hub.call('POST', '/v1/signals', { body, query: { dry_run: true }, repeatable: true });

/**
 * Posts a signal, again if no answer comes: its `id` sees to it that twice is once.
 *
 * @throws CliProblem that says how to find out, when it is not known whether the hub took it.
 */
export async function postSignal(
  hub: Hub,
  body: SignalRequest & { readonly id: string },
): Promise<SignalAnswer> {
  try {
    return await hub.call('POST', '/v1/signals', { body, repeatable: true });
  } catch (error) {
    if (!isCliProblem(error) || error.exitCode !== exitCodes.unreachable) throw error;
    throw new CliProblem(error.exitCode, error.code, error.message, {
      hint: `It is not known whether the hub took it. Say it again with --id ${body.id}: twice is once.`,
      cause: error,
    });
  }
}
