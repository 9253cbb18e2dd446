import type { SubjectQuery } from '../../core/resolution.ts';
import type { Confidence } from '../../core/signal.ts';
import type { JsonObject } from '../../core/vocabulary.ts';
import type { HandledSignal } from '../../core/handled-signal.ts';

/** What a statement is kept as, besides its body and what has columns of its own. */
export type StoredStatement = {
  readonly subject: JsonObject;
  readonly query: SubjectQuery;
  readonly data: JsonObject;
  readonly confidence?: Confidence;
  readonly reason?: string;
  readonly correlationId?: string;
};

/** What a signal was answered, without what its row says already. */
export type StoredAnswer = Pick<
  HandledSignal,
  'rule' | 'policyVersion' | 'text' | 'revocations' | 'lifted' | 'blast' | 'warnings'
>;
