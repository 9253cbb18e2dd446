import type { LookupAddress } from 'node:dns';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  createSafeFetch,
  type SafeFetcher,
  type SafeFetchOptions,
} from '../../../src/adapters/fetch/safe-fetch.ts';
import { parseOutboundAllow } from '../../../src/core/outbound-allow.ts';
import type { FetchOutcome } from '../../../src/core/outgoing.ts';
import { anAuthority } from '../../support/certificates.ts';
import { deferred } from '../../support/deferred.ts';
import { aDownstreamReceiver, type DownstreamReceiver } from '../../support/downstream-receiver.ts';

const authority = anAuthority();
const certificate = authority.issue(['receiver.example', 'localhost', '127.0.0.1', '0.0.0.0']);
const fetchers: SafeFetcher[] = [];
let receiver: DownstreamReceiver;

beforeAll(async () => {
  receiver = await aDownstreamReceiver({ tls: certificate, host: '0.0.0.0' });
});
beforeEach(() => receiver.behave({ kind: 'answers', status: 202 }));
afterEach(async () => {
  await Promise.all(fetchers.splice(0).map(({ close }) => close()));
  vi.unstubAllEnvs();
});
afterAll(() => receiver.close());

function reach(url: string, allow = '', more: Partial<SafeFetchOptions> = {}): Promise<FetchOutcome> {
  const fetcher = aFetcher(allow, more);
  return fetcher.fetch({ url, method: 'POST', headers: {}, body: 'x' });
}

function aFetcher(allow: string, more: Partial<SafeFetchOptions> = {}): SafeFetcher {
  const entries = parseOutboundAllow(allow).filter((entry) => entry !== undefined);
  const fetcher = createSafeFetch({ allow: entries, extraCa: [authority.pem], ...more });
  fetchers.push(fetcher);
  return fetcher;
}

/** Leads to each of the lists in turn, and to the last from then on. */
function leadingTo(...answers: readonly (readonly string[])[]) {
  const asked: string[] = [];
  const resolve = async (hostname: string): Promise<LookupAddress[]> => {
    const addresses = answers[Math.min(asked.length, answers.length - 1)] ?? [];
    asked.push(hostname);
    return addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  };
  return { asked, resolve };
}

