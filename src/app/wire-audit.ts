import { createAuditChainStore, createAuditStore } from '../adapters/postgres/audit-store.ts';
import { startChainer } from '../audit/chainer.ts';
import { warn, type Hub } from './platform.ts';

/** The audit, and the one who chains it. */
export function wireAudit({ database, clock, log, metrics, closers }: Hub) {
  const chain = createAuditChainStore({ database });
  const chainer = startChainer({ store: chain, onError: warn(log, 'the audit was not chained') });
  closers.add('audit chainer', () => chainer.close());
  metrics.gauge('caep_hub_audit_unchained_rows', async () => [{ value: (await chain.unchained()).count }]);
  metrics.gauge('caep_hub_audit_lag_seconds', async () => {
    const { oldestAtMs = clock.nowMs() } = await chain.unchained();
    return [{ value: Math.max(0, clock.nowMs() - oldestAtMs) / 1_000 }];
  });
  return { store: createAuditStore({ database }), chain };
}
