import { findEventType } from '../core/events/event-types.ts';
import type { SetClaims } from '../core/set-claims.ts';
import type { Stream } from '../core/stream.ts';
import { setId, type JsonObject } from '../core/vocabulary.ts';
import type { SetMaker } from './control-sets.ts';
import { noSuchStream } from './manage.ts';
import { refuseStopped } from './operate.ts';
import type { By, StreamStore } from './ports.ts';

/** Belongs to nobody. @see RFC 2606 */
const sampleSubject: JsonObject = { format: 'email', email: 'sample@example.com' };

/** Sends one of each event that a stream delivers, about nobody. @returns the event types. */
export type Samples = (stream: Stream, by: By) => Promise<readonly string[]>;

/** With what is said in every event of CAEP that the hub sends. */
function sampleOf(uri: string): JsonObject {
  const type = findEventType(uri);
  return { ...(type?.profile === 'caep' ? { reason_admin: { en: 'A sample.' } } : {}), ...type?.example };
}

/** So that a receiver sees what it will get before anything happens. */
export function createSamples(options: SetMaker & { readonly store: Pick<StreamStore, 'update'> }): Samples {
  const { store, issuer, newId } = options;
  return async ({ id }, by) => {
    const sampled = await store.update(
      id,
      (stream) => {
        refuseStopped(stream);
        return {
          stream,
          sets: stream.eventsDelivered.map((uri): SetClaims => {
            const now = Math.floor(by.atMs / 1_000);
            return {
              iss: issuer(),
              jti: setId(newId('set')),
              iat: now,
              aud: stream.aud,
              txn: newId('txn'),
              toe: now,
              sub_id: sampleSubject,
              events: { [uri]: sampleOf(uri) },
            };
          }),
          audit: { action: 'stream.sampled', detail: { event_types: stream.eventsDelivered.length } },
        };
      },
      by,
    );
    if (sampled === undefined) throw noSuchStream();
    return sampled.eventsDelivered;
  };
}
