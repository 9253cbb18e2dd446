import { randomBytes } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { beforeEach, describe, expect, it } from 'vitest';
import { readStreamDirectory } from '../../src/adapters/postgres/stream-directory.ts';
import { createStreamStore } from '../../src/adapters/postgres/stream-store.ts';
import { createStreamSubjectStore } from '../../src/adapters/postgres/stream-subject-store.ts';
import { createSealer } from '../../src/adapters/system/sealer.ts';
import type { DefaultSubjects, StreamSubject } from '../../src/core/stream.ts';
import { canonicalJson } from '../../src/core/canonical-json.ts';
import { admits } from '../../src/core/subject-matching.ts';
import { type JsonObject, streamId } from '../../src/core/vocabulary.ts';
import {
  subjectBytesPerStreamMax,
  subjectShapesPerStreamMax,
  subjectsPerStreamMax,
} from '../../src/transmitter/limits.ts';
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
  /** What is kept of the first stream. */
  const subjectsOf = async (): Promise<readonly StreamSubject[]> => {
    const { rows } = await fixture.database.pool.query<StreamSubject>(
      `SELECT subject, listed, verified FROM hub.stream_subjects
        WHERE stream_id = 'str_1' AND listed <> 'forgotten' ORDER BY changed_version`,
    );
    return rows;
  };
  /** Whether an event about the subject goes over the first stream. */
  const hears = ({ streams: [stream] }: StreamDirectory, subject: JsonObject): boolean =>
    admits({ defaultSubjects: stream!.defaultSubjects, subjects: stream!.subjects.list }, subject);
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
      expect(await subjectsOf()).toEqual([aListed(first, tenant), aListed(second, annOfAcme)]);
      const before = await read();
      expect([hears(before, annOfAcme), hears(before, tenant)]).toEqual([expected, true]);
      await store.put(id, aListed(first, tenant), by);
      for (const after of [await read(), await read(before)]) expect(hears(after, annOfAcme)).toBe(!expected);
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

  it('refuses more bytes than a stream may list; what is taken back makes room', async () => {
    await start('NONE');
    await store.put(id, aListed('added', ann), by);
    const bytes = async () =>
      Number(
        (await fixture.database.pool.query('SELECT subject_bytes FROM hub.streams')).rows[0]?.subject_bytes,
      );
    const ofAnn = Buffer.byteLength(canonicalJson(ann));
    expect(await bytes()).toBe(ofAnn);
    await fixture.database.pool.query('UPDATE hub.streams SET subject_bytes = $1', [
      subjectBytesPerStreamMax,
    ]);
    await expect(store.put(id, aListed('added', acme), by)).rejects.toMatchObject({
      code: 'too-many-subjects',
      extra: { limit_bytes: subjectBytesPerStreamMax },
    });
    await store.put(id, aListed('added', ann, false), by);
    await store.put(id, aListed('removed', ann), by);
    expect(await bytes()).toBe(subjectBytesPerStreamMax - ofAnn);
    const short = { format: 'opaque', id: 'a' };
    await store.put(id, aListed('added', short), by);
    expect([await store.count(id), await subjectsOf()]).toEqual([1, [aListed('added', short)]]);
  });

  it('refuses more combinations of members than a stream may list; what is taken back makes room', async () => {
    await start('NONE');
    const of = (...names: readonly string[]): JsonObject => ({
      format: 'complex',
      ...Object.fromEntries(names.map((name) => [name, acme])),
    });
    const firsts = Array.from({ length: subjectShapesPerStreamMax }, (_, at) => of(`member_${at}`));
    for (const subject of firsts) await store.put(id, aListed('added', subject), by);
    for (const other of [of('another'), of('member_0', 'member_1')]) {
      await expect(store.put(id, aListed('added', other), by)).rejects.toMatchObject({
        code: 'too-many-subject-shapes',
        extra: { limit: subjectShapesPerStreamMax },
      });
    }
    await store.put(id, aListed('added', { ...of('member_0'), member_0: ann }), by);
    await store.put(id, aListed('added', ann), by);
    await store.put(id, aListed('removed', of('member_1')), by);
    await store.put(id, aListed('added', of('member_1')), by);
    expect(await store.count(id)).toBe(subjectShapesPerStreamMax + 2);
    await fixture.database.pool.query(
      `UPDATE hub.stream_subjects SET listed = 'forgotten' WHERE subject = $1`,
      [of('member_2')],
    );
    await store.put(id, aListed('added', of('another')), by);
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
    const work = Array.from({ length: 6 }, (_, turn) => [
      fanOut(turn),
      store.put(ids[turn % 2]!, aListed('added', { format: 'opaque', id: String(turn) }), by),
      streams.update(
        ids[(turn + 1) % 2]!,
        (stream) => ({ stream: { ...stream, description: String(turn) }, audit: { action: 'x' } }),
        by,
      ),
      ...(turn === 3 ? [streams.remove(ids[2]!, by)] : []),
    ]);
    await Promise.all(work.flat());
    expect((await read()).streams.map((stream) => stream.id)).toEqual(['str_1', 'str_2']);
  });
});
