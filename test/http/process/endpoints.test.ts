import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startHub, type Hub } from '../../support/a-hub.ts';

let hub: Hub;
beforeAll(async () => {
  hub = await startHub();
});
afterAll(() => hub.stop());

const nobody = { token: null };

describe('GET /healthz and /readyz', () => {
  it('200: the process lives', async () => {
    const { status, body } = await hub.call('GET', '/healthz', nobody);
    expect([status, body['status']]).toEqual([200, 'ok']);
  });

  it('200: requests may be sent here; what survives is said', async () => {
    const { status, body } = await hub.call('GET', '/readyz', nobody);
    expect(status).toBe(200);
    expect(body).toMatchObject({ ready: true, durability: 'process', reasons: [] });
    expect(body['epoch']).toMatch(/^[0-9a-f]{8}$/);
    const notices = async () => (await hub.call('GET', '/readyz', nobody)).body['notices'];
    await expect.poll(notices, { timeout: 15_000 }).toEqual([]);
  });
});

describe('GET /metrics', () => {
  it('401: nobody reads it without credentials', async () => {
    expect((await hub.call('GET', '/metrics', nobody)).status).toBe(401);
  });

  it('200: for a token of scope points.read', async () => {
    const made = await hub.call('POST', '/v1/tokens', {
      body: { actor: 'prometheus', scopes: ['points.read'] },
    });
    const { status, text, headers } = await hub.call('GET', '/metrics', {
      token: String(made.body['token']),
    });
    expect(status).toBe(200);
    expect(headers.get('content-type')).toMatch(/^text\/plain/);
    expect(text).toMatch(/^caep_hub_held_waiting 0$/m);
    expect(text).toMatch(/^caep_hub_audit_unchained_rows \d+$/m);
    expect(text).toMatch(/^caep_hub_commit_seconds_bucket\{le="0.00005"\} 0$/m);
    expect(text).toMatch(/^process_cpu_seconds_total /m);
  });

  it('with METRICS_TOKEN: that token reads metrics and nothing else, API tokens do not', async () => {
    const token = 'scrape-me-scrape-me';
    const other = await startHub({ METRICS_TOKEN: token });
    expect((await other.call('GET', '/metrics', { token })).status).toBe(200);
    expect((await other.call('GET', '/metrics')).status).toBe(401);
    expect((await other.call('GET', '/metrics', nobody)).status).toBe(401);
    expect((await other.call('GET', '/v1/audit', { token })).status).toBe(401);
    await other.stop();
  });
});

type Operation = {
  readonly summary?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly security?: readonly object[];
  readonly requestBody?: object;
  readonly responses?: Readonly<Record<string, object>>;
};

async function operations(): Promise<readonly (readonly [string, Operation])[]> {
  const { body } = await hub.call('GET', '/openapi.json', nobody);
  const paths = body['paths'] as Record<string, Record<string, Operation>>;
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(
      ([method, operation]) => [`${method.toUpperCase()} ${path}`, operation] as const,
    ),
  );
}

