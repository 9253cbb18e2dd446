import { createParser, type EventSourceMessage } from 'eventsource-parser';

/** Of one event; entries and states are far below. */
const eventCharactersMax = 1_048_576;

/**
 * Server-sent events, one after the other, until the stream ends.
 *
 * @throws Error when the connection breaks, and for an event that is too long.
 */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<EventSourceMessage> {
  const decoder = new TextDecoder();
  let arrived: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (event) => arrived.push(event) });
  let pending = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    parser.feed(decoder.decode(chunk, { stream: true }));
    pending = arrived.length > 0 ? 0 : pending + chunk.length;
    if (pending > eventCharactersMax) throw new Error('an event is too long');
    const events = arrived;
    arrived = [];
    yield* events;
  }
}
