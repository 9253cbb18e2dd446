import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { expect, it } from 'vitest';
import { startHub } from '../../support/a-hub.ts';
import { postLines } from '../../support/post-lines.ts';
import { onlyOnServer } from '../../support/databases.ts';

/** Stands between the hub and its database, which is reached by a Unix socket, and can be cut. */
async function aWire(databaseUrl: string) {
  const { pathname, searchParams } = new URL(databaseUrl);
  const path = `${searchParams.get('host')}/.s.PGSQL.${searchParams.get('port') ?? 5432}`;
  const sockets = new Set<Socket>();
  let isCut = false;
  const join = (near: Socket): void => {
    const far = connect(path);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('error', () => from.destroy()).on('close', () => to.destroy());
      from.pipe(to);
    }
  };
  const server = createServer((near) => (isCut ? near.destroy() : join(near)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `postgresql://${searchParams.get('user')}@127.0.0.1:${port}${pathname}`,
    cut() {
      isCut = true;
      for (const socket of sockets) socket.destroy();
    },
    mend: () => void (isCut = false),
    close: () => server.close(),
  };
}

onlyOnServer('the database is gone', (fixture) => {
  it('503 with Retry-After, nothing is acknowledged, and it goes on when the database is back', async () => {
    const wire = await aWire(String(fixture.options.databaseUrl));
    const secrets = { ADMIN_TOKEN: 'a'.repeat(40), SECRETS_KEY: 's'.repeat(40) };
    const hub = await startHub({ DATABASE_URL: wire.url, ...secrets }, fixture.options.dataDir);
    const signal = {
      event: 'credential-compromise',
      subject: { iss: 'https://idp.example', client_id: 'build-runner' },
      id: 'once',
    };
    const post = () => hub.call('POST', '/v1/signals', { body: signal });
    expect((await hub.call('GET', '/v1/signals')).status).toBe(200);

    wire.cut();
    const refused = await post();
    expect(refused.status).toBe(503);
    expect(refused.body).toMatchObject({ code: 'storage-unavailable' });
    expect(refused.headers.get('retry-after')).toBe('1');
    const lines = [1, 2].map((id) => JSON.stringify({ ...signal, id: `line-${id}` }));
    const batch = await postLines(hub, [...lines, '{'].join('\n'));
    expect(batch).toMatchObject({
      status: 200,
      lines: [
        { line: 1, code: 'storage-unavailable', status: 503, retry_after: 1 },
        { line: 2, code: 'storage-unavailable', status: 503, retry_after: 1 },
        { line: 3, code: 'malformed-json', status: 400 },
      ],
    });
    const ready = await hub.call('GET', '/readyz', { token: null });
    expect([ready.status, ready.body['ready']]).toEqual([503, false]);
    expect((await hub.call('GET', '/healthz', { token: null })).status).toBe(200);

    wire.mend();
    await expect.poll(async () => (await post()).status, { timeout: 10_000 }).toBe(202);
    const { body } = await hub.call('GET', '/v1/signals');
    expect(body['items']).toHaveLength(1);
    await expect
      .poll(async () => (await hub.call('GET', '/readyz')).body, { timeout: 15_000 })
      .toMatchObject({ ready: true, reasons: [] });
    await hub.stop('keep');
    wire.close();
  });
});
