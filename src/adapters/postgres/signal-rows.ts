import { signalId } from '../../core/vocabulary.ts';
import type { Statement } from '../../core/signal.ts';
import type { Source } from '../../core/source.ts';
import type { HandledSignal } from '../../core/handled-signal.ts';
import type { signals } from './schema.ts';
import type { StoredAnswer, StoredStatement } from './stored-signal.ts';

export const storedStatement = (statement: Statement): StoredStatement => ({
  subject: statement.subject,
  query: statement.query,
  data: statement.data,
  ...(statement.confidence === undefined ? {} : { confidence: statement.confidence }),
  ...(statement.reason === undefined ? {} : { reason: statement.reason }),
  ...(statement.correlationId === undefined ? {} : { correlationId: statement.correlationId }),
});

type SignalRow = typeof signals.$inferSelect;

/** The statement as it was, spoken by its source as that is limited now. */
export const statementOf = (row: SignalRow, source: Source): Statement => ({
  ...row.statement,
  source,
  actor: row.actor,
  ...(row.externalId === null ? {} : { externalId: row.externalId }),
  body: row.body,
  bodySha256: row.bodySha256,
  eventType: row.eventType,
  eventTime: row.eventTime,
  txn: row.txn,
  receivedAtMs: row.receivedAtMs,
});

type AnsweredRow = Pick<
  SignalRow,
  'id' | 'outcome' | 'agents' | 'txn' | 'receivedAtMs' | 'lastSeq' | 'answer'
>;

export const answerOf = (row: AnsweredRow, duplicate: boolean): HandledSignal => ({
  ...row.answer,
  signalId: signalId(row.id),
  duplicate,
  outcome: row.outcome,
  agents: row.agents,
  txn: row.txn,
  receivedAtMs: row.receivedAtMs,
  ...(row.lastSeq === null ? {} : { lastSeq: row.lastSeq }),
});

export const storedAnswer = ({
  rule,
  policyVersion,
  text,
  revocations,
  lifted,
  blast,
  warnings,
}: HandledSignal): StoredAnswer => ({ rule, policyVersion, text, revocations, lifted, blast, warnings });
