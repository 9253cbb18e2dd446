import { Server as HttpsServer } from 'node:https';
import { Problem } from '../core/problem.ts';
import type { HubServer } from './server.ts';

/** Requests that are under way when the hub shuts down have so long to end. */
const drainMs = 5_000;

/** What the system says of an address that cannot be had, and what to do about it. */
const failures: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  EADDRINUSE: ['is in use', 'Stop the other process, or set PORT to another port; 0 takes a free one.'],
  EADDRNOTAVAIL: ['is no address of this machine', 'Set HOST to an address of this machine.'],
  EACCES: ['is not for this user', 'Set PORT to 1024 or above.'],
  ENOTFOUND: ['cannot be resolved', 'Set HOST to an address of this machine.'],
};

/**
 * Listens, and answers the URL.
 *
 * @throws Problem `invalid-configuration`
 */
export async function listenOn(server: HubServer, host: string, port: number): Promise<string> {
  try {
    await server.listen({ host, port });
  } catch (error) {
    const failure = error instanceof Error && 'code' in error ? failures[String(error.code)] : undefined;
    if (failure === undefined) throw error;
    const [what, hint] = failure;
    throw new Problem('invalid-configuration', `Port ${port} of ${host} ${what}.`, { hint, cause: error });
  }
  const address = server.server.address();
  if (address === null || typeof address === 'string') throw new Error('the server listens on no port');
  const scheme = server.server instanceof HttpsServer ? 'https' : 'http';
  return `${scheme}://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`;
}

/** Takes no more requests and lets those under way end; what has not ended in time is cut. */
export async function drain(server: HubServer): Promise<void> {
  const timer = setTimeout(() => server.server.closeAllConnections(), drainMs);
  await server.close();
  clearTimeout(timer);
}
