import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Hub, startHub } from '../../support/a-hub.ts';

let hub: Hub;
beforeAll(async () => {
  hub = await startHub();
});
afterAll(() => hub.stop());

const subject = () => ({ iss: 'https://idp.example', client_id: randomUUID() });
const post = (body: unknown, query = '') => hub.call('POST', `/v1/signals${query}`, { body });

describe('DESIGN §13: POST /v1/signals', () => {
  it('answers what was decided, put and is to be enforced', async () => {
    const said = {
      event: 'session-revoked',
      subject: subject(),
      id: 'splunk-1',
      txn: 'txn-7',
      reason: 'odd',
    };
    const { status, body } = await post(said);
    expect(status).toBe(202);
    expect(body).toMatchObject({
      signal_id: expect.stringMatching(/^sig_/),
      duplicate: false,
      decision: {
        outcome: 'applied',
        rule: 'session-revoked',
        policy_version: expect.any(String),
        text: expect.any(String),
      },
      revocations: [
        {
          id: expect.stringMatching(/^rev_/),
          position: expect.stringMatching(/^[0-9a-f]{8}-\d+$/),
          effect: 'deny',
          match: said.subject,
        },
      ],
      enforcement: {
        state: 'no_points',
        expected: 0,
        applied: 0,
        url: `/v1/signals/${String(body['signal_id'])}/enforcement`,
      },
      blast: { agents: 0, keys: 1, descendants: 0 },
      warnings: expect.any(Array),
      txn: 'txn-7',
    });
    const again = await post(said);
    expect(again.status).toBe(202);
    expect(again.body).toMatchObject({
      signal_id: body['signal_id'],
      duplicate: true,
      revocations: body['revocations'],
    });
  });

  it('shows with dry_run what would be hit, and leaves nothing', async () => {
    const said = { event: 'session-revoked', subject: subject(), id: 'dry-1' };
    const { status, body } = await post(said, '?dry_run=true');
    expect(status).toBe(200);
    expect(body).toMatchObject({ dry_run: true, decision: { outcome: 'applied' }, blast: { keys: 1 } });
    expect(body).not.toHaveProperty('signal_id');
    expect(body['revocations']).toEqual([expect.not.objectContaining({ id: expect.anything() })]);
    expect((await post(said)).body).toMatchObject({ duplicate: false });
  });

  it('does not wait where there is nobody to wait for', async () => {
    const { status, body } = await post(
      { event: 'session-revoked', subject: subject() },
      '?wait=enforced&timeout_ms=30000',
    );
    expect(status).toBe(202);
    expect(body).toMatchObject({ enforcement: { state: 'no_points' } });
  });

  it('says nothing of enforcement while it has put nothing, and does when what it waits for is learnt', async () => {
    const email = { format: 'email', email: 'late@example.com' };
    const said = { event: 'session-revoked', subject: email, id: 'late-1' };
    const { body } = await post(said, '?wait=enforced');
    const path = `/v1/signals/${String(body['signal_id'])}`;
    expect(body).toMatchObject({ decision: { outcome: 'unresolved' }, revocations: [] });
    for (const answer of [body, (await post(said)).body, (await hub.call('GET', path)).body]) {
      expect(answer).not.toHaveProperty('enforcement');
    }
    expect(await hub.call('GET', `${path}/enforcement`)).toMatchObject({
      status: 409,
      body: { code: 'conflict' },
    });
    const identities = [{ iss: 'https://idp.example', client_id: 'late' }];
    const agent = { name: 'late', identities, links: [email] };
    expect((await hub.call('POST', '/v1/agents', { body: agent })).status).toBe(201);
    expect((await hub.call('GET', path)).body).toMatchObject({ enforcement: { state: 'no_points' } });
    expect(await hub.call('GET', `${path}/enforcement`)).toMatchObject({
      status: 200,
      body: { state: 'no_points' },
    });
  });

  it('takes an event time that lies ahead as now, and says so', async () => {
    const ahead = Math.floor(Date.now() / 1_000) + 86_400;
    const { status, body } = await post({
      event: 'session-revoked',
      subject: subject(),
      event_timestamp: ahead,
    });
    expect(status).toBe(202);
    const [entry] = body['revocations'] as { cut_off: number }[];
    expect(entry?.cut_off).toBeLessThan(ahead - 80_000);
    expect(body['warnings']).not.toEqual([]);
  });

  it('puts nothing for a cut-off older than any token, and says so', async () => {
    const { status, body } = await post({
      event: 'session-revoked',
      subject: subject(),
      event_timestamp: 1_000_000,
    });
    expect(status).toBe(202);
    expect(body).toMatchObject({ decision: { outcome: 'recorded' }, revocations: [] });
    expect(body['warnings']).not.toEqual([]);
  });

  it('puts a disable however old', async () => {
    const { body } = await post({
      event: 'account-disabled',
      subject: subject(),
      event_timestamp: 1_000_000,
    });
    expect(body).toMatchObject({ decision: { outcome: 'applied' }, revocations: [{ effect: 'deny' }] });
  });

  it('leaves out iss where exactly one issuer is configured', async () => {
    const issuer = `https://${randomUUID()}.example`;
    expect((await post({ event: 'session-revoked', subject: { client_id: 'x' } })).body).toMatchObject({
      code: 'ambiguous-issuer',
    });
    await hub.call('PUT', '/v1/issuers', { body: { url: issuer, profile: 'rfc9068' } });
    // The node hears of the issuer as every other node does: a moment later.
    let answered = await post({ event: 'session-revoked', subject: { client_id: 'x' } });
    while (answered.status !== 202)
      answered = await post({ event: 'session-revoked', subject: { client_id: 'x' } });
    expect(answered.body).toMatchObject({ revocations: [{ match: { iss: issuer, client_id: 'x' } }] });
  });

  it('holds what would hit a whole issuer', async () => {
    const { status, body } = await post({
      event: 'session-revoked',
      subject: { iss: 'https://all.example' },
    });
    expect(status).toBe(202);
    expect(body).toMatchObject({ decision: { outcome: 'held' }, revocations: [] });
  });
});

