import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Hub, startHub } from '../support/a-hub.ts';
import { aPoint, until, untilTrue, type Point } from '../enforcement/feed/harness.ts';

/** A real hub on an embedded database, and the library's client. */
describe('DESIGN §6: the library follows a real hub', { timeout: 60_000 }, () => {
  const runner = { iss: 'https://idp.example', client_id: 'build-runner' };
  const issuedAt = Math.floor(Date.now() / 1_000) - 60;
  let folder = '';
  let hub: Hub;
  let token = '';
  let signalId = '';

  const effects = ({ cache }: Point, iat = issuedAt): readonly string[] =>
    cache.lookup({ ...runner, iat }, Math.floor(Date.now() / 1_000)).map(({ effect }) => effect);
  const client = (instance: string, snapshotFile?: string): Point =>
    aPoint(hub, { point: `edge/${instance}`, token, ...(snapshotFile !== undefined && { snapshotFile }) });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'caep-flow-'));
    hub = await startHub();
    const added = await hub.call('POST', '/v1/points', { body: { name: 'edge', expect: 1 } });
    token = (added.body['token'] as { readonly secret: string }).secret;
  });
  afterAll(async () => {
    await hub.stop();
    await rm(folder, { recursive: true });
  });

  it('kills at a point that was there, and at one that comes later, and confirms it', async () => {
    const early = client('early');
    await early.client.ready();
    await untilTrue(() => early.client.state().fresh);
    const answer = await hub.call('POST', '/v1/signals', {
      body: { event: 'account-disabled', subject: runner, data: { reason: 'hijacking' } },
    });
    expect(answer.status).toBe(202);
    signalId = String(answer.body['signal_id']);
    await until(() => expect(effects(early)).toContain('deny'));
    const late = client('late');
    await late.client.ready();
    expect(effects(late)).toContain('deny');
    await until(async () => {
      const enforcement = await hub.call('GET', `/v1/signals/${signalId}/enforcement`);
      expect(enforcement.body['state']).toBe('complete');
    });
    await untilTrue(() => late.client.state().fresh && early.client.state().fresh);
    expect([...early.troubles, ...late.troubles]).toEqual([]);
    expect(late.cache.digest()).toBe(early.cache.digest());
  });

  it('goes on deciding while the hub is down, and resumes when it is back', async () => {
    const file = join(folder, 'set.ndjson');
    const point = client('steady', file);
    await untilTrue(() => point.client.state().fresh);
    const { port } = new URL(hub.url);
    await hub.stop('keep');
    await untilTrue(() => point.client.state().connection !== 'open');
    expect(effects(point)).toContain('deny');
    hub = await startHub({ PORT: port }, hub.dataDir);
    await untilTrue(() => point.client.state().fresh);
    expect(point.troubles.map(({ code }) => code)).not.toContain('position-gone');
    expect(point.replaced).toBe(1);
    await point.client.close();
    const restarted = client('steady', file);
    await restarted.client.ready();
    expect(restarted.client.state().set).toBe('disk');
    await untilTrue(() => restarted.client.state().fresh);
    expect(effects(restarted)).toContain('deny');
    expect(restarted.troubles).toEqual([]);
  });

  it('leaves a cut-off behind when a disable is lifted', async () => {
    const point = client('lifting');
    await untilTrue(() => point.client.state().fresh);
    const [entry] = point.cache.lookup(runner, 0);
    await hub.call('POST', `/v1/revocations/${entry?.id ?? ''}/lift`, { body: {} });
    await untilTrue(() => point.cache.get(entry?.id ?? '') === undefined);
    expect(effects(point)).toContain('deny');
    expect(effects(point, issuedAt + 7_200)).toEqual([]);
    await untilTrue(() => point.client.state().fresh);
    expect(point.troubles).toEqual([]);
  });

  it('has its stream cut when its point is retired', async () => {
    const point = client('retired');
    await untilTrue(() => point.client.state().fresh);
    await hub.call('POST', '/v1/points/edge/retire');
    await untilTrue(() => point.troubles.some(({ code }) => code === 'unauthorized'));
    expect(effects(point)).toContain('deny');
  });
});
