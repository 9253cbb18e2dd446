import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { batchLimits } from '../../../src/intake/batch.ts';
import { type Hub, startHub } from '../../support/a-hub.ts';
import { type BatchAnswer, postLines } from '../../support/post-lines.ts';

let hub: Hub;
beforeAll(async () => {
  hub = await startHub();
});
afterAll(() => hub.stop());

const aSignal = (more: object = {}) => ({
  event: 'session-revoked',
  subject: { iss: 'https://idp.example', client_id: randomUUID() },
  ...more,
});
const ndjson = (...lines: readonly unknown[]): string =>
  lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n');
const post = (text: string, more: Parameters<typeof postLines>[2] = {}): Promise<BatchAnswer> =>
  postLines(hub, text, more);

describe('POST /v1/signals with application/x-ndjson', () => {
  it('answers each line in its order with what became of it, durable before it is written', async () => {
    const said = Array.from({ length: 40 }, () => ({ ...aSignal(), id: randomUUID() }));
    const { status, type, lines } = await post(ndjson(...said));
    expect(status).toBe(200);
    expect(type).toBe('application/x-ndjson; charset=utf-8');
    expect(lines).toMatchObject(
      said.map(({ subject }, index) => ({
        line: index + 1,
        signal_id: expect.stringMatching(/^sig_/) as unknown,
        duplicate: false,
        decision: { outcome: 'applied' },
        revocations: [{ match: subject, position: expect.any(String) as unknown }],
      })),
    );
    const { body } = await hub.call('GET', `/v1/signals/${String(lines[39]?.['signal_id'])}`);
    expect(body).toMatchObject({ id: said[39]?.id });
  });

  it('shares transactions: far fewer commits than lines', async () => {
    const commits = async (): Promise<number> => {
      const { text } = await hub.call('GET', '/metrics');
      return Number(/^caep_hub_commit_group_size_count(?:\{.*\})? (\d+)$/m.exec(text)?.[1]);
    };
    const before = await commits();
    const { lines } = await post(ndjson(...Array.from({ length: 300 }, () => aSignal())));
    expect(lines).toHaveLength(300);
    expect((await commits()) - before).toBeLessThanOrEqual(3);
  });

  it('lets a bad line fail alone, as it would have been refused alone', async () => {
    const bad = [
      '{"event":',
      '"text"',
      '[]',
      '{"event":"session-revoked","subject":{"agent":"x"},"__proto__":{}}',
      { event: 'session-revoked' },
      aSignal({ event: 'session-revokt' }),
      aSignal({ event_timestamp: 1_763_764_001_000 }),
      aSignal({ subject: { agent: 'nobody' } }),
      aSignal({ reason: 'a\u0000b' }),
      aSignal({ reason: 'x'.repeat(batchLimits.lineBytes) }),
    ];
    const { status, lines } = await post(ndjson(aSignal(), ...bad, aSignal()));
    expect(status).toBe(200);
    expect(lines.map(({ line, code, status: own }) => [line, code, own])).toEqual([
      [1, undefined, undefined],
      [2, 'malformed-json', 400],
      [3, 'invalid-request', 400],
      [4, 'invalid-request', 400],
      [5, 'malformed-json', 400],
      [6, 'invalid-request', 400],
      [7, 'unknown-event-type', 400],
      [8, 'invalid-request', 400],
      [9, 'unknown-agent', 400],
      [10, 'unstorable-text', 400],
      [11, 'body-too-large', 413],
      [12, undefined, undefined],
    ]);
    expect(lines[5]).toMatchObject({ errors: [{ path: '/subject', message: 'is missing' }] });
  });

  it('is idempotent per line: in the batch, beside single signals, and against another body', async () => {
    const said = aSignal({ id: randomUUID() });
    const other = { ...said, reason: 'another body' };
    const { lines } = await post(ndjson(said, said, other));
    expect(lines).toMatchObject([
      { duplicate: false },
      { duplicate: true },
      { code: 'id-reused', status: 409 },
    ]);
    const [first] = lines;
    expect(lines[1]).toMatchObject({ signal_id: first?.['signal_id'] });
    expect((await hub.call('POST', '/v1/signals', { body: said })).body).toMatchObject({
      signal_id: first?.['signal_id'],
      duplicate: true,
    });
    expect((await post(`${ndjson(said)}\r\n`)).lines).toMatchObject([{ duplicate: true }]);
  });

  it('counts blank lines and answers none of them; the last line needs no end', async () => {
    const { lines } = await post(`\n${ndjson(aSignal())}\r\n \t\r\n\n${ndjson(aSignal())}`, {
      type: 'application/jsonl',
    });
    expect(lines.map(({ line }) => line)).toEqual([2, 5]);
  });

  it('shows with dry_run what each would hit, and leaves nothing', async () => {
    const said = Array.from({ length: 20 }, () => aSignal({ id: randomUUID() }));
    const dry = await post(ndjson(...said, '{'), { query: '?dry_run=true' });
    expect(dry.lines.map(({ line }) => line)).toEqual(Array.from({ length: 21 }, (_, index) => index + 1));
    expect(dry.lines[0]).toMatchObject({ dry_run: true, blast: { keys: 1 } });
    expect(dry.lines[0]).not.toHaveProperty('signal_id');
    expect((await post(ndjson(...said))).lines.every(({ duplicate }) => duplicate === false)).toBe(true);
  });

  it('keeps a line short that hits many, and says where the rest is', async () => {
    const identities = Array.from({ length: batchLimits.listed + 5 }, () => ({
      iss: 'https://idp.example',
      client_id: randomUUID(),
    }));
    await hub.call('POST', '/v1/agents', { body: { name: 'many-keys', identities } });
    const [line] = (await post(ndjson(aSignal({ subject: { agent: 'many-keys' } })))).lines;
    expect(line?.['revocations']).toHaveLength(batchLimits.listed);
    expect(line?.['warnings']).toContainEqual(expect.objectContaining({ code: 'shortened' }));
    const all = await hub.call('GET', `/v1/signals/${String(line?.['signal_id'])}`);
    expect(all.body['revocations']).toHaveLength(identities.length);
  });
});

