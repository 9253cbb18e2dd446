import { randomBytes } from 'node:crypto';
import type { PgTable } from 'drizzle-orm/pg-core';
import { beforeEach, expect, it } from 'vitest';
import type { Statements } from '../../src/adapters/postgres/database.ts';
import { readStreamDirectory } from '../../src/adapters/postgres/stream-directory.ts';
import { forgottenKeptVersions } from '../../src/adapters/postgres/stream-rows.ts';
import { createStreamStore } from '../../src/adapters/postgres/stream-store.ts';
import { createStreamSubjectStore } from '../../src/adapters/postgres/stream-subject-store.ts';
import { createSealer } from '../../src/adapters/system/sealer.ts';
import type { DefaultSubjects, StreamSubject } from '../../src/core/stream.ts';
import { admits } from '../../src/core/subject-matching.ts';
import { type JsonObject, streamId } from '../../src/core/vocabulary.ts';
import type { StreamDirectory, StreamStore, StreamSubjectStore } from '../../src/transmitter/ports.ts';
import { aListed, aStream, streamAtMs } from '../support/a-stream.ts';
import { forEachDatabase } from '../support/databases.ts';

const by = { actor: 'siem', atMs: streamAtMs };
const id = streamId('str_1');
const ann = { format: 'email', email: 'ann@example.com' };
const acme = { format: 'opaque', id: 'acme' };
const tenant = { format: 'complex', tenant: acme };
const annOfAcme = { format: 'complex', user: ann, tenant: acme };

