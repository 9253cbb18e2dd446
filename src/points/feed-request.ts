import type { IncomingHttpHeaders } from 'node:http';
import { type Cursor, parseCursor } from '../core/feed.ts';
import { Problem } from '../core/problem.ts';
import type { Caller } from '../http/caller.ts';
import type { Subscriber } from './feed-connections.ts';
import type { GoodbyeReason } from './feed-stream.ts';
import { instanceNameOf } from './instance-name.ts';

/** @throws Problem `invalid-request`, `insufficient-scope` for a header `Caep-Point` that is not the caller's. */
export function subscriberOf(caller: Caller, headers: IncomingHttpHeaders): Subscriber {
  return {
    tokenId: caller.tokenId,
    ...(caller.expiresAtMs !== undefined && { expiresAtMs: caller.expiresAtMs }),
    ...instanceNameOf(caller, headers['caep-point']),
  };
}

/** Where to resume. @throws Problem `invalid-request` */
export function readCursor(
  lastEventId: string | readonly string[] | undefined,
  from: string | undefined,
): Cursor | undefined {
  const given = [lastEventId, from].filter((text) => text !== undefined && text !== '');
  const [text] = given;
  const cursor = typeof text === 'string' ? parseCursor(text) : undefined;
  const path = lastEventId === text ? '/headers/last-event-id' : '/query/from';
  if (given.length === 2 && lastEventId !== from) {
    throw new Problem('invalid-request', 'Last-Event-ID and from name different positions.', {
      hint: 'Send one of them.',
      errors: [{ path: '/query/from', message: 'differs from Last-Event-ID' }],
    });
  }
  if (text !== undefined && cursor === undefined) {
    throw new Problem('invalid-request', 'That is not a position in the feed.', {
      hint: 'Send the id of the last event, or the cursor of a snapshot.',
      errors: [{ path, message: 'must have the form <epoch>-<seq>-<check>' }],
    });
  }
  return cursor;
}

/** For who waited for an answer: what a stream would have been told as its goodbye. */
export const refusalOf = (reason: GoodbyeReason, refuseToken: (why: string) => Problem): Problem =>
  reason === 'shutting-down'
    ? new Problem('shutting-down', 'This node is shutting down.')
    : refuseToken('The token ended while the request waited.');
