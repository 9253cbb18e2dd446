import { createAudiences, followAudiences } from '../adapters/postgres/audiences.ts';
import { createHeldStore } from '../adapters/postgres/held-store.ts';
import { storageProblem } from '../adapters/postgres/database-failures.ts';
import { measureSignalStore } from '../adapters/postgres/measured-signal-store.ts';
import { createRevocationReader } from '../adapters/postgres/revocation-reader.ts';
import { createSignalReader } from '../adapters/postgres/signal-reader.ts';
import { createSignalStore } from '../adapters/postgres/signal-store.ts';
import { newId } from '../adapters/system/ids.ts';
import { globalTokenRevocationPath } from '../authorization/metadata.ts';
import { formatPosition } from '../core/feed.ts';
import { check } from '../core/match.ts';
import type { Refusal } from '../http/authenticate.ts';
import type { HubServer } from '../http/server.ts';
import type { EnforcementView } from '../http/signal-answer.ts';
import { postSignalRoute } from '../intake/post-routes.ts';
import { heldDecisionRoutes, heldRoutes, signalReadRoutes } from '../intake/routes.ts';
import type { IssuerDirectory } from '../issuers/issuer-directory.ts';
import { createHandleSignal } from '../pipeline/handle-signal.ts';
import { createMakeStatement } from '../pipeline/make-statement.ts';
import type { HandleSignal, MakeStatement } from '../pipeline/ports.ts';
import type { PipelinePorts } from '../pipeline/store.ts';
import { warmUp } from '../pipeline/warm-up.ts';
import { enforcementOf } from '../points/enforcement-summary.ts';
import type { Points } from '../points/points.ts';
import type { CheckView } from '../revocations/ports.ts';
import { globalTokenRevocationRoute } from '../revocations/global-routes.ts';
import { checkRoute, orderRoutes, revocationReadRoutes } from '../revocations/routes.ts';
import { warn, type Hub } from './platform.ts';

/** How anything is put, lifted or recorded, whichever door it comes through. */
export type Signals = { readonly handle: HandleSignal; readonly makeStatement: MakeStatement };

type SignalsNeeds = {
  readonly issuers: IssuerDirectory;
  readonly points: Points;
  readonly noteRefusal: (refusal: Refusal) => void;
};

/** The pipeline and the doors of our own: signals, what is held of them, revocations, check. */
export async function wireSignals(server: HubServer, hub: Hub, needs: SignalsNeeds): Promise<Signals> {
  const { database, announcer, clock } = hub;
  const { nowMs } = clock;
  const handle = await createPipeline(hub, needs);
  const makeStatement = createMakeStatement({ nowMs, newId, onlyIssuer: needs.issuers.only });
  const enforcement = enforcementView(needs.points, nowMs);
  const signals = { handle, makeStatement, reader: createSignalReader({ database }), enforcement };
  const held = { held: createHeldStore({ database, announcer }), handle, nowMs };
  const reader = createRevocationReader({ database });
  const { noteRefusal } = needs;
  await server.register(postSignalRoute, { ...signals, noteRefusal, explainError: storageProblem });
  await server.register(signalReadRoutes, signals);
  await server.register(heldRoutes, held);
  await server.register(heldDecisionRoutes, held);
  await server.register(globalTokenRevocationRoute, { ...signals, path: globalTokenRevocationPath });
  await server.register(orderRoutes, { ...signals, reader });
  await server.register(revocationReadRoutes, { reader });
  await server.register(checkRoute, { view: checkView(needs.points, nowMs) });
  return { handle, makeStatement };
}

async function createPipeline(
  { database, announcer, clock, log, metrics, publicUrl, closers }: Hub,
  { issuers }: Pick<SignalsNeeds, 'issuers'>,
): Promise<HandleSignal> {
  const readAudiences = createAudiences();
  const read = () => readAudiences(database.db);
  const onError = warn(log, 'changes of streams were not read; the next signal reads them');
  // Whole lists are read once, and in no transaction that others wait for.
  await read().catch(onError);
  const following = followAudiences({ read, announcer, onError });
  closers.add('streams', following.close);
  const ports: PipelinePorts = {
    store: measureSignalStore(createSignalStore({ database, readAudiences }), {
      monotonicMs: clock.monotonicMs,
      onCommitted: metrics.groupCommitted,
    }),
    announcer,
    nowMs: clock.nowMs,
    newId,
    iss: publicUrl.get,
    issuers,
    onUndecided(signalId, error) {
      metrics.alerted('undecided');
      log.error({ err: error, kind: 'undecided', signalId }, 'a person must look at this');
    },
  };
  await warmUp(ports).catch(warn(log, 'the first signal will be slower than those after it'));
  const handle = createHandleSignal(ports);
  return async (statement, options) => {
    const handled = await handle(statement, options);
    if (!handled.duplicate && options?.dryRun !== true) metrics.signalHandled(handled.outcome);
    return handled;
  };
}

function enforcementView({ view, book }: Points, nowMs: () => number): EnforcementView {
  return {
    atCommit: () => {
      const signal = { committedAtMs: nowMs(), puts: [] };
      return enforcementOf(book.points(), book.instancesOf, signal, () => ({ applied: false }), nowMs())
        .summary;
    },
    now: async (signal) => (await view.state(signal)).summary,
    wait: view.wait,
  };
}

function checkView({ memory }: Points, nowMs: () => number): CheckView {
  return {
    // What cannot be read now is answered from what is known, as a point does.
    catchUp: () => memory.refresh().catch(() => undefined),
    check: (context) => check(memory.check(context), context, Math.floor(nowMs() / 1_000)),
    position: () => formatPosition({ epoch: memory.tail.epoch, seq: memory.tail.head }),
  };
}
