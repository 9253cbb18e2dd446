import { setTimeout as delay } from 'node:timers/promises';
import type { SetErrorCode } from '../core/received-set.ts';
import { planRetry, retryLimits } from '../core/retry-waits.ts';
import type { Millis } from '../core/vocabulary.ts';
import { parseJsonPart } from '../enforcement/token-format.ts';
import type { CallFailure, PolledSets, TransmitterClient, Upstream, UpstreamStore } from './ports.ts';
import type { AcceptSet } from './set-ports.ts';
import type { UpstreamDirectory } from './upstream-directory.ts';

/** SETs that one poll asks for. */
export const setsPerPollMax = 100;
/** Who polls holds on to it so long, again and again. A node that died holds nothing any more after that. */
const holdMs = 15_000;
const renewHoldMs = 5_000;
/** How often a node looks whether the one that polls is gone. */
const lookAgainMs = 5_000;
/** A Transmitter that answers with nothing, and does not wait before it does, is asked this seldom. */
const emptyPauseMs = 1_000;
const waits = {
  ...retryLimits,
  waitMsMax: 60_000,
  attemptsMax: Number.POSITIVE_INFINITY,
  ageMsMax: Number.POSITIVE_INFINITY,
};

export type PollerPorts = {
  readonly directory: Pick<UpstreamDirectory, 'all' | 'byId' | 'onRead'>;
  readonly store: Pick<UpstreamStore, 'holdPoll' | 'note'>;
  readonly clientOf: (upstream: Upstream) => Promise<TransmitterClient>;
  readonly accept: AcceptSet;
  /** Which node this is. */
  readonly holder: string;
  readonly nowMs: () => Millis;
  readonly chance: () => number;
  readonly onError: (upstream: Upstream, error: unknown) => void;
};

/** What taking SETs in asks of the world. */
export type TakeInPorts = Pick<PollerPorts, 'accept' | 'onError'>;

/** What the next poll says of what came before: taken, or why not. Nothing of it is lost that would not come again. */
type Said = {
  readonly acks: readonly string[];
  readonly setErrs: ReadonlyMap<string, { readonly err: SetErrorCode; readonly description: string }>;
};
const nothingSaid: Said = { acks: [], setErrs: new Map() };

/**
 * Polls every upstream that is to be polled: on one node at a time, one poll after the other, each waiting at the
 * Transmitter until there is a SET. Acknowledged is what is durable.
 *
 * @see RFC 8936 §2
 */
export function createPoller(ports: PollerPorts): { readonly close: () => Promise<void> } {
  const running = new Map<string, { readonly stop: AbortController; readonly ended: Promise<void> }>();
  const follow = (): void => {
    const wanted = new Map(
      ports.directory.all().flatMap((one) => (isPolled(one) ? [[keyOf(one), one]] : [])),
    );
    for (const [key, { stop }] of running) if (!wanted.has(key)) stop.abort();
    for (const [key, upstream] of wanted) {
      if (running.has(key)) continue;
      const stop = new AbortController();
      const ended = pollOn(ports, upstream, stop.signal).finally(() => {
        running.delete(key);
        if (!closed) follow();
      });
      running.set(key, { stop, ended });
    }
  };
  let closed = false;
  ports.directory.onRead(() => {
    if (!closed) follow();
  });
  follow();
  return {
    async close() {
      closed = true;
      const all = [...running.values()];
      for (const { stop } of all) stop.abort();
      await Promise.all(all.map(({ ended }) => ended));
    },
  };
}

const isPolled = ({ paused, settings, binding }: Upstream): boolean =>
  !paused && settings.delivery === 'poll' && binding?.pollUrl !== undefined;

/** Whatever makes another loop of it. */
const keyOf = ({ id, binding }: Upstream): string =>
  JSON.stringify([id, binding?.pollUrl, binding?.boundAtMs]);

async function pollOn(ports: PollerPorts, upstream: Upstream, stop: AbortSignal): Promise<void> {
  let said = nothingSaid;
  let failures = 0;
  while (!stop.aborted) {
    let waitMs = 0;
    try {
      // With the limits and settings that it has by now.
      const now = ports.directory.byId(upstream.id) ?? upstream;
      const turn = await pollOnce(ports, now, { said, hasFailed: failures > 0, stop });
      said = turn.said;
      failures = turn.failure === undefined ? 0 : failures + 1;
      waitMs = turn.failure === undefined ? turn.waitMs : waitOf(failures, ports.chance(), turn.failure);
    } catch (error) {
      failures += 1;
      waitMs = waitOf(failures, ports.chance());
      ports.onError(upstream, error);
    }
    if (waitMs > 0) await delay(waitMs, undefined, { signal: stop }).catch(() => undefined);
  }
}

