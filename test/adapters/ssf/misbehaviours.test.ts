import * as fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Json } from '../../../src/core/vocabulary.ts';
import type {
  Called,
  CallFailure,
  TransmitterClient,
  TransmitterEndpoints,
} from '../../../src/receiver/ports.ts';
import {
  aPoll,
  aWantedStream,
  done,
  failure,
  transmitterClients,
} from '../../support/a-transmitter-client.ts';
import type { Misbehaviour, Place } from '../../support/upstream-routes.ts';
import { startUpstream, type Upstream } from '../../support/upstream-transmitter.ts';

const clientSecret = 'a-client-secret';
/** Long enough for an answer on a busy machine; only those that never come wait for it. */
const patient = transmitterClients();
const impatient = transmitterClients({ limits: { headersMs: 150, wholeMs: 150 } });
let upstream: Upstream;
let endpoints: TransmitterEndpoints;
let pollUrl: string;
beforeAll(async () => {
  upstream = await startUpstream({ authorization: { kind: 'client', clientId: 'hub', clientSecret } });
  ({ endpoints } = await done(open().discover()));
  pollUrl = upstream.addStream().delivery.endpointUrl;
});
afterEach(() => upstream.behave());
afterAll(async () => {
  await Promise.all([upstream.close(), patient.close(), impatient.close()]);
});

const open = (clients = patient): TransmitterClient =>
  clients.open(
    { issuer: upstream.issuer },
    { kind: 'client', clientId: 'hub', method: 'client_secret_basic', clientSecret },
  );

/** One call that goes by the place. */
const calls: readonly [
  Place,
  CallFailure['step'],
  (client: TransmitterClient) => Promise<Called<unknown>>,
][] = [
  ['metadata', 'discover', (client) => client.discover()],
  ['resource-metadata', 'authorize', (client) => client.listStreams(endpoints)],
  ['server-metadata', 'authorize', (client) => client.listStreams(endpoints)],
  ['token', 'authorize', (client) => client.listStreams(endpoints)],
  ['streams', 'connect', (client) => client.createStream(endpoints, aWantedStream())],
  ['status', 'status', (client) => client.readStatus(endpoints, 'stream-1')],
  ['verification', 'verify', (client) => client.verify(endpoints, 'stream-1', 'state')],
  ['poll', 'poll', (client) => client.poll(aPoll(pollUrl))],
];

describe.each(calls)('where %s misbehaves, %s fails', (place, step, call) => {
  it.each<[string, Misbehaviour, RegExp]>([
    ['a redirect is not followed', { kind: 'redirects', to: 'https://elsewhere.example/' }, /302|redirect/],
    ['trouble of its own is told', { kind: 'answers', status: 500, body: 'a stack trace' }, /500/],
    ['hanging up is told', { kind: 'hangs-up' }, /no answer/],
    ['too much is not read', { kind: 'huge', bytes: 5 * 1_048_576 }, /has more than \d+ bytes/],
    ['a page for people is no answer', { kind: 'answers', status: 200, body: '<html>secret</html>' }, /./],
  ])('%s', async (_what, how, words) => {
    upstream.misbehave(place, how);
    // Where OpenID Connect has it there must be nothing, or that is taken.
    upstream.misbehave('openid-metadata', { kind: 'answers', status: 404 });
    const told = await failure(call(open()));
    expect(told).toMatchObject({ kind: 'failed', step, text: expect.stringMatching(words) });
    expect(told.text).not.toMatch(/stack|html|elsewhere|secret/);
  });

  it('silence ends', async () => {
    upstream.misbehave(place, { kind: 'dead' });
    upstream.misbehave('openid-metadata', { kind: 'answers', status: 404 });
    expect(await failure(call(open(impatient)))).toMatchObject({ kind: 'failed', text: expect.any(String) });
  });
});

it('a Transmitter that leads into the inside is not followed there', async () => {
  const inside = 'https://169.254.169.254/latest/meta-data';
  expect(await failure(open().readStatus({ status: inside }, 'stream-1'))).toMatchObject({
    step: 'status',
    text: expect.stringContaining('link-local'),
  });
});

/** Anything, and what is right but for something. */
const answer = (right: Json): fc.Arbitrary<Json> => {
  const anything = fc.jsonValue() as fc.Arbitrary<Json>;
  const members = Object.keys(right as object);
  const almost = fc
    .tuple(fc.constantFrom(...members), anything)
    .map(([member, value]) => ({ ...(right as object), [member]: value }));
  return fc.oneof(anything, almost);
};

it('no answer whatever makes a call throw, and what is told of it is short', async () => {
  const { raw } = await done(open().readStream(endpoints, [...upstream.streams.keys()][0] ?? ''));
  const right: Record<string, Json> = {
    metadata: JSON.parse(await (await fetch(upstream.metadataUrl)).text()) as Json,
    'resource-metadata': {
      resource: endpoints.configuration ?? '',
      authorization_servers: [upstream.authorizationServer],
    },
    'server-metadata': { issuer: upstream.authorizationServer, token_endpoint: upstream.tokenEndpoint },
    token: {
      access_token: 'a',
      token_type: 'Bearer',
      expires_in: 5,
      scope: 'a',
      id_token: 'a.b.c',
      refresh_token: 'r',
    },
    streams: raw,
    status: { stream_id: 'stream-1', status: 'enabled', reason: 'r' },
    verification: { stream_id: 'stream-1' },
    poll: { sets: { a: 'a.b.c' }, moreAvailable: true },
  };
  const statuses = fc.constantFrom(200, 200, 200, 201, 204, 400, 401, 404, 429, 503);
  const headers = fc.constantFrom<Record<string, string>>(
    {},
    { 'www-authenticate': 'Bearer error="' },
    { 'www-authenticate': 'DPoP error="use_dpop_nonce", Basic', 'retry-after': '-1' },
    { 'retry-after': '1e9', 'content-type': 'text/html; charset=ü' },
  );
  for (const [place, , call] of calls) {
    const body = fc.oneof(
      { weight: 4, arbitrary: answer(right[place] ?? {}).map((json) => Buffer.from(JSON.stringify(json))) },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 64 }) },
    );
    await fc.assert(
      fc.asyncProperty(statuses, headers, body, async (status, more, bytes) => {
        const type = { 'content-type': 'application/json' };
        const sent = status === 204 ? {} : { body: bytes };
        upstream.misbehave(place, { kind: 'answers', status, headers: { ...type, ...more }, ...sent });
        const called = await call(open());
        expect(called.kind === 'done' || (called.text.length > 0 && called.text.length < 400)).toBe(true);
      }),
      { numRuns: 40 },
    );
    upstream.behave();
  }
}, 60_000);
