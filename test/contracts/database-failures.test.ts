import { DatabaseError } from 'pg';
import { describe, expect, it } from 'vitest';
import { storageProblem } from '../../src/adapters/postgres/database-failures.ts';

function stated(code: string): DatabaseError {
  return Object.assign(new DatabaseError('so says Postgres', 0, 'error'), { code });
}
const coded = (code: string) => Object.assign(new Error(''), { code });

describe('invariant 9: what the database says is a problem, or it is a bug', () => {
  it.each(['08006', '25006', '25P03', '40001', '40P01', '53100', '57P01', '58030'])(
    'SQLSTATE %s: unavailable',
    (state) => {
      expect(storageProblem(stated(state))).toMatchObject({ code: 'storage-unavailable' });
    },
  );

  it.each(['55P03', '57014'])('SQLSTATE %s: there, and too slow', (state) => {
    expect(storageProblem(new Error('Failed query', { cause: stated(state) }))).toMatchObject({
      code: 'storage-timeout',
    });
  });

  it.each(['23505', '22021', '42P01'])('SQLSTATE %s: a bug, or broken input', (state) => {
    expect(storageProblem(stated(state))).toBeUndefined();
  });

  it.each(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'ETIMEDOUT'])('%s: unavailable', (code) => {
    expect(storageProblem(coded(code))).toMatchObject({ code: 'storage-unavailable' });
  });

  it('a host whose addresses all fail, as Node 20 says it: unavailable', () => {
    const [first, second] = [coded('ECONNREFUSED'), coded('EHOSTUNREACH')];
    const withCode = Object.assign(new AggregateError([first, second]), { code: 'ECONNREFUSED' });
    for (const error of [withCode, new AggregateError([first, second])]) {
      expect(storageProblem(error)).toMatchObject({ code: 'storage-unavailable', cause: error });
    }
  });

  it.each([new Error('x is not a function'), coded('ERR_INVALID_ARG_TYPE'), 'text'])('%s: a bug', (error) => {
    expect(storageProblem(error)).toBeUndefined();
  });
});
