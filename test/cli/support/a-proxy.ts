import { once } from 'node:events';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export type AProxy = {
  readonly url: string;
  /** Everything that was sent through it: first lines, headers and bodies. */
  readonly sent: readonly string[];
  /** The next answers are lost on the way, so many of them: the hub did what it was asked. */
  loseAnswers(count: number): void;
  /** Requests whose method and path match are answered so instead, the next `times` of them, and do not reach the hub. */
  answerInstead(line: RegExp, answer: Instead, times?: number): void;
  /** Resolves when the next answer that has this text passed through. */
  passed(text: string): Promise<void>;
  /** Every connection breaks; new ones work, unless they are to be refused. */
  cut(newOnes?: 'refuse'): void;
  /** New connections work again. */
  mend(): void;
  close(): Promise<void>;
};

/** With `length`, so many bytes are announced. */
export type Instead = {
  readonly status: number;
  readonly type?: string;
  readonly body: string;
  readonly length?: number;
};

/** What may stand between a command and its hub, with what may happen there. */
export async function startProxy(target: string): Promise<AProxy> {
  const sent: string[] = [];
  const sockets = new Set<Socket>();
  const awaited: { readonly text: string; readonly resolve: () => void }[] = [];
  let toLose = 0;
  let isOpen = true;
  let instead: { readonly line: RegExp; readonly answer: Instead; left: number } | undefined;
  const server: Server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const body = Buffer.concat(chunks);
      sent.push(`${incoming.method} ${incoming.url}\n${incoming.rawHeaders.join('\n')}\n${body.toString()}`);
      if (instead?.line.test(`${incoming.method} ${incoming.url}`) === true && instead.left > 0) {
        instead.left -= 1;
        const { status, type = 'application/json', body, length = Buffer.byteLength(body) } = instead.answer;
        outgoing.writeHead(status, { 'content-type': type, 'content-length': length });
        outgoing.write(body, () => (length > body.length ? outgoing.destroy() : outgoing.end()));
        return;
      }
      const onward = request(target + incoming.url, { method: incoming.method, headers: incoming.headers });
      onward.on('error', () => outgoing.destroy());
      onward.on('response', (answer) => {
        const isLost = incoming.method !== 'GET' && toLose > 0;
        if (isLost) {
          toLose -= 1;
          answer.resume().on('end', () => outgoing.destroy());
          return;
        }
        answer.on('data', (chunk: Buffer) => {
          const found = awaited.filter(({ text }) => chunk.includes(text));
          for (const one of found) one.resolve();
        });
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.on('error', () => outgoing.destroy());
        answer.pipe(outgoing);
      });
      outgoing.on('close', () => onward.destroy());
      onward.end(body);
    });
  });
  server.on('connection', (socket) => {
    if (!isOpen) socket.destroy();
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = (newOnes?: 'refuse') => {
    isOpen = newOnes === undefined;
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sent,
    loseAnswers: (count) => void (toLose = count),
    answerInstead: (line, answer, times = Number.POSITIVE_INFINITY) => {
      instead = { line, answer, left: times };
    },
    passed: (text) => new Promise((resolve) => awaited.push({ text, resolve })),
    cut,
    mend: () => void (isOpen = true),
    async close() {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}
