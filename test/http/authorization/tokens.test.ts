import { crc32 } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startHub, type Hub } from '../../support/a-hub.ts';

let hub: Hub;
beforeAll(async () => {
  hub = await startHub();
});
afterAll(() => hub.stop());

const make = (body: object, token?: string) =>
  hub.call('POST', '/v1/tokens', { body, ...(token === undefined ? {} : { token }) });

async function secretOf(body: object): Promise<string> {
  const { body: made } = await make(body);
  return String(made['token']);
}

describe('POST /v1/tokens', () => {
  it('201: shows the secret once, checkable offline, and it works', async () => {
    const made = await make({
      actor: 'splunk',
      scopes: ['audit.read', 'signals.read', 'audit.read'],
      expires_in: 600,
    });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({
      actor: 'splunk',
      source: 'splunk',
      scopes: ['audit.read', 'signals.read'],
    });
    const secret = String(made.body['token']);
    const [, body = '', checksum] = /^(chub_[A-Za-z0-9_-]{43})([a-z0-9]{7})$/.exec(secret) ?? [];
    expect(checksum).toBe(crc32(body).toString(36).padStart(7, '0'));
    const seen = await hub.call('GET', `/v1/tokens/${String(made.body['id'])}`, { token: secret });
    expect(seen.status).toBe(200);
    expect(seen.text).not.toContain(secret);
    expect((await hub.call('GET', '/v1/tokens')).text).not.toContain(secret);
    expect((await hub.call('GET', '/v1/audit')).text).not.toContain(secret);
  });

  it.each([
    ['no scopes', { actor: 'a', scopes: [] }, '/scopes'],
    ['an unknown scope', { actor: 'a', scopes: ['root'] }, '/scopes/0'],
    ['a bad name', { actor: 'a b', scopes: ['feed.read'] }, '/actor'],
    ['a bad source', { actor: 'a', scopes: ['feed.read'], source: '../x' }, '/source'],
    ['the scope point without a point', { actor: 'a', scopes: ['point'] }, '/point'],
    ['a point without the scope', { actor: 'a', scopes: ['feed.read'], point: 'edge' }, '/scopes'],
    ['an unknown point', { actor: 'nowhere', scopes: ['point'], point: 'nowhere' }, '/point'],
    ['a life too short', { actor: 'a', scopes: ['feed.read'], expires_in: 59 }, '/expires_in'],
    ['an unknown member', { actor: 'a', scopes: ['feed.read'], admin: true }, '/admin'],
  ])('400: %s', async (_name, body, path) => {
    const answer = await make(body);
    expect(answer.status).toBe(400);
    expect(answer.body).toMatchObject({ code: 'invalid-request', errors: [{ path }] });
  });

  it('409: person differs from the source there is', async () => {
    await make({ actor: 'mara', scopes: ['signals.write'], person: true });
    const answer = await make({ actor: 'mara', scopes: ['signals.write'], person: false });
    expect([answer.status, answer.body['code']]).toEqual([409, 'conflict']);
  });

  describe('403: nobody makes a token mightier than their own', () => {
    let manager: string;
    beforeAll(async () => {
      manager = await secretOf({ actor: 'manager', scopes: ['points.write', 'signals.write'] });
    });

    it.each([
      ['scopes it lacks', { actor: 'manager', scopes: ['points.write', 'held.release'] }],
      ['admin', { actor: 'manager', scopes: ['admin'] }],
      ['in the name of another', { actor: 'admin', scopes: ['signals.write'] }],
      ['for a person', { actor: 'manager', scopes: ['signals.write'], person: true }],
      ['for another source', { actor: 'manager', scopes: ['signals.write'], source: 'admin' }],
    ])('%s', async (_name, body) => {
      const answer = await make(body, manager);
      expect([answer.status, answer.body['code']]).toEqual([403, 'insufficient-scope']);
    });

    it('but one as mighty, for its own source, that ends when its own does', async () => {
      const short = await secretOf({
        actor: 'brief',
        scopes: ['points.write', 'signals.write'],
        expires_in: 60,
      });
      const made = await make({ actor: 'brief', scopes: ['signals.write'], expires_in: 6_000 }, short);
      expect(made.status).toBe(201);
      expect(made.body).toMatchObject({ source: 'brief' });
      expect(Number(made.body['expires_at_ms']) - Number(made.body['created_at_ms'])).toBeLessThanOrEqual(
        60_000,
      );
    });

    it.each(['admin', 'manager'])(
      'and a point that is named like a person is not that person, whoever makes its token: %s',
      async (who) => {
        const maker = who === 'admin' ? undefined : manager;
        const person = await make({ actor: `mara-${who}`, scopes: ['signals.write'], person: true });
        expect(person.body).toMatchObject({ actor: `mara-${who}`, source: `mara-${who}` });
        const asMaker = maker === undefined ? {} : { token: maker };
        const added = await hub.call('POST', '/v1/points', { body: { name: `mara-${who}` }, ...asMaker });
        const { id } = added.body['token'] as { id: string };
        const further = await make({ actor: `mara-${who}`, scopes: ['point'], point: `mara-${who}` }, maker);
        for (const tokenId of [id, String(further.body['id'])]) {
          const { body } = await hub.call('GET', `/v1/tokens/${tokenId}`);
          expect(body).toMatchObject({ actor: `point:mara-${who}`, source: `point:mara-${who}` });
        }
        const sources = await hub.call('GET', `/v1/sources/point:mara-${who}`);
        expect(sources.body).toMatchObject({ person: false });
      },
    );

    it('and whoever lacks both scopes makes none at all', async () => {
      const reader = await secretOf({ actor: 'reader', scopes: ['signals.read'] });
      expect((await make({ actor: 'reader', scopes: ['signals.read'] }, reader)).status).toBe(403);
    });
  });
});

