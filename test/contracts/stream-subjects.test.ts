import { randomBytes } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { beforeEach, describe, expect, it } from 'vitest';
import { readStreamDirectory } from '../../src/adapters/postgres/stream-directory.ts';
import { createStreamStore } from '../../src/adapters/postgres/stream-store.ts';
import { createStreamSubjectStore } from '../../src/adapters/postgres/stream-subject-store.ts';
import { createSealer } from '../../src/adapters/system/sealer.ts';
import type { DefaultSubjects } from '../../src/core/stream.ts';
import { admits } from '../../src/core/subject-matching.ts';
import { type JsonObject, streamId } from '../../src/core/vocabulary.ts';
import { subjectsPerStreamMax } from '../../src/transmitter/limits.ts';
import type { StreamDirectory, StreamStore, StreamSubjectStore } from '../../src/transmitter/ports.ts';
import { aListed, aStream, streamAtMs } from '../support/a-stream.ts';
import { forEachDatabase } from '../support/databases.ts';

const by = { actor: 'siem', atMs: streamAtMs };
const id = streamId('str_1');
const ann = { format: 'email', email: 'ann@example.com' };
const acme = { format: 'opaque', id: 'acme' };
const tenant = { format: 'complex', tenant: acme };
const annOfAcme = { format: 'complex', user: ann, tenant: acme };

