import { describe, expect, it } from 'vitest';
import { Problem } from '../../../src/core/problem.ts';
import type { Statement } from '../../../src/core/signal.ts';
import type { Caller } from '../../../src/http/caller.ts';
import { splitLines } from '../../../src/http/ndjson.ts';
import { type Batch, batchLimits, type BatchOptions, sayBatch } from '../../../src/intake/batch.ts';
import { createPlaces } from '../../../src/intake/batch-places.ts';
import { tokenId } from '../../../src/core/vocabulary.ts';
import { createMakeStatement } from '../../../src/pipeline/make-statement.ts';
import { aSource } from '../../core/builders.ts';

const makeStatement = createMakeStatement({
  nowMs: Date.now,
  newId: () => 'txn_1',
  onlyIssuer: () => undefined,
});
const gone = new Error('the connection to the database broke');
const caller: Caller = {
  tokenId: tokenId('tok_1'),
  actor: 'splunk',
  scopes: new Set(['signals.write']),
  source: aSource(),
};
const signal = '{"event":"session-revoked","subject":{"iss":"https://idp.example","sub":"mara"}}';

const say = async (more: Partial<BatchOptions>, text: string, batch: Partial<Batch> = {}) => {
  const answers = sayBatch(
    {
      handle: () => Promise.reject(gone),
      makeStatement,
      explainError: (thrown) =>
        thrown === gone ? new Problem('storage-unavailable', 'The database is gone.') : undefined,
      noteRefusal: () => undefined,
      ...more,
    },
    {
      caller,
      lines: splitLines(Buffer.from(text), batchLimits.lines),
      correlationId: 'req-1',
      dryRun: false,
      onTrouble: () => undefined,
      ...batch,
    },
  );
  return (await Promise.all(answers)).map((line) => JSON.parse(line) as Record<string, unknown>);
};

describe('what fails beneath a batch is told per line', () => {
  it('storage that is gone: 503 and when to come again, so that these lines can be sent again', async () => {
    const kinds: string[] = [];
    const lines = await say({}, `${signal}\n{}\n${signal}`, { onTrouble: ({ kind }) => kinds.push(kind) });
    expect(lines).toMatchObject([
      { line: 1, code: 'storage-unavailable', status: 503, retry_after: 1 },
      { line: 2, code: 'invalid-request', status: 400 },
      { line: 3, code: 'storage-unavailable', status: 503 },
    ]);
    expect(kinds).toEqual(['turned-away', 'turned-away']);
  });

  it('what the caller may not say is noted for the audit, as it is when it comes alone', async () => {
    const noted: unknown[] = [];
    const order = signal.replace('session-revoked', 'revocation-lifted');
    const lines = await say({ noteRefusal: (refusal) => noted.push(refusal) }, order);
    expect(lines).toMatchObject([{ line: 1, code: 'insufficient-scope', status: 403 }]);
    expect(noted).toEqual([{ who: 'splunk', reason: 'insufficient-scope' }]);
  });

  it('a bug says nothing of itself', async () => {
    const troubles: unknown[] = [];
    const handle = () => Promise.reject(new Error('secret detail'));
    const lines = await say({ handle }, signal, { onTrouble: (trouble) => troubles.push(trouble) });
    expect(lines).toEqual([expect.objectContaining({ line: 1, code: 'internal-error', status: 500 })]);
    expect(JSON.stringify(lines)).not.toContain('secret');
    expect(troubles).toMatchObject([{ kind: 'bug' }]);
  });

  it('hands every line to the pipeline before the first is answered', async () => {
    let waiting = 0;
    const most: number[] = [];
    const handle = async (): Promise<never> => {
      waiting += 1;
      await new Promise(setImmediate);
      most.push(waiting);
      waiting -= 1;
      throw gone;
    };
    await say({ handle }, `${signal}\n`.repeat(50));
    expect(Math.max(...most)).toBe(50);
    most.length = 0;
    await say({ handle }, `${signal}\n`.repeat(50), { dryRun: true });
    expect(Math.max(...most)).toBe(batchLimits.dryRunsAtOnce);
    expect(most).toHaveLength(50);
  });
});

describe('a large batch', () => {
  it('is read in turns, so that others are served between, and in the order of its lines', async () => {
    const perTurn: string[][] = [];
    const handle = (statement: Statement): Promise<never> => {
      if (perTurn.length === 0 || isOver) perTurn.push([]);
      isOver = false;
      perTurn.at(-1)?.push(statement.externalId ?? '');
      return Promise.reject(gone);
    };
    let isOver = false;
    let isDone = false;
    const watch = (): void => {
      isOver = true;
      if (!isDone) setImmediate(watch);
    };
    const count = batchLimits.linesPerTurn * 2 + 50;
    const lines = Array.from({ length: count }, (_, index) => signal.replace('{', `{"id":"${index}",`));
    setImmediate(watch);
    await say({ handle }, lines.join('\n'));
    isDone = true;
    expect(perTurn.map((turn) => turn.length)).toEqual([100, 100, 50]);
    expect(perTurn.flat()).toEqual(lines.map((_, index) => String(index)));
  });
});

describe('places for batches', () => {
  const never = new Promise<void>(() => undefined);

  it('are limited, of one source and of all, and free again when everything about a batch has ended', async () => {
    const take = createPlaces({ all: 3, ofSource: 2 });
    let end = (): void => undefined;
    const ended = new Promise<void>((resolve) => void (end = resolve));
    const place = take('splunk', ended);
    take('splunk', never);
    expect(() => take('splunk', never)).toThrow(expect.objectContaining({ code: 'rate-limited' }));
    take('sentinel', never);
    expect(() => take('datadog', never)).toThrow(expect.objectContaining({ code: 'rate-limited' }));

    let settle = (): void => undefined;
    place.until(new Promise<void>((resolve) => void (settle = resolve)));
    end();
    await ended;
    expect(() => take('datadog', never)).toThrow(expect.objectContaining({ code: 'rate-limited' }));
    settle();
    await new Promise(setImmediate);
    expect(() => take('datadog', never)).not.toThrow();
  });
});
