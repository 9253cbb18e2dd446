import { createMapper } from '../adapters/jsonata/mapper.ts';
import { createHookStore } from '../adapters/postgres/hook-store.ts';
import { followRows } from '../adapters/system/follow-rows.ts';
import { createSealer } from '../adapters/system/sealer.ts';
import { createHookActivities } from '../hooks/activity.ts';
import { hookDoorRoutes } from '../hooks/door-routes.ts';
import { createHookDirectory } from '../hooks/hook-directory.ts';
import { hooksMax } from '../hooks/limits.ts';
import { createReceive } from '../hooks/receive.ts';
import { hookRoutes, hookTestRoutes } from '../hooks/routes.ts';
import { createFindSenderKey } from '../hooks/sender-keys.ts';
import type { HubServer } from '../http/server.ts';
import { warn, type Hub } from './platform.ts';
import type { Signals } from './wire-signals.ts';
import type { Tokens } from './wire-tokens.ts';

/** How often it is written what became of requests. */
const writeDownMs = 5_000;

type HooksNeeds = { readonly signals: Signals; readonly tokens: Pick<Tokens, 'refusals'> };

/** The doors for stock senders. */
export async function wireHooks(server: HubServer, hub: Hub, { signals, tokens }: HooksNeeds): Promise<void> {
  const { database, announcer, clock, log, metrics, closers, deriveKey, publicUrl } = hub;
  const { nowMs } = clock;
  const store = createHookStore({
    database,
    announcer,
    sealer: createSealer(deriveKey('hook-secrets')),
    onSealed: (hook, err) => log.error({ err, hook }, 'the secrets of a hook do not open: it takes nothing'),
  });
  const onError = warn(log, 'hooks were not read again');
  const list = () => store.list({ limit: hooksMax });
  const rows = await followRows({ list, topics: ['tokens'], announcer, onError });
  closers.add('hooks', () => rows.close());
  const mapper = createMapper();
  closers.add('mappings', () => mapper.close());
  // A thread is there when the first body comes.
  if (rows.all().length > 0) void mapper.check('$');
  const activities = createHookActivities(store);
  const notWritten = warn(log, 'what became of requests at hooks was not written');
  const timer = setInterval(() => void activities.flush().catch(notWritten), writeDownMs);
  closers.add('activity of hooks', async () => {
    clearInterval(timer);
    await activities.flush();
  });
  const parts = { ...signals, mapper, activities, nowMs };
  const receive = createReceive({
    ...parts,
    findKey: createFindSenderKey({
      fetch: hub.fetch,
      clock,
      onTrouble: warn(log, 'the keys of a sender cannot be had'),
    }),
    onOutcome: metrics.hookAsked,
    onFailure(hook, code, text) {
      metrics.alerted('hook-failure');
      log.warn({ hook, code, text }, 'what a sender said came to nothing');
    },
  });
  await server.register(hookDoorRoutes, {
    directory: createHookDirectory(rows),
    receive,
    noteRefusal: tokens.refusals.note,
    onTurnedAway: metrics.hookAsked,
  });
  const management = {
    ...parts,
    store,
    hubUrl: publicUrl.get,
    catchUp: () => rows.refresh().catch(onError),
  };
  await server.register(hookRoutes, management);
  await server.register(hookTestRoutes, management);
}
