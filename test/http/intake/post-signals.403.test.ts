import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Hub, startHub } from '../../support/a-hub.ts';

let hub: Hub;
let reporter: string;
beforeAll(async () => {
  hub = await startHub();
  const body = { actor: 'splunk', scopes: ['signals.write'] };
  reporter = String((await hub.call('POST', '/v1/tokens', { body })).body['token']);
});
afterAll(() => hub.stop());

describe('who may report what happened may not order what follows', () => {
  const subject = { iss: 'https://idp.example', client_id: 'build-runner' };

  it.each([
    ['revocation-ordered', { effect: 'deny' }],
    ['urn:caep-hub:event:revocation-lifted', { revocation_id: 'rev_01JD0000000000000000000000' }],
  ])('%s needs the scope revocations.write', async (event, data) => {
    const { status, body } = await hub.call('POST', '/v1/signals', {
      body: { event, subject, data },
      token: reporter,
    });
    expect(status).toBe(403);
    expect(body).toMatchObject({ code: 'insufficient-scope', scope: 'revocations.write' });
  });

  it('a report is accepted all the same', async () => {
    const body = { event: 'session-revoked', subject };
    expect((await hub.call('POST', '/v1/signals', { body, token: reporter })).status).toBe(202);
  });
});
