import { randomInt, randomUUID } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { callHub } from '../support/a-hub.ts';
import { embeddedTemplate } from '../support/databases.ts';
import { type HubProcess, startHubProcess } from '../support/hub-process.ts';
import { startUpstream, type Upstream } from '../support/upstream-transmitter.ts';

/** `ROUNDS=100` by hand. */
const rounds = Number(process.env['ROUNDS'] ?? 3);
const setsPerRound = 120;
const within = { timeout: 60_000, interval: 20 };
const sessionRevoked = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked';

let dataDir: string;
let upstream: Upstream;
let hub: HubProcess;
beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'caep-hub-receive-'));
  cpSync(await embeddedTemplate(), join(dataDir, 'db'), { recursive: true });
  upstream = await startUpstream({ longPollMs: 500 });
});
afterAll(async () => {
  hub?.child.kill('SIGKILL');
  await upstream?.close();
  rmSync(dataDir, { recursive: true, force: true });
});

const start = async () => {
  hub = await startHubProcess({ DATA_DIR: dataDir, OUTBOUND_ALLOW: '127.0.0.1' });
};
const call = (method: string, path: string, body?: object) => {
  const token = readFileSync(join(dataDir, 'admin-token'), 'utf8').trim();
  return callHub(hub.url, token, method, path, body === undefined ? {} : { body });
};
const emit = () =>
  upstream
    .emit({ type: sessionRevoked, subject: { format: 'iss_sub', iss: upstream.issuer, sub: randomUUID() } })
    .then(({ jti }) => jti);

async function handled(): Promise<readonly string[]> {
  const ids: string[] = [];
  for (let cursor = ''; ; ) {
    const page = await call('GET', `/v1/signals?source=idp&limit=200${cursor}`);
    const { items, next_cursor: next } = page.body as {
      items: { readonly id: string }[];
      next_cursor: string | null;
    };
    ids.push(...items.map(({ id }) => id));
    if (next === null) return ids;
    cursor = `&cursor=${encodeURIComponent(next)}`;
  }
}

it(`RFC 8936 §2: what was acknowledged survives kill -9, and what comes again is handled once (${rounds} rounds)`, {
  timeout: (rounds + 2) * 120_000,
}, async () => {
  await start();
  const body = { name: 'idp', issuer: upstream.issuer, delivery: 'poll', algorithm: 'ES256' };
  const added = await call('POST', '/v1/upstreams', body);
  expect(added.status, added.text).toBe(201);
  await call('PUT', '/v1/sources/idp', { subject_issuers: [upstream.issuer], kills_per_minute: 100_000 });
  await vi.waitUntil(() => upstream.polls.length > 0, within);
  const sent: string[] = [];
  for (let round = 0; round < rounds; round++) {
    const before = new Set(upstream.acked).size;
    sent.push(...(await Promise.all(Array.from({ length: setsPerRound }, emit))));
    const fatal = before + randomInt(1, setsPerRound / 2);
    await vi.waitUntil(() => new Set(upstream.acked).size >= fatal, within);
    hub.child.kill('SIGKILL');
    await start();
  }
  await vi.waitUntil(() => missing(sent) === 0, within);
  const ids = await handled();
  expect(ids.length).toBe(new Set(ids).size);
  expect(new Set(ids)).toEqual(new Set(sent));
  expect([...upstream.setErrs.keys()]).toEqual([]);
});

const missing = (sent: readonly string[]): number => {
  const acked = new Set(upstream.acked);
  return sent.filter((jti) => !acked.has(jti)).length;
};
