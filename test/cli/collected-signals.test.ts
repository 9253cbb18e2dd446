import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Hub, startHub } from '../support/a-hub.ts';
import { keepCollecting } from '../support/collect-garbage.ts';
import { addPoint, type AnInstance, joinPoint } from './support/a-point.ts';
import { asCaller, runCli } from './support/run-cli.ts';

let hub: Hub;
let silent: AnInstance;
beforeAll(async () => {
  hub = await startHub();
  silent = await joinPoint(hub.url, await addPoint(hub, 'edge', 1), 'edge/one');
  silent.hush();
}, 120_000);
afterAll(async () => {
  await silent?.leave();
  await hub?.stop();
}, 60_000);

it('a kill stops waiting for a silent point in time, though memory is collected meanwhile', async () => {
  const stopCollecting = keepCollecting();
  const words = 'kill client_id=one iss=https://login.example --yes --wait 2s'.split(' ');
  const { exitCode } = await runCli(words, asCaller(hub)).finally(stopCollecting);
  expect(exitCode).toBe(3);
}, 60_000);
