import { CliProblem, isCliProblem } from '../cli-problem.ts';
import { exitCodes } from '../exit-codes.ts';
import type { Hub } from '../hub.ts';
import { countText, millisText, spanText } from '../text.ts';
import type { AuditProof, Held, Issuer, Point, Ready, Revocation, Signal } from '../wire.ts';
import { examinePoints } from './examine-points.ts';

/** `note`: nothing is wrong, and yet somebody should know. */
export type Finding = {
  readonly check: string;
  readonly state: 'fine' | 'note' | 'wrong';
  readonly text: string;
  /** What to do. */
  readonly remedy?: string;
};
export type FindingText = Omit<Finding, 'check'>;

/** The clocks may differ by so much, besides the second to which the hub tells its own. */
const clockDifferenceMsMax = 5_000;
/** Entries that are counted; more are "at least". */
const countedMax = 1_000;
/** A chain of millions of rows takes its time. */
const verifyMs = 300_000;

type Check = (hub: Hub, nowMs: () => number) => Promise<FindingText | readonly FindingText[]>;

const checks: readonly (readonly [name: string, check: Check])[] = [
  ['reach', examineReach],
  ['ready', examineReadiness],
  ['clock', examineClock],
  ['token', examineToken],
  ['issuers', examineIssuers],
  ['points', examinePointList],
  ['held', examineHeld],
  ['audit', examineAudit],
  ['entries', examineEntries],
];

/**
 * Every check in order. What the token may not read is a note.
 *
 * @throws CliProblem when the hub does not answer at all.
 */
export async function examine(hub: Hub, nowMs: () => number): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const [check, run] of checks) {
    const found = await run(hub, nowMs).catch((error: unknown) => findingOf(check, error));
    findings.push(...[found].flat().map((finding) => ({ check, ...finding })));
  }
  return findings;
}

function findingOf(check: string, error: unknown): FindingText {
  if (!isCliProblem(error) || check === 'reach') throw error;
  if (error.code === 'insufficient-scope') {
    return {
      state: 'note',
      text: `not checked: ${error.message}`,
      ...(error.hint !== undefined && { remedy: error.hint }),
    };
  }
  return { state: 'wrong', text: error.message, ...(error.hint !== undefined && { remedy: error.hint }) };
}

async function examineReach(hub: Hub): Promise<FindingText> {
  const { url, urlFrom } = hub.connection;
  const { status, body } = await hub.probe('/healthz');
  const version = (body as { readonly version?: unknown } | undefined)?.version;
  if (status === 200 && typeof version === 'string') {
    return { state: 'fine', text: `caep-hub ${version} at ${url} (from ${urlFrom})` };
  }
  throw new CliProblem(
    exitCodes.unreachable,
    'not-a-hub',
    `What answers at ${url} (from ${urlFrom}) is not a hub.`,
    {
      hint: 'Name the hub with --hub or CAEP_HUB_URL.',
    },
  );
}

async function examineReadiness(hub: Hub): Promise<readonly FindingText[]> {
  const { status, body } = await hub.probe('/readyz');
  if (!isReadiness(body)) {
    return [
      {
        state: 'wrong',
        text: `/readyz is answered with status ${status}, and not as a hub does it`,
        remedy: 'A proxy answers in its place: let it pass /readyz on, and see whether it reaches the hub.',
      },
    ];
  }
  const { ready, durability, epoch, reasons, notices } = body;
  const survives =
    durability === 'process'
      ? 'what was answered survives kill -9, not a crash of the machine (PostgreSQL does: set DATABASE_URL)'
      : 'what was answered survives whatever PostgreSQL promises';
  return [
    ready
      ? { state: 'fine', text: `serves requests${epoch === undefined ? '' : `; feed epoch ${epoch}`}` }
      : {
          state: 'wrong',
          text: reasons.join(' '),
          remedy: 'Look at the log of the hub and at its database.',
        },
    { state: durability === 'process' ? 'note' : 'fine', text: `durability ${durability}: ${survives}` },
    ...notices.map((text): FindingText => ({ state: 'note', text })),
  ];
}

