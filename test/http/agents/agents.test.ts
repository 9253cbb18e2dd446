import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Hub, startHub } from '../../support/a-hub.ts';

const iss = 'https://idp.example';
let hub: Hub;
let registrar: string;
beforeAll(async () => {
  hub = await startHub();
  const body = { actor: 'registrar', scopes: ['agents.read', 'agents.write'] };
  registrar = String((await hub.call('POST', '/v1/tokens', { body })).body['token']);
  await hub.call('PUT', '/v1/issuers', { body: { url: iss } });
  await add({ name: 'runner', identities: [{ client_id: 'runner' }] });
  await add({ name: 'writer', identities: [{ client_id: 'writer' }], parents: ['runner'] });
});
afterAll(() => hub.stop());

const add = (body: object) => hub.call('POST', '/v1/agents', { body });
const statusOf = async (name: string) => (await hub.call('GET', `/v1/agents/${name}`)).body['status'];
const order = (name: string, verb: 'disable' | 'enable', body: object = { reason: 'drill' }) =>
  hub.call('POST', `/v1/agents/${name}/${verb}`, { body });

describe('disable and enable', () => {
  it('disabling a parent disables its child; enabling the child leaves the parent disabled', async () => {
    expect((await order('runner', 'disable')).status).toBe(202);
    expect([await statusOf('runner'), await statusOf('writer')]).toEqual(['disabled', 'disabled']);

    expect((await order('writer', 'enable')).status).toBe(202);
    expect([await statusOf('runner'), await statusOf('writer')]).toEqual(['disabled', 'restricted']);

    expect((await order('runner', 'enable')).status).toBe(202);
    expect(await statusOf('runner')).toBe('restricted');
    expect((await order('runner', 'enable')).body).toMatchObject({ status: 409, code: 'conflict' });
  });

  it('what is learnt under a disabled agent is bound in the answer that learns it', async () => {
    await add({ name: 'late' });
    await order('late', 'disable');
    const { body } = await hub.call('POST', '/v1/agents/late/identities', {
      body: { identity: { client_id: 'late' } },
    });
    expect(body).toMatchObject({
      agent: { status: 'disabled' },
      bound: [{ match: { iss, client_id: 'late' } }],
    });
  });
});

describe('an agent that is protected', () => {
  it('loses its protection by admin only', async () => {
    await add({ name: 'vault', protected: true });
    const change = (token?: string) =>
      hub.call('PATCH', '/v1/agents/vault', { body: { protected: false }, ...(token && { token }) });
    expect((await change(registrar)).body).toMatchObject({ status: 403, code: 'insufficient-scope' });
    expect((await hub.call('GET', '/v1/agents/vault')).body['protected']).toBe(true);
    expect((await change()).status).toBe(200);
    const { items } = (await hub.call('GET', '/v1/audit?action=agent.changed')).body as {
      items: readonly { readonly target: string; readonly detail: object }[];
    };
    expect(items[0]).toMatchObject({ target: 'agent:vault', detail: { protected: false } });
  });
});

describe('the identities of a protected agent', () => {
  const own = [
    { iss, client_id: 'safe' },
    { iss, sub: 'safe' },
  ];
  const change = (body: object, token?: string) =>
    hub.call('PATCH', '/v1/agents/safe', { body, ...(token && { token }) });

  it('are taken away by admin only, whoever may add to them: what is none of them is not protected', async () => {
    await add({ name: 'safe', protected: true, identities: own });
    const refused = { status: 403, code: 'insufficient-scope', errors: [{ path: '/identities' }] };
    expect((await change({ identities: own.slice(1) }, registrar)).body).toMatchObject(refused);
    expect((await change({ identities: [] }, registrar)).body).toMatchObject(refused);
    const retired = await hub.call('POST', '/v1/agents/safe/retire', { token: registrar });
    expect(retired.body).toMatchObject(refused);
    expect((await hub.call('GET', '/v1/agents/safe')).body).toMatchObject({
      status: 'active',
      identities: own,
    });
    const more = [...own, { iss, client_id: 'safe-2' }];
    expect((await change({ identities: more }, registrar)).status).toBe(200);
    expect((await change({ identities: own.slice(1) })).status).toBe(200);
  });
});

describe('bad input', () => {
  it.each([
    [{ name: 'a b' }, '/name'],
    [{ name: 'x', identities: [{ format: 'email', email: 'a@example.com' }] }, '/identities/0'],
    [{ name: 'x', identities: [{ iss }] }, '/identities/0'],
    [{ name: 'x', identities: [{ workload: 'spiffe://example.org/*' }] }, '/identities/0'],
    [{ name: 'x', links: [{ jkt: 'x' }] }, '/links/0'],
    [{ name: 'x', parents: ['../etc'] }, '/parents/0'],
    [{ name: 'x', surname: 'y' }, '/surname'],
  ])('%j is refused by the member %s', async (body, path) => {
    const { status, body: problem } = await hub.call('POST', '/v1/agents', { body });
    expect(status).toBe(400);
    expect(problem['errors']).toEqual([
      expect.objectContaining({ path: expect.stringContaining(path) as unknown }),
    ]);
  });
});

it('DESIGN §5: no identity and no link is everybody of an issuer: a kill that binds late would ask no person', async () => {
  const subject = { format: 'email', email: 'everybody@example.com' };
  await hub.call('POST', '/v1/signals', { body: { event: 'account-disabled', subject } });
  const linked = await hub.call('PUT', '/v1/identity-links', { body: { subject, match: { iss } } });
  expect(linked.body).toMatchObject({ code: 'invalid-request', errors: [{ path: '/match' }] });
  const learnt = await hub.call('POST', '/v1/agents/runner/identities', { body: { identity: { iss } } });
  expect(learnt.body).toMatchObject({ code: 'invalid-request', errors: [{ path: '/identity' }] });
  const { body } = await hub.call('POST', '/v1/check', { body: { iss, client_id: 'anybody' } });
  expect(body['effect']).toBe('allow');
});

it('an issuer is known to the next request: its name may be left out at once', async () => {
  const fresh = await startHub();
  try {
    await fresh.call('PUT', '/v1/issuers', { body: { url: iss } });
    const body = { name: 'runner', identities: [{ client_id: 'runner' }] };
    expect((await fresh.call('POST', '/v1/agents', { body })).status).toBe(201);
  } finally {
    await fresh.stop();
  }
});
