import { isJsonObject } from '../../core/text.ts';
import type { JsonObject } from '../../core/vocabulary.ts';
import type { FetchLimits } from '../fetch/safe-fetch.ts';
import { type Called, type PollAsk, type PolledSets, upstreamsMax } from '../../receiver/ports.ts';
import { type MakeCall, own, parseJson, unusable } from './call.ts';

const endpoint = 'poll endpoint';

/** UTF-16 code units of a key of `sets`. What is longer could be answered for neither in `ack` nor in `setErrs`. */
const jtiLengthMax = 1_024;

/** A long poll waits as long as a Transmitter lets it, and brings many SETs; one may stand open for each upstream. */
export const pollFetchLimits = {
  headersMs: 90_000,
  wholeMs: 120_000,
  bodyBytesMax: 4 * 1_048_576,
  connectionsPerOriginMax: upstreamsMax,
  originsMax: upstreamsMax,
} as const satisfies Partial<FetchLimits>;

/**
 * One poll. SETs beyond those that were asked for are left: unanswered, they come again.
 *
 * @see RFC 8936 §2.2, §2.3
 */
export async function pollSets(ask: PollAsk, call: MakeCall): Promise<Called<PolledSets>> {
  const answered = await call({
    step: 'poll',
    endpoint,
    url: ask.url,
    method: 'POST',
    body: bodyOf(ask),
    // The descriptions are in English. RFC 8936 §2.6.
    headers: ask.setErrs.size === 0 ? {} : { 'content-language': 'en' },
    done: 200,
    ...(ask.stop === undefined ? {} : { stop: ask.stop }),
  });
  return answered.kind === 'failed' ? answered : readSets(answered.value, ask.setsMax);
}

const bodyOf = ({ acks, setErrs, setsMax, returnImmediately }: PollAsk): JsonObject => ({
  maxEvents: setsMax,
  returnImmediately,
  ...(acks.length === 0 ? {} : { ack: acks }),
  ...(setErrs.size === 0 ? {} : { setErrs: Object.fromEntries(setErrs) }),
});

/** What the SETs hold is looked at where each is accepted or refused by itself. */
function readSets(body: Uint8Array, setsMax: number): Called<PolledSets> {
  const wrong = (why: string) => unusable({ step: 'poll', endpoint }, why);
  const value = parseJson(body);
  if (!isJsonObject(value)) return wrong('it is no JSON object');
  const [sets, moreAvailable = false] = [own(value, 'sets'), own(value, 'moreAvailable')];
  if (!isJsonObject(sets)) return wrong('sets is no object');
  if (typeof moreAvailable !== 'boolean') return wrong('moreAvailable is neither true nor false');
  const entries = Object.entries(sets);
  if (entries.some(([jti]) => jti === '' || jti.length > jtiLengthMax)) {
    return wrong(`a jti has no or more than ${jtiLengthMax} characters`);
  }
  if (!entries.every((entry): entry is [string, string] => typeof entry[1] === 'string')) {
    return wrong('a SET is no text');
  }
  const taken = entries.slice(0, setsMax);
  return {
    kind: 'done',
    value: { sets: new Map(taken), moreAvailable: moreAvailable || taken.length < entries.length },
  };
}
