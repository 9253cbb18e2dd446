/** The protected API of the demo: an ordinary route, a streaming one and one that moves money, behind the guard. */
import Fastify from 'fastify';
import { createEnforcer } from '../src/enforcement/index.ts';
import { say, settingsFromParent } from './child.ts';
import { audience, type ChargesSettings } from './contract.ts';
import { freePort } from './free-port.ts';

const chunkEveryMs = 60;

const { hub, token, point, snapshotFile, failClosedAfter } = settingsFromParent<ChargesSettings>('charges');
const port = await freePort();
const origin = `http://127.0.0.1:${port}`;
const posture = { fail_closed_after: failClosedAfter };
const enforcer = createEnforcer({
  hub,
  token,
  point,
  audience,
  origin,
  snapshotFile,
  classes: { standard: { posture } },
});
const reads = { onRequest: enforcer.fastify({ scope: 'charges:read' }) };
const refunds = { onRequest: enforcer.fastify({ scope: 'refunds:write' }) };
const app = Fastify();

app.get('/charges', reads, async () => ({ charges: [{ id: 'ch_1', amount: 4200, currency: 'EUR' }] }));
app.post('/refunds', refunds, async () => ({ refunded: 4200, currency: 'EUR' }));
app.get('/charges/live', reads, (_request, reply) => {
  reply.hijack();
  reply.raw.writeHead(200, { 'content-type': 'application/x-ndjson' });
  const amount = () => reply.raw.write(`${JSON.stringify({ amount: Math.random() })}\n`);
  amount();
  const timer = setInterval(amount, chunkEveryMs);
  reply.raw.on('close', () => clearInterval(timer));
});
app.get('/state', async () => enforcer.state());

await enforcer.ready();
await app.listen({ host: '127.0.0.1', port });
say({ kind: 'listening', origin });
