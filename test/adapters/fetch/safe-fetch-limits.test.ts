import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  createSafeFetch,
  type FetchLimits,
  fetchLimits,
  type SafeFetcher,
} from '../../../src/adapters/fetch/safe-fetch.ts';
import { parseOutboundAllow } from '../../../src/core/outbound-allow.ts';
import type { FetchOutcome, OutgoingRequest } from '../../../src/core/outgoing.ts';
import { inFlightPerStreamMax } from '../../../src/transmitter/deliverer.ts';
import { aDownstreamReceiver, type DownstreamReceiver } from '../../support/downstream-receiver.ts';

const allow = parseOutboundAllow('127.0.0.1').filter((entry) => entry !== undefined);
let receiver: DownstreamReceiver;
let fetcher: SafeFetcher;
beforeEach(async () => {
  receiver = await aDownstreamReceiver();
  use({});
});
afterEach(async () => {
  await fetcher.close();
  await receiver.close();
});

function use(limits: Partial<FetchLimits>): void {
  fetcher = createSafeFetch({ allow, limits });
}

const reach = (more: Partial<OutgoingRequest> = {}): Promise<FetchOutcome> =>
  fetcher.fetch({ url: receiver.url, method: 'POST', headers: {}, body: 'x', ...more });

/** Takes connections and says nothing. */
async function aSilentServer() {
  const sockets: Socket[] = [];
  const server = createServer((socket) => void sockets.push(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

describe('PUSH-27: limits', () => {
  it('are named', () => {
    expect(fetchLimits).toMatchObject({ connectMs: 5_000, wholeMs: 10_000, bodyBytesMax: 65_536 });
  });

  it('a redirect is an answer and is not followed', async () => {
    for (const status of [301, 302, 303, 307, 308]) {
      const location = receiver.url.replace('/push', '/elsewhere');
      receiver.behave({ kind: 'answers', status, headers: { location } });
      const outcome = await reach();
      expect(outcome).toMatchObject({ kind: 'answer', status });
    }
    expect(receiver.received.map(({ path }) => path)).toEqual(Array.from({ length: 5 }, () => '/push'));
  });

  it('a handshake that does not end is a timeout', async () => {
    use({ connectMs: 50 });
    const silent = await aSilentServer();
    expect(await reach({ url: `https://127.0.0.1:${silent.port}/` })).toEqual({
      kind: 'failed',
      failure: 'timeout',
      detail: 'not connected within 50 ms',
    });
    silent.close();
  });

  it('a name that is not looked up in time is a timeout', async () => {
    fetcher = createSafeFetch({ allow, limits: { connectMs: 50 }, resolve: () => new Promise(() => {}) });
    expect(await reach({ url: 'https://receiver.example' })).toMatchObject({ failure: 'timeout' });
  });

  it('an answer that does not begin is a timeout', async () => {
    use({ headersMs: 50 });
    receiver.behave({ kind: 'dead' });
    expect(await reach()).toEqual({
      kind: 'failed',
      failure: 'timeout',
      detail: 'UND_ERR_HEADERS_TIMEOUT',
    });
  });

  it('the whole has a limit, whatever its parts take', async () => {
    use({ wholeMs: 100 });
    receiver.behave({ kind: 'dead' });
    expect(await reach()).toEqual({
      kind: 'failed',
      failure: 'timeout',
      detail: 'no whole answer within 100 ms',
    });
    // The head of an answer must have come by then.
    use({ wholeMs: 3_000 });
    receiver.behave({ kind: 'stalls-body', status: 400 });
    expect(await reach()).toMatchObject({
      kind: 'failed',
      failure: 'timeout',
      detail: 'no whole answer within 3000 ms',
      head: { status: 400 },
    });
  });

  it('who waits for a connection can be stopped, and is then never sent', async () => {
    use({ wholeMs: 100_000, headersMs: 100_000, connectionsPerOriginMax: 1 });
    receiver.behave({ kind: 'answers', status: 202 }, [{ kind: 'dead' }]);
    const [hangs, waits] = [new AbortController(), new AbortController()];
    const first = reach({ stop: hangs.signal });
    await receiver.reached(1);
    const second = reach({ body: 'never', stop: waits.signal });
    waits.abort();
    expect(await second).toMatchObject({ failure: 'stopped' });
    hangs.abort();
    expect(await first).toMatchObject({ failure: 'stopped' });
    expect(await reach({ body: 'y' })).toMatchObject({ status: 202 });
    expect(receiver.received.map(({ body }) => body)).toEqual(['x', 'y']);
  });

  it('DESIGN §11: two Receivers that hang keep nobody else at the same origin waiting', async () => {
    use({ headersMs: 100_000, wholeMs: 100_000 });
    receiver.behave({ kind: 'dead' });
    const hanging = Array.from({ length: 2 * inFlightPerStreamMax }, () => reach());
    await receiver.reached(hanging.length);
    receiver.behave({ kind: 'answers', status: 202 });
    expect(await reach()).toMatchObject({ status: 202 });
    expect(receiver.held()).toBe(hanging.length);
    await fetcher.close();
    await Promise.all(hanging);
  });

  it('waiting for a connection counts as time', async () => {
    const impatient = createSafeFetch({
      allow,
      limits: { wholeMs: 50 },
      resolve: () => new Promise(() => {}),
    });
    const url = 'https://receiver.example';
    expect(await impatient.fetch({ url, method: 'POST', headers: {} })).toMatchObject({
      detail: 'no whole answer within 50 ms',
    });
    await impatient.close();
  });

  it('of a body so much is read, the rest is not, and the connection is given up', async () => {
    use({ connectionsPerOriginMax: 1 });
    receiver.behave({ kind: 'answers', status: 200, body: 'x'.repeat(65_536) });
    const whole = await reach();
    expect(whole.kind === 'answer' && whole.body.byteLength).toBe(65_536);
    receiver.behave({ kind: 'huge', status: 202, bytes: 10 * 1_024 * 1_024 });
    const before = receiver.connections();
    expect(await reach()).toMatchObject({
      kind: 'failed',
      failure: 'too-large',
      detail: 'the answer has more than 65536 bytes',
      head: { status: 202 },
    });
    // What lies in the buffers of two sockets may have gone on its way.
    expect(receiver.bytesSent()).toBeLessThan(8 * 1_024 * 1_024);
    receiver.behave({ kind: 'answers', status: 202 });
    expect(await reach()).toMatchObject({ status: 202 });
    expect(receiver.connections()).toBe(before + 1);
  });

  it('headers without end are too large', async () => {
    receiver.behave({ kind: 'endless-headers' });
    expect(await reach()).toMatchObject({ kind: 'failed', failure: 'too-large' });
  });

  it.each([
    ['hangs-up', undefined],
    ['garbage', undefined],
    ['cuts-body', 400],
  ] as const)('a Receiver that %s is a failure of the network', async (kind, status) => {
    receiver.behave(kind === 'cuts-body' ? { kind, status: 400 } : { kind });
    const outcome = await reach();
    expect(outcome).toMatchObject({ kind: 'failed', failure: 'network' });
    expect(outcome.kind === 'failed' && outcome.head?.status).toBe(status);
  });

  it('nobody there is a failure of the network', async () => {
    const silent = await aSilentServer();
    silent.close();
    expect(await reach({ url: `http://127.0.0.1:${silent.port}/` })).toMatchObject({
      failure: 'network',
      detail: 'ECONNREFUSED',
    });
  });

  it('the caller may end it before, while it is sent, and while it waits', async () => {
    const stopped = { kind: 'failed', failure: 'stopped', detail: 'the hub ended it' };
    expect(await reach({ stop: AbortSignal.abort() })).toEqual(stopped);
    expect(receiver.received).toEqual([]);
    receiver.behave({ kind: 'dead' });
    const controller = new AbortController();
    const outcome = reach({ stop: controller.signal });
    await receiver.reached(1);
    controller.abort();
    expect(await outcome).toEqual(stopped);
  });

  it('a header that no request can carry is said to be one', async () => {
    for (const value of ['Bearer a\r\nX-B: c', 'Bearer \u0000', 'Bearer €']) {
      expect(await reach({ headers: { authorization: value } })).toMatchObject({ failure: 'bad-header' });
    }
    expect(receiver.received).toEqual([]);
  });

  it('closing ends what is under way', async () => {
    receiver.behave({ kind: 'dead' });
    const outcome = reach();
    await receiver.reached(1);
    await fetcher.close();
    expect(await outcome).toMatchObject({ kind: 'failed', failure: 'network' });
    expect(await reach()).toMatchObject({ kind: 'failed', failure: 'stopped' });
  });

  it('origins that were not used for longest give up their connections', async () => {
    use({ originsMax: 1 });
    receiver.behave({ kind: 'answers', status: 202 });
    const other = await aDownstreamReceiver();
    other.behave({ kind: 'answers', status: 202 });
    for (const url of [receiver.url, other.url, receiver.url]) {
      expect(await reach({ url })).toMatchObject({ status: 202 });
    }
    expect([receiver.connections(), other.connections()]).toEqual([2, 1]);
    await other.close();
  });
});
