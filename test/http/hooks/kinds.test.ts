import { generateKeyPairSync, sign } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hookKinds } from '../../../src/hooks/kinds.ts';
import type { Hub } from '../../support/a-hub.ts';
import { activityOf, aHook, type AHook, aHubWithHooks, send, signalsOf } from './a-hook.ts';
import { type Recording, recorded, type Sender } from './a-sender.ts';
import { senders } from './senders.ts';

let hub: Hub;
beforeAll(async () => {
  hub = await aHubWithHooks();
});
afterAll(() => hub?.stop());

const open = ({ kind, options = {}, secret }: Sender): Promise<AHook> =>
  aHook(hub, { kind, ...options, ...(secret === undefined ? {} : { secret }) });

const nowSeconds = (): number => Date.now() / 1_000;

/** Sends what was recorded, proven by `secret`, or by nothing. */
function deliver(
  { kind, sign }: Sender,
  hook: AHook,
  { file, headers = {} }: Recording,
  proof: { readonly secret?: string; readonly nowSeconds?: number } | 'none' = {},
) {
  const body = recorded(kind, file);
  const signed =
    proof === 'none'
      ? { headers: {} }
      : sign(body, { secret: proof.secret ?? hook.secret, nowSeconds: proof.nowSeconds ?? nowSeconds() });
  const path = signed.tail === undefined ? hook.path : `/v1/hooks/${hook.name}${signed.tail}`;
  return send(hub, {
    path: proof === 'none' ? hook.path.replace(hook.secret, '') : path,
    body: signed.body ?? body,
    headers: { ...headers, ...signed.headers },
  });
}

const unbelieved = async () => (await send(hub, { path: '/v1/hooks/nobody', body: '{}' })).text;

describe.each(senders.map((sender) => [sender.kind, sender] as const))('%s', (kind, sender) => {
  const [first] = sender.recordings;
  if (first === undefined) throw new Error(`${kind} has no recording`);
  const otherSecret = sender.kind === 'standard-webhooks' ? `whsec_${'A'.repeat(44)}` : 'x'.repeat(43);
  const [acceptedStatus, acceptedText] = sender.accepted ?? [202, undefined];

  it.each(sender.recordings.map((recording) => [recording.file, recording] as const))(
    '%s becomes what it means, once, however often it is sent',
    async (_file, recording) => {
      const hook = await open(sender);
      for (const _attempt of [1, 2, 3]) {
        const { status, text } = await deliver(sender, hook, recording);
        expect([status, text]).toEqual([
          acceptedStatus,
          acceptedText ?? JSON.stringify({ accepted: recording.becomes.length }),
        ]);
      }
      const said = await signalsOf(hub, hook.name);
      expect(said.map(({ event, subject }) => ({ event, subject }))).toEqual(
        expect.arrayContaining(recording.becomes.map(({ event, subject }) => ({ event, subject }))),
      );
      expect(said).toHaveLength(recording.becomes.length);
      for (const { event, subject, outcome = 'applied', effect } of recording.becomes) {
        const one = said.find(
          (signal) => signal['event'] === event && isDeepStrictEqual(signal['subject'], subject),
        );
        expect(one).toMatchObject({ actor: `hook:${hook.name}`, decision: { outcome } });
        if (effect !== undefined) expect(one).toMatchObject({ revocations: [{ effect }] });
      }
      const counted = recording.becomes.length > 0 ? { accepted: 3 } : { ignored: 3 };
      expect(await activityOf(hub, hook.name)).toMatchObject({ failed: 0, refused: 0, ...counted });
    },
  );

  it('is not believed with another secret, nor without any, and is told no more than for a hook that is not there', async () => {
    const hook = await open(sender);
    const [status, text] = sender.refusal ?? [401, await unbelieved()];
    const wrong = await deliver(sender, hook, first, { secret: otherSecret });
    expect([wrong.status, wrong.text]).toEqual([status, text]);
    const bare = await deliver(sender, hook, first, 'none');
    expect(bare.status).toBe(401);
    expect(await signalsOf(hub, hook.name)).toEqual([]);
  });

  it('is believed with the secret before the newest while that is kept, and not when it is dropped', async () => {
    const hook = await open(sender);
    const newest = sender.secret === undefined ? { new_secret: true } : { secret: otherSecret };
    const body = { kind, ...sender.options };
    const rotated = await hub.call('PUT', `/v1/hooks/${hook.name}`, {
      body: { ...body, ...newest, previous_secret: 'keep' },
    });
    expect(rotated.body['secrets']).toHaveLength(2);
    const made = rotated.body['secret'];
    const secret = typeof made === 'string' ? made : otherSecret;
    expect((await deliver(sender, hook, first)).status).toBe(acceptedStatus);
    expect((await deliver(sender, hook, first, { secret })).status).toBe(acceptedStatus);
    await hub.call('PUT', `/v1/hooks/${hook.name}`, { body: { ...body, previous_secret: 'drop' } });
    expect((await deliver(sender, hook, first, { secret })).status).toBe(acceptedStatus);
    expect((await deliver(sender, hook, first)).status).toBe(sender.refusal?.[0] ?? 401);
    expect(await signalsOf(hub, hook.name)).toHaveLength(first.becomes.length);
  });

  it.runIf(sender.timed === true)('is not believed when its time is far from ours', async () => {
    const hook = await open(sender);
    for (const away of [-400, 400]) {
      const late = await deliver(sender, hook, first, { nowSeconds: nowSeconds() + away });
      expect([late.status, late.text]).toEqual([401, await unbelieved()]);
    }
    expect((await deliver(sender, hook, first, { nowSeconds: nowSeconds() - 200 })).status).toBe(202);
    expect(await signalsOf(hub, hook.name)).toHaveLength(first.becomes.length);
  });
});

