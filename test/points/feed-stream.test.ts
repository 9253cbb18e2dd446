import { once } from 'node:events';
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { encodeEntry, entryFrame } from '../../src/points/feed-frames.ts';
import { feedLimits, type FeedLimits } from '../../src/points/feed-limits.ts';
import { openFeedStream } from '../../src/points/feed-stream.ts';
import { createFeedTail, type FeedTail } from '../../src/points/feed-tail.ts';

const epoch = '7f3a9c01';
const check = '0'.repeat(16);
/** Far more than two sockets of the loopback take while nobody reads. */
const entries = 600;

const open: Socket[] = [];
afterEach(() => {
  for (const socket of open.splice(0)) socket.destroy();
});

/** Where the reader blocks is up to the system: of several sizes some would block inside an entry. */
it.each([40_000, 50_000, 70_000, 90_000])(
  'the socket stands between two entries when its reader blocks, in pieces of %d bytes: what is said then is an event of its own',
  async (pieceBytesMax) => {
    const { socket, reader } = await socketPair();
    const stream = blockedStream(socket, aTail(), { pieceBytesMax });
    stream.tell('configuration', { issuers: [] });
    stream.goodbye('shutting-down');
    const frames = (await readAll(reader)).split('\n\n').slice(0, -1);
    const events = frames.map((frame) => /^(?:id: .*\n)?event: (\w+)\ndata: (\{.*\})$/.exec(frame));
    expect(events).not.toContain(null);
    for (const event of events) JSON.parse(event?.[2] ?? '');
    expect(events.slice(0, -2).every((event) => event?.[1] === 'put')).toBe(true);
    expect(events.slice(-2).map((event) => event?.[1])).toEqual(['configuration', 'goodbye']);
  },
);

it('an entry that is larger than a piece is given whole', () => {
  const tail = aTail();
  for (let at = 0, seen = 0; at < tail.end; seen++) {
    const { bytes, next } = tail.readFrames(at, 100);
    expect(bytes.toString('utf8').split('\n\n')).toEqual([expect.stringContaining(`rev_${seen + 1}"`), '']);
    expect(next).toBeGreaterThan(at);
    at = next;
  }
});

it('a reader that takes nothing is cut off some time after the goodbye', async () => {
  const { socket } = await socketPair();
  const stream = blockedStream(socket, aTail(), { stalledMsMax: 50 });
  stream.goodbye('token-ended');
  await Promise.race([once(socket, 'close'), delay(5_000)]);
  expect(socket.destroyed).toBe(true);
});

function blockedStream(socket: Socket, tail: FeedTail, limits: Partial<FeedLimits> = {}) {
  const stream = openFeedStream(socket, {
    tail,
    seq: 0,
    opening: Buffer.alloc(0),
    limits: { ...feedLimits, laggingBytesMax: Number.MAX_SAFE_INTEGER, ...limits },
    monotonicMs: () => performance.now(),
    onEnd: () => undefined,
  });
  stream.pump();
  expect(stream.blockedSinceMs).toBeDefined();
  return stream;
}

/** Entries of some 30 kB each: hardly ever does one end where a piece would be cut by its bytes alone. */
function aTail(): FeedTail {
  const tail = createFeedTail({ epoch, seq: 0, check });
  for (let seq = 1; seq <= entries; seq++) {
    const body = JSON.stringify({ v: 1, reason: 'x'.repeat(30_000 + seq * 7) });
    const encoded = encodeEntry({
      seq,
      epoch,
      op: 'put',
      revocationId: `rev_${seq}`,
      body,
      committedAtMs: 1,
    });
    tail.append(seq, check, entryFrame('put', `${epoch}-${seq}-${check}`, `${epoch}-${seq - 1}`, encoded));
  }
  return tail;
}

async function socketPair(): Promise<{ readonly socket: Socket; readonly reader: Socket }> {
  const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const reader = connect((server.address() as AddressInfo).port, '127.0.0.1').pause();
  const [socket] = (await once(server, 'connection')) as [Socket];
  server.close();
  socket.on('error', () => undefined);
  open.push(socket, reader);
  return { socket, reader };
}

async function readAll(reader: Socket): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of reader) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}
