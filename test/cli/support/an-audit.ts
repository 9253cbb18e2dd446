import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export type AnAudit = {
  readonly url: string;
  /** Commits rows with these ids; a lower one may come after a higher one, as with PostgreSQL. */
  commit(...ids: readonly number[]): void;
  /** How many pages were asked for. */
  pages(): number;
  close(): Promise<void>;
};

/** A hub whose audit has the rows that it is told to have. */
export async function startAudit(): Promise<AnAudit> {
  const rows = new Set<number>();
  let pages = 0;
  const server = createServer((request, response) => {
    pages += 1;
    const { searchParams } = new URL(request.url ?? '', 'http://audit');
    const limit = Number(searchParams.get('limit'));
    const before = Number(searchParams.get('cursor') ?? Number.POSITIVE_INFINITY);
    const ids = [...rows].filter((id) => id < before).sort((one, other) => other - one);
    const items = ids.slice(0, limit).map((id) => ({
      id,
      at_ms: id,
      actor: 'soc',
      action: 'signal.accepted',
      target: `row-${id}`,
      outcome: 'done',
      detail: {},
    }));
    const next_cursor = ids.length > limit ? String(items.at(-1)?.id) : null;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ items, next_cursor }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    commit: (...ids) => {
      for (const id of ids) rows.add(id);
    },
    pages: () => pages,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
