import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { asInstance, asWatcher, type PointsHub, startPointsHub } from '../../points/support/points-hub.ts';
import { aReceipt } from '../../points/support/a-receipt.ts';
import { forEachDatabase } from '../../support/databases.ts';

forEachDatabase('/v1/points', (fixture) => {
  let hub: PointsHub;
  beforeAll(async () => {
    hub = await startPointsHub(fixture.database);
  });
  afterAll(() => hub.close());
  const json = async (response: Promise<Response>) =>
    (await (await response).json()) as Record<string, unknown>;

  it('POST /v1/points 201: adds a point with its token; audited; 409 for a name that is or was in use', async () => {
    const response = await hub.post('/v1/points', { name: 'edge', expect: 3, ephemeral: true });
    expect(response.status).toBe(201);
    expect(await response.json()).toMatchObject({
      name: 'edge',
      expect: 3,
      ephemeral: true,
      instances: [],
      token: { id: 'tok_edge', secret: 'edge' },
    });
    expect((await hub.post('/v1/points', { name: 'edge' })).status).toBe(409);
    const { rows } = await fixture.database.pool.query(
      "SELECT actor, target, detail FROM hub.audit_log WHERE action = 'point.added'",
    );
    expect(rows).toEqual([{ actor: 'admin', target: 'edge', detail: { expect: 3, ephemeral: true } }]);
  });

  it.each([
    {},
    { name: 'a/b' },
    { name: 'a', expect: -1 },
    { name: 'a', expect: 1.5 },
    { name: 'a', more: 1 },
  ])('POST /v1/points 400: %j', async (body) => {
    expect((await hub.post('/v1/points', body)).status).toBe(400);
  });

  it('403 without the scope', async () => {
    expect((await hub.post('/v1/points', { name: 'x' }, asWatcher)).status).toBe(403);
    expect((await hub.get('/v1/points', asInstance('edge', 'one'))).status).toBe(403);
    expect((await hub.post('/v1/points/edge/retire', {}, asInstance('edge', 'one'))).status).toBe(403);
  });

  it('GET /v1/points 200 and /v1/points/:name 200: every instance with what it declared and how far it is', async () => {
    const { cursor } = hub.points.memory.view('lines');
    await hub.post('/v1/points/receipts', aReceipt({ applied: cursor }), asInstance('edge', 'one'));
    await hub.post(
      '/v1/points/receipts',
      aReceipt({ divergent: true, orphans: ['rev_1'] }),
      asInstance('edge', 'two'),
    );
    await hub.post('/v1/points/receipts', aReceipt({ goodbye: true }), asInstance('edge', 'three'));
    const { instances } = (await json(hub.get('/v1/points/edge'))) as { instances: object[] };
    expect(instances).toMatchObject([
      {
        instance: 'one',
        state: 'connected',
        behind: 0,
        applied: cursor.slice(0, -17),
        kind: 'library',
        stale_ms: 12,
      },
      { instance: 'two', state: 'connected', divergent: true, orphans: ['rev_1'] },
      { instance: 'three', state: 'left' },
    ]);
    const { items } = (await json(hub.get('/v1/points'))) as { items: object[] };
    expect(items).toMatchObject([{ name: 'edge', instances }]);
    expect((await hub.get('/v1/points/none')).status).toBe(404);
  });

  it('POST /v1/points/:name/retire 200: its tokens end in the same transaction; 404, 409 when there is none any more', async () => {
    await hub.post('/v1/points', { name: 'old' });
    await fixture.database.pool.query(
      `INSERT INTO hub.sources (id, created_at_ms) VALUES ('s', 0);
       INSERT INTO hub.api_tokens (id, actor, secret_sha256, scopes, source_id, point, created_at_ms)
       VALUES ('tok_1', 'old', '\\x01', '{point}', 's', 'old', 0), ('tok_2', 'edge', '\\x02', '{point}', 's', 'edge', 0)`,
    );
    expect((await hub.post('/v1/points/none/retire', {})).status).toBe(404);
    const response = await hub.post('/v1/points/old/retire', {});
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ name: 'old', retired_at_ms: expect.any(Number) });
    expect((await hub.post('/v1/points/old/retire', {})).status).toBe(409);
    expect((await hub.post('/v1/points', { name: 'old' })).status).toBe(409);
    const { rows } = await fixture.database.pool.query(
      'SELECT id, revoked_at_ms IS NOT NULL AS ended FROM hub.api_tokens ORDER BY id',
    );
    expect(rows).toEqual([
      { id: 'tok_1', ended: true },
      { id: 'tok_2', ended: false },
    ]);
  });

  it('POST /v1/points/reports 204 and GET 200: kept as they were said, newest first, in pages', async () => {
    const refusal = { at_ms: 1, code: 'revoked', decision_id: 'dec_1', theft: true, count: 2, jti: 'j' };
    const sighting = { first_at_ms: 1, last_at_ms: 2, count: 3, iss: 'https://idp.example', jkt: 'k' };
    const as = asInstance('edge', 'one');
    const sent = await hub.post(
      '/v1/points/reports',
      { batch_id: 'batch-0000000000-0001', refusals: [refusal, refusal], sightings: [sighting] },
      as,
    );
    expect(sent.status).toBe(204);
    const first = await json(hub.get('/v1/points/reports?limit=2'));
    expect(first['items']).toMatchObject([
      { kind: 'sighting', point: 'edge', instance: 'one', detail: sighting },
      { kind: 'refusal', detail: refusal },
    ]);
    const second = await json(hub.get(`/v1/points/reports?limit=2&cursor=${String(first['next_cursor'])}`));
    expect(second).toMatchObject({ items: [{ kind: 'refusal' }], next_cursor: null });
    expect((await json(hub.get('/v1/points/reports?kind=sighting')))['items']).toHaveLength(1);
    expect((await json(hub.get('/v1/points/reports?point=other')))['items']).toHaveLength(0);
  });

  it('POST /v1/points/reports 400, 403, 429: nothing is kept that has a token in it, is nobody’s, or is too much', async () => {
    const as = asInstance('edge', 'one');
    const refusal = { at_ms: 1, code: 'revoked', decision_id: 'd', count: 1 };
    const post = async (body: object, headers: Record<string, string> = as) =>
      (await hub.post('/v1/points/reports', { batch_id: randomUUID(), ...body }, headers)).status;
    const withoutId = await hub.post('/v1/points/reports', { refusals: [refusal] }, as);
    expect([withoutId.status, (await json(Promise.resolve(withoutId)))['errors']]).toEqual([
      400,
      [{ path: '/batch_id', message: 'is missing' }],
    ]);
    expect(await post({ batch_id: 'too-short', refusals: [refusal] })).toBe(400);
    expect(await post({ refusals: [{ ...refusal, token: 'eyJ' }] })).toBe(400);
    expect(await post({ refusals: [{ ...refusal, count: 0 }] })).toBe(400);
    expect(await post({ refusals: [refusal] }, asWatcher)).toBe(403);
    expect(await post({ refusals: [refusal] }, { ...as, 'caep-point': 'other/one' })).toBe(403);
    const many = { refusals: Array.from({ length: 200 }, () => refusal) };
    const statuses = await Promise.all(Array.from({ length: 31 }, () => post(many)));
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThan(0);
    expect(await post({ sightings: [] }, asInstance('edge', 'two'))).toBe(204);
  });
});
