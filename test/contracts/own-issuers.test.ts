import { expect, it } from 'vitest';
import { takeIssuer } from '../../src/adapters/postgres/own-issuers.ts';
import { forEachDatabase } from '../support/databases.ts';
import { putDelivery } from '../support/signing-keys.ts';

forEachDatabase('what the hub is called', (fixture) => {
  let atMs = 1_763_764_000_000;
  const take = (name: string, accepted: string | boolean = false) =>
    takeIssuer(fixture.database, { url: `https://${name}.example`, accepted, atMs: (atMs += 1_000) });
  const urls = (...names: string[]) => names.map((name) => `https://${name}.example`);

  it('changes freely as long as there are no streams, and what it was is remembered', async () => {
    expect(await take('a')).toEqual([]);
    expect(await take('a')).toEqual([]);
    expect(await take('b')).toEqual(urls('a'));
    expect(await take('a')).toEqual(urls('b'));
    expect(await take('a')).toEqual(urls('b'));
  });

  it('changes with streams only to a name that was accepted, which is audited, and back likewise', async () => {
    await putDelivery(fixture.database, { kid: 'k' });
    expect(await take('a')).toEqual(urls('b'));
    for (const accepted of [false, 'https://other.example', '']) {
      await expect(take('c', accepted)).rejects.toMatchObject({
        code: 'invalid-configuration',
        message: expect.stringContaining('is https://a.example to the receivers of 1 stream'),
        hint: expect.stringMatching(
          /PUBLIC_URL=https:\/\/a\.example.*ACCEPT_NEW_ISSUER=https:\/\/c\.example/,
        ),
      });
    }
    expect(await take('c', 'https://c.example')).toEqual(urls('a', 'b'));
    expect(await take('c')).toEqual(urls('a', 'b'));
    await expect(take('a')).rejects.toMatchObject({ code: 'invalid-configuration' });
    expect(await take('d', true)).toEqual(urls('c', 'a', 'b'));
    const { rows } = await fixture.database.pool.query<{ target: string; detail: object }>(
      `SELECT target, detail FROM hub.audit_log WHERE action = 'issuer.changed' ORDER BY id DESC LIMIT 2`,
    );
    expect(rows).toEqual([
      { target: 'https://d.example', detail: { before: 'https://c.example', streams: 1 } },
      { target: 'https://c.example', detail: { before: 'https://a.example', streams: 1 } },
    ]);
  });

  it('is the latest that was taken, also by a node whose clock is behind', async () => {
    atMs -= 3_600_000;
    expect(await take('e', true)).toEqual(urls('d', 'c', 'a', 'b'));
    expect(await take('e')).toEqual(urls('d', 'c', 'a', 'b'));
  });

  it('of nodes that start together with different names one is refused', async () => {
    const outcomes = await Promise.allSettled([take('e'), take('f')]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  });
});
