import type { LookupAddress } from 'node:dns';
import { isIP, type LookupFunction, connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls, type SecureContext } from 'node:tls';
import { callbackify } from 'node:util';
import type { buildConnector } from 'undici';
import { type Destination, refuseAddress } from '../../core/judge-destination.ts';
import type { AllowEntry } from '../../core/outbound-allow.ts';
import { fetchError, handshakeFailure } from './failures.ts';

/** Every address of a name, the preferred first. */
export type ResolveName = (hostname: string) => Promise<readonly LookupAddress[]>;

export type ConnectorOptions = {
  readonly allow: readonly AllowEntry[];
  readonly resolve: ResolveName;
  readonly secureContext: SecureContext;
  /** From the look-up to the end of the handshake. */
  readonly connectMs: number;
};

/** So many addresses of a name are tried, one after the other. */
const addressesMax = 4;
/** So long for each of them but the last. */
const addressMs = 1_000;

/**
 * Connects to one origin. An address is checked twice: when the name is looked up, so that only checked ones are tried,
 * and on the socket, before a byte is sent. What the name leads to later does not matter to a socket.
 */
export function createCheckedConnector(
  destination: Destination,
  { allow, resolve, secureContext, connectMs }: ConnectorOptions,
): buildConnector.connector {
  const refuse = (address: string) => refuseAddress(address, destination, allow);
  const { hostname, port, isTls } = destination;
  const target = {
    host: hostname,
    port,
    lookup: createCheckedLookup(resolve, refuse),
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: addressMs,
    noDelay: true,
    keepAlive: true,
  };
  const open = (): Socket =>
    isTls
      ? connectTls({
          ...target,
          secureContext,
          rejectUnauthorized: true,
          // An address has no server name; it is then compared with the certificate's addresses.
          servername: isIP(hostname) === 0 ? hostname : '',
          ALPNProtocols: ['http/1.1'],
        })
      : connectPlain(target);
  // The origin is this connector's own: what undici makes of a Host header is not asked.
  return (_options, callback) => connectOnce({ socket: open(), isTls, connectMs, refuse }, callback);
}

function connectOnce(
  {
    socket,
    isTls,
    connectMs,
    refuse,
  }: {
    readonly socket: Socket;
    readonly isTls: boolean;
    readonly connectMs: number;
    readonly refuse: (address: string) => string | undefined;
  },
  callback: buildConnector.Callback,
): void {
  let isHandshaking = false;
  let isSettled = false;
  const timer = setTimeout(
    () => socket.destroy(fetchError('timeout', `not connected within ${connectMs} ms`)),
    connectMs,
  );
  const settle = (error: Error | undefined): void => {
    if (isSettled) return;
    isSettled = true;
    clearTimeout(timer);
    if (error === undefined) callback(null, socket);
    else callback(error, null);
  };
  // Before TLS's own listener: whoever is refused gets no handshake either.
  socket.prependOnceListener('connect', () => {
    const reason = refuse(socket.remoteAddress ?? '');
    if (reason !== undefined) socket.destroy(fetchError('refused-address', reason));
    else isHandshaking = isTls;
  });
  socket.once(isTls ? 'secureConnect' : 'connect', () => {
    isHandshaking = false;
    if (!socket.destroyed) settle(undefined);
  });
  socket.on('error', (error) => settle(isHandshaking ? handshakeFailure(error) : error));
  socket.once('close', () => settle(fetchError('network', 'closed before it was connected')));
}

/** Finds what may be connected to, and fails when that is nothing. With `autoSelectFamily` all are always asked for. */
function createCheckedLookup(
  resolve: ResolveName,
  refuse: (address: string) => string | undefined,
): LookupFunction {
  const find = callbackify(async (hostname: string) => {
    const checked = (await resolve(hostname)).map((found) => ({ found, reason: refuse(found.address) }));
    const reachable = checked.filter(({ reason }) => reason === undefined).map(({ found }) => found);
    if (reachable.length === 0) throw nothingReachable(checked[0]?.reason);
    return reachable.slice(0, addressesMax);
  });
  return (hostname, _options, callback) =>
    find(hostname, (error, addresses) => callback(error, addresses ?? ''));
}

const nothingReachable = (reason: string | undefined): Error =>
  reason === undefined
    ? fetchError('network', 'the name has no address')
    : fetchError('refused-address', reason);
