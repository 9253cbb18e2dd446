import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JSONWebKeySet } from 'jose';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { callHub } from '../support/a-hub.ts';
import { embeddedTemplate } from '../support/databases.ts';
import {
  aDownstreamReceiver,
  type Behaviour,
  type DownstreamReceiver,
} from '../support/downstream-receiver.ts';
import { type HubProcess, startHubProcess } from '../support/hub-process.ts';

/** `ROUNDS=200` by hand. */
const rounds = Number(process.env['ROUNDS'] ?? 3);
/** Each speaks of a client of its own, one signal after the other. */
const posters = 8;
const acknowledgedPerRound = { least: 10, most: 60 };
const killWithinMs = 50;
/** Of one peer's first pushes in a round each third fails: what follows for the same client must wait. */
const failing: readonly Behaviour[] = Array.from({ length: 24 }, (_, n) =>
  n % 3 === 0 ? { kind: 'answers', status: 503 } : { kind: 'well-behaved' },
);
const within = { timeout: 120_000, interval: 50 };
const sessionRevoked = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked';
const adminToken = 'a'.repeat(40);

let dataDir: string;
let keys: JSONWebKeySet;
let peers: readonly DownstreamReceiver[];
beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'caep-hub-kill-push-'));
  cpSync(await embeddedTemplate(), join(dataDir, 'db'), { recursive: true });
  peers = await Promise.all([0, 1].map(() => aDownstreamReceiver({ keys: () => keys })));
});
afterAll(async () => {
  await Promise.all(peers.map((peer) => peer.close()));
  rmSync(dataDir, { recursive: true, force: true });
});

const startHub = () =>
  startHubProcess({
    DATA_DIR: dataDir,
    ADMIN_TOKEN: adminToken,
    PUBLIC_URL: 'https://hub.example',
    OUTBOUND_ALLOW: '127.0.0.1',
  });

/** Signed by ES256, no two signatures are alike: a SET that was signed again would show. */
const algorithm = 'ES256';

async function createStreams({ url }: HubProcess): Promise<void> {
  const post = async (path: string, body: object) => {
    const { status, text } = await callHub(url, adminToken, 'POST', path, { body });
    expect(status, text).toBe(201);
  };
  await post('/v1/keys/rotate', { algorithm });
  keys = (await callHub(url, adminToken, 'GET', '/jwks.json')).body as unknown as JSONWebKeySet;
  for (const peer of peers) {
    const delivery = { method: 'urn:ietf:rfc:8935', endpoint_url: peer.url };
    const what = { events_requested: ['session-revoked'], algorithm };
    await post('/v1/streams', { receiver: `siem-${peer.port}`, delivery, ...what });
  }
}

/** A SIEM that says everything about one client in order, and each thing again until it is acknowledged. */
function aPoster(client: string) {
  const postUntilAcknowledged = (url: string) =>
    vi.waitFor(async () => expect(await postNext(url)).toBe(true), within);
  const poster = { client, acknowledged: 0, postNext, postUntilAcknowledged };
  async function postNext(url: string): Promise<boolean> {
    const body = {
      event: 'session-revoked',
      subject: { iss: 'https://idp.example', client_id: client },
      id: `${client}-${poster.acknowledged}`,
      reason: String(poster.acknowledged),
    };
    try {
      const { status } = await callHub(url, adminToken, 'POST', '/v1/signals', { body });
      if (status !== 202) return false;
      poster.acknowledged += 1;
      return true;
    } catch {
      return false;
    }
  }
  return poster;
}
type Poster = ReturnType<typeof aPoster>;

/** Posts, and kills the hub while one peer at least has a SET that it has not answered yet. */
async function loadUntilKilled(
  { child, url }: HubProcess,
  all: readonly Poster[],
  last: Poster,
): Promise<void> {
  const [unanswering, unstable] = peers;
  unstable?.behave({ kind: 'well-behaved' }, failing);
  const gone = once(child, 'exit');
  const fatal = randomInt(acknowledgedPerRound.least, acknowledgedPerRound.most);
  let acknowledged = 0;
  const isAlive = () => child.exitCode === null && child.signalCode === null;
  const load = all.map(async (poster) => {
    while (isAlive() && acknowledged < acknowledgedPerRound.most) {
      if (await poster.postNext(url)) acknowledged += 1;
    }
  });
  await vi.waitFor(() => expect(acknowledged).toBeGreaterThanOrEqual(fatal), within);
  const before = unanswering?.received.length ?? 0;
  unanswering?.behave({ kind: 'slow', until: gone.then(() => undefined) });
  // There is something to be sent for certain.
  await last.postUntilAcknowledged(url);
  await vi.waitFor(() => expect(unanswering?.received.length).toBeGreaterThan(before), within);
  setTimeout(() => child.kill('SIGKILL'), randomInt(killWithinMs));
  await Promise.all([...load, gone]);
  unanswering?.behave({ kind: 'well-behaved' });
}

it(`DESIGN §11: a hub that is killed while SETs are on their way loses none and keeps their order (${rounds} rounds)`, {
  timeout: 300_000 + rounds * 60_000,
}, async () => {
  const lasting = Array.from({ length: posters / 2 }, (_, n) => aPoster(`lasting-${n}`));
  const all: Poster[] = [...lasting];
  for (let round = 0; round < rounds; round += 1) {
    const hub = await startHub();
    if (round === 0) await createStreams(hub);
    const fresh = Array.from({ length: posters / 2 }, (_, n) => aPoster(`round-${round}-${n}`));
    const last = aPoster(`round-${round}-last`);
    all.push(...fresh, last);
    await loadUntilKilled(hub, [...lasting, ...fresh], last);
  }
  const hub = await startHub();
  try {
    // What was on its way to be acknowledged, and may have been committed or not.
    for (const poster of all) await poster.postUntilAcknowledged(hub.url);
    for (const peer of peers) await expectAllInOrder(peer, all);
    expect(peers[0]?.received.length).toBeGreaterThan(jtisOf(peers[0]).size);
  } finally {
    await hub.stop();
  }
});

type Claims = {
  readonly jti: string;
  readonly sub_id: { readonly application: { readonly sub: string } };
  readonly events: { readonly [sessionRevoked]: { readonly reason_admin: { readonly en: string } } };
};
const jtisOf = (peer: DownstreamReceiver | undefined) => new Set(peer?.taken());

async function expectAllInOrder(peer: DownstreamReceiver, all: readonly Poster[]): Promise<void> {
  const said = all.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
  await vi.waitFor(() => expect(jtisOf(peer).size).toBeGreaterThanOrEqual(said), within);
  const bodies = new Map<string, string>();
  const firstArrivals = new Map<string, number[]>();
  const taken = peer.received.filter(({ claims }) => claims !== undefined);
  for (const { claims, body } of taken) {
    const { jti, sub_id: subject, events } = claims as unknown as Claims;
    if (bodies.has(jti)) {
      expect(body).toBe(bodies.get(jti));
      continue;
    }
    bodies.set(jti, body);
    const { sub: client } = subject.application;
    const number = Number(events[sessionRevoked].reason_admin.en);
    firstArrivals.set(client, [...(firstArrivals.get(client) ?? []), number]);
  }
  const expected = all.map(({ client, acknowledged }) => [client, Array.from(Array(acknowledged).keys())]);
  expect(Object.fromEntries(firstArrivals)).toEqual(Object.fromEntries(expected));
}
