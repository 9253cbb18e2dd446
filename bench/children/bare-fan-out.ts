import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serveParent } from '../processes.ts';

/** The yardstick for the feed: whoever posts something, everybody who listens gets it, and nothing else happens. */
const listeners = new Set<ServerResponse>();

const server = createServer((request, response) => {
  if (request.method === 'GET') {
    response
      .writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
      .write(':\n\n');
    listeners.add(response);
    request.on('close', () => listeners.delete(response));
    return;
  }
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const frame = Buffer.from(`id: 1\nevent: put\ndata: ${Buffer.concat(chunks).toString()}\n\n`);
    for (const listener of listeners) listener.write(frame);
    response.writeHead(202).end();
  });
});
server.keepAliveTimeout = 0;

serveParent({
  async listen() {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  },
});
