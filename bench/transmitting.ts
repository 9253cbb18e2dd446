import { setTimeout as delay } from 'node:timers/promises';
import type { SetClaims } from '../src/core/set-claims.ts';
import type { SigningAlgorithm } from '../src/core/stream.ts';
import type { Arrived } from './arrivals.ts';
import type { Receivers } from './children/push-receivers.ts';
import { issuer } from './entries.ts';
import { aKill, type Hub, post, startHub } from './hub.ts';
import { machineMicros } from './measure.ts';
import { type Helper, startHelper } from './processes.ts';
import type { Storage } from './storages.ts';

/** As the hub signs, and has on their way, at a time. */
const atOnce = 256;
const lookEveryMs = 20;
const settleMsMax = 60_000;

/** Who tells Receivers of a client that was killed: the hub, or the yardstick. */
export type Teller = {
  /** When each Receiver that counts has heard, in milliseconds since the POST was sent, in order. */
  readonly kill: () => Promise<readonly number[]>;
};

/** How many in a second of the clock, and in one of the processor. */
export type Rates = { readonly clock: number; readonly processor: number };

/** A hub with a stream for each of the Receivers, and Receivers of their own for the yardstick. */
export type Transmitting = {
  readonly ours: Teller;
  readonly bare: Teller;
  /** Resolves when the hub has nothing to deliver any more. */
  readonly settled: () => Promise<void>;
  /** What the hub's process used of the processor so far, all its threads, in microseconds. */
  readonly cpuMicros: () => Promise<number>;
  /** How many signatures the yardstick makes when it does nothing else. */
  readonly signBare: (times: number) => Promise<Rates>;
};

type Setting = {
  readonly storage: Storage;
  readonly dataDir: string;
  readonly algorithm: SigningAlgorithm;
  readonly streams: number;
};

/** Everything in processes of its own, for as long as `work` runs. */
export async function withTransmitting<Outcome>(
  { storage, dataDir, algorithm, streams }: Setting,
  work: (transmitting: Transmitting) => Promise<Outcome>,
): Promise<Outcome> {
  const hub = await startHub(storage, dataDir);
  const [receivers, bareReceivers] = [startHelper('push-receivers'), startHelper('push-receivers')];
  const transmitter = startHelper('bare-transmitter');
  try {
    await openStreams(hub, receivers, { counted: streams }, algorithm);
    let kills = 0;
    const teller = tellerBy(receivers, `${hub.url}/v1/signals`, hub.sourceToken);
    const ours: Teller = {
      kill() {
        kills += 1;
        return teller.kill();
      },
    };
    await ours.kill();
    const claims = await receivers.ask<SetClaims>('claims');
    const urls = await bareReceivers.ask<readonly string[]>('open', { counted: streams });
    await transmitter.ask('open', { algorithm, claims, urls, atOnce });
    return await work({
      ours,
      bare: tellerBy(bareReceivers, await transmitter.ask<string>('listen'), 'none'),
      settled: () => settled(hub, kills * streams),
      cpuMicros: () => hub.probe<number>('cpuMicros'),
      signBare: (times) => transmitter.ask<Rates>('sign', { times }),
    });
  } finally {
    await Promise.all([hub, receivers, bareReceivers, transmitter].map(({ end }) => end()));
  }
}

/** A stream for each Receiver, those that do not count first. */
export async function openStreams(
  hub: Hub,
  helper: Helper,
  receivers: Receivers,
  algorithm: SigningAlgorithm,
): Promise<void> {
  const urls = await helper.ask<readonly string[]>('open', receivers);
  for (const [index, url] of urls.toReversed().entries()) {
    await hub.call('POST', '/v1/streams', {
      receiver: `receiver-${index}`,
      events_requested: ['credential-compromise'],
      algorithm,
      delivery: { method: 'urn:ietf:rfc:8935', endpoint_url: url },
    });
  }
}

let killed = 0;

/** Each kill is of another client. */
export function tellerBy(receivers: Helper, url: string, token: string): Teller {
  return {
    async kill() {
      const clientId = `agent-${String((killed += 1)).padStart(6, '0')}`;
      const startedMicros = machineMicros();
      const [arrived] = await Promise.all([
        receivers.ask<Arrived>('arrivals', clientId),
        post(url, JSON.stringify(aKill(issuer, clientId)), token),
      ]);
      return arrived.atMicros.map((atMicros) => (atMicros - startedMicros) / 1_000);
    },
  };
}

/** Waits until so many SETs in all are delivered and written down as such, so that nobody else's turn is disturbed. */
async function settled({ url, adminToken }: Hub, count: number): Promise<void> {
  const untilMs = performance.now() + settleMsMax;
  while (performance.now() < untilMs) {
    const headers = { authorization: `Bearer ${adminToken}` };
    const text = await (await fetch(`${url}/metrics`, { headers })).text();
    const [, delivered] = /^caep_hub_pushes_total\{outcome="delivered"\} (\d+)$/m.exec(text) ?? [];
    if (Number(delivered) >= count) return;
    await delay(lookEveryMs);
  }
  throw new Error(`the hub has not delivered ${count} SETs`);
}