describe('what a source may not say', () => {
  it('is refused for its line, and noted for the audit', async () => {
    const made = await hub.call('POST', '/v1/tokens', {
      body: { actor: 'batcher', scopes: ['signals.write'] },
    });
    const token = String(made.body['token']);
    const order = aSignal({ event: 'revocation-ordered', data: { effect: 'deny' } });
    const { lines } = await post(ndjson(order, aSignal()), { token });
    expect(lines).toMatchObject([
      { line: 1, code: 'insufficient-scope', status: 403, scope: 'revocations.write' },
      { line: 2, decision: { outcome: 'applied' } },
    ]);
    expect((await post(ndjson(aSignal()), { token: null })).status).toBe(401);
  });
});

describe('a batch that cannot be taken is refused whole', () => {
  it.each([
    [
      'too many lines',
      ndjson(...Array.from({ length: batchLimits.lines + 1 }, () => '{}')),
      413,
      'body-too-large',
    ],
    ['too many bytes', 'x'.repeat(batchLimits.bytes + 1), 413, 'body-too-large'],
    ['no line at all', '\n \r\n', 400, 'invalid-request'],
    ['nothing', '', 400, 'invalid-request'],
  ])('%s', async (_, text, status, code) => {
    const answer = await post(text);
    expect(answer.status).toBe(status);
    expect(answer.lines).toMatchObject([{ code, status }]);
  });

  it('wait is for single signals', async () => {
    const { status, lines } = await post(ndjson(aSignal()), { query: '?wait=enforced' });
    expect([status, lines[0]?.['errors']]).toEqual([
      400,
      [{ path: '/query/wait', message: 'is for single signals' }],
    ]);
  });

  it('another type is not taken, and neither is no type', async () => {
    expect((await post(ndjson(aSignal()), { type: 'text/plain' })).status).toBe(415);
    const { status, body } = await hub.call('POST', '/v1/signals');
    expect([status, body['code']]).toEqual([400, 'invalid-request']);
  });

  it('a line at every limit is taken', async () => {
    const room = batchLimits.lineBytes - JSON.stringify(aSignal({ data: { note: '' } })).length;
    const note = 'x'.repeat(Math.min(room, 8_000));
    const { lines } = await post(
      ndjson(
        ...Array.from({ length: batchLimits.lines }, (_, index) =>
          index === 0 ? aSignal({ data: { note } }) : aSignal(),
        ),
      ),
    );
    expect(lines).toHaveLength(batchLimits.lines);
    expect(lines.every(({ decision }) => decision !== undefined)).toBe(true);
  });
});