forEachDatabase('stream subjects', (fixture) => {
  let announced: string[];
  let streams: StreamStore;
  let store: StreamSubjectStore;
  const read = (known?: StreamDirectory) => fixture.database.transact((tx) => readStreamDirectory(tx, known));
  const subjectsOf = async () => (await read()).streams[0]?.subjects;
  beforeEach(async () => {
    await fixture.database.pool.query('TRUNCATE hub.streams, hub.stream_subjects, hub.deliveries');
    announced = [];
    const announcer = { announce: (topic: string) => void announced.push(topic) };
    const { database } = fixture;
    streams = createStreamStore({ database, announcer, sealer: createSealer(randomBytes(32)) });
    store = createStreamSubjectStore({ database, announcer });
  });
  const start = (defaultSubjects: DefaultSubjects) =>
    streams.create(aStream(id, { defaultSubjects }), undefined, by);

  it('lists what was added, once, with what the latest call said; order of members says nothing', async () => {
    await start('NONE');
    await store.put(id, aListed('added', ann, false), by);
    await store.put(id, aListed('added', { email: ann.email, format: 'email' }), by);
    expect(await store.count(id)).toBe(1);
    expect(await subjectsOf()).toEqual([aListed('added', ann)]);
    await store.put(id, aListed('removed', ann), by);
    await store.put(id, aListed('removed', ann), by);
    expect([await store.count(id), await subjectsOf()]).toEqual([0, []]);
    expect(announced.filter((topic) => topic === 'streams')).toHaveLength(4);
    const { rows } = await fixture.database.pool.query(
      `SELECT action FROM hub.audit_log WHERE target = 'str_1' ORDER BY id`,
    );
    expect(rows.map(({ action }: { action: string }) => action)).toEqual([
      'stream.created',
      'stream.subject-added',
      'stream.subject-added',
      'stream.subject-removed',
      'stream.subject-removed',
    ]);
  });

  it('a stream that has everybody lists whom it lost, and of others only who is not verified', async () => {
    await start('ALL');
    await store.put(id, aListed('removed', ann), by);
    expect(await subjectsOf()).toEqual([aListed('removed', ann)]);
    await store.put(id, aListed('added', ann), by);
    expect(await subjectsOf()).toEqual([]);
    await store.put(id, aListed('added', ann, false), by);
    expect(await subjectsOf()).toEqual([aListed('added', ann, false)]);
  });

  describe.each([
    ['NONE', 'added', 'removed', false],
    ['ALL', 'removed', 'added', true],
  ] as const)('%s', (fallback, first, second, expected) => {
    it(`one user of a tenant is ${second} where the tenant was ${first}: the later call wins`, async () => {
      await start(fallback);
      await store.put(id, aListed(first, tenant), by);
      await store.put(id, aListed(second, annOfAcme), by);
      const [stream] = (await read()).streams;
      expect(stream?.subjects).toEqual([aListed(first, tenant), aListed(second, annOfAcme)]);
      expect(admits(stream!, annOfAcme)).toBe(expected);
      expect(admits(stream!, tenant)).toBe(true);
      await store.put(id, aListed(first, tenant), by);
      const [after] = (await read()).streams;
      expect(admits(after!, annOfAcme)).toBe(!expected);
    });

    it('nothing is kept of a call that takes back one that stood alone', async () => {
      await start(fallback);
      const another: JsonObject = { ...annOfAcme, user: acme };
      await store.put(id, aListed(first, annOfAcme), by);
      await store.put(id, aListed(first, another), by);
      await store.put(id, aListed(second, annOfAcme), by);
      expect(await subjectsOf()).toEqual([aListed(first, another)]);
    });
  });

  it('refuses more than a stream may list, and says nothing of streams that are not there', async () => {
    await start('NONE');
    await store.put(id, aListed('added', ann), by);
    await fixture.database.pool.query('UPDATE hub.streams SET subjects = $1', [subjectsPerStreamMax]);
    await expect(store.put(id, aListed('added', acme), by)).rejects.toMatchObject({
      code: 'too-many-subjects',
    });
    await store.put(id, aListed('added', ann, false), by);
    await store.put(id, aListed('removed', ann), by);
    expect(await store.count(id)).toBe(subjectsPerStreamMax - 1);
    const gone = store.put(streamId('str_none'), aListed('added', ann), by);
    await expect(gone).rejects.toMatchObject({ code: 'not-found' });
    expect(await store.count(streamId('str_none'))).toBe(0);
  });

  it('the directory is one version of all streams; what has not changed is not read again', async () => {
    await start('NONE');
    await streams.create(aStream('str_2'), undefined, by);
    await fixture.database.pool.query(
      `INSERT INTO hub.stream_subjects (stream_id, subject_key, subject, listed, verified, changed_at_ms, changed_version)
       SELECT 'str_1', 'key_' || n, jsonb_build_object('format', 'opaque', 'id', n::text), 'added', true, 0, 5000 - n
         FROM generate_series(1, 2500) n`,
    );
    await fixture.database.pool.query(`UPDATE hub.streams SET subjects = 2500 WHERE id = 'str_1'`);
    const first = await read();
    expect(first.streams.map((stream) => stream.id)).toEqual(['str_1', 'str_2']);
    expect(first.streams[0]?.subjects).toHaveLength(2_500);
    expect(first.streams[0]?.subjects[0]?.subject).toEqual({ format: 'opaque', id: '2500' });
    expect(await read(first)).toBe(first);
    await store.put(streamId('str_2'), aListed('removed', ann), by);
    const second = await read(first);
    expect(second.version).toBe(first.version + 1);
    expect(second.streams[0]?.subjects).toBe(first.streams[0]?.subjects);
    expect(second.streams[1]?.subjects).toEqual([aListed('removed', ann)]);
    expect(second.streams[1]).toMatchObject({ aud: 'token:siem/str_2', method: 'poll', status: 'enabled' });
  });

  it('changes, subjects, removals and SETs of the same streams never wait for each other in a circle', async () => {
    const ids = ['str_1', 'str_2', 'str_3'].map(streamId);
    for (const one of ids) await streams.create(aStream(one, { defaultSubjects: 'NONE' }), undefined, by);
    const fanOut = (turn: number) =>
      fixture.database.transact(async (tx) => {
        const { streams: listed } = await readStreamDirectory(tx);
        for (const stream of listed) {
          await tx.execute(sql`
            INSERT INTO hub.deliveries (jti, stream_id, principal, denies, control, event_type, claims, due_at_ms, created_at_ms)
            SELECT ${`set_${turn}_${stream.id}`}, id, 'p', true, false, 'x', '{}', 0, 0
              FROM hub.streams WHERE id = ${stream.id} FOR KEY SHARE`);
        }
      });
    const work = Array.from({ length: 12 }, (_, turn) => [
      fanOut(turn),
      store.put(ids[turn % 2]!, aListed('added', { format: 'opaque', id: String(turn) }), by),
      streams.update(
        ids[(turn + 1) % 2]!,
        (stream) => ({ stream: { ...stream, description: String(turn) }, audit: { action: 'x' } }),
        by,
      ),
      ...(turn === 6 ? [streams.remove(ids[2]!, by)] : []),
    ]);
    await Promise.all(work.flat());
    expect((await read()).streams.map((stream) => stream.id)).toEqual(['str_1', 'str_2']);
  });

  it('the directory is never torn, however often streams change meanwhile', async () => {
    await start('NONE');
    let going = true;
    const changes = (async () => {
      for (let turn = 0; going && turn < 200; turn += 1) {
        await store.put(id, aListed(turn % 2 === 0 ? 'added' : 'removed', ann), by);
      }
    })();
    for (let reads = 0; reads < 20; reads += 1) {
      const { streams: listed, version } = await read();
      for (const stream of listed) expect(stream.subjectsVersion).toBeLessThanOrEqual(version);
    }
    going = false;
    await changes;
  });
});