describe('GET /openapi.json', () => {
  it('200: OpenAPI 3.1 with every route, each with a summary and a known tag', async () => {
    const { body } = await hub.call('GET', '/openapi.json', nobody);
    expect(body['openapi']).toBe('3.1.0');
    const known = (body['tags'] as { name: string }[]).map(({ name }) => name);
    const all = await operations();
    expect(all.map(([name]) => name)).toEqual(
      expect.arrayContaining(['POST /v1/tokens', 'GET /v1/audit', 'GET /readyz']),
    );
    for (const [name, { summary, tags }] of all) {
      expect(summary, name).toBeTruthy();
      expect(known, name).toEqual(expect.arrayContaining([...(tags ?? ['no tag'])]));
    }
  });

  it.each([
    ['GET /v1/feed', ['application/json', 'text/event-stream']],
    ['GET /v1/feed/snapshot', ['application/vnd.caep-hub.packed-1', 'application/x-ndjson']],
    ['GET /v1/signals/{id}/enforcement', ['application/json', 'text/event-stream']],
  ])('says what %s answers', async (name, types) => {
    const [, operation] = (await operations()).find(([one]) => one === name) ?? [];
    const answer: { content?: Record<string, unknown> } | undefined = operation?.responses?.['200'];
    expect(Object.keys(answer?.content ?? {}).toSorted()).toEqual(types);
  });

  it('says who may call and what refusals look like', async () => {
    for (const [name, { security, responses = {} }] of await operations()) {
      // Who pushes has the Authorization of the stream; stock senders bring no token, and are believed in other ways.
      const isDoor = name.includes('/v1/hooks/{source}') && /^(POST \S+\}$|\w+ \S+\*)/.test(name);
      const isGuarded = / \/((v1|ssf)\/(?!push\/)|oauth\/global-)/.test(name);
      const guarded = isGuarded && !isDoor;
      expect(security, name).toEqual(guarded || name.endsWith('/metrics') ? [{ token: [] }] : []);
      expect(Object.keys(responses), name).toEqual(
        expect.arrayContaining(guarded ? ['401', '403', '503'] : []),
      );
    }
    const refusal = (await operations()).find(([name]) => name === 'POST /v1/tokens')?.[1].responses?.['400'];
    expect(refusal).toMatchObject({
      content: { 'application/problem+json': { schema: { properties: { code: { type: 'string' } } } } },
    });
  });

  it.each([
    ['POST /v1/signals', ['400', '409', '413', '415', '429', '503']],
    ['POST /v1/revocations', ['409', '429']],
    ['POST /v1/revocations/{id}/lift', ['404', '409', '429']],
    ['POST /v1/held/{id}/release', ['404', '409']],
    ['POST /v1/held/{id}/discard', ['404', '409']],
    ['GET /v1/signals/{id}/enforcement', ['404', '409']],
    ['GET /v1/feed', ['400', '410', '429']],
    ['POST /v1/points/receipts', ['400', '429']],
  ])('%s says also how it is refused for what there is', async (name, statuses) => {
    const operation = (await operations()).find(([one]) => one === name)?.[1];
    expect(Object.keys(operation?.responses ?? {})).toEqual(expect.arrayContaining(statuses));
  });

  it('names what waits for a person apart from the signals', async () => {
    const held = (await operations()).filter(([name]) => name.includes('/v1/held'));
    expect(held.map(([, { tags }]) => tags)).toEqual(held.map(() => ['held']));
    expect(held).toHaveLength(4);
  });

  it('shows for each body that it takes what one looks like', async () => {
    const { body } = await hub.call('GET', '/openapi.json', nobody);
    const { schemas } = body['components'] as { schemas: Record<string, object> };
    const without = (await operations()).flatMap(([name, { requestBody }]) => {
      if (requestBody === undefined) return [];
      const text = JSON.stringify(requestBody);
      const referred = [...text.matchAll(/#\/components\/schemas\/([\w-]+)/g)].map(
        ([, one = '']) => schemas[one],
      );
      return /"examples?":/.test(text + JSON.stringify(referred)) ? [] : [name];
    });
    expect(without).toEqual([]);
  });

  it('resolves within itself', async () => {
    const { text } = await hub.call('GET', '/openapi.json', nobody);
    const references = [...text.matchAll(/"\$ref":"([^"]+)"/g)].map(([, reference]) => reference);
    const document = JSON.parse(text) as object;
    for (const reference of new Set(references)) {
      const found = reference!
        .replace('#/', '')
        .split('/')
        .reduce<unknown>(
          (node, name) => (node as Record<string, unknown> | undefined)?.[decodeURIComponent(name)],
          document,
        );
      expect(found, reference).toBeDefined();
    }
  });
});

describe('GET /docs', () => {
  it('200: a page that loads nothing from elsewhere and runs no inline script', async () => {
    const { status, headers, text } = await hub.call('GET', '/docs', nobody);
    expect(status).toBe(200);
    const policy = headers.get('content-security-policy');
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self';");
    for (const [, source] of text.matchAll(/(?:src|href)="([^"]+)"/g)) {
      expect(source).not.toMatch(/^https?:/);
      const asset = await hub.call('GET', new URL(source!, `${hub.url}/docs/`).pathname, nobody);
      expect(asset.status, source).toBe(200);
    }
    expect(text).not.toMatch(/<script(?![^>]*src=)[^>]*>[^<]/);
  });
});
