import type { HandleSignal, MakeStatement } from '../pipeline/ports.ts';
import type { JsonObject } from '../core/vocabulary.ts';
import type { AgentOrder, OrderAgent } from './ports.ts';

/** Orders about agents are signals like any other: same limits, same audit. */
export function createOrderAgent(options: {
  readonly handle: HandleSignal;
  readonly makeStatement: MakeStatement;
}): OrderAgent {
  const { handle, makeStatement } = options;
  return async (order) => {
    const handled = [];
    for (const said of saidBy(order)) {
      const subject = { agent: order.agent };
      const statement = makeStatement({
        ...said,
        subject,
        source: order.caller.source,
        actor: order.caller.actor,
        body: Buffer.from(JSON.stringify({ ...said, subject })),
        correlationId: order.correlationId,
        ...(order.reason === undefined ? {} : { reason: order.reason }),
      });
      handled.push(await handle(statement));
    }
    return handled;
  };
}

function saidBy(order: AgentOrder): readonly { readonly event: string; readonly data: JsonObject }[] {
  const reason = order.reason === undefined ? {} : { reason: order.reason };
  if (order.verb === 'enable') {
    const { signals, revocations } = order.disabling;
    const named = [
      ...signals.map((id) => ({ signal_id: id })),
      ...revocations.map((id) => ({ revocation_id: id })),
    ];
    return named.map((what) => ({ event: 'revocation-lifted', data: { ...what, ...reason } }));
  }
  const { liftAfterSeconds } = order;
  const timed = liftAfterSeconds === undefined ? {} : { lift_after_seconds: liftAfterSeconds };
  return [{ event: 'revocation-ordered', data: { effect: 'deny', ...timed, ...reason } }];
}
