import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createBrotliCompress, createGzip } from 'node:zlib';
import { entryVersion, type SnapshotHeader, type SnapshotTrailer } from '../core/feed.ts';
import type { Configuration } from './feed-configuration.ts';
import type { FeedMemory, FeedView } from './feed-memory.ts';

/** The quickest to make first: a point that waits for its snapshot knows nothing yet. */
const snapshotEncodings = ['gzip', 'br', 'identity'] as const;
export type SnapshotEncoding = (typeof snapshotEncodings)[number];

export type Snapshot = {
  readonly etag: string;
  readonly body: AsyncIterable<Buffer>;
};

/** All live entries at the head of now. One position is compressed once, however many ask for it. */
export type Snapshots = {
  /** Changes with the position, and with what the header line says beside it. */
  readonly etag: string;
  take(encoding: SnapshotEncoding): Promise<Snapshot>;
};

export function createSnapshots(memory: FeedMemory, configuration: Configuration): Snapshots {
  const current = new Map<SnapshotEncoding, Made>();
  const next = new Map<SnapshotEncoding, Promise<Made>>();
  let view: { readonly etag: string; readonly view: FeedView } | undefined;

  const etagNow = () => `W/"${memoryCursor(memory)}.${configuration.issuersTag}"`;
  function viewNow(): { readonly etag: string; readonly view: FeedView } {
    if (view?.etag !== etagNow()) view = { etag: etagNow(), view: memory.view() };
    return view;
  }
  // What was made of an older position is given back as soon as its readers have it.
  const forget = () => {
    view = undefined;
    for (const [encoding, made] of current) if (made.done) current.delete(encoding);
  };
  memory.onNews(forget);
  memory.onReset(forget);

  function make(encoding: 'br' | 'gzip'): Made {
    const { etag, view: now } = viewNow();
    const made = compress(etag, encoding, linesOf(now, configuration));
    current.set(encoding, made);
    return made;
  }

  /** While one is being made of an older position, everybody who comes waits for the same next one. */
  async function takeMade(encoding: 'br' | 'gzip'): Promise<Made> {
    const made = current.get(encoding);
    if (made?.etag === etagNow() && !made.failed) return made;
    if (made === undefined || made.done) return make(encoding);
    let upcoming = next.get(encoding);
    if (upcoming === undefined) {
      upcoming = made.finished.then(() => {
        next.delete(encoding);
        return make(encoding);
      });
      next.set(encoding, upcoming);
    }
    return upcoming;
  }

  return {
    get etag() {
      return etagNow();
    },
    async take(encoding) {
      if (encoding === 'identity') {
        const { etag, view: now } = viewNow();
        return { etag, body: Readable.from(linesOf(now, configuration)) };
      }
      const made = await takeMade(encoding);
      return { etag: made.etag, body: readMade(made) };
    },
  };
}

const memoryCursor = ({ tail }: FeedMemory): string =>
  `${tail.epoch}-${tail.head}-${tail.checkOf(tail.head) ?? ''}`;

function* linesOf(view: FeedView, { issuers }: Pick<Configuration, 'issuers'>): Generator<Buffer> {
  const header: SnapshotHeader = { v: entryVersion, position: view.position, cursor: view.cursor, issuers };
  const trailer: SnapshotTrailer = { count: view.count, digest: view.digest };
  yield Buffer.from(`${JSON.stringify(header)}\n`);
  yield* view.pieces();
  yield Buffer.from(`${JSON.stringify(trailer)}\n`);
}

/** A body that is read while it is still being made. */
type Made = {
  readonly etag: string;
  readonly chunks: Buffer[];
  readonly finished: Promise<void>;
  done: boolean;
  failed: boolean;
  /** Resolves with the next chunk, or the end. */
  grown: Promise<void>;
};

/** Level and quality at which a million entries take about a second. */
const compressors = {
  gzip: () => createGzip({ level: 1 }),
  br: () => createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: 3 } }),
};

function compress(etag: string, encoding: 'br' | 'gzip', lines: Iterable<Buffer>): Made {
  let { promise, resolve } = withResolvers();
  const grow = () => {
    const resolveNow = resolve;
    ({ promise, resolve } = withResolvers());
    made.grown = promise;
    resolveNow();
  };
  const run = pipeline(
    Readable.from(lines),
    compressors[encoding](),
    async (compressed: AsyncIterable<Buffer>) => {
      for await (const chunk of compressed) {
        made.chunks.push(chunk);
        grow();
      }
    },
  );
  const end = (failed: boolean) => {
    made.failed = failed;
    made.done = true;
    grow();
  };
  const finished = run.then(
    () => end(false),
    () => end(true),
  );
  const made: Made = { etag, chunks: [], finished, done: false, failed: false, grown: promise };
  return made;
}

async function* readMade(made: Made): AsyncGenerator<Buffer> {
  for (let index = 0; ; index++) {
    while (index >= made.chunks.length && !made.done) await made.grown;
    const chunk = made.chunks[index];
    if (chunk === undefined) break;
    yield chunk;
  }
  if (made.failed) throw new Error('the snapshot could not be compressed');
}

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

/** The first of ours that the caller accepts (RFC 9110 §12.5.3). */
export function chooseEncoding(acceptEncoding: string | undefined): SnapshotEncoding {
  const accepted = new Map(
    (acceptEncoding ?? '').split(',').map((item) => {
      const [name = '', ...parameters] = item.split(';').map((part) => part.trim().toLowerCase());
      const weight = parameters.find((parameter) => parameter.startsWith('q='));
      return [name, weight === undefined ? 1 : Number(weight.slice(2))];
    }),
  );
  const accepts = (name: string) => (accepted.get(name) ?? accepted.get('*') ?? 0) > 0;
  return snapshotEncodings.find((encoding) => encoding !== 'identity' && accepts(encoding)) ?? 'identity';
}