describe('batches under way', () => {
  /** One whose body does not end: it has its place before anything of it is read. */
  const begin = (token: string): ClientRequest => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' };
    const begun = request(`${hub.url}/v1/signals`, { method: 'POST', headers });
    begun.on('error', () => undefined).write(`${ndjson(aSignal())}\n`);
    return begun;
  };

  it('are so many of one source; who hangs up leaves its place, and single signals need none', async () => {
    const made = await hub.call('POST', '/v1/tokens', {
      body: { actor: 'flood', scopes: ['signals.write'] },
    });
    const token = String(made.body['token']);
    const one = ndjson(aSignal());
    const taken: ClientRequest[] = [];
    // One that is asked for in the same moment may come first: then another is begun.
    const isFull = async (): Promise<boolean> => {
      if ((await post(one, { token })).status === 429) return true;
      taken.push(begin(token));
      return false;
    };
    await vi.waitUntil(isFull, { timeout: 60_000, interval: 200 });
    const refused = await post(one, { token });
    expect(refused.lines).toMatchObject([{ code: 'rate-limited', status: 429 }]);
    expect((await hub.call('POST', '/v1/signals', { body: aSignal(), token })).status).toBe(202);
    expect((await post(one)).status).toBe(200);
    for (const begun of taken) begun.destroy();
    await vi.waitUntil(async () => (await post(one, { token })).status === 200, { timeout: 30_000 });
  });

  it('who hangs up before the answer has said all the same', async () => {
    const said = Array.from({ length: 50 }, () => ({ ...aSignal(), id: randomUUID() }));
    const headers = { authorization: `Bearer ${hub.adminToken}`, 'content-type': 'application/x-ndjson' };
    const gone = request(`${hub.url}/v1/signals`, { method: 'POST', headers });
    gone.end(ndjson(...said));
    const [answer] = (await once(gone, 'response')) as [IncomingMessage];
    answer.destroy();
    const again = async () => {
      const { lines } = await post(ndjson(...said));
      return lines.every(({ duplicate }) => duplicate === true) ? lines : undefined;
    };
    expect(await vi.waitUntil(again, { timeout: 30_000 })).toHaveLength(said.length);
  });
});

describe('OpenAPI', () => {
  it('says what a batch is and how it is answered', async () => {
    const { body } = await hub.call('GET', '/openapi.json');
    const { post: operation } = (body['paths'] as Record<string, Record<string, never>>)['/v1/signals'] ?? {};
    expect(operation).toMatchObject({
      description: expect.stringContaining('one signal a line'),
      requestBody: {
        content: {
          'application/json': { schema: {} },
          'application/x-ndjson': { schema: {} },
          'application/jsonl': {},
        },
      },
      responses: {
        200: { content: { 'application/json': {}, 'application/x-ndjson': {} } },
        202: {},
        413: {},
        429: {},
      },
    });
  });
});
