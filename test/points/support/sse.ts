import { request, type IncomingMessage } from 'node:http';

export type SseEvent = {
  readonly id: string;
  readonly event: string;
  readonly data: Record<string, unknown>;
};

export type SseClient = {
  readonly response: IncomingMessage;
  readonly events: readonly SseEvent[];
  /** All that came in, as text. */
  readonly text: string;
  readonly ended: Promise<void>;
  /** The first event, past or future, that passes. Rejects when the stream ends before. */
  until(passes: (event: SseEvent) => boolean): Promise<SseEvent>;
  close(): void;
};

/** A bare reader of event streams. Resolves with the response headers. */
export async function openSse(url: string, headers: Record<string, string>): Promise<SseClient> {
  const events: SseEvent[] = [];
  const waiting = new Set<() => void>();
  let text = '';
  let rest = '';
  let over = false;
  const sent = request(url, { headers, agent: false });
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    sent.once('response', resolve).once('error', reject).end();
  });
  const look = () => {
    for (const wake of waiting) wake();
  };
  response.setEncoding('utf8').on('data', (part: string) => {
    text += part;
    const frames = (rest + part).split('\n\n');
    rest = frames.pop() ?? '';
    events.push(...frames.filter((frame) => !frame.startsWith(':')).map(parse));
    look();
  });
  const ended = new Promise<void>((resolve) => {
    response.once('close', () => {
      over = true;
      look();
      resolve();
    });
  });
  response.on('error', () => undefined);
  return {
    response,
    events,
    get text() {
      return text;
    },
    ended,
    until: (passes) =>
      new Promise((resolve, reject) => {
        const wake = () => {
          const found = events.find(passes);
          if (found === undefined && !over) return;
          waiting.delete(wake);
          if (found) resolve(found);
          else reject(new Error(`the stream ended before, after ${events.length} events`));
        };
        waiting.add(wake);
        wake();
      }),
    close: () => void sent.destroy(),
  };
}

function parse(frame: string): SseEvent {
  const fields = new Map(
    frame.split('\n').map((line) => {
      const at = line.indexOf(': ');
      return [line.slice(0, at), line.slice(at + 2)];
    }),
  );
  return {
    id: fields.get('id') ?? '',
    event: fields.get('event') ?? '',
    data: JSON.parse(fields.get('data') ?? '{}') as Record<string, unknown>,
  };
}

export const isEntry = ({ event }: SseEvent): boolean => ['put', 'lift', 'drop'].includes(event);
