import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  type FeedConfiguration,
  type FeedEntry,
  type Heartbeat,
  packedSnapshotType,
  type PutEntry,
  type ReceiptBody,
  type ReportBody,
} from '../../src/core/feed.ts';
import { createRowWriter } from '../../src/enforcement/cache/row.ts';

/** A hub as far as a point sees it: the feed of `core/feed.ts` over real HTTP, driven by hand, and able to misbehave. */
export type FeedServer = {
  readonly url: string;
  readonly epoch: string;
  readonly head: string;
  readonly live: readonly PutEntry[];
  readonly digest: string;
  readonly put: (entry: Omit<PutEntry, 'position'>) => void;
  readonly remove: (op: 'lift' | 'drop', id: string) => void;
  /** To every open stream; what is given replaces what is true. */
  readonly beat: (lie?: Partial<Heartbeat>) => void;
  readonly goodbye: (retryMs: number) => void;
  readonly tell: (configuration: FeedConfiguration) => void;
  /** Bytes as they are, to every open stream. */
  readonly write: (text: string) => void;
  /** The database was restored: another epoch, whose live set is this. */
  readonly newEpoch: (epoch: string, live: readonly PutEntry[]) => void;
  /** Positions up to the head can no longer be resumed. */
  readonly forgetTail: () => void;
  /** A stream and a snapshot without a position begin here instead of at the head. */
  startAt: number | undefined;
  /** Answers with this status instead. */
  refuse: {
    readonly feed?: number;
    readonly snapshot?: number;
    readonly receipts?: number;
    readonly reports?: number;
  };
  /** A report that it does not understand is answered with 400. */
  understands: (report: string) => boolean;
  /** So many reports are heard, and their connections destroyed instead of answered. */
  lostAnswers: number;
  /** After so many bytes of the body the connection is destroyed; asked once for each request. */
  cut: (request: { readonly path: string; readonly point: string }) => number | undefined;
  /** Snapshots wait for this. */
  gate: Promise<void>;
  /** It can give snapshots packed. */
  packs: boolean;
  /** What a packed one has in the place of its rows. */
  rowsLie: ((rows: Buffer) => Buffer) | undefined;
  snapshotLie: { readonly digest?: string; readonly count?: number };
  readonly receipts: readonly (ReceiptBody & { readonly point: string })[];
  readonly reports: readonly ReportBody[];
  readonly requests: readonly {
    readonly path: string;
    readonly from: string | undefined;
    readonly accept: string;
    readonly authorization: string;
  }[];
  readonly streams: number;
  readonly dropStreams: () => void;
  readonly close: () => Promise<void>;
};

type LogRow = { readonly seq: number; readonly entry: FeedEntry };

const check = '0011223344556677';

