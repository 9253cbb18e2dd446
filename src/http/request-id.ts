import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

const requestIdShape = /^[A-Za-z0-9._-]{1,64}$/;

/** The caller's `X-Request-Id` when it is well-shaped, else a new one. It is echoed, logged and audited. */
export function requestId({ headers }: IncomingMessage): string {
  const sent = headers['x-request-id'];
  return typeof sent === 'string' && requestIdShape.test(sent) ? sent : randomUUID();
}