describe('handshakes', () => {
  it('Okta: the challenge is answered to who has the secret', async () => {
    const hook = await aHook(hub, { kind: 'okta' });
    const ask = (headers: Record<string, string>) => send(hub, { path: hook.path, method: 'GET', headers });
    const challenge = { 'x-okta-verification-challenge': 'Me_rShK8JHsTnbyYrWXCEoMGbM_zsZ6k0hLPZ_Pg' };
    const answer = await ask({ ...challenge, authorization: hook.secret });
    expect([answer.status, answer.text]).toEqual([
      200,
      '{"verification":"Me_rShK8JHsTnbyYrWXCEoMGbM_zsZ6k0hLPZ_Pg"}',
    ]);
    const refused = await ask(challenge);
    expect(refused.status).toBe(401);
    expect(refused.text).not.toContain('Me_rShK8');
  });

  it('Graph: the validation token comes back as text, and only at a hook of that kind', async () => {
    const hook = await aHook(hub, { kind: 'entra' });
    const token = 'Validation: Testing client application reachability <b>&';
    const path = `${hook.path}?validationToken=${encodeURIComponent(token)}`;
    const answer = await send(hub, { path });
    expect([answer.status, answer.text, answer.headers.get('content-type')]).toEqual([
      200,
      token,
      'text/plain; charset=utf-8',
    ]);
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    const other = await aHook(hub, { kind: 'falco' });
    expect((await send(hub, { path: `${other.path}?validationToken=x`, body: '{}' })).status).toBe(401);
  });

  it('Graph: what it says of its subscription is told to people', async () => {
    const hook = await aHook(hub, { kind: 'entra' });
    const body = JSON.stringify({
      value: [{ lifecycleEvent: 'subscriptionRemoved', clientState: hook.secret }],
    });
    expect((await send(hub, { path: hook.path, body })).status).toBe(202);
    expect(await activityOf(hub, hook.name)).toMatchObject({
      last_failure: { code: 'notice', text: expect.stringContaining('subscriptionRemoved') },
    });
    const mixed = JSON.stringify({ value: [{ clientState: hook.secret }, { clientState: 'guess' }] });
    expect((await send(hub, { path: hook.path, body: mixed })).status).toBe(401);
  });

  it('HEC: healthy to anyone at a collector, and in its own words for whoever is not believed', async () => {
    const hook = await aHook(hub, { kind: 'splunk-hec' });
    const health = await send(hub, {
      path: `/v1/hooks/${hook.name}/services/collector/health`,
      method: 'GET',
    });
    expect([health.status, health.text]).toEqual([200, '{"text":"HEC is healthy","code":17}']);
    const nobody = { path: '/v1/hooks/nobody/services/collector/event', body: '{}' };
    expect((await send(hub, nobody)).text).toBe('{"text":"Token is required","code":2}');
    const wrong = await send(hub, { ...nobody, headers: { authorization: 'Splunk guess' } });
    expect([wrong.status, wrong.text]).toEqual([403, '{"text":"Invalid token","code":4}']);
    const headers = { authorization: `Splunk ${hook.secret}` };
    const broken = await send(hub, { path: hook.path, body: '{"event": {"a": "}"}} {"event"', headers });
    expect([broken.status, broken.text]).toEqual([400, '{"text":"Invalid data format","code":6}']);
    const large = await send(hub, { path: hook.path, body: 'x'.repeat(1_100_000), headers });
    expect([large.status, large.text]).toEqual([413, '{"text":"Content length is too large","code":27}']);
  });

  it('Standard Webhooks: a public key of the sender, v1a', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
    const hook = await aHook(hub, { kind: 'standard-webhooks', secret: `whpk_${raw.toString('base64')}` });
    const timestamp = String(Math.floor(Date.now() / 1_000));
    const body = JSON.stringify({ type: 'session-revoked', data: { client_id: 'build-runner' } });
    const signature = sign(null, Buffer.from(`msg_1.${timestamp}.${body}`), privateKey).toString('base64');
    const headers = { 'webhook-id': 'msg_1', 'webhook-timestamp': timestamp };
    const path = hook.path;
    expect(
      (await send(hub, { path, body, headers: { ...headers, 'webhook-signature': `v1a,${signature}` } }))
        .status,
    ).toBe(202);
    for (const wrong of [
      `v1,${signature}`,
      `v1a,${signature.replace(/^./, (first) => (first === 'A' ? 'B' : 'A'))}`,
      'v1a,',
    ]) {
      expect(
        (await send(hub, { path, body, headers: { ...headers, 'webhook-signature': wrong } })).status,
      ).toBe(401);
    }
  });
});

it('every kind has a sender here and a folder with what to set at the sender', () => {
  const examples = join(import.meta.dirname, '../../../examples/soc');
  const kinds = hookKinds.map(({ name }) => name);
  expect(readdirSync(examples).toSorted()).toEqual(kinds.toSorted());
  // Has keys of its own, and a test of its own.
  const known = [...senders.map(({ kind }) => kind), 'github-secret-scanning'];
  expect(known.toSorted()).toEqual(kinds.toSorted());
  for (const { kind, recordings } of senders) {
    const files = readdirSync(join(examples, kind)).filter((file) => file !== 'README.md');
    const tested = recordings.map(({ file }) => file);
    expect(
      files.filter((file) => !tested.includes(file) && file !== 'lifecycle.json'),
      kind,
    ).toEqual([]);
  }
});
