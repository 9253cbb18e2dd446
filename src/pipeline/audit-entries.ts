import type { JsonObject, Millis } from '../core/vocabulary.ts';
import type { AuditEntry } from './ports.ts';
import type { CommittedSignal, DecidedSignal } from './store.ts';

/** What the audit says of a signal and its effects, in the order in which they came about. */
export function auditEntries(
  decided: DecidedSignal,
  committed: CommittedSignal,
  atMs: Millis,
): readonly AuditEntry[] {
  const { signalId, statement, decision, released } = decided;
  const row = (action: string, target: string, detail: JsonObject): AuditEntry => ({
    atMs,
    actor: released?.by ?? statement.actor,
    action,
    target,
    outcome: 'done',
    txn: statement.txn,
    ...(statement.correlationId === undefined ? {} : { correlationId: statement.correlationId }),
    detail,
  });
  const taken = released ? 'signal.released' : 'signal.accepted';
  const action = decision.outcome === 'held' ? 'signal.held' : taken;
  return [
    row(action, signalId, {
      source: statement.source.id,
      event: statement.eventType,
      subject: statement.query.key,
      outcome: decision.outcome,
      rule: decision.rule,
      policy_version: decision.policyVersion,
    }),
    ...committed.links
      .filter(({ isLinked, owned }) => isLinked || owned.length > 0)
      .map(({ change, isLinked, owned, withheld }) => {
        const detail = { signal_id: signalId, linked: isLinked, owner_of: owned };
        return change.kind === 'renamed'
          ? row('identity-link.renamed', change.from, { ...detail, to: change.to, withheld })
          : row('identity-link.forgotten', change.identifier, detail);
      }),
    ...committed.lifted.map(({ id, position }) =>
      row('revocation.lifted', id, { signal_id: signalId, position: position ?? null }),
    ),
    ...committed.revocations.map(({ id, position, match, effect, merged }) =>
      row(merged ? 'revocation.moved' : 'revocation.put', id, {
        signal_id: signalId,
        position: position ?? null,
        effect,
        match,
      }),
    ),
  ];
}