/** A proxy in front of the hub may answer itself, in HTML or in JSON of its own. */
function isReadiness(body: unknown): body is Ready {
  if (typeof body !== 'object' || body === null) return false;
  const { ready, durability, reasons, notices }: Partial<Ready> = body;
  const areThere = typeof ready === 'boolean' && typeof durability === 'string';
  return areThere && Array.isArray(reasons) && Array.isArray(notices);
}

async function examineClock(hub: Hub, nowMs: () => number): Promise<FindingText> {
  const beforeMs = nowMs();
  const { date = '' } = await hub.probe('/healthz');
  const difference = Date.parse(date) + 500 - (beforeMs + nowMs()) / 2;
  if (Number.isNaN(difference)) return { state: 'note', text: 'the hub (or a proxy) does not tell its time' };
  const text = `differs from the clock of this machine by ${spanText(Math.abs(difference))}`;
  return Math.abs(difference) <= clockDifferenceMsMax
    ? { state: 'fine', text: `${text} (told to the second)` }
    : { state: 'wrong', text, remedy: 'Cut-offs follow the clock of the hub: set both by NTP.' };
}

async function examineToken(hub: Hub): Promise<FindingText> {
  const page = await hub.list<Signal>('/v1/signals', {}, 1);
  const [newest] = page.items;
  const last = newest === undefined ? 'no signal yet' : `last signal ${millisText(newest.received_at_ms)}`;
  return { state: 'fine', text: `accepted (from ${hub.connection.tokenFrom ?? 'nowhere'}); ${last}` };
}

async function examineIssuers(hub: Hub): Promise<FindingText> {
  const { items }: { readonly items: readonly Issuer[] } = await hub.call('GET', '/v1/issuers');
  if (items.length > 0) return { state: 'fine', text: items.map(({ url }) => url).join(', ') };
  return {
    state: 'wrong',
    text: 'no issuer is configured: points accept no tokens',
    remedy: 'caep-hub issuer add https://login.example --profile keycloak',
  };
}

async function examinePointList(hub: Hub): Promise<readonly FindingText[]> {
  const { items }: { readonly items: readonly Point[] } = await hub.call('GET', '/v1/points');
  return examinePoints(items);
}

async function examineHeld(hub: Hub): Promise<FindingText> {
  const { items } = await hub.list<Held>('/v1/held', { state: 'waiting' }, countedMax);
  const [next] = items;
  if (next === undefined) return { state: 'fine', text: 'nothing waits for a person' };
  const deadline = `the first is ${next.at_deadline === 'release' ? 'released' : 'discarded'} at ${millisText(next.deadline_ms)}`;
  return {
    state: 'wrong',
    text: `${countText(items.length, 'signal')} waiting for a person; ${deadline}`,
    remedy: 'caep-hub held list, then caep-hub held release|discard SIGNAL',
  };
}

async function examineAudit(hub: Hub): Promise<FindingText> {
  const proof: AuditProof = await hub.call('GET', '/v1/audit/verify', { timeoutMs: verifyMs });
  if (proof.intact) {
    return {
      state: 'fine',
      text: `${countText(proof.rows, 'row')}, chain intact up to ${proof.head.chain_seq}`,
    };
  }
  return {
    state: 'wrong',
    text: `the chain is broken at ${proof.broken?.chain_seq ?? '?'}: ${proof.broken?.why ?? 'unknown'}`,
    remedy: 'Somebody changed the database by hand: keep a copy, and compare with a head noted earlier.',
  };
}

async function examineEntries(hub: Hub): Promise<FindingText> {
  const { items, next_cursor: more } = await hub.list<Revocation>(
    '/v1/revocations',
    { state: 'live' },
    countedMax,
  );
  const endless = items.filter(
    ({ lapses_at, lift_at_ms }) => lapses_at === undefined && lift_at_ms === undefined,
  );
  const atLeast = more === null ? '' : 'at least ';
  const text = `${atLeast}${items.length} live, ${atLeast}${endless.length} of them until lifted`;
  return endless.length === 0
    ? { state: 'fine', text }
    : {
        state: 'note',
        text,
        remedy: 'caep-hub revocation list shows them; what is over: caep-hub lift REVOCATION',
      };
}
