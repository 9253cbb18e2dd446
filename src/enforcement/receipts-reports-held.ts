import type { RefusalReport, SightingReport } from '../core/feed.ts';

/** Reports that wait to be sent. Equal ones add to a count; what does not fit the wire is cut or left out. */
export type HeldReports = {
  readonly addRefusal: (refusal: RefusalReport) => void;
  readonly addSighting: (sighting: SightingReport) => void;
  /** A batch: thefts first, then refusals, then sightings; `undefined` when none of them waits. */
  readonly take: (which: 'thefts' | 'all') => ReportBatch | undefined;
  readonly size: number;
  /** How many found no room since this was asked last. */
  readonly takeLeftOut: () => number;
};

export type ReportBatch = {
  readonly refusals: readonly RefusalReport[];
  readonly sightings: readonly SightingReport[];
};

/** Different ones between two batches, of thefts, of other refusals and of sightings: none of them crowds out the others. */
const heldMax = 1_000;
/** The hub takes bodies of 64 KiB and lists of 200. */
const batchBytesMax = 60_000;
const batchItemsMax = 100;
/** UTF-16 code units that the hub takes of a claim and of an address. */
const claimUnitsMax = 2_048;
const addressUnitsMax = 64;
const countMax = 1e9;

export function createHeldReports(): HeldReports {
  const thefts = new Map<string, RefusalReport>();
  const refusals = new Map<string, RefusalReport>();
  const sightings = new Map<string, SightingReport>();
  let leftOut = 0;
  const size = (): number => thefts.size + refusals.size + sightings.size;
  const count = (isHeld: boolean): void => void (leftOut += isHeld ? 0 : 1);
  return {
    addRefusal: (refusal) => count(addRefusal(refusal.theft ? thefts : refusals, refusal)),
    addSighting: (sighting) => count(addSighting(sightings, sighting)),
    takeLeftOut() {
      const before = leftOut;
      leftOut = 0;
      return before;
    },
    take(which) {
      if ((which === 'all' ? size() : thefts.size) === 0) return undefined;
      const room: Room = { bytes: batchBytesMax, items: batchItemsMax };
      const urgent = takeSome(thefts, room);
      if (which === 'thefts') return { refusals: urgent, sightings: [] };
      return {
        refusals: [...urgent, ...takeSome(refusals, room)],
        sightings: takeSome(sightings, { ...room, items: batchItemsMax }),
      };
    },
    get size() {
      return size();
    },
  };
}

/** Two halves; none of what cannot be halved. */
export function splitBatch({ refusals, sightings }: ReportBatch): readonly ReportBatch[] {
  const count = refusals.length + sightings.length;
  if (count < 2) return [];
  const half = Math.ceil(count / 2);
  const rest = Math.max(0, half - refusals.length);
  return [
    { refusals: refusals.slice(0, half), sightings: sightings.slice(0, rest) },
    { refusals: refusals.slice(half), sightings: sightings.slice(rest) },
  ];
}

type Room = { bytes: number; items: number };

/** As many as there is room for; the very first always, for no item is as large as a batch. */
function takeSome<Item>(held: Map<string, Item>, room: Room): readonly Item[] {
  const taken: Item[] = [];
  for (const [key, item] of held) {
    const bytes = Buffer.byteLength(JSON.stringify(item)) + 1;
    if (room.items === 0 || (bytes > room.bytes && room.bytes < batchBytesMax)) break;
    room.bytes -= bytes;
    room.items -= 1;
    held.delete(key);
    taken.push(item);
  }
  return taken;
}

/**
 * Whether there was room. Whoever is refused chooses the address, as far as proxies pass it on: by many addresses nobody
 * crowds out the rest.
 */
function addRefusal(held: Map<string, RefusalReport>, refusal: RefusalReport): boolean {
  const { at_ms: at, decision_id: decision, count, address, ...same } = fitting(refusal);
  const key = JSON.stringify(same);
  const before = held.get(key);
  if (before === undefined && held.size >= heldMax) return false;
  if (before) {
    held.set(key, { ...before, at_ms: Math.min(before.at_ms, at), count: sum(before.count, count) });
  } else {
    const from = address === undefined ? {} : { address: address.slice(0, addressUnitsMax) };
    held.set(key, { ...same, at_ms: at, decision_id: decision, count, ...from });
  }
  return true;
}

function addSighting(held: Map<string, SightingReport>, sighting: SightingReport): boolean {
  const { first_at_ms: first, last_at_ms: last, count, act, ...named } = fitting(sighting);
  const actors = act?.filter(({ iss }) => fits(iss)).map(actorOf);
  const same = { ...named, ...(actors && { act: actors }) };
  const key = JSON.stringify(same);
  const before = held.get(key);
  if (before === undefined && held.size >= heldMax) return false;
  if (before) {
    held.set(key, {
      ...before,
      first_at_ms: Math.min(before.first_at_ms, first),
      last_at_ms: Math.max(before.last_at_ms, last),
      count: sum(before.count, count),
    });
  } else {
    held.set(key, { ...same, first_at_ms: first, last_at_ms: last, count });
  }
  return true;
}

type Actor = NonNullable<SightingReport['act']>[number];

/** Only what the wire has: a hop of a token may have a workload beside. */
const actorOf = ({ iss, sub, client_id: clientId }: Actor): Actor =>
  fitting({ iss, ...(sub !== undefined && { sub }), ...(clientId !== undefined && { client_id: clientId }) });

const sum = (some: number, more: number): number => Math.min(countMax, some + more);

/** Without the claims that the hub would not take: cut short they would name somebody else. */
function fitting<Party extends Partial<Record<(typeof droppable)[number], string>>>(party: Party): Party {
  const unfit = droppable.filter((name) => !fits(party[name] ?? ''));
  if (unfit.length === 0) return party;
  const kept = Object.entries(party).filter(([name]) => !unfit.some((other) => other === name));
  return Object.fromEntries(kept) as Party;
}

const droppable = ['sub', 'client_id', 'jti'] as const;

const fits = (claim: string): boolean => claim.length <= claimUnitsMax && !unstorable.test(claim);

/** U+0000 and half a surrogate pair: the hub refuses bodies that hold them. */
const unstorable = /[\0\p{Surrogate}]/u;