type Turn = { readonly said: Said; readonly waitMs: number; readonly failure?: CallFailure };

async function pollOnce(
  ports: PollerPorts,
  upstream: Upstream,
  asked: { readonly said: Said; readonly hasFailed: boolean; readonly stop: AbortSignal },
): Promise<Turn> {
  const hold = await holdOn(ports, upstream, asked.stop);
  if (hold === undefined) return { said: nothingSaid, waitMs: lookAgainMs };
  try {
    return await pollHeld(ports, upstream, { ...asked, stop: hold.stop });
  } finally {
    hold.end();
  }
}

/** The right to poll, renewed until its end; `stop` fires when it is lost, or at the caller's. */
async function holdOn(
  { store, holder, nowMs, onError }: PollerPorts,
  upstream: Upstream,
  stop: AbortSignal,
): Promise<{ readonly stop: AbortSignal; readonly end: () => void } | undefined> {
  const hold = () => store.holdPoll(upstream.name, { holder, nowMs: nowMs(), untilMs: nowMs() + holdMs });
  if (!(await hold())) return undefined;
  const lost = new AbortController();
  const renew = async (): Promise<void> => {
    if (!(await hold())) lost.abort();
  };
  const timer = setInterval(
    () => void renew().catch((error: unknown) => onError(upstream, error)),
    renewHoldMs,
  );
  return { stop: AbortSignal.any([stop, lost.signal]), end: () => clearInterval(timer) };
}

async function pollHeld(
  ports: PollerPorts,
  upstream: Upstream,
  { said, hasFailed, stop }: { readonly said: Said; readonly hasFailed: boolean; readonly stop: AbortSignal },
): Promise<Turn> {
  const { store, nowMs } = ports;
  const client = await ports.clientOf(upstream);
  const url = upstream.binding?.pollUrl ?? '';
  const askedAtMs = nowMs();
  const polled = await client.poll({ url, ...said, setsMax: setsPerPollMax, returnImmediately: false, stop });
  if (stop.aborted) return { said, waitMs: 0 };
  if (polled.kind === 'failed') {
    await store.note(upstream.name, { failure: { atMs: nowMs(), step: 'poll', text: polled.text } });
    return { said, waitMs: 0, failure: polled };
  }
  if (hasFailed) await store.note(upstream.name, { failure: null });
  const isEmpty = polled.value.sets.size === 0;
  return {
    said: await takeIn(ports, upstream, polled.value),
    waitMs: isEmpty && nowMs() - askedAtMs < emptyPauseMs ? emptyPauseMs : 0,
  };
}

/** All at once: those about one subject keep their order, and the rest share transactions. */
export async function takeIn(ports: TakeInPorts, upstream: Upstream, { sets }: PolledSets): Promise<Said> {
  const acks: string[] = [];
  const setErrs = new Map<string, { err: SetErrorCode; description: string }>();
  const failures: unknown[] = [];
  await Promise.all(
    [...sets].map(async ([jti, compact]) => {
      if (jtiIn(compact) !== jti) {
        setErrs.set(jti, { err: 'invalid_request', description: 'The SET has another jti than its key.' });
        return;
      }
      try {
        const answer = await ports.accept(upstream, compact);
        if (answer.kind === 'acknowledged') acks.push(jti);
        else setErrs.set(jti, { err: answer.err, description: answer.description });
      } catch (error) {
        failures.push(error);
      }
    }),
  );
  // What could not be taken in comes again; what could is said before that.
  if (failures.length > 0) ports.onError(upstream, failures[0]);
  return { acks, setErrs };
}

/** Not believed, only compared; what has none is refused for what it is. */
function jtiIn(compact: string): unknown {
  const claims = parseJsonPart(compact.split('.', 2)[1] ?? '');
  return claims?.['jti'];
}

function waitOf(failures: number, chance: number, failure?: CallFailure): number {
  const retryAfterMs = (failure?.retryAfterSeconds ?? 0) * 1_000;
  const plan = planRetry({ attempts: failures, ageMs: 0, retryAfterMs, chance }, waits);
  return plan.kind === 'wait' ? plan.waitMs : waits.waitMsMax;
}
