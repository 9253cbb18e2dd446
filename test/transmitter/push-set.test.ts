import { SignJWT } from 'jose';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createSafeFetch, type FetchLimits, type SafeFetcher } from '../../src/adapters/fetch/safe-fetch.ts';
import { parseOutboundAllow } from '../../src/core/outbound-allow.ts';
import type { PushOutcome } from '../../src/transmitter/ports.ts';
import { createPushSet, pushDescriptionMax, pushErrMax } from '../../src/transmitter/push-set.ts';
import { aSigningKey, type SigningKey } from '../enforcement/token/an-issuer.ts';
import { aDownstreamReceiver, type DownstreamReceiver } from '../support/downstream-receiver.ts';

const nowMs = Date.UTC(2025, 0, 1);
const issuer = 'https://hub.example';
const audience = 'https://receiver.example/stream-1';
let receiver: DownstreamReceiver;
let fetcher: SafeFetcher;
let key: SigningKey;
let servedKeys: SigningKey[];

beforeAll(async () => {
  key = await aSigningKey('one', 'RS256');
});
beforeEach(async () => {
  servedKeys = [key];
  receiver = await aDownstreamReceiver({
    keys: () => ({ keys: servedKeys.map(({ publicJwk }) => publicJwk) }),
    issuer,
    audience,
  });
  use({});
});
afterEach(async () => {
  await fetcher.close();
  await receiver.close();
});

function use(limits: Partial<FetchLimits>): void {
  const allow = parseOutboundAllow('127.0.0.1').filter((entry) => entry !== undefined);
  fetcher = createSafeFetch({ allow, limits });
}

const aSet = (claims: { readonly aud?: string; readonly iss?: string } = {}, typ = 'secevent+jwt') =>
  new SignJWT({
    iss: issuer,
    aud: audience,
    jti: 'set-1',
    iat: nowMs / 1_000,
    txn: 'txn-1',
    sub_id: { format: 'opaque', id: 'stream-1' },
    events: { 'https://schemas.openid.net/secevent/ssf/event-type/verification': {} },
    ...claims,
  })
    .setProtectedHeader({ alg: 'RS256', typ, kid: key.kid })
    .sign(key.privateKey);

type More = { readonly authorization?: string; readonly previousErr?: string; readonly endpointUrl?: string };
async function push(compact = 'a.b.c', more: More = {}): Promise<PushOutcome> {
  const pushSet = createPushSet({ fetch: fetcher.fetch, nowMs: () => nowMs });
  return pushSet({ endpointUrl: receiver.url, compact, stop: new AbortController().signal, ...more });
}

const json = (value: unknown) => ({ body: JSON.stringify(value) });
const answering = (status: number, more: { headers?: Record<string, string>; body?: string } = {}) =>
  receiver.behave({ kind: 'answers', status, ...more });

describe('RFC 8935 §2.1: one push', () => {
  it('is a POST of the compact SET itself, with the headers of the RFC and no others that matter', async () => {
    const compact = await aSet();
    expect(await push(compact)).toEqual({ kind: 'delivered', status: 202 });
    const [received] = receiver.received;
    expect(received).toMatchObject({ method: 'POST', path: '/push', body: compact });
    expect(received?.headers).toEqual({
      host: `127.0.0.1:${receiver.port}`,
      connection: 'keep-alive',
      'content-type': 'application/secevent+jwt',
      accept: 'application/json',
      'accept-language': 'en',
      'content-length': String(compact.length),
    });
    expect(receiver.taken()).toEqual(['set-1']);
  });

  it.each(['Bearer abc', 'Basic dXNlcjpwYXNz', 'ApiKey  {"a": 1} ü', 'x'])(
    'carries Authorization as it was given: %s',
    async (authorization) => {
      await push('a.b.c', { authorization });
      expect(receiver.received[0]?.headers.authorization).toBe(authorization);
    },
  );

  it('without Authorization has none', async () => {
    await push();
    expect(receiver.received[0]?.headers).not.toHaveProperty('authorization');
  });

  it('with an Authorization that no request can carry is blocked, and does not leak into other headers', async () => {
    const outcome = await push('a.b.c', { authorization: 'Bearer x\r\nHost: other.example' });
    expect(outcome).toMatchObject({ kind: 'blocked', answer: { err: 'bad-header' } });
    expect(receiver.received).toEqual([]);
  });
});

describe('RFC 8935 §2.4: what a whole Receiver refuses', () => {
  it('a signature of a key that it does not know yet is tried once more, later', async () => {
    const compact = await aSet();
    servedKeys = [await aSigningKey('two')];
    const first = await push(compact);
    expect(first).toMatchObject({
      kind: 'retry',
      answer: { status: 400, err: 'invalid_key' },
      retryAfterMs: 60_000,
    });
    expect(await push(compact, { previousErr: 'invalid_key' })).toMatchObject({ kind: 'rejected' });
    servedKeys = [key];
    expect(await push(compact, { previousErr: 'invalid_key' })).toMatchObject({ kind: 'delivered' });
  });

  it.each([
    [{ aud: 'https://else.example' }, undefined, 'invalid_audience'],
    [{ iss: 'https://else.example' }, undefined, 'invalid_issuer'],
    [{}, 'JWT', 'invalid_request'],
  ])('%j %s is rejected as %s', async (claims, typ, err) => {
    expect(await push(await aSet(claims, typ))).toMatchObject({
      kind: 'rejected',
      answer: { status: 400, err },
    });
  });
});

