/**
 * Which slot holds an id: an open-addressing table of numbers, 8 to 16 bytes an entry. The ids themselves stay where
 * they are; `idAt` reads one back to tell equal hashes apart.
 */
export type IdIndex = {
  readonly heldBytes: number;
  find(id: string): number | undefined;
  /** The id must not be there. Remembers nothing but the slot. */
  add(id: string, slot: number): void;
  /** The slot of an id that is there changes. */
  move(id: string, slot: number): void;
  remove(id: string): void;
  /** Every slot gets the number that stands in its place. */
  renumber(numbers: Int32Array): void;
};

const free = -1;
const removed = -2;
const placesFirst = 1024;

export function createIdIndex(idAt: (slot: number) => string): IdIndex {
  let slots = new Int32Array(placesFirst).fill(free);
  let hashes = new Uint32Array(placesFirst);
  /** Places that are not free: taken or removed. */
  let used = 0;
  let taken = 0;

  /** The place of the id, or nothing. */
  function placeOf(id: string): number | undefined {
    const hash = hashOf(id);
    const mask = slots.length - 1;
    for (let place = hash & mask; ; place = (place + 1) & mask) {
      const slot = slots[place] ?? free;
      if (slot === free) return undefined;
      if (slot !== removed && hashes[place] === hash && idAt(slot) === id) return place;
    }
  }

  function put(hash: number, slot: number): void {
    const mask = slots.length - 1;
    let place = hash & mask;
    while (slots[place] !== free) place = (place + 1) & mask;
    slots[place] = slot;
    hashes[place] = hash;
    used++;
  }

  /** Leaves out what was removed, and at least half of the places free. */
  function rebuild(): void {
    const [oldSlots, oldHashes] = [slots, hashes];
    let places = placesFirst;
    while (places < taken * 4) places *= 2;
    slots = new Int32Array(places).fill(free);
    hashes = new Uint32Array(places);
    used = 0;
    for (let place = 0; place < oldSlots.length; place++) {
      const slot = oldSlots[place] ?? free;
      if (slot >= 0) put(oldHashes[place] ?? 0, slot);
    }
  }

  return {
    get heldBytes() {
      return slots.byteLength + hashes.byteLength;
    },
    find(id) {
      const place = placeOf(id);
      return place === undefined ? undefined : slots[place];
    },
    add(id, slot) {
      if ((used + 1) * 2 > slots.length) rebuild();
      put(hashOf(id), slot);
      taken++;
    },
    move(id, slot) {
      const place = placeOf(id);
      if (place !== undefined) slots[place] = slot;
    },
    remove(id) {
      const place = placeOf(id);
      if (place === undefined) return;
      slots[place] = removed;
      taken--;
    },
    renumber(numbers) {
      for (let place = 0; place < slots.length; place++) {
        const slot = slots[place] ?? free;
        if (slot >= 0) slots[place] = numbers[slot] ?? free;
      }
    },
  };
}

/** FNV-1a over the characters. The ids are made by the hub: nobody can choose them to collide. */
function hashOf(id: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < id.length; index++) hash = Math.imul(hash ^ id.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}