describe('DELETE /v1/tokens/:id', () => {
  it('204: what it made is revoked with it, unless it was an admin', async () => {
    const [admin, manager] = await Promise.all([
      make({ actor: 'second-admin', scopes: ['admin'] }),
      make({ actor: 'deployer', scopes: ['points.write'] }),
    ]);
    const points = [
      { maker: admin, name: 'by-admin' },
      { maker: manager, name: 'by-deployer' },
    ];
    const tokens: string[] = [];
    for (const { maker, name } of points) {
      const token = String(maker.body['token']);
      const added = await hub.call('POST', '/v1/points', { body: { name }, token });
      tokens.push((added.body['token'] as { secret: string }).secret);
      expect((await hub.call('DELETE', `/v1/tokens/${String(maker.body['id'])}`)).status).toBe(204);
    }
    const statuses = tokens.map(async (token) => {
      const body = { batch_id: 'batch-0000000000-0001', refusals: [] };
      const name = token === tokens[0] ? 'by-admin' : 'by-deployer';
      const headers = { 'caep-point': `${name}/one` };
      return (await hub.call('POST', '/v1/points/reports', { body, token, headers })).status;
    });
    expect(await Promise.all(statuses)).toEqual([204, 401]);
  });

  it('204: the token is refused from the next request on', async () => {
    const made = await make({ actor: 'gone', scopes: ['audit.read'] });
    const token = String(made.body['token']);
    expect((await hub.call('GET', '/v1/audit', { token })).status).toBe(200);
    expect((await hub.call('DELETE', `/v1/tokens/${String(made.body['id'])}`)).status).toBe(204);
    const refused = await hub.call('GET', '/v1/audit', { token });
    expect(refused.status).toBe(401);
    expect(refused.headers.get('www-authenticate')).toContain('error="invalid_token"');
    expect(refused.body).toMatchObject({ detail: 'The token was revoked.' });
  });

  it('404: a token that is not there', async () => {
    expect((await hub.call('DELETE', '/v1/tokens/tok_none')).status).toBe(404);
    expect((await hub.call('GET', '/v1/tokens/tok_none')).status).toBe(404);
  });
});

describe('GET /v1/tokens', () => {
  it('200: pages through all, each once', async () => {
    const ids: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const path: string = `/v1/tokens?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`;
      const { body } = await hub.call('GET', path);
      for (const { id } of body['items'] as { id: string }[]) ids.push(id);
      cursor = body['next_cursor'] as string | null;
    }
    expect(ids).toContain('tok_admin');
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.length).toBeGreaterThan(2);
  });
});
