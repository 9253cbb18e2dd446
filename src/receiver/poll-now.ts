import { Problem } from '../core/problem.ts';
import type { ClientOf } from './clients.ts';
import { setsPerPollMax, takeIn, type TakeInPorts } from './poller.ts';
import type { UpstreamStore } from './ports.ts';
import { noSuchUpstream, upstreamFailed, upstreamPaused } from './upstream-problems.ts';

export type Polled = {
  readonly received: number;
  readonly acknowledged: number;
  /** By `jti`: they are reported to the Transmitter and do not come again. */
  readonly refused: readonly { readonly jti: string; readonly err: string; readonly description: string }[];
  readonly moreAvailable: boolean;
};

/**
 * Asks once for what there is, and acknowledges what was taken. Beside the polls that go on by themselves a SET may come
 * twice, and is handled once.
 *
 * @throws Problem `not-found`, `conflict`, `upstream-failed`
 * @see RFC 8936 §2.4
 */
export async function pollNow(
  name: string,
  ports: TakeInPorts & { readonly store: Pick<UpstreamStore, 'find'>; readonly clientOf: ClientOf },
): Promise<Polled> {
  const upstream = await ports.store.find(name);
  if (upstream === undefined) throw noSuchUpstream();
  if (upstream.paused) throw upstreamPaused();
  const url = upstream.binding?.pollUrl;
  if (url === undefined) throw nothingToPoll();
  const client = await ports.clientOf(upstream);
  const ask = { url, acks: [], setErrs: new Map(), setsMax: setsPerPollMax, returnImmediately: true };
  const polled = await client.poll(ask);
  if (polled.kind === 'failed') throw upstreamFailed(polled);
  const { sets, moreAvailable } = polled.value;
  const { acks, setErrs } = await takeIn(ports, upstream, polled.value);
  if (acks.length + setErrs.size > 0) {
    const said = await client.poll({ ...ask, acks, setErrs, setsMax: 0 });
    if (said.kind === 'failed') throw upstreamFailed(said);
  }
  return {
    received: sets.size,
    acknowledged: acks.length,
    refused: [...setErrs].map(([jti, { err, description }]) => ({ jti, err, description })),
    moreAvailable,
  };
}

const nothingToPoll = (): Problem =>
  new Problem('conflict', 'This upstream has nothing that could be polled.', {
    hint: 'Its delivery must be poll, and it must be connected.',
  });
