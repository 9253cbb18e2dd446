/**
 * The words of this codebase, one for each thing, and the only casts in it.
 *
 * - **signal**: our normalised statement that something happened to a subject. It comes in through a door, from a *source*.
 * - **event**: the payload under one event type, as the sender said it (SSF 1.0 §4.2).
 * - **subject**: whom or what an event is about (RFC 9493, SSF 1.0 §3).
 * - **agent**: a non-human identity under governance; it has *identities* (keys that its tokens carry), owners and parents.
 * - **decision**: what policy makes of a signal; its **effect** is one of `deny restrict step_up require_nonce observe`.
 * - **revocation**: an entry that says which credentials are refused, and how. `cutOff`, `lapsesAt` are whole seconds.
 * - **feed**: the ordered log of revocations; **position**: epoch and sequence in it; **snapshot**: all live entries at one position.
 * - **point**: an enforcement point (NIST SP 800-207 PEP), one or more *instances* of it subscribe to the feed.
 * - **receipt**: proof that an instance applied the feed up to a position. **report**: what an instance refused or saw.
 * - **sighting**: a point saw this key or client.
 * - **open request**: one that a revocation can cut in the middle of its response.
 * - **stream**: what one downstream Receiver subscribed to (SSF 1.0 §8); its events leave as **SETs** (RFC 8417).
 * - **delivery**: one SET for one stream, until the Receiver has it; **attempt**: one try to hand it over.
 * - **upstream**: a Transmitter that the hub listens to; it speaks for the source of its name.
 * - **receiver**: whose streams they are; also the role that we play towards an upstream Transmitter.
 * - **standing kill**: a kill that still binds identities learnt later.
 * - **client**: a program that calls with access tokens of the built-in authorization server (RFC 6749 §2).
 * - **held**: a signal that waits for a person.
 * - **stop**: an `AbortSignal` parameter; a signal is never one.
 */
declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

export type SignalId = Branded<string, 'SignalId'>;
export type RevocationId = Branded<string, 'RevocationId'>;
export type StandingKillId = Branded<string, 'StandingKillId'>;
export type TokenId = Branded<string, 'TokenId'>;
/** `client_id` of a client of the built-in authorization server. */
export type ClientId = Branded<string, 'ClientId'>;
export type SourceId = Branded<string, 'SourceId'>;
export type AgentName = Branded<string, 'AgentName'>;
export type PointName = Branded<string, 'PointName'>;
export type StreamId = Branded<string, 'StreamId'>;
/** Part of the URL that an upstream pushes to: nobody guesses it. */
export type UpstreamId = Branded<string, 'UpstreamId'>;
/** `jti` of a SET of ours; names its delivery, too. */
export type SetId = Branded<string, 'SetId'>;
/** A simple subject in one canonical line, for equality and look-up: `email:alice@example.com`. */
export type Identifier = Branded<string, 'Identifier'>;
/** A whole subject (simple or complex) in one canonical line. */
export type SubjectKey = Branded<string, 'SubjectKey'>;

/** Seconds since the Unix epoch, as `iat` and `event_timestamp` count them. May be fractional only where said. */
export type Seconds = number;
/** Milliseconds since the Unix epoch. */
export type Millis = number;

export const signalId = (text: string) => text as SignalId;
export const revocationId = (text: string) => text as RevocationId;
export const standingKillId = (text: string) => text as StandingKillId;
export const clientId = (text: string) => text as ClientId;
export const tokenId = (text: string) => text as TokenId;
export const sourceId = (text: string) => text as SourceId;
export const agentName = (text: string) => text as AgentName;
export const pointName = (text: string) => text as PointName;
export const streamId = (text: string) => text as StreamId;
export const upstreamId = (text: string) => text as UpstreamId;
export const setId = (text: string) => text as SetId;
export const identifier = (text: string) => text as Identifier;
export const subjectKey = (text: string) => text as SubjectKey;

/** A name that people give to agents, points, sources: it appears in URLs, headers and logs. At most 64 characters. */
export const nameShape = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** JSON as it was parsed. Attacker-shaped: read it by own properties only. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [member: string]: Json };
export type JsonObject = { readonly [member: string]: Json };
