import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { Pool } from 'undici';
import { keyCraft } from '../../src/adapters/jose/key-craft.ts';
import type { SetClaims } from '../../src/core/set-claims.ts';
import type { SigningAlgorithm } from '../../src/core/stream.ts';
import { setId } from '../../src/core/vocabulary.ts';
import type { SignWithKey } from '../../src/transmitter/key-ports.ts';
import { serveParent } from '../processes.ts';

/** The yardstick for the transmitter: the hub's own signatures, and a POST of each; nothing is decided, stored or tried again. */
type Opening = {
  readonly algorithm: SigningAlgorithm;
  /** As the hub sent them. */
  readonly claims: SetClaims;
  readonly urls: readonly string[];
  /** As many as the hub signs, or has on their way, at a time. */
  readonly atOnce: number;
};
type Bare = Omit<Opening, 'algorithm' | 'urls'> & {
  readonly sign: SignWithKey;
  readonly endpoints: readonly { readonly pool: Pool; readonly path: string }[];
};

let bare: Bare | undefined;

serveParent({
  async open({ algorithm, claims, urls, atOnce }: Opening) {
    const sign = await keyCraft.openSigner({ ...(await keyCraft.make(algorithm)), algorithm });
    const endpoints = urls.map((url) => {
      const { origin, pathname } = new URL(url);
      return { pool: new Pool(origin, { connections: 8, pipelining: 1 }), path: pathname };
    });
    bare = { sign, claims, atOnce, endpoints };
  },
  /** Where a POST that names a client is told to all; it is answered before anything is signed. */
  async listen() {
    const server = createServer((request, response) => {
      void text(request).then((body) => {
        response.writeHead(202).end();
        const { subject } = JSON.parse(body) as { readonly subject: { readonly client_id: string } };
        return tellAll(opened(), subject.client_id);
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  },
  /** Only signs; answers how many in a second of the clock, and in one of the processor. */
  async sign({ times }: { readonly times: number }) {
    const { sign, claims, atOnce } = opened();
    const [startedMs, startedCpu] = [performance.now(), process.cpuUsage()];
    await inParallel(times, atOnce, async () => {
      await sign({ ...claims, jti: setId(randomUUID()) });
    });
    const { user, system } = process.cpuUsage(startedCpu);
    return {
      clock: (times * 1_000) / (performance.now() - startedMs),
      processor: (times * 1_000_000) / (user + system),
    };
  },
});

function opened(): Bare {
  if (bare === undefined) throw new Error('open first');
  return bare;
}

async function tellAll({ sign, claims, atOnce, endpoints }: Bare, clientId: string): Promise<void> {
  const subject = { format: 'complex', application: { format: 'iss_sub', iss: claims.iss, sub: clientId } };
  await inParallel(endpoints.length, atOnce, async (index) => {
    const endpoint = endpoints[index];
    if (endpoint === undefined) return;
    const body = await sign({
      ...claims,
      jti: setId(`set_${randomUUID()}`),
      aud: `bare/${index}`,
      sub_id: subject,
    });
    const answer = await endpoint.pool.request({
      method: 'POST',
      path: endpoint.path,
      headers: { 'content-type': 'application/secevent+jwt', accept: 'application/json' },
      body,
    });
    await answer.body.dump();
  });
}

/** Calls `work` with 0, 1, … as many at a time as there may be. */
async function inParallel(
  times: number,
  atOnce: number,
  work: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const one = async (): Promise<void> => {
    while (next < times) await work(next++);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, times) }, one));
}
