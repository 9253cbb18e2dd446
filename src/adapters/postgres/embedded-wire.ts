import { createServer, type Server, type Socket } from 'node:net';
import {
  parseComplete,
  queryMessage,
  readAnswer,
  takeMessage,
  takeNamedParse,
  takeStartup,
} from './embedded-messages.ts';

/** Runs whole protocol messages on the one Postgres session there is and answers what it answers. */
export type WireEngine = (messages: Uint8Array) => Promise<Buffer>;

/** How many clients may be connected: the hub's pool, the scheduler's and the listener, with room to spare. */
const CONNECTIONS_MAX = 64;
/** A client that is silent inside a transaction for so long loses it: everybody else waits for it. */
const IDLE_IN_TRANSACTION_MS = 2_000;
/** Message types that end a unit: Query, Sync, FunctionCall; after a Flush the client awaits an answer, too. */
const UNIT_ENDS = new Set(['Q', 'S', 'F', 'H']);

type Connection = {
  readonly socket: Socket;
  started: boolean;
  inbound: Buffer;
  /** Messages of a unit that has not wholly arrived. */
  parts: Buffer[];
  idleTimer?: NodeJS.Timeout;
};
type Unit = {
  readonly connection: Connection;
  readonly messages: Buffer;
  readonly lastType: string;
};

/**
 * Speaks the Postgres wire protocol to many clients over one session, in place of a Postgres backend each.
 *
 * What a client sends up to its next Sync or Query is one unit. It is collected whole and run in one go, so that
 * nobody's statement comes between another's Parse and Bind; one inside a transaction owns the session until it
 * ends it, and one that goes away is rolled back. Notifications go to every client, as they share their LISTENs.
 * Statements are prepared once for all clients: under one name, every client must prepare the same. SET is shared, too:
 * do not use it.
 *
 * Postgres that panicked answers nothing ever after: that is an unhandled rejection and ends the thread.
 *
 * @param startupAnswer what Postgres says to a new client, up to ReadyForQuery.
 * @param patience how many times longer a client may be silent.
 */
export function createWireServer(
  engine: WireEngine,
  startupAnswer: Buffer,
  patience: number,
): { readonly server: Server; disconnectAll(): void } {
  const connections = new Set<Connection>();
  let queue: Unit[] = [];
  /** Names of the session's prepared statements, which outlast transactions and connections. */
  const prepared = new Set<string>();
  let owner: Connection | undefined;
  let running = false;

  async function run(): Promise<void> {
    if (running) return;
    running = true;
    for (let unit = takeUnit(); unit !== undefined; unit = takeUnit()) {
      clearTimeout(unit.connection.idleTimer);
      settle(unit, await answerTo(unit.messages));
    }
    running = false;
  }

  async function answerTo(messages: Buffer): Promise<Buffer> {
    const parse = takeNamedParse(messages);
    if (parse === undefined) return engine(messages);
    if (prepared.has(parse.name)) return Buffer.concat([parseComplete, await engine(parse.rest)]);
    const answer = await engine(messages);
    if (answer.subarray(0, parseComplete.length).equals(parseComplete)) prepared.add(parse.name);
    return answer;
  }

  function takeUnit(): Unit | undefined {
    const index = owner === undefined ? 0 : queue.findIndex(({ connection }) => connection === owner);
    return index < 0 ? undefined : queue.splice(index, 1)[0];
  }

  function settle({ connection, lastType }: Unit, answer: Buffer): void {
    const { status, notifications } = readAnswer(answer);
    write(connection, answer);
    if (notifications.length > 0) {
      const news = Buffer.concat(notifications);
      for (const other of connections) if (other !== connection) write(other, news);
    }
    if (status === undefined && lastType !== 'H') throw new Error('Postgres panicked');
    owner = status === 'I' ? undefined : connection;
    if (owner === undefined) return;
    if (!connections.has(connection)) return rollBack(connection);
    connection.idleTimer = setTimeout(() => connection.socket.destroy(), IDLE_IN_TRANSACTION_MS * patience);
  }

  function write(connection: Connection, bytes: Buffer): void {
    if (connection.started && connection.socket.writable) connection.socket.write(bytes);
  }

  function enqueue(connection: Connection, messages: Buffer, lastType: string): void {
    queue.push({ connection, messages, lastType });
    void run();
  }

  function rollBack(connection: Connection): void {
    enqueue(connection, queryMessage('ROLLBACK'), 'Q');
  }

  function receive(connection: Connection, bytes: Buffer): void {
    connection.inbound = Buffer.concat([connection.inbound, bytes]);
    while (!connection.started) {
      const startup = takeStartup(connection.inbound);
      if (startup === undefined) return;
      connection.inbound = startup.rest;
      connection.started = startup.kind === 'startup';
      connection.socket.write(connection.started ? startupAnswer : 'N');
    }
    for (;;) {
      const message = takeMessage(connection.inbound);
      if (message === undefined) return;
      connection.inbound = message.rest;
      if (message.type === 'X') return void connection.socket.end();
      connection.parts.push(message.bytes);
      if (!UNIT_ENDS.has(message.type)) continue;
      const unit = Buffer.concat(connection.parts);
      connection.parts = [];
      enqueue(connection, unit, message.type);
    }
  }

  function forget(connection: Connection): void {
    clearTimeout(connection.idleTimer);
    connections.delete(connection);
    queue = queue.filter((unit) => unit.connection !== connection);
    if (owner === connection) rollBack(connection);
  }

  const server = createServer((socket) => {
    const connection: Connection = { socket, started: false, inbound: Buffer.alloc(0), parts: [] };
    connections.add(connection);
    socket.on('data', (bytes) => {
      try {
        receive(connection, bytes);
      } catch {
        socket.destroy();
      }
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => forget(connection));
  });
  server.maxConnections = CONNECTIONS_MAX;
  return {
    server,
    disconnectAll() {
      for (const { socket } of connections) socket.destroy();
    },
  };
}
