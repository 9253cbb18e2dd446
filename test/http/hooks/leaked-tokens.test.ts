import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Hub } from '../../support/a-hub.ts';
import { activityOf, aHook, type AHook, aHubWithHooks, issuer, send, signalsOf } from './a-hook.ts';
import { recorded } from './a-sender.ts';

const keys = new Map<string, ReturnType<typeof generateKeyPairSync>>();
const addKey = (kid: string) => keys.set(kid, generateKeyPairSync('ec', { namedCurve: 'P-256' }));
let fetches = 0;
let isAway = false;
let publisher: Server;
let keysUrl: string;
let hub: Hub;

beforeAll(async () => {
  addKey('first');
  publisher = createServer((_request, response) => {
    fetches += 1;
    if (isAway) return response.writeHead(500).end();
    const listed = [...keys].map(([kid, { publicKey }]) => ({
      key_identifier: kid,
      key: publicKey.export({ format: 'pem', type: 'spki' }),
      is_current: true,
    }));
    return response.end(JSON.stringify({ public_keys: listed }));
  });
  await new Promise<void>((resolve) => publisher.listen(0, '127.0.0.1', resolve));
  keysUrl = `http://127.0.0.1:${(publisher.address() as AddressInfo).port}/meta/public_keys/secret_scanning`;
  hub = await aHubWithHooks({ OUTBOUND_ALLOW: '127.0.0.1' });
});
afterAll(async () => {
  await hub?.stop();
  publisher?.close();
});

const open = () => aHook(hub, { kind: 'github-secret-scanning', keys_url: keysUrl });

function report(hook: AHook, body: string, { kid = 'first', signedBy = 'first', signed = body } = {}) {
  const key = keys.get(signedBy)?.privateKey;
  if (key === undefined) throw new Error('there is no such key');
  return send(hub, {
    path: hook.path,
    body,
    headers: {
      'github-public-key-identifier': kid,
      'github-public-key-signature': sign('sha256', Buffer.from(signed), key).toString('base64'),
    },
  });
}

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
function aToken(claims: object = {}) {
  const content = `${part({ alg: 'ES256', typ: 'at+jwt' })}.${part({ iss: issuer, sub: 'u-1', client_id: 'build-runner', jti: randomBytes(9).toString('hex'), cnf: { jkt: 'x'.repeat(43) }, ...claims })}`;
  const signature = randomBytes(64).toString('base64url');
  return {
    token: `${content}.${signature}`,
    secrets: [signature, content.split('.')[1] ?? ''],
    sha256: createHash('sha256').update(content).digest('base64url'),
  };
}
const leakOf = (token: string) =>
  JSON.stringify([
    {
      token,
      type: 'acme_access_token',
      url: 'https://github.com/octocat/x/blob/1/foo.txt',
      source: 'content',
    },
  ]);