describe('SEC-08: the address that is really connected to decides', () => {
  it.each([
    'https://127.0.0.1',
    'https://2130706433',
    'https://0x7f000001',
    'https://0177.1',
    'https://127.1',
    'https://localhost',
    'https://[::1]',
    'https://[::ffff:127.0.0.1]',
    'https://0.0.0.0',
  ])('%s is refused without a connection', async (origin) => {
    const before = receiver.connections();
    expect(await reach(`${origin}:${receiver.port}/`)).toMatchObject({
      kind: 'failed',
      failure: 'refused-address',
    });
    expect(receiver.connections()).toBe(before);
  });

  it.each(['http://127.0.0.1', 'https://user:secret@receiver.example', 'receiver', 'data:,x'])(
    '%s is no URL to go to',
    async (url) => expect(await reach(url)).toMatchObject({ kind: 'failed', failure: 'bad-url' }),
  );

  it('a name that leads inside is refused, unless it is allowed to', async () => {
    const { resolve, asked } = leadingTo(['127.0.0.1']);
    const url = `https://receiver.example:${receiver.port}/`;
    const before = receiver.connections();
    expect(await reach(url, '', { resolve })).toEqual({
      kind: 'failed',
      failure: 'refused-address',
      detail: 'leads to 127.0.0.1, which is this machine (RFC 1122 §3.2.1.3)',
    });
    expect(receiver.connections()).toBe(before);
    for (const allow of ['receiver.example', '127.0.0.0/8', `receiver.example:${receiver.port}`]) {
      expect(await reach(url, allow, { resolve })).toMatchObject({ kind: 'answer', status: 202 });
    }
    expect(await reach(url, 'receiver.example:1', { resolve })).toMatchObject({ kind: 'failed' });
    expect(asked).toEqual(Array.from({ length: 5 }, () => 'receiver.example'));
  });

  it('of many addresses only those that may be reached are tried', async () => {
    const { resolve } = leadingTo(['169.254.169.254', '10.0.0.1', '127.0.0.2', '127.0.0.1']);
    const url = `https://receiver.example:${receiver.port}/`;
    expect(await reach(url, '127.0.0.1', { resolve })).toMatchObject({ kind: 'answer' });
  });

  it('a name without addresses, or unknown, is a failure of the network', async () => {
    const nothing = leadingTo([]);
    const url = 'https://receiver.example/';
    expect(await reach(url, '', nothing)).toMatchObject({ failure: 'network' });
    const resolve = () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' }));
    expect(await reach(url, '', { resolve })).toMatchObject({ failure: 'network', detail: 'ENOTFOUND' });
  });

  it('a name that leads elsewhere later (rebinding) is checked again at each connection', async () => {
    const { resolve, asked } = leadingTo(['127.0.0.1'], ['127.0.0.2'], ['127.0.0.1']);
    const url = `https://receiver.example:${receiver.port}/`;
    // What may be reached stands for what is public: tests reach nothing outside.
    const fetcher = aFetcher('127.0.0.1', { resolve });
    const request = { url, method: 'POST', headers: {}, body: 'x' } as const;
    receiver.behave({ kind: 'answers', status: 202, headers: { connection: 'close' } });
    const before = receiver.connections();
    const outcomes = [];
    for (let turn = 0; turn < 3; turn += 1) outcomes.push(await fetcher.fetch(request));
    expect(outcomes).toMatchObject([
      { kind: 'answer' },
      { kind: 'failed', failure: 'refused-address' },
      { kind: 'answer' },
    ]);
    expect(receiver.connections()).toBe(before + 2);
    expect(asked).toHaveLength(3);
  });

  it('the socket is asked where it leads, before a byte is sent', async () => {
    // Linux connects 0.0.0.0 to 127.0.0.1: allowed is only the first, reached is the second.
    const before = receiver.received.length;
    expect(await reach(`https://0.0.0.0:${receiver.port}/`, '0.0.0.0/32')).toMatchObject({
      kind: 'failed',
      failure: 'refused-address',
    });
    expect(receiver.received).toHaveLength(before);
    const both = await reach(`https://0.0.0.0:${receiver.port}/`, '0.0.0.0/32, 127.0.0.1');
    expect(both).toMatchObject({ kind: 'answer' });
  });

  it('connections that were checked are used again, up to so many for an origin', async () => {
    const { resolve, asked } = leadingTo(['127.0.0.1']);
    const fetcher = aFetcher('127.0.0.1', { resolve, limits: { connectionsPerOriginMax: 2 } });
    const request = {
      url: `https://receiver.example:${receiver.port}/`,
      method: 'POST',
      headers: {},
      body: 'x',
    } as const;
    const before = receiver.connections();
    for (let round = 0; round < 3; round += 1) {
      await Promise.all(Array.from({ length: 5 }, () => fetcher.fetch(request)));
    }
    expect(receiver.connections() - before).toBe(2);
    expect(asked).toHaveLength(1);
  });

  it('a name whose servers do not answer is looked up once at a time, whoever waits for it', async () => {
    const asked: string[] = [];
    const found = deferred<LookupAddress[]>();
    const fetcher = aFetcher('127.0.0.1', {
      limits: { connectMs: 100_000, wholeMs: 100_000 },
      async resolve(hostname) {
        asked.push(hostname);
        return hostname === 'silent.receiver.example' ? found.promise : [{ address: '127.0.0.1', family: 4 }];
      },
    });
    const ask = (name: string) =>
      fetcher.fetch({ url: `https://${name}:${receiver.port}/`, method: 'POST', headers: {}, body: 'x' });
    const waiting = Array.from({ length: 16 }, () => ask('silent.receiver.example'));
    expect(await ask('receiver.example')).toMatchObject({ status: 202 });
    expect(asked.filter((name) => name.startsWith('silent'))).toHaveLength(1);
    found.resolve([]);
    for (const outcome of await Promise.all(waiting)) expect(outcome).toMatchObject({ failure: 'network' });
    await ask('silent.receiver.example');
    expect(asked.filter((name) => name.startsWith('silent'))).toHaveLength(2);
  });

  it('no proxy of the environment is used, and no variable turns verification off', async () => {
    for (const name of ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'ALL_PROXY']) {
      vi.stubEnv(name, 'http://127.0.0.1:9');
    }
    vi.stubEnv('NODE_USE_ENV_PROXY', '1');
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    const url = `https://127.0.0.1:${receiver.port}/`;
    expect(await reach(url, '127.0.0.1')).toMatchObject({ kind: 'answer' });
    expect(await reach(url, '127.0.0.1', { extraCa: [] })).toMatchObject({ failure: 'tls' });
  });
});

it('plain http is spoken with listed loopback hosts', async () => {
  const plain = await aDownstreamReceiver();
  plain.behave({ kind: 'answers', status: 202 });
  const { port } = plain;
  expect(await reach(plain.url)).toMatchObject({ failure: 'bad-url' });
  expect(await reach(plain.url, `127.0.0.1:${port}`)).toMatchObject({ kind: 'answer', status: 202 });
  const { resolve } = leadingTo(['10.0.0.1', '127.0.0.1']);
  expect(await reach(`http://localhost:${port}/`, 'localhost, 10.0.0.0/8', { resolve })).toMatchObject({
    kind: 'answer',
  });
  await plain.close();
});
