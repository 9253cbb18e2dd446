import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createBrotliCompress, createGzip } from 'node:zlib';
import {
  entryVersion,
  packedSnapshotType,
  type PackedSnapshotHeader,
  type SnapshotHeader,
  type SnapshotTrailer,
} from '../core/feed.ts';
import { rowHeadBytes } from '../enforcement/cache/row.ts';
import type { Configuration } from './feed-configuration.ts';
import type { FeedMemory, FeedView, SnapshotForm } from './feed-memory.ts';

/** The quickest to make first: a point that waits for its snapshot knows nothing yet. */
const snapshotEncodings = ['gzip', 'br', 'identity'] as const;
type SnapshotEncoding = (typeof snapshotEncodings)[number];

export type Snapshot = {
  readonly etag: string;
  readonly contentType: string;
  readonly encoding: SnapshotEncoding;
  readonly body: AsyncIterable<Buffer>;
};

const snapshotTypes = {
  lines: 'application/x-ndjson',
  rows: packedSnapshotType,
} as const satisfies Record<SnapshotForm, string>;

type Wishes = {
  readonly accept?: string | undefined;
  readonly 'accept-encoding'?: string | undefined;
};

/** All live entries at the head of now. One position is compressed once, however many ask for it. */
export type Snapshots = {
  /** Changes with the position, and with what the header line says beside it. */
  readonly etag: string;
  /** In the form and the encoding that these headers ask for. */
  take(headers: Wishes): Promise<Snapshot>;
};

export function createSnapshots(memory: FeedMemory, configuration: Configuration): Snapshots {
  const etagNow = () => `W/"${memoryCursor(memory)}.${configuration.issuersTag}"`;
  const takers = {
    lines: createTake('lines', memory, configuration, etagNow),
    rows: createTake('rows', memory, configuration, etagNow),
  };
  return {
    get etag() {
      return etagNow();
    },
    take: (headers) => takers[chooseForm(headers.accept)](chooseEncoding(headers['accept-encoding'])),
  };
}

type Take = (encoding: SnapshotEncoding) => Promise<Snapshot>;

function createTake(
  form: SnapshotForm,
  memory: FeedMemory,
  configuration: Configuration,
  etagNow: () => string,
): Take {
  const contentType = snapshotTypes[form];
  const bodyOf = (now: FeedView) => piecesOf(now, form, configuration);
  const current = new Map<SnapshotEncoding, Made>();
  const next = new Map<SnapshotEncoding, Promise<Made>>();
  let view: { readonly etag: string; readonly view: FeedView } | undefined;

  function viewNow(): { readonly etag: string; readonly view: FeedView } {
    if (view?.etag !== etagNow()) view = { etag: etagNow(), view: memory.view(form) };
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
    const made = compress(etag, encoding, bodyOf(now));
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

  return async (encoding) => {
    if (encoding === 'identity') {
      const { etag, view: now } = viewNow();
      return { etag, contentType, encoding, body: Readable.from(bodyOf(now)) };
    }
    const made = await takeMade(encoding);
    return { etag: made.etag, contentType, encoding, body: readMade(made) };
  };
}

const memoryCursor = ({ tail }: FeedMemory): string =>
  `${tail.epoch}-${tail.head}-${tail.checkOf(tail.head) ?? ''}`;

/** A row of no bytes: none follows. */
const lastRow = Buffer.alloc(rowHeadBytes);

function* piecesOf(
  { position, cursor, count, digest, words, pieces }: FeedView,
  form: SnapshotForm,
  { issuers }: Pick<Configuration, 'issuers'>,
): Generator<Buffer> {
  const header: SnapshotHeader = { v: entryVersion, position, cursor, issuers, count };
  const packedHeader: PackedSnapshotHeader = { ...header, words };
  const trailer: SnapshotTrailer = { count, digest };
  yield Buffer.from(`${JSON.stringify(form === 'rows' ? packedHeader : header)}\n`);
  yield* pieces();
  if (form === 'rows') yield lastRow;
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

/** Rows for who names them; lines for everybody else (RFC 9110 §12.5.1). */
const chooseForm = (accept: string | undefined): SnapshotForm =>
  (weightsOf(accept).get(packedSnapshotType) ?? 0) > 0 ? 'rows' : 'lines';

/** The first of ours that the caller accepts (RFC 9110 §12.5.3). */
function chooseEncoding(acceptEncoding: string | undefined): SnapshotEncoding {
  const accepted = weightsOf(acceptEncoding);
  const accepts = (name: string) => (accepted.get(name) ?? accepted.get('*') ?? 0) > 0;
  return snapshotEncodings.find((encoding) => encoding !== 'identity' && accepts(encoding)) ?? 'identity';
}

/** What a header lists, each with its weight (RFC 9110 §12.4.2). */
function weightsOf(header: string | undefined): ReadonlyMap<string, number> {
  return new Map(
    (header ?? '').split(',').map((item) => {
      const [name = '', ...parameters] = item.split(';').map((part) => part.trim().toLowerCase());
      const weight = parameters.find((parameter) => parameter.startsWith('q='));
      return [name, weight === undefined ? 1 : Number(weight.slice(2))];
    }),
  );
}
