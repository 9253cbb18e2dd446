import { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres';
import { Client, type ClientConfig, Pool, type PoolClient, type PoolConfig } from 'pg';
import { isProblem, Problem } from '../../core/problem.ts';
import { storageProblem } from './database-failures.ts';
import { EMBEDDED_PORT, startEmbedded } from './embedded.ts';
import { createListener, type Listen } from './notify.ts';
import { planOptions } from './plan-settings.ts';
import { preparingClient } from './prepared-statements.ts';
import { together } from './together.ts';

/** A frozen node or a long lock stops the others for this long at most. */
const STATEMENT_TIMEOUT_MS = 1_000;
const LOCK_TIMEOUT_MS = 900;
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 1_000;
/** The server's own timeouts come first; these are for a server that does not answer any more. */
const ANSWER_TIMEOUT_MS = 1_250;
const ROLLBACK_ANSWER_TIMEOUT_MS = 250;
const CONNECT_TIMEOUT_MS = 1_000;
const CONNECTIONS_MAX = 16;
const KEEP_ALIVE_AFTER_MS = 10_000;
/** How long `close` waits for statements that are under way. */
const CLOSE_GRACE_MS = 2_000;
const SERVER_VERSION_MIN = 140_000;
/** How long the embedded database may take until its first answer. */
const EMBEDDED_START_PATIENCE_MS = 30_000;
const ASK_AGAIN_AFTER_MS = 100;

/**
 * Drizzle over the pool, or over the connection of one transaction. Its own `transaction` is left out: when BEGIN
 * fails it never gives the connection back, and it hands back connections that no longer answer.
 */
export type Statements = Omit<NodePgDatabase, 'transaction'>;

export type Database = {
  readonly kind: 'embedded' | 'server';
  /** What survives what was committed: the death of this process, or whatever the server promises. */
  readonly durability: 'process' | 'server';
  /** Connections with the timeouts of the hub's own short statements, for SQL that Drizzle cannot say. */
  readonly pool: Pool;
  /** One statement, one transaction. */
  readonly db: Statements;
  /**
   * Runs `work` in one READ COMMITTED transaction: committed when it resolves, rolled back when it throws. What `first`
   * asks is sent together with the BEGIN; it must not write.
   *
   * @throws Problem `storage-unavailable` when the database is gone, frozen, full or locked. If the answer to COMMIT
   * was what got lost, the transaction may have been committed nevertheless: repeat only what is idempotent.
   */
  readonly transact: Transact;
  readonly listen: Listen;
  /** More connections, for work that may take longer than the hub's own: migrations, the scheduler, VACUUM. The caller ends them. */
  readonly openPool: (settings: PoolSettings) => Pool;
  readonly close: () => Promise<void>;
};

export type Transact = {
  <T>(work: (tx: Statements) => Promise<T>): Promise<T>;
  <F, T>(work: (tx: Statements, answers: F) => Promise<T>, first: (tx: Statements) => Promise<F>): Promise<T>;
};

export type PoolSettings = {
  readonly connectionsMax: number;
  /** For one statement, at the server and until its answer, and for a free connection; 0 is without limit. */
  readonly statementTimeoutMs: number;
  /** Ignored by the embedded database, whose one session has `bullmq, public`. */
  readonly searchPath?: string;
};

export type DatabaseOptions = {
  /** A PostgreSQL to use; without it the embedded one in `dataDir`. May hold a password: it is never shown. */
  readonly databaseUrl?: string | undefined;
  /** Held by this process (`lockDataDir`). */
  readonly dataDir: string;
  /** @see EmbeddedOptions */
  readonly emptyCluster?: string | undefined;
  /** Every limit of time of the hub's own statements is so many times longer; 1 where it is left out. */
  readonly patience?: number | undefined;
  /** A connection broke or the embedded database died; both come back by themselves. For the log. */
  readonly onError: (error: Error) => void;
};

/**
 * Opens the embedded database, or connects to a PostgreSQL of at least version 14.
 *
 * @throws Problem `storage-unavailable`, `invalid-configuration`, `data-dir-unusable`
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  if (options.databaseUrl !== undefined) {
    const connection = { connectionString: options.databaseUrl };
    return connectDatabase('server', connection, options, async () => undefined);
  }
  const embedded = await startEmbedded({
    directory: join(options.dataDir, 'db'),
    emptyCluster: options.emptyCluster,
    patience: options.patience,
    onError: options.onError,
  });
  const connection = {
    host: embedded.socketDirectory,
    port: EMBEDDED_PORT,
    user: 'postgres',
    database: 'postgres',
  };
  return connectDatabase('embedded', connection, options, () => embedded.close());
}

async function connectDatabase(
  kind: Database['kind'],
  connection: ClientConfig,
  { onError, patience = 1 }: Pick<DatabaseOptions, 'onError' | 'patience'>,
  closeServer: () => Promise<void>,
): Promise<Database> {
  const sockets = new Set<Socket>();
  const config: ClientConfig = {
    ...connection,
    application_name: 'caep-hub',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS * patience,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_AFTER_MS,
    stream: () => trackedSocket(sockets),
  };
  const openPool = (settings: PoolConfig) => {
    const pool = new Pool({ ...config, ...settings });
    // The pool watches idle connections only; one that breaks while it is checked out would end the process.
    pool.on('connect', (client) => client.on('error', onError));
    pool.on('error', () => undefined);
    return pool;
  };
  const pool = openPool({
    Client: preparingClient(),
    pipeline: true,
    ...(kind === 'server' && { options: planOptions }),
    max: CONNECTIONS_MAX,
    statement_timeout: STATEMENT_TIMEOUT_MS * patience,
    lock_timeout: LOCK_TIMEOUT_MS * patience,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS * patience,
    query_timeout: ANSWER_TIMEOUT_MS * patience,
  });
  const listener = createListener({
    connect: () =>
      new Client({
        ...config,
        application_name: 'caep-hub listener',
        query_timeout: ANSWER_TIMEOUT_MS * patience,
      }),
    onError,
  });
  async function close(): Promise<void> {
    const ended = Promise.all([listener.close(), pool.end()]);
    await Promise.race([ended, delay(CLOSE_GRACE_MS, undefined, { ref: false })]);
    for (const socket of sockets) socket.destroy();
    await closeServer();
  }
  let closed: Promise<void> | undefined;
  const database: Database = {
    kind,
    durability: kind === 'embedded' ? 'process' : 'server',
    pool,
    db: drizzle({ client: pool }),
    transact: <F, T>(
      work: (tx: Statements, answers: F) => Promise<T>,
      first?: (tx: Statements) => Promise<F>,
    ) => transact(pool, work, first),
    listen: listener.listen,
    openPool: ({ connectionsMax, statementTimeoutMs, searchPath }) =>
      openPool({
        max: connectionsMax,
        statement_timeout: statementTimeoutMs,
        query_timeout: statementTimeoutMs,
        connectionTimeoutMillis: statementTimeoutMs,
        ...(searchPath !== undefined && kind === 'server' && { options: `-c search_path=${searchPath}` }),
      }),
    close: () => (closed ??= close()),
  };
  try {
    await refuseOldServer(pool, kind === 'embedded' ? EMBEDDED_START_PATIENCE_MS : 0);
  } catch (error) {
    await database.close();
    throw error;
  }
  return database;
}

/** `pg` waits for the other side when it closes a connection; a server that vanished would keep us for ever. */
function trackedSocket(sockets: Set<Socket>): Socket {
  const socket = new Socket();
  sockets.add(socket);
  socket.once('close', () => sockets.delete(socket));
  return socket;
}

/** The embedded engine may still be recovering, or the machine be busy: it is asked again until it answers. */
async function refuseOldServer(pool: Pool, patienceMs: number): Promise<void> {
  const version = await askVersion(pool, performance.now() + patienceMs);
  if (Number(version) >= SERVER_VERSION_MIN) return;
  throw new Problem('invalid-configuration', `PostgreSQL ${version} is too old; 14 is the least.`);
}

async function askVersion(pool: Pool, untilMs: number): Promise<string> {
  for (;;) {
    try {
      const { rows } = await pool.query<{ server_version_num: string }>('SHOW server_version_num');
      return rows[0]?.server_version_num ?? '0';
    } catch (error) {
      if (performance.now() >= untilMs) {
        const detail = 'The database cannot be reached.';
        throw new Problem('storage-unavailable', detail, { hint: 'Check DATABASE_URL.', cause: error });
      }
      await delay(ASK_AGAIN_AFTER_MS);
    }
  }
}

async function transact<F, T>(
  pool: Pool,
  work: (tx: Statements, answers: F) => Promise<T>,
  first: (tx: Statements) => Promise<F> = async () => undefined as F,
): Promise<T> {
  let client: PoolClient | undefined;
  try {
    client = await pool.connect();
    const tx = drizzle({ client });
    const [, answers] = await together([client.query('BEGIN ISOLATION LEVEL READ COMMITTED'), first(tx)]);
    const result = await work(tx, answers);
    await client.query('COMMIT');
    client.release();
    return result;
  } catch (error) {
    if (client !== undefined) await giveUp(client);
    if (isProblem(error)) throw error;
    throw storageProblem(error) ?? error;
  }
}

/** Rolls back and returns the connection; one that does not answer even that is thrown away. */
async function giveUp(client: PoolClient): Promise<void> {
  const rollback = { text: 'ROLLBACK', query_timeout: ROLLBACK_ANSWER_TIMEOUT_MS };
  const failure = await client.query(rollback).then(
    () => undefined,
    (error: unknown) => error,
  );
  client.release(failure !== undefined);
}
