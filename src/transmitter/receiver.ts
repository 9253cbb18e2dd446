import type { StreamId } from '../core/vocabulary.ts';
import type { Caller } from '../http/caller.ts';

/** Whose streams a caller manages: all tokens of one holder share them, so that a token can be replaced. */
export const receiverOf = (caller: Pick<Caller, 'actor'>): string => receiverOfToken(caller.actor);

export const receiverOfToken = (actor: string): string => `token:${actor}`;

/** `aud` of a stream and its SETs: of no other stream, and derived from who was authenticated. */
export const audienceOf = (receiver: string, id: StreamId): string => `${receiver}/${id}`;
