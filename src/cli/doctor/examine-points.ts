import { countText, spanText } from '../text.ts';
import type { Point } from '../wire.ts';
import type { FindingText } from './examine.ts';

/** Without a confirmed heartbeat for so long a point decides on old knowledge. */
const staleMsMax = 10_000;

/** Who is expected and not there, who is behind, and who enforces what the hub does not know. */
export function examinePoints(points: readonly Point[]): readonly FindingText[] {
  const active = points.filter(({ retired_at_ms: retired }) => retired === undefined);
  if (active.length === 0) {
    return [
      {
        state: 'wrong',
        text: 'no enforcement point: nobody enforces anything',
        remedy: 'caep-hub point add NAME --expect 1',
      },
    ];
  }
  return active.flatMap(examinePoint);
}

function examinePoint({ name, expect, instances }: Point): readonly FindingText[] {
  const connected = instances.filter(({ state }) => state === 'connected');
  const silent = instances.filter(({ state }) => state === 'silent');
  const counts = `${name}: ${connected.length} of ${countText(expect, 'expected instance')} connected`;
  const quiet = silent.length === 0 ? '' : `, silent: ${silent.map(({ instance }) => instance).join(', ')}`;
  const isWhole = connected.length >= expect && silent.length === 0;
  return [
    isWhole
      ? { state: 'fine', text: counts }
      : { state: 'wrong', text: counts + quiet, remedy: remedyFor(name, silent.length > 0) },
    ...connected.flatMap((instance) => examineInstance(name, instance)),
  ];
}

const remedyFor = (name: string, isSilent: boolean): string =>
  isSilent
    ? `Look at their network and logs; gone for good: caep-hub point retire ${name}.`
    : `Start them with the token of the point and the header Caep-Point: ${name}/INSTANCE.`;

function examineInstance(point: string, instance: Point['instances'][number]): readonly FindingText[] {
  const name = `${point}/${instance.instance}`;
  const findings: FindingText[] = [];
  if (instance.stale_ms > staleMsMax) {
    findings.push({
      state: 'wrong',
      text: `${name}: its knowledge is ${spanText(instance.stale_ms)} old`,
      remedy: 'Look at the way from it to /v1/feed: a proxy may hold the stream back.',
    });
  }
  if (instance.divergent === true) {
    findings.push({
      state: 'wrong',
      text: `${name}: what it enforces is not what the hub has`,
      remedy: 'It takes snapshots until it agrees; if it stays so, restart it.',
    });
  }
  const orphans = instance.orphans ?? [];
  if (orphans.length > 0) {
    findings.push({
      state: 'note',
      text: `${name}: enforces ${countText(orphans.length, 'denial')} of an older epoch that the hub no longer has`,
      remedy: 'Order them again, or let the point forget them when they are over.',
    });
  }
  return findings;
}
