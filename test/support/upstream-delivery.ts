import { EventEmitter, once } from 'node:events';
import { decodeJwt } from 'jose';
import type { JsonObject } from '../../src/core/vocabulary.ts';
import { postSet, type PushAnswer, type Reply, type Request } from './upstream-http.ts';
import { readObject, type UpstreamStream } from './upstream-streams.ts';

/** One poll, as it was asked. */
export type UpstreamPoll = {
  readonly streamId: string;
  readonly maxEvents?: number;
  readonly returnImmediately?: boolean;
  readonly ack: readonly string[];
  readonly setErrs: JsonObject;
  readonly contentLanguage?: string;
};

/** A SET on its way: with the answer when it was pushed. */
export type Delivered = { readonly jti: string; readonly compact: string; readonly answer?: PushAnswer };

export type PushTarget = {
  readonly url: string;
  readonly authorization?: string;
  readonly headers?: Record<string, string>;
};

export type UpstreamDelivery = {
  /** One POST of any text; absent `target`: to where the only stream says, with its Authorization. */
  readonly push: (body: string, target?: PushTarget) => Promise<PushAnswer>;
  /** Pushes, or queues for the next poll under its `jti`, or under that which is given. */
  readonly deliver: (compact: string, streamId?: string, jti?: string) => Promise<Delivered>;
  /** All that was delivered, in order: also by verification, and what was answered. */
  readonly delivered: readonly Delivered[];
  readonly polls: readonly UpstreamPoll[];
  /** `jti`s, in the order of the polls; repeated ones again. */
  readonly acked: readonly string[];
  /** By `jti`, as reported. */
  readonly setErrs: ReadonlyMap<string, JsonObject>;
  readonly streamOf: (streamId?: string) => UpstreamStream | undefined;
};

export function makeUpstreamDelivery({
  streams,
  ca,
  longPollMs,
}: {
  readonly streams: ReadonlyMap<string, UpstreamStream>;
  readonly ca: string | undefined;
  readonly longPollMs: number;
}): UpstreamDelivery & { readonly poll: (request: Request, streamId: string) => Promise<Reply> } {
  const delivered: Delivered[] = [];
  const polls: UpstreamPoll[] = [];
  const acked: string[] = [];
  const setErrs = new Map<string, JsonObject>();
  const queued = new EventEmitter().setMaxListeners(0);
  const streamOf = (streamId?: string): UpstreamStream | undefined =>
    streamId === undefined ? [...streams.values()][0] : streams.get(streamId);

  const push: UpstreamDelivery['push'] = async (body, target) => {
    const delivery = streamOf()?.delivery;
    const { url, ...more } = target ?? {
      url: delivery?.endpointUrl ?? '',
      ...(delivery?.authorization === undefined ? {} : { authorization: delivery.authorization }),
    };
    return postSet(url, body, { ...more, ...(ca === undefined ? {} : { ca }) });
  };
  const noteAnswers = (stream: UpstreamStream, { ack, setErrs: reported }: UpstreamPoll): void => {
    for (const jti of ack) stream.queue.delete(jti);
    acked.push(...ack);
    for (const [jti, error] of Object.entries(reported)) {
      stream.queue.delete(jti);
      setErrs.set(jti, error as JsonObject);
    }
  };
  return {
    push,
    async deliver(compact, streamId, jti = jtiOf(compact)) {
      const stream = streamOf(streamId);
      if (stream === undefined) throw new Error('the upstream has no such stream');
      const { method, endpointUrl, authorization } = stream.delivery;
      if (method === 'urn:ietf:rfc:8936') {
        stream.queue.set(jti, compact);
        queued.emit(stream.id);
        return noted(delivered, { jti, compact });
      }
      const target = { url: endpointUrl, ...(authorization === undefined ? {} : { authorization }) };
      return noted(delivered, { jti, compact, answer: await push(compact, target) });
    },
    delivered,
    polls,
    acked,
    setErrs,
    streamOf,
    async poll({ body, headers, gone }, streamId) {
      const stream = streams.get(streamId);
      if (stream === undefined) return { status: 404 };
      const poll = readPoll(body, streamId, headers['content-language']);
      polls.push(poll);
      noteAnswers(stream, poll);
      if (stream.queue.size === 0 && poll.returnImmediately !== true) {
        const stop = AbortSignal.any([gone, AbortSignal.timeout(longPollMs)]);
        await once(queued, stream.id, { signal: stop }).catch(() => undefined);
      }
      const taken = [...stream.queue].slice(0, poll.maxEvents ?? stream.queue.size);
      const moreAvailable = taken.length < stream.queue.size;
      return {
        status: 200,
        body: { sets: Object.fromEntries(taken), ...(moreAvailable && { moreAvailable }) },
      };
    },
  };
}

function readPoll(body: string, streamId: string, contentLanguage: string | undefined): UpstreamPoll {
  const asked = readObject(body) as Partial<UpstreamPoll>;
  const { ack = [], setErrs = {}, maxEvents, returnImmediately } = asked;
  return {
    streamId,
    ack,
    setErrs,
    ...(maxEvents === undefined ? {} : { maxEvents }),
    ...(returnImmediately === undefined ? {} : { returnImmediately }),
    ...(contentLanguage === undefined ? {} : { contentLanguage }),
  };
}

function noted(list: Delivered[], one: Delivered): Delivered {
  list.push(one);
  return one;
}

/** Of what need be no SET. */
function jtiOf(compact: string): string {
  try {
    return decodeJwt(compact).jti ?? 'no-jti';
  } catch {
    return 'no-jti';
  }
}