export async function startFeedServer(options: { readonly heartbeatMs?: number } = {}): Promise<FeedServer> {
  const state = {
    epoch: '7f3a9c01',
    seq: 0,
    tailStart: 0,
    log: [] as LogRow[],
    configuration: { issuers: [] } as FeedConfiguration,
  };
  const streams = new Set<ServerResponse>();
  const receipts: (ReceiptBody & { readonly point: string })[] = [];
  const reports: ReportBody[] = [];
  const requests: { path: string; from: string | undefined; accept: string; authorization: string }[] = [];
  let restored: readonly PutEntry[] = [];

  const at = (seq: number) => `${state.epoch}-${seq}`;
  const liveAt = (seq: number): readonly PutEntry[] => {
    const live = new Map<string, PutEntry>(restored.map((entry) => [entry.id, entry]));
    for (const row of state.log) {
      if (row.seq > seq) break;
      live.delete(row.entry.id);
      if (row.entry.op === 'put') live.set(row.entry.id, row.entry);
    }
    return [...live.values()];
  };
  const frame = (event: string, data: object, id?: string) =>
    `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
  const entryFrame = ({ seq, entry }: LogRow) =>
    frame(entry.op, { prev: at(seq - 1), ...entry }, `${at(seq)}-${check}`);
  const heartbeat = (): Heartbeat => ({
    through: at(state.seq),
    digest: digestOf(liveAt(state.seq)),
    as_of_ms: 1,
    stale: false,
  });
  const broadcast = (text: string) => {
    for (const stream of streams) stream.write(text);
  };
  const append = (make: (position: string) => FeedEntry) => {
    state.seq += 1;
    const row = { seq: state.seq, entry: make(at(state.seq)) };
    state.log.push(row);
    broadcast(entryFrame(row));
  };

  const serveFeed = (request: IncomingMessage, response: ServerResponse, limit: number | undefined) => {
    const from = request.headers['last-event-id'];
    const asked = typeof from === 'string' ? /^([0-9a-f]+)-(\d+)(?:-[0-9a-f]{16})?$/.exec(from) : undefined;
    const seq = asked ? Number(asked[2]) : (feed.startAt ?? state.seq);
    if (asked && (asked[1] !== state.epoch || seq < state.tailStart || seq > state.seq)) {
      return response.writeHead(410).end();
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const hello = {
      epoch: state.epoch,
      head: `${at(state.seq)}-${check}`,
      from: `${at(seq)}-${check}`,
      tail_start: at(state.tailStart),
      heartbeat_ms: options.heartbeatMs ?? 60_000,
    };
    const text =
      `: feed\n\n${frame('hello', hello)}${frame('configuration', state.configuration)}` +
      state.log
        .filter((row) => row.seq > seq)
        .map(entryFrame)
        .join('') +
      frame('heartbeat', heartbeat());
    if (limit !== undefined) return sendCut(response, text, limit);
    streams.add(response);
    response.on('close', () => streams.delete(response));
    return response.write(text);
  };

  const serveSnapshot = async (response: ServerResponse, packed: boolean, limit: number | undefined) => {
    await feed.gate;
    const seq = feed.startAt ?? state.seq;
    const live = liveAt(seq);
    const header = {
      v: 1,
      position: at(seq),
      cursor: `${at(seq)}-${check}`,
      issuers: state.configuration.issuers,
    };
    const trailer = { count: live.length, digest: digestOf(live), ...feed.snapshotLie };
    const linesOf = (...lines: readonly object[]) =>
      Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const body = packed
      ? packedBody(live, (rows, words) =>
          Buffer.concat([linesOf({ ...header, words }), feed.rowsLie?.(rows) ?? rows, linesOf(trailer)]),
        )
      : linesOf(header, ...live, trailer);
    response.writeHead(200, { 'content-type': packed ? packedSnapshotType : 'application/x-ndjson' });
    if (limit !== undefined) return sendCut(response, body, limit);
    return response.end(body);
  };

  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const path = request.url ?? '';
    const point = String(request.headers['caep-point']);
    const from = request.headers['last-event-id'];
    requests.push({
      path,
      from: typeof from === 'string' ? from : undefined,
      accept: request.headers.accept ?? '',
      authorization: request.headers.authorization ?? '',
    });
    const kind = path.slice(path.lastIndexOf('/') + 1) as keyof FeedServer['refuse'];
    const status = feed.refuse[kind];
    if (status !== undefined) return response.writeHead(status).end();
    const limit = request.method === 'GET' ? feed.cut({ path, point }) : undefined;
    if (kind === 'feed') return serveFeed(request, response, limit);
    const packed = feed.packs && String(request.headers.accept).includes(packedSnapshotType);
    if (kind === 'snapshot') return serveSnapshot(response, packed, limit);
    const text = await textOf(request);
    if (kind === 'reports' && !feed.understands(text)) return response.writeHead(400).end();
    const body = JSON.parse(text) as ReceiptBody & ReportBody;
    if (kind === 'receipts') receipts.push({ ...body, point });
    else reports.push(body);
    if (kind === 'reports' && feed.lostAnswers > 0) {
      feed.lostAnswers -= 1;
      return request.socket.destroy();
    }
    return response.writeHead(200).end(JSON.stringify({ next_receipt_ms: 60_000 }));
  };

  const server = createServer((request, response) => void serve(request, response));
  const url = await listen(server);
  const feed: FeedServer = {
    url,
    get epoch() {
      return state.epoch;
    },
    get head() {
      return at(state.seq);
    },
    get live() {
      return liveAt(state.seq);
    },
    get digest() {
      return digestOf(liveAt(state.seq));
    },
    put: (entry) => append((position) => ({ ...entry, position })),
    remove: (op, id) => append((position) => ({ v: 1, op, id, position, committed_at_ms: 1 })),
    beat: (lie = {}) => broadcast(frame('heartbeat', { ...heartbeat(), ...lie })),
    goodbye: (retryMs) => broadcast(frame('goodbye', { reason: 'age', retry_ms: retryMs })),
    tell: (configuration) => {
      state.configuration = configuration;
      broadcast(frame('configuration', configuration));
    },
    write: broadcast,
    newEpoch: (epoch, live) => {
      Object.assign(state, { epoch, seq: 0, tailStart: 0, log: [] });
      restored = live;
      for (const stream of streams) stream.destroy();
    },
    forgetTail: () => {
      state.tailStart = state.seq;
      restored = liveAt(state.seq);
      state.log = [];
    },
    startAt: undefined,
    refuse: {},
    understands: () => true,
    lostAnswers: 0,
    cut: () => undefined,
    gate: Promise.resolve(),
    packs: true,
    rowsLie: undefined,
    snapshotLie: {},
    receipts,
    reports,
    requests,
    get streams() {
      return streams.size;
    },
    dropStreams: () => {
      for (const stream of streams) stream.destroy();
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return feed;
}

/** The digest of `hub.digest_step`, summed anew. */
export function digestOf(entries: readonly PutEntry[]): string {
  const lanes = [0n, 0n, 0n, 0n];
  for (const { id, position } of entries) {
    const bytes = createHash('sha256')
      .update(id + position)
      .digest();
    lanes.forEach((sum, lane) => (lanes[lane] = (sum + BigInt(bytes.readUInt32BE(lane * 4))) % 2n ** 32n));
  }
  return lanes.map((lane) => lane.toString(16).padStart(8, '0')).join('');
}

/** Rows up to the empty one, and their words. */
function packedBody<Body>(
  live: readonly PutEntry[],
  make: (rows: Buffer, words: readonly string[]) => Body,
): Body {
  const writer = createRowWriter();
  const rows = Buffer.concat([...live.map(writer.write), Buffer.alloc(4)]);
  return make(rows, writer.words.words);
}

function sendCut(response: ServerResponse, text: string | Buffer, limit: number): void {
  const destroy = () => response.destroy();
  response.flushHeaders();
  if (limit === 0) setImmediate(destroy);
  else response.write(Buffer.from(text).subarray(0, limit), destroy);
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
