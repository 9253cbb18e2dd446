import { connect, createServer, type Socket } from 'node:net';

/** The network cable of one point: it can be pulled and put back. */
export type Plug = { readonly origin: string; pull(): void; putBack(): void; close(): void };

/** Forwards a port on loopback to the hub. Pulled, it cuts what is open and answers nobody. */
export async function createPlug(hub: URL): Promise<Plug> {
  const sockets = new Set<Socket>();
  let pulled = false;
  const server = createServer((near) => {
    if (pulled) return near.destroy();
    const far = connect(Number(hub.port), hub.hostname);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        (socket === near ? far : near).destroy();
      });
      socket.setNoDelay(true);
    }
    near.pipe(far);
    far.pipe(near);
    return undefined;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the plug has no TCP address');
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    origin: `http://127.0.0.1:${address.port}`,
    pull() {
      pulled = true;
      cut();
    },
    putBack() {
      pulled = false;
    },
    close() {
      server.close();
      cut();
    },
  };
}
