import type { CommittedSignal, DecidedSignal } from './store.ts';
import type { HandledSignal } from '../core/handled-signal.ts';

/** What is answered for a signal, at first and ever after. */
export const handledSignal = (
  { signalId, statement, decision }: DecidedSignal,
  { revocations, lifted, lastSeq }: CommittedSignal,
): HandledSignal => ({
  signalId,
  duplicate: false,
  outcome: decision.outcome,
  rule: decision.rule,
  policyVersion: decision.policyVersion,
  text: decision.text,
  revocations,
  lifted,
  agents: decision.agents,
  blast: decision.blast,
  warnings: decision.warnings,
  txn: statement.txn,
  receivedAtMs: statement.receivedAtMs,
  ...(lastSeq === undefined ? {} : { lastSeq }),
});