describe('GitHub secret scanning: the message with the leaked token', () => {
  it('kills this token and nobody: by its hash, whatever it says of itself', async () => {
    const hook = await open();
    const { token, sha256 } = aToken({ exp: 4_102_444_800 });
    expect((await report(hook, leakOf(token))).status).toBe(202);
    expect(await signalsOf(hub, hook.name)).toMatchObject([
      {
        event: 'urn:caep-hub:event:token-stolen',
        subject: { token_sha256: sha256 },
        data: { exp: 4_102_444_800 },
        reason: expect.stringContaining('of build-runner at https://login.example'),
        decision: { outcome: 'applied' },
        revocations: [{ effect: 'deny', match: { token_sha256: sha256 } }],
      },
    ]);
    const context = { iss: issuer, sub: 'u-1', client_id: 'build-runner', iat: 1 };
    const check = async (more: object) =>
      (await hub.call('POST', '/v1/check', { body: { ...context, ...more } })).body;
    expect(await check({ token_sha256: sha256 })).toMatchObject({ effect: 'deny' });
    expect(await check({ jkt: 'x'.repeat(43) })).not.toMatchObject({ effect: 'deny' });
  });

  it('the recorded message', async () => {
    const hook = await open();
    expect((await report(hook, recorded('github-secret-scanning', 'leak.json'))).status).toBe(202);
    expect(await signalsOf(hub, hook.name)).toHaveLength(1);
  });

  it('what is no token that a point could be shown is passed over, and so is what was told before', async () => {
    const hook = await open();
    expect((await report(hook, leakOf('acme_0123456789'))).body).toEqual({ accepted: 0 });
    const body = leakOf(aToken().token);
    for (let attempt = 0; attempt < 3; attempt += 1) expect((await report(hook, body)).status).toBe(202);
    expect(await signalsOf(hub, hook.name)).toHaveLength(1);
    expect(await activityOf(hub, hook.name)).toMatchObject({ accepted: 3, ignored: 1, failed: 0 });
  });

  it('is not believed with another signature, another body, or a key that GitHub does not list', async () => {
    const hook = await open();
    keys.set('stranger', generateKeyPairSync('ec', { namedCurve: 'P-256' }));
    const stranger = keys.get('stranger');
    keys.delete('stranger');
    const body = leakOf(aToken().token);
    expect((await report(hook, body, { signed: `${body} ` })).status).toBe(401);
    expect((await report(hook, body, { kid: 'nobody' })).status).toBe(401);
    expect((await send(hub, { path: hook.path, body })).status).toBe(401);
    const forged = sign('sha256', Buffer.from(body), stranger?.privateKey ?? '').toString('base64');
    for (const signature of [forged, '', 'AAAA', 'no base64!']) {
      const headers = { 'github-public-key-identifier': 'first', 'github-public-key-signature': signature };
      expect((await send(hub, { path: hook.path, body, headers })).status, signature).toBe(401);
    }
    expect(await signalsOf(hub, hook.name)).toEqual([]);
  });

  it('asks for the keys once, however many messages with unknown keys come', async () => {
    const hook = await open();
    const before = fetches;
    await Promise.all(
      Array.from({ length: 20 }, (_, n) => report(hook, leakOf('x'), { kid: `unknown-${n}` })),
    );
    expect(fetches - before).toBeLessThanOrEqual(1);
  });

  it('503 while the keys cannot be had, so that GitHub tries again; 401 is for who is not believed', async () => {
    isAway = true;
    const away = await aHook(hub, { kind: 'github-secret-scanning', keys_url: `${keysUrl}/away` });
    const { status, body } = await report(away, leakOf('x'));
    isAway = false;
    expect([status, body['code']]).toEqual([503, 'issuer-unavailable']);
  });

  it('takes no secret, and a body of another shape is told to people without its content', async () => {
    const put = await hub.call('PUT', '/v1/hooks/leaks', {
      body: { kind: 'github-secret-scanning', secret: 'x'.repeat(40) },
    });
    expect(put.body).toMatchObject({ code: 'invalid-request', errors: [{ path: '/secret' }] });
    const hook = await open();
    for (const body of ['{"token": "secret-marker"}', '[{"tokens": "secret-marker"}]', '["secret-marker"]']) {
      const { status, text } = await report(hook, body);
      expect([status, text.includes('secret-marker')]).toEqual([400, false]);
    }
    expect(JSON.stringify(await activityOf(hub, hook.name))).not.toContain('secret-marker');
  });
});

it('nothing of a leaked token is in the log, the audit or the files of the database; its hash is', async () => {
  const hook = await open();
  const good = aToken();
  const opaque = `acme_${randomBytes(24).toString('base64url')}`;
  await report(hook, leakOf(good.token));
  await report(hook, leakOf(opaque));
  await report(hook, leakOf(good.token), { kid: 'nobody' });
  // Whoever wrote the mapping: it is not given what nobody may keep.
  const mapping = '{"event": "session-revoked", "subject": {"client_id": "x"}, "reason": $string($)}';
  const telling = await aHook(hub, { kind: 'github-secret-scanning', keys_url: keysUrl, mapping });
  for (const token of [good.token, opaque]) expect((await report(telling, leakOf(token))).status).toBe(202);
  expect(await signalsOf(hub, telling.name)).toHaveLength(2);
  await report(hook, `{"token": "${good.token}"`);
  const tried = await hub.call('POST', `/v1/hooks/${hook.name}/test`, {
    body: { body: JSON.parse(leakOf(good.token)) },
  });
  const audit = await hub.call('GET', '/v1/audit?limit=200');
  const shown = [tried.text, audit.text, JSON.stringify(await activityOf(hub, hook.name)), ...hub.lines].join(
    '\n',
  );
  await hub.stop('keep');
  const files = readdirSync(hub.dataDir, { recursive: true, withFileTypes: true }).filter((one) =>
    one.isFile(),
  );
  const holds = (text: string) =>
    files
      .filter(({ parentPath, name }) => readFileSync(join(parentPath, name)).includes(text))
      .map(({ name }) => name);
  expect(holds(good.sha256)).not.toEqual([]);
  for (const secret of [...good.secrets, opaque]) {
    expect(shown).not.toContain(secret);
    expect(holds(secret)).toEqual([]);
  }
});
