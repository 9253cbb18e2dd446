import { describe, expect, it } from 'vitest';
import { createCallerIssuerStore } from '../../src/adapters/postgres/caller-issuer-store.ts';
import { createClientStore } from '../../src/adapters/postgres/client-store.ts';
import { callerIssuersMax, type ExternalName, type NewClient } from '../../src/authorization/ports.ts';
import { issuerDefaults, profileDefaults } from '../../src/core/issuer.ts';
import { clientId, sourceId } from '../../src/core/vocabulary.ts';
import { newId } from '../../src/adapters/system/ids.ts';
import { forEachDatabase } from '../support/databases.ts';

const atMs = 1_763_764_000_000;
const change = { actor: 'admin', atMs, correlationId: 'req-1' };
const iss = 'https://login.example';
const settingsOf = (url: string) =>
  ({ ...issuerDefaults, ...profileDefaults.rfc9068, profile: 'rfc9068', url }) as const;

const external = (id: string, named: Omit<ExternalName, 'iss'>, person = false): NewClient => ({
  kind: 'external',
  id: clientId(id),
  scopes: ['signals.write'],
  named: { iss, ...named },
  person,
  dpopBound: false,
  sourceId: sourceId(`source-of-${id}`),
  createdAtMs: atMs,
});

const maker = { issuer: () => 'https://hub.example', newId };

forEachDatabase('issuers of callers', (fixture) => {
  const announced: string[] = [];
  const announcer = { announce: (topic: string) => void announced.push(topic) };
  const issuers = () => createCallerIssuerStore({ database: fixture.database, announcer });
  const clients = () => createClientStore({ database: fixture.database, announcer, maker });
  const found = async (name: Omit<ExternalName, 'iss'>, at = iss) =>
    (await clients().findExternal({ iss: at, ...name }))?.id;

  it('are put, replaced and removed, each time announced and audited', async () => {
    const url = 'https://other.example';
    expect(await issuers().put(settingsOf(url), change)).toBe('created');
    expect(await issuers().put({ ...settingsOf(url), max_token_life: 60 }, change)).toBe('replaced');
    expect(await issuers().list()).toEqual([{ ...settingsOf(url), max_token_life: 60 }]);
    expect(announced).toEqual(['tokens', 'tokens']);
    expect(await issuers().remove(url, change)).toBe(true);
    expect(await issuers().remove(url, change)).toBe(false);
    expect(await issuers().list()).toEqual([]);
    const { rows } = await fixture.database.pool.query<{ action: string }>(
      'SELECT action FROM hub.audit_log WHERE target = $1 ORDER BY id',
      [url],
    );
    expect(rows.map(({ action }) => action)).toEqual([
      'caller-issuer.trusted',
      'caller-issuer.replaced',
      'caller-issuer.removed',
    ]);
  });

  it(`are at most ${callerIssuersMax}`, async () => {
    for (let count = 0; count < callerIssuersMax; count++) {
      await issuers().put(settingsOf(`https://${count}.example`), change);
    }
    await expect(issuers().put(settingsOf('https://more.example'), change)).rejects.toMatchObject({
      code: 'conflict',
    });
    for (let count = 0; count < callerIssuersMax; count++) {
      await issuers().remove(`https://${count}.example`, change);
    }
  });

  describe('clients that are named by one', () => {
    it('are made only while it is trusted, and stay when it is not any more', async () => {
      const early = external('early', { clientId: 'early' });
      await expect(clients().create(early, change)).rejects.toMatchObject({
        code: 'invalid-request',
        errors: [{ path: '/external/iss' }],
      });
      await issuers().put(settingsOf(iss), change);
      await clients().create(early, change);
      await issuers().remove(iss, change);
      expect(await clients().find(clientId('early'))).toMatchObject({ kind: 'external', named: { iss } });
      await issuers().put(settingsOf(iss), change);
    });

    it('are found by what a token says: by both names before the subject, by that before the client', async () => {
      await clients().create(external('app', { clientId: 'app' }), change);
      await clients().create(external('robot', { sub: 'robot' }), change);
      await clients().create(external('mara', { clientId: 'app', sub: 'mara' }, true), change);
      expect(await found({ clientId: 'app' })).toBe('app');
      expect(await found({ clientId: 'app', sub: 'somebody' })).toBe('app');
      expect(await found({ clientId: 'app', sub: 'mara' })).toBe('mara');
      expect(await found({ clientId: 'app', sub: 'robot' })).toBe('robot');
      expect(await found({ sub: 'robot' })).toBe('robot');
      expect(await found({ sub: 'mara' })).toBeUndefined();
      expect(await found({ clientId: 'other', sub: 'mara' })).toBeUndefined();
      expect(await found({})).toBeUndefined();
      expect(await found({ clientId: 'APP' })).toBeUndefined();
      expect(await found({ clientId: 'app' }, 'https://login.example/')).toBeUndefined();
    });

    it('speak for a person where they are one, and for nobody else', async () => {
      expect(await clients().find(clientId('mara'))).toMatchObject({
        person: true,
        source: { person: true },
      });
      expect(await clients().find(clientId('app'))).toMatchObject({
        person: false,
        source: { person: false },
      });
      const posing = { ...external('posing', { clientId: 'posing' }), sourceId: sourceId('source-of-mara') };
      await expect(clients().create(posing, change)).rejects.toMatchObject({
        code: 'conflict',
        errors: [{ path: '/source' }],
      });
    });

    it('have their name for themselves until they are revoked, and their id for ever', async () => {
      const again = external('app-2', { clientId: 'app' });
      const taken = { code: 'conflict', errors: [{ path: '/external' }] };
      await expect(clients().create(again, change)).rejects.toMatchObject(taken);
      await clients().revoke(clientId('app'), change);
      expect(await found({ clientId: 'app' })).toBeUndefined();
      await clients().create(again, change);
      expect(await found({ clientId: 'app' })).toBe('app-2');
      await expect(clients().create(external('app', { clientId: 'x' }), change)).rejects.toMatchObject({
        errors: [{ path: '/client_id' }],
      });
    });
  });
});
