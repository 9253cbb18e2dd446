/** Framing of the Postgres wire protocol, version 3: what the embedded database must know of it, and no more. */

/** The largest single message that a client may send, in bytes. */
const MESSAGE_BYTES_MAX = 64 * 1024 * 1024;
const STARTUP_BYTES_MAX = 10_000;

const CANCEL_REQUEST = 80_877_102;
const SSL_REQUEST = 80_877_103;
const GSS_REQUEST = 80_877_104;
const PROTOCOL_3 = 196_608;
const PARSE = 0x50;

export type StartupMessage = { readonly kind: 'startup' | 'encryption'; readonly rest: Buffer };
export type ClientMessage = { readonly type: string; readonly bytes: Buffer; readonly rest: Buffer };

/**
 * The first message of a connection, which has no type byte; nothing while it is incomplete.
 *
 * @throws when it is none that we speak: a cancellation, another protocol, an absurd length.
 */
export function takeStartup(inbound: Buffer): StartupMessage | undefined {
  if (inbound.length < 8) return undefined;
  const length = inbound.readUInt32BE(0);
  const request = inbound.readUInt32BE(4);
  if (length < 8 || length > STARTUP_BYTES_MAX) throw new Error(`startup of ${length} bytes`);
  if (request === CANCEL_REQUEST) throw new Error('cancellation is not supported');
  if (inbound.length < length) return undefined;
  const rest = inbound.subarray(length);
  if (request === SSL_REQUEST || request === GSS_REQUEST) return { kind: 'encryption', rest };
  if (request !== PROTOCOL_3) throw new Error(`protocol ${request}`);
  return { kind: 'startup', rest };
}

/** The next typed message; nothing while it is incomplete. */
export function takeMessage(inbound: Buffer): ClientMessage | undefined {
  if (inbound.length < 5) return undefined;
  const length = 1 + inbound.readUInt32BE(1);
  if (length < 5 || length > MESSAGE_BYTES_MAX) throw new Error(`message of ${length} bytes`);
  if (inbound.length < length) return undefined;
  const type = String.fromCharCode(inbound.readUInt8(0));
  return { type, bytes: inbound.subarray(0, length), rest: inbound.subarray(length) };
}

/** A unit that begins by preparing a statement under a name: the name, and what comes after that message. */
export function takeNamedParse(unit: Buffer): { readonly name: string; readonly rest: Buffer } | undefined {
  if (unit[0] !== PARSE) return undefined;
  const name = unit.toString('utf8', 5, unit.indexOf(0, 5));
  return name === '' ? undefined : { name, rest: unit.subarray(1 + unit.readUInt32BE(1)) };
}

/** What Postgres answers to a Parse. */
export const parseComplete: Buffer = Buffer.from([0x31, 0, 0, 0, 4]);

/** What must be known of an answer: the state it leaves the session in, and the notifications in it. */
export type AnswerFacts = {
  /** `I` idle, `T` in a transaction, `E` in a failed one; absent when the answer does not end a unit. */
  readonly status: string | undefined;
  readonly notifications: readonly Buffer[];
};

export function readAnswer(answer: Buffer): AnswerFacts {
  let status: string | undefined;
  const notifications: Buffer[] = [];
  for (let at = 0; at + 5 <= answer.length; ) {
    const type = String.fromCharCode(answer.readUInt8(at));
    const end = at + 1 + answer.readUInt32BE(at + 1);
    if (type === 'Z') status = String.fromCharCode(answer.readUInt8(at + 5));
    if (type === 'A') notifications.push(answer.subarray(at, end));
    at = end;
  }
  return { status, notifications };
}

/** The startup message of one client, as bytes. */
export function startupMessage(user: string, database: string): Buffer {
  const parameters = Buffer.from(`user\0${user}\0database\0${database}\0\0`);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(head.length + parameters.length, 0);
  head.writeUInt32BE(PROTOCOL_3, 4);
  return Buffer.concat([head, parameters]);
}

/** A simple query, as bytes. */
export function queryMessage(sql: string): Buffer {
  const text = Buffer.from(`${sql}\0`);
  const head = Buffer.alloc(5);
  head.write('Q', 0);
  head.writeUInt32BE(4 + text.length, 1);
  return Buffer.concat([head, text]);
}
