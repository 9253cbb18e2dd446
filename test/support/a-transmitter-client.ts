import { createSafeFetch, type FetchLimits } from '../../src/adapters/fetch/safe-fetch.ts';
import { pollFetchLimits } from '../../src/adapters/ssf/poll-sets.ts';
import { createOpenTransmitterClient } from '../../src/adapters/ssf/transmitter-client.ts';
import { parseOutboundAllow } from '../../src/core/outbound-allow.ts';
import type { Millis } from '../../src/core/vocabulary.ts';
import type {
  Called,
  CallFailure,
  PollAsk,
  TransmitterClient,
  UpstreamCredentials,
  UpstreamSettings,
  WantedStream,
} from '../../src/receiver/ports.ts';

export type OpenedClient = {
  /** Made anew at each call, as when credentials change. */
  readonly open: (
    settings: Partial<UpstreamSettings> & Pick<UpstreamSettings, 'issuer'>,
    credentials?: UpstreamCredentials,
  ) => TransmitterClient;
  readonly close: () => Promise<void>;
};

/** What opens clients that reach this machine, with the limits of the hub or others. */
export function transmitterClients({
  limits = {},
  nowMs = Date.now,
  extraCa = [],
}: {
  readonly limits?: Partial<FetchLimits>;
  readonly nowMs?: () => Millis;
  readonly extraCa?: readonly string[];
} = {}): OpenedClient {
  const allow = parseOutboundAllow('127.0.0.1,localhost').filter((entry) => entry !== undefined);
  const short = createSafeFetch({ allow, extraCa, limits });
  const long = createSafeFetch({ allow, extraCa, limits: { ...pollFetchLimits, ...limits } });
  const open = createOpenTransmitterClient({ fetch: short.fetch, longFetch: long.fetch, nowMs });
  return {
    open: (settings, credentials = { kind: 'none' }) => open({ ...usualSettings, ...settings }, credentials),
    close: async () => {
      await Promise.all([short.close(), long.close()]);
    },
  };
}

const usualSettings: Omit<UpstreamSettings, 'issuer'> = {
  delivery: 'poll',
  algorithm: 'ES256',
  verifyEverySeconds: 300,
  subjectInEvent: false,
  typMayBeMissing: false,
};

export const aWantedStream = (parts: Partial<WantedStream> = {}): WantedStream => ({
  delivery: { method: 'urn:ietf:rfc:8936' },
  eventsRequested: ['https://schemas.openid.net/secevent/caep/event-type/session-revoked'],
  description: 'hub',
  ...parts,
});

export const aPoll = (url: string, parts: Partial<PollAsk> = {}): PollAsk => ({
  url,
  acks: [],
  setErrs: new Map(),
  setsMax: 50,
  returnImmediately: true,
  ...parts,
});

export async function done<Value>(called: Promise<Called<Value>>): Promise<Value> {
  const outcome = await called;
  if (outcome.kind === 'failed') throw new Error(`${outcome.step}: ${outcome.text}`);
  return outcome.value;
}

export async function failure(called: Promise<Called<unknown>>): Promise<CallFailure> {
  const outcome = await called;
  if (outcome.kind === 'done') throw new Error(`it did not fail: ${JSON.stringify(outcome.value)}`);
  return outcome;
}