describe('GET /v1/signals', () => {
  it('lists newest first by pages, and shows one as it was said', async () => {
    const ids: unknown[] = [];
    for (let n = 0; n < 5; n++) {
      ids.push(
        (await post({ event: 'session-revoked', subject: subject(), reason: `r${n}` })).body['signal_id'],
      );
    }
    const first = (await hub.call('GET', '/v1/signals?limit=3')).body;
    const second = (await hub.call('GET', `/v1/signals?limit=2&cursor=${String(first['next_cursor'])}`)).body;
    const items = [...(first['items'] as object[]), ...(second['items'] as object[])];
    expect(items.map((item) => (item as { signal_id: string }).signal_id)).toEqual(ids.toReversed());
    const one = await hub.call('GET', `/v1/signals/${String(ids[4])}`);
    expect(one.body).toMatchObject({
      signal_id: ids[4],
      reason: 'r4',
      actor: expect.any(String),
      enforcement: { state: 'no_points' },
    });
  });

  it('answers 404 for one that is not there, 400 for a cursor that never was', async () => {
    expect((await hub.call('GET', '/v1/signals/sig_none')).status).toBe(404);
    expect((await hub.call('GET', '/v1/signals?cursor=nonsense')).body).toMatchObject({
      code: 'invalid-request',
      errors: [{ path: '/query/cursor' }],
    });
  });
});

it('GET /v1/event-types: every one is accepted with the example that it shows', async () => {
  const { body } = await hub.call('GET', '/v1/event-types');
  const items = body['items'] as { name: string; uri: string; example: object }[];
  expect(items.length).toBeGreaterThan(30);
  for (const { name, uri, example } of items.filter((item) => item.name !== 'revocation-lifted')) {
    for (const event of [name, uri]) {
      const answered = await post({ event, subject: subject(), data: example }, '?dry_run=true');
      expect(answered.status, `${event} ${answered.text}`).toBe(200);
    }
  }
});