describe('PUSH-25: what follows from an answer', () => {
  it('another 2xx is delivered and its status told', async () => {
    answering(200, json({ ok: true }));
    expect(await push()).toEqual({ kind: 'delivered', status: 200 });
    receiver.behave({ kind: 'huge', status: 202, bytes: 1_000_000 });
    expect(await push()).toEqual({ kind: 'delivered', status: 202 });
    receiver.behave({ kind: 'cuts-body', status: 202 });
    expect(await push()).toEqual({ kind: 'delivered', status: 202 });
  });

  it('err and description are kept, and nothing else', async () => {
    answering(400, json({ err: 'authentication_failed', description: 'no', secret: 'x', more: [1] }));
    expect(await push()).toEqual({
      kind: 'blocked',
      answer: { status: 400, err: 'authentication_failed', description: 'no' },
    });
  });

  it.each([
    ['<html>secret</html>', {}],
    ['', {}],
    ['null', {}],
    ['"secret"', {}],
    ['["err"]', {}],
    ['{"err": 7, "description": {"a": 1}}', {}],
    ['{"__proto__": {"err": "access_denied"}}', {}],
    ['{"err": "x", "description"', {}],
    ['\ufeff{"err": "unknown"}', { err: 'unknown' }],
    ['{"err": "é\\u0000\\u001b[31m\\u202e\\ud800\\n"}', { err: 'é��[31m���' }],
  ])('SEC-09: of %j is kept %j', async (body, kept) => {
    answering(400, { body });
    expect(await push()).toEqual({ kind: 'rejected', answer: { status: 400, ...kept } });
  });

  it('SEC-09: texts are cut', async () => {
    answering(400, json({ err: 'e'.repeat(9_999), description: '😀'.repeat(9_999) }));
    const outcome = await push();
    if (outcome.kind !== 'rejected') throw new Error('it was taken');
    expect(outcome.answer.err).toBe('e'.repeat(pushErrMax));
    expect(outcome.answer.description).toHaveLength(pushDescriptionMax);
  });

  it('of bytes that are no UTF-8 nothing is kept', async () => {
    receiver.behave({ kind: 'answers', status: 400, body: Buffer.from('{"err":"\u00fc"}', 'latin1') });
    expect(await push()).toEqual({ kind: 'rejected', answer: { status: 400 } });
  });

  it.each([
    [429, { 'retry-after': '30' }, 30_000],
    [503, { 'retry-after': 'Wed, 01 Jan 2025 00:00:20 GMT' }, 20_000],
    [429, { 'retry-after': '999999' }, 3_600_000],
    [503, { 'retry-after': 'soon' }, undefined],
    [500, {}, undefined],
  ])('%i with %j is tried again after %s ms', async (status, headers, retryAfterMs) => {
    answering(status, { headers });
    const waits = retryAfterMs === undefined ? {} : { retryAfterMs };
    expect(await push()).toEqual({ kind: 'retry', answer: { status }, ...waits });
  });

  it('a redirect is not followed and blocks', async () => {
    answering(307, { headers: { location: `${receiver.url}/else` } });
    expect(await push()).toEqual({ kind: 'blocked', answer: { status: 307 } });
    expect(receiver.received).toHaveLength(1);
  });

  it('an answer that is cut off says only what its status says', async () => {
    receiver.behave({ kind: 'cuts-body', status: 400 });
    expect(await push()).toMatchObject({ kind: 'retry', answer: { status: 400, err: 'network' } });
    receiver.behave({ kind: 'cuts-body', status: 401 });
    expect(await push()).toMatchObject({ kind: 'blocked', answer: { status: 401, err: 'network' } });
    receiver.behave({ kind: 'huge', status: 400, bytes: 1_000_000 });
    expect(await push()).toMatchObject({ kind: 'rejected', answer: { status: 400, err: 'too-large' } });
  });

  it.each(['hangs-up', 'garbage', 'endless-headers', 'dead'] as const)(
    'a Receiver that answers by %s is tried again',
    async (kind) => {
      if (kind === 'dead') use({ wholeMs: 100 });
      receiver.behave({ kind });
      const outcome = await push();
      const err = {
        'hangs-up': 'network',
        garbage: 'network',
        'endless-headers': 'too-large',
        dead: 'timeout',
      };
      expect(outcome).toMatchObject({ kind: 'retry', answer: { err: err[kind] } });
    },
  );

  it('an address that the hub does not go to blocks', async () => {
    for (const [endpointUrl, err] of [
      ['https://10.0.0.1/', 'refused-address'],
      ['http://receiver.example/', 'bad-url'],
    ] as const) {
      expect(await push('a.b.c', { endpointUrl })).toMatchObject({ kind: 'blocked', answer: { err } });
    }
  });
});
