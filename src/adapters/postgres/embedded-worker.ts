/**
 * The thread that the embedded database lives in: PGlite blocks whatever thread it runs on.
 * Says `ready` when it can be connected to, ends when told anything, and dies with an error when Postgres panics.
 */
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';
import { queryMessage, readAnswer, startupMessage } from './embedded-messages.ts';
import { createWireServer } from './embedded-wire.ts';
import { planStatements } from './plan-settings.ts';

export type EmbeddedWorkerData = {
  readonly directory: string;
  readonly socketPath: string;
  readonly patience: number;
};

/** One session, hence one search path: BullMQ's tables by their bare names, ours always with their schema. */
const SEARCH_PATH = 'bullmq, public';

const { directory, socketPath, patience } = workerData as EmbeddedWorkerData;
const postgres = await PGlite.create(directory);

async function engine(messages: Uint8Array): Promise<Buffer> {
  const chunks: Buffer[] = [];
  await postgres.execProtocolRawStream(messages, {
    onRawData: (chunk) => void chunks.push(Buffer.from(chunk)),
  });
  return Buffer.concat(chunks);
}

const startupAnswer = await engine(startupMessage('postgres', 'postgres'));
const { status } = readAnswer(
  await engine(queryMessage(`SET search_path TO ${SEARCH_PATH}; ${planStatements}`)),
);
if (status !== 'I') throw new Error(`the embedded Postgres starts in state ${status}`);

const wire = createWireServer(engine, startupAnswer, patience);
rmSync(socketPath, { force: true });
wire.server.listen(socketPath);
await once(wire.server, 'listening');
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
parentPort?.postMessage('ready');

await new Promise<void>((resolve) => parentPort?.once('message', () => resolve()));
wire.server.close();
wire.disconnectAll();
await postgres.close();
process.exit(0);
