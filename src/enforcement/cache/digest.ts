import { hash } from 'node:crypto';

/** Four unsigned 32-bit lanes, as the head of the feed has them. */
export type DigestLanes = Uint32Array;

export const createDigest = (): DigestLanes => new Uint32Array(4);

/** Adds SHA-256(id ‖ position) lane by lane, or takes it away; lanes wrap. */
export function stepDigest(lanes: DigestLanes, id: string, position: string, sign: 1 | -1): void {
  const bytes = hash('sha256', id + position, 'binary');
  for (let lane = 0; lane < 4; lane += 1) {
    const word =
      (bytes.charCodeAt(lane * 4) << 24) |
      (bytes.charCodeAt(lane * 4 + 1) << 16) |
      (bytes.charCodeAt(lane * 4 + 2) << 8) |
      bytes.charCodeAt(lane * 4 + 3);
    lanes[lane] = (lanes[lane] ?? 0) + sign * word;
  }
}
