import { eventTypes } from './event-types.ts';

/** URIs of all that a stream may carry: the events of CAEP and RISC, but for those that travel as another. */
export const eventsSupported: readonly string[] = eventTypes
  .filter(({ downstreamAs }) => downstreamAs === undefined)
  .map(({ uri }) => uri);

const supported = new Set(eventsSupported);

/** Those of the requested that the hub sends, each once; what it does not understand it ignores. @see SSF 1.0 §8.1.1 */
export const eventsDelivered = (requested: readonly string[] | undefined): readonly string[] =>
  [...new Set(requested)].filter((uri) => supported.has(uri));
