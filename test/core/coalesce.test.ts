import { expect, it } from 'vitest';
import { coalesce } from '../../src/core/coalesce.ts';
import { type Deferred, deferred } from '../support/deferred.ts';

/** Runs that end when they are told to. */
function runsOnDemand() {
  const runs: Deferred<void>[] = [];
  const call = coalesce(() => {
    const run = deferred();
    runs.push(run);
    return run.promise;
  });
  return { runs, call };
}
const turn = () => new Promise(setImmediate);

it('never runs twice at a time, and calls during a run become one run after it', async () => {
  const { runs, call } = runsOnDemand();
  const calls = [call(), call(), call()];
  expect(runs).toHaveLength(1);
  runs[0]?.resolve();
  await turn();
  expect(runs).toHaveLength(2);
  runs[1]?.resolve();
  await Promise.all(calls);
  expect(runs).toHaveLength(2);
});

it('whoever calls during a run waits for the one after it', async () => {
  const { runs, call } = runsOnDemand();
  void call();
  let done = false;
  const second = call().then(() => {
    done = true;
    return undefined;
  });
  runs[0]?.resolve();
  await turn();
  expect(done).toBe(false);
  runs[1]?.resolve();
  await second;
});

it('a run that fails is told to whoever waits, and the next call runs again', async () => {
  const { runs, call } = runsOnDemand();
  const failed = call();
  runs[0]?.reject(new Error('gone'));
  await expect(failed).rejects.toThrow('gone');
  const next = call();
  runs[1]?.resolve();
  await next;
});
