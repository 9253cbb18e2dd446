import { type ClientId, clientId, type StreamId } from '../core/vocabulary.ts';
import type { Caller } from '../http/caller.ts';

/** Whose streams a caller manages: all tokens of one holder share them, so that a token can be replaced. */
export const receiverOf = ({ actor }: Pick<Caller, 'actor'>): string =>
  actor.startsWith(clientPrefix) ? actor : receiverOfToken(actor);

/** Clients of the authorization server; no holder of an API token is named so. */
const clientPrefix = 'client:';

/** The client whose streams they are; nothing for holders of API tokens. */
export const clientOf = (receiver: string): ClientId | undefined =>
  receiver.startsWith(clientPrefix) ? clientId(receiver.slice(clientPrefix.length)) : undefined;

export const receiverOfToken = (actor: string): string => `token:${actor}`;

/** `aud` of a stream and its SETs: of no other stream, and derived from who was authenticated. */
export const audienceOf = (receiver: string, id: StreamId): string => `${receiver}/${id}`;

export const receiverOfClient = (client: ClientId): string => clientPrefix + client;
