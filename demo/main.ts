/**
 * The whole story in one command: real HTTP, real keys, real processes, everything on this machine. Exits 0 only if
 * all that it claims was seen.
 */
import { writeEvidence } from './evidence.ts';
import { createProcesses } from './processes.ts';
import { createScreen, span } from './screen.ts';
import { pointIds, setStage, type Stage } from './stage.ts';
import { agentsAtWork, backToWork, hijacked, hubDies, oneEvent, thief } from './story.ts';

const evidenceFile = 'demo-evidence.json';
const stays = process.argv.includes('--stay');
const screen = createScreen(process.stdout, process.env['NO_COLOR'] !== undefined);

try {
  await tell();
} catch (error) {
  screen.line();
  screen.line(`  The demo could not go on: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}

async function tell(): Promise<void> {
  screen.line('caep-hub demo      real HTTP, real keys, real kill -9; nothing leaves this machine');
  const stage = await setStage(createProcesses());
  introduce(stage);
  const live = await agentsAtWork(stage, screen);
  await thief(stage, screen);
  const leftMs = await hijacked(stage, screen);
  const { deadMs, evidence } = await oneEvent(stage, screen, live);
  await hubDies(stage, screen);
  await backToWork(stage, screen);
  await writeEvidence(evidenceFile, stage.hub, evidence);

  const { seenCount, claimCount, missing } = screen;
  screen.line();
  screen.line(
    `  DEAD IN ${span(deadMs)}.  Without the hub: ${span(leftMs)}.`.padEnd(58) +
      `${seenCount} of ${claimCount} seen`,
  );
  if (missing !== undefined) screen.line(`  NOT SEEN: ${missing}`);
  screen.line(`  Evidence: ${evidenceFile}      Play: npm run demo -- --stay`);
  process.exitCode = missing === undefined ? 0 : 1;
  if (stays) stay(stage);
  else process.exit();
}

function introduce(stage: Stage): void {
  const host = (origin: string) => new URL(origin).host;
  screen.line(
    `  hub    ${host(stage.hub.origin)}  embedded, ${span(stage.hubStartMs)}      login  ${host(stage.login.origin)}  DPoP-bound tokens, 15 min`,
  );
  screen.line(`  points ${pointIds.join(' · ')}    (edge/1: we unplug it in step 4)`);
}

function stay(stage: Stage): void {
  screen.line();
  screen.line('  Everything still runs. In another terminal:');
  screen.line(
    `    export CAEP_HUB_URL=${stage.hub.origin} CAEP_HUB_TOKEN=$(cat ${stage.dataDir}/admin-token)`,
  );
  screen.line('    npx caep-hub watch');
  screen.line('    npx caep-hub kill agent=night-auditor --reason "to see it die"');
  screen.line(`  API: ${stage.hub.origin}/docs      End: Ctrl-C`);
}