forEachDatabase('the directory of streams', (fixture) => {
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
    await fixture.database.pool.query('TRUNCATE hub.streams, hub.stream_subjects CASCADE');
    const announcer = { announce: () => {} };
    const { database } = fixture;
    streams = createStreamStore({ database, announcer, sealer: createSealer(randomBytes(32)) });
    store = createStreamSubjectStore({ database, announcer });
  });
  const start = (defaultSubjects: DefaultSubjects) =>
    streams.create(aStream(id, { defaultSubjects }), undefined, by);

  /** 2,500 subjects in a row of changes, the last listed first. */
  const listMany = async () => {
    await fixture.database.pool.query('UPDATE hub.stream_changes SET version = version + 5000');
    await fixture.database.pool.query(
      `INSERT INTO hub.stream_subjects (stream_id, subject_key, subject, listed, verified, changed_at_ms, changed_version)
       SELECT 'str_1', 'key_' || n, jsonb_build_object('format', 'opaque', 'id', n::text), 'added', true, 0, version - n
         FROM generate_series(1, 2500) n, hub.stream_changes`,
    );
    await fixture.database.pool.query(
      `UPDATE hub.streams SET subjects = 2500, subjects_version = (SELECT version - 1 FROM hub.stream_changes) WHERE id = 'str_1'`,
    );
  };
  const numbered = (n: number) => ({ format: 'opaque', id: String(n) });

  it('the directory has all that was committed; what has not changed is not read again', async () => {
    await start('NONE');
    await streams.create(aStream('str_2'), undefined, by);
    await listMany();
    const begun = await read();
    const others = 'UPDATE hub.stream_changes SET version = version + $1';
    await fixture.database.pool.query(others, [forgottenKeptVersions]);
    const first = await read(begun);
    expect(first.streams.map((stream) => stream.id)).toEqual(['str_1', 'str_2']);
    for (const n of [1, 1_000, 1_001, 2_500]) expect(hears(first, numbered(n))).toBe(true);
    expect([hears(first, numbered(0)), hears(first, numbered(2_501))]).toEqual([false, false]);
    expect(await read(first)).toBe(first);
    // Behind its back: whoever reads the whole list again takes notice.
    await fixture.database.pool.query(`UPDATE hub.stream_subjects SET listed = 'removed'`);
    await store.put(id, aListed('added', ann), by);
    await store.put(streamId('str_2'), aListed('removed', ann), by);
    const second = await read(first);
    expect(second.version).toBe(first.version + 2);
    expect([hears(second, ann), hears(second, numbered(7))]).toEqual([true, true]);
    expect(hears(await read(), numbered(7))).toBe(false);
    const [, other] = second.streams;
    expect(other).toMatchObject({ aud: 'token:siem/str_2', method: 'poll', status: 'enabled' });
    expect(other?.subjects.list.latestAbout(ann)).toBe('removed');
  });

  it('what a call said holds on every node from its answer on, also what was forgotten and said again', async () => {
    await start('NONE');
    let behind = await read();
    let last = behind;
    for (const listed of ['added', 'removed', 'added', 'removed', 'removed', 'added'] as const) {
      await store.put(id, aListed(listed, ann), by);
      await store.put(id, aListed(listed, annOfAcme), by);
      last = await read(last);
      for (const node of [last, await read()]) {
        expect([hears(node, ann), hears(node, annOfAcme)]).toEqual([listed === 'added', listed === 'added']);
      }
      if (listed === 'removed') behind = await read(behind);
    }
    expect(hears(await read(behind), ann)).toBe(true);
    expect([await store.count(id), await subjectsOf()]).toEqual([
      2,
      [aListed('added', ann), aListed('added', annOfAcme)],
    ]);
  });

  it('what was forgotten is dropped in time; who is too far behind to have heard of it reads the whole list', async () => {
    await start('NONE');
    for (const subject of [ann, acme]) await store.put(id, aListed('added', subject), by);
    const behind = await read();
    await store.put(id, aListed('removed', ann), by);
    const rows = async () => (await fixture.database.pool.query('SELECT FROM hub.stream_subjects')).rowCount;
    expect(await rows()).toBe(2);
    await fixture.database.pool.query('UPDATE hub.stream_changes SET version = version + $1', [
      forgottenKeptVersions,
    ]);
    await store.put(id, aListed('added', tenant), by);
    await store.put(id, aListed('removed', tenant), by);
    expect(await rows()).toBe(2);
    for (const node of [await read(behind), await read()]) {
      expect([hears(node, ann), hears(node, acme), hears(node, tenant)]).toEqual([false, true, false]);
    }
  });

  /** Something happens right after the version was read for the nth time. */
  const readWhile = async (known: StreamDirectory, nth: number, happens: () => Promise<void>) => {
    const { db } = fixture.database;
    let reads = 0;
    const slow = {
      select: (fields?: Parameters<typeof db.select>[0]) =>
        fields === undefined || !('version' in fields)
          ? db.select(fields!)
          : {
              async from(table: PgTable) {
                const rows = await db.select(fields).from(table);
                reads += 1;
                if (reads === nth) await happens();
                return rows;
              },
            },
    };
    const directory = await readStreamDirectory(slow as unknown as Statements, known);
    expect(reads).toBeGreaterThanOrEqual(nth);
    return directory;
  };

  it('what was dropped while the changes were read is not missed', async () => {
    await start('NONE');
    await store.put(id, aListed('added', ann), by);
    const behind = await read();
    await store.put(id, aListed('removed', ann), by);
    const after = await readWhile(behind, 1, async () => {
      await fixture.database.pool.query('UPDATE hub.stream_changes SET version = version + $1', [
        forgottenKeptVersions,
      ]);
      for (const listed of ['added', 'removed'] as const) await store.put(id, aListed(listed, acme), by);
    });
    expect([hears(after, ann), hears(after, acme)]).toEqual([false, false]);
  });

  it('a read that comes late does not undo a later one of the same list', async () => {
    await start('NONE');
    const known = await read();
    await store.put(id, aListed('added', ann), by);
    let later = known;
    await readWhile(known, 2, async () => {
      await store.put(id, aListed('removed', ann), by);
      later = await read(known);
      expect(hears(later, ann)).toBe(false);
    });
    expect(hears(later, ann)).toBe(false);
  });

  it('one list serves transactions that read it at the same time, each of which has what it must', async () => {
    await start('NONE');
    const known = await read();
    // So few at a time that none waits long for the others.
    const receiver = async (first: number) => {
      for (let n = first; n < 40; n += 4) {
        await store.put(id, aListed('added', numbered(n)), by);
        expect(hears(await read(known), numbered(n))).toBe(true);
        await store.put(id, aListed(n % 3 === 0 ? 'removed' : 'added', numbered(n)), by);
        expect(hears(await read(known), numbered(n))).toBe(n % 3 !== 0);
      }
    };
    await Promise.all([0, 1, 2, 3].map(receiver));
  });
});
