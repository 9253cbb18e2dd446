import { isUtf8 } from 'node:buffer';
import type { Json, JsonObject } from '../core/vocabulary.ts';

/** A JWS in compact form, taken apart and not yet believed. */
export type CompactJws = {
  readonly header: JsonObject;
  readonly payload: JsonObject;
  /** `header.payload`, as it was signed. */
  readonly signed: string;
  readonly signature: Uint8Array;
};

/** Deeper JSON is refused before anything walks it. */
const jsonDepthMax = 16;

const compactShape = /^([\w-]+)\.([\w-]+)\.([\w-]+)$/;

/**
 * `undefined` for anything but three base64url parts of which the first two are JSON objects. Five parts (JWE) and an
 * empty signature (`alg: none`) are not taken apart. Callers bound the length.
 *
 * @see RFC 7515 §7.1
 */
export function parseCompactJws(text: string): CompactJws | undefined {
  const parts = compactShape.exec(text);
  if (!parts?.[1] || !parts[2] || !parts[3]) return undefined;
  const header = parseJsonPart(parts[1]);
  const payload = parseJsonPart(parts[2]);
  if (!header || !payload) return undefined;
  return {
    header,
    payload,
    signed: text.slice(0, parts[1].length + 1 + parts[2].length),
    signature: Buffer.from(parts[3], 'base64url'),
  };
}

/** One part of a compact JWS as a JSON object. */
export function parseJsonPart(part: string): JsonObject | undefined {
  const bytes = Buffer.from(part, 'base64url');
  if (!isUtf8(bytes)) return undefined;
  try {
    const value = JSON.parse(bytes.toString()) as Json;
    return isJsonObject(value) && isShallow(value, jsonDepthMax) ? value : undefined;
  } catch {
    return undefined;
  }
}

export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Its own member, so that a claim called `constructor` is never an inherited one. */
export const ownMember = (object: JsonObject, member: string): Json | undefined =>
  Object.hasOwn(object, member) ? object[member] : undefined;

/** Whether nothing in it lies deeper than so many levels. Everything recursive, `JSON.stringify` too, overflows on what is not. */
export function isShallow(value: Json, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (levels === 0) return false;
  // Without a list of what is in it: this is asked of each line of a snapshot.
  const members = value as JsonObject;
  for (const name in members) {
    const inner = members[name];
    if (typeof inner === 'object' && inner !== null && !isShallow(inner, levels - 1)) return false;
  }
  return true;
}
