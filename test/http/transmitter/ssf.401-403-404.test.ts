import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Hub, startHub } from '../../support/a-hub.ts';
import { anSsfReceiver, type SsfReceiver } from '../../support/an-ssf-receiver.ts';

let hub: Hub;
let owner: SsfReceiver;
let reader: SsfReceiver;
let stranger: SsfReceiver;
let theirs: string;
beforeAll(async () => {
  hub = await startHub();
  owner = await anSsfReceiver(hub);
  reader = await anSsfReceiver(hub, ['ssf.read']);
  stranger = await anSsfReceiver(hub, ['signals.write']);
  theirs = (await owner.create()).stream_id;
});
afterAll(() => hub.stop());

const subject = { format: 'email', email: 'jdoe@example.com' };
const operations = [
  ['GET', '/ssf/streams', 'query', {}, 'ssf.read'],
  ['PATCH', '/ssf/streams', 'body', {}, 'ssf.manage'],
  ['PUT', '/ssf/streams', 'body', {}, 'ssf.manage'],
  ['DELETE', '/ssf/streams', 'query', {}, 'ssf.manage'],
  ['GET', '/ssf/status', 'query', {}, 'ssf.read'],
  ['POST', '/ssf/status', 'body', { status: 'paused' }, 'ssf.manage'],
  ['POST', '/ssf/subjects/add', 'body', { subject }, 'ssf.manage'],
  ['POST', '/ssf/subjects/remove', 'body', { subject }, 'ssf.manage'],
  ['POST', '/ssf/verify', 'body', {}, 'ssf.manage'],
] as const;

describe.each(operations)('%s %s', (method, path, where, body, scope) => {
  const call = (id: string, token: string | null) =>
    where === 'query'
      ? hub.call(method, `${path}?stream_id=${encodeURIComponent(id)}`, { token })
      : hub.call(method, path, { token, body: { stream_id: id, ...body } });

  it('401: nobody is told anything, with a challenge', async () => {
    for (const token of [null, 'chub_unknown']) {
      const answer = await call(theirs, token);
      expect(answer.status).toBe(401);
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer /);
    }
  });

  it('403: a token without the scope, with a challenge that names it', async () => {
    const refused = scope === 'ssf.read' ? [stranger] : [stranger, reader];
    for (const { token } of refused) {
      const answer = await call(theirs, token);
      expect([answer.status, answer.body['code']]).toEqual([403, 'insufficient-scope']);
      expect(answer.headers.get('www-authenticate')).toMatch(/error="insufficient_scope", ?scope="ssf\./);
    }
    if (scope === 'ssf.read') expect((await call('str_none', reader.token)).status).toBe(404);
  });

  it("404: what is another's is, byte for byte, as what is not there", async () => {
    const { token } = await anSsfReceiver(hub);
    const answers = await Promise.all(
      [theirs, 'str_none', '', '../x', 'x'.repeat(5_000)].map((id) => call(id, token)),
    );
    expect(answers.map(({ status }) => status)).toEqual([404, 404, 404, 404, 404]);
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    expect((await call(theirs, owner.token)).status).toBeLessThan(300);
    theirs = (await owner.create()).stream_id;
  });
});

it('401, 403: a stream is created by nobody without credentials, nor without the scope', async () => {
  expect((await hub.call('POST', '/ssf/streams', { token: null, body: {} })).status).toBe(401);
  expect((await reader.call('POST', '/ssf/streams', {})).status).toBe(403);
});

it('401 comes before 404 and 400: who may not call learns of no path and no mistake', async () => {
  for (const path of ['/ssf', '/ssf/nothing', '/ssf/streams?stream_id=a&stream_id=b']) {
    expect((await hub.call('GET', path, { token: null })).status, path).toBe(401);
  }
  const answer = await fetch(new URL('/ssf/streams', hub.url), { method: 'POST', body: '{' });
  expect(answer.status).toBe(401);
});
