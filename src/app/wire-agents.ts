import { createAgentStore } from '../adapters/postgres/agent-store.ts';
import { createOrderAgent } from '../agents/order-agent.ts';
import { agentRoutes } from '../agents/routes.ts';
import type { HubServer } from '../http/server.ts';
import type { IssuerDirectory } from '../issuers/issuer-directory.ts';
import type { Hub } from './platform.ts';
import type { Signals } from './wire-signals.ts';

/** Who is under governance, and the two orders that concern a whole agent. */
export async function wireAgents(
  server: HubServer,
  { database, announcer, clock }: Hub,
  { issuers, signals }: { readonly issuers: IssuerDirectory; readonly signals: Signals },
): Promise<void> {
  await server.register(agentRoutes, {
    store: createAgentStore({ database, announcer }),
    order: createOrderAgent(signals),
    nowMs: clock.nowMs,
    onlyIssuer: issuers.only,
  });
}
