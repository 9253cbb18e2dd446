import type { JsonObject, Millis, Seconds, SourceId, UpstreamId } from '../core/vocabulary.ts';
import type { SetErrorCode } from '../core/received-set.ts';
import type { Source } from '../core/source.ts';

/** How the hub proves to a Transmitter who it is. */
export type UpstreamCredentials =
  /** Its management API and its poll endpoint take whoever comes. */
  | { readonly kind: 'none' }
  /** A token that the Transmitter's operator gave out, sent as `Authorization: Bearer`. */
  | { readonly kind: 'token'; readonly token: string }
  /** RFC 6749 §4.4, at an authorization server. */
  | ({
      readonly kind: 'client';
      /** Where tokens are got. Absent: from the metadata of `authorizationServer`, and that from the Transmitter's (RFC 9728). */
      readonly tokenEndpoint?: string;
      /** Issuer of the authorization server (RFC 8414). */
      readonly authorizationServer?: string;
      readonly clientId: string;
      readonly scope?: string;
      /** RFC 8707. */
      readonly resource?: string;
    } & ClientAuthentication);

export type ClientAuthentication =
  | { readonly method: 'client_secret_basic' | 'client_secret_post'; readonly clientSecret: string }
  /** The private key as a JWK with `alg` and `kid`; the hub made it, and shows the public one. @see RFC 7523 §2.2 */
  | { readonly method: 'private_key_jwt'; readonly privateJwk: JsonObject };

export type DeliveryMode = 'push' | 'poll';

/** A Transmitter that the hub listens to, as a person set it up. Its secrets are kept apart from it. */
export type UpstreamSettings = {
  /** Exactly as in its metadata and in the `iss` of its SETs. */
  readonly issuer: string;
  /** Absent: where SSF 1.0 §7.2.1 puts it. */
  readonly metadataUrl?: string;
  readonly delivery: DeliveryMode;
  /** The one JWS algorithm of its SETs. */
  readonly algorithm: string;
  /** URIs that are asked for; absent: all that the hub understands. */
  readonly eventsRequested?: readonly string[];
  /** Its stream is asked for a verification event so often. */
  readonly verifyEverySeconds: Seconds;
  /** For Transmitters without a management API: what would be learnt from one. */
  readonly unmanaged?: {
    readonly jwksUri: string;
    readonly audience: readonly string[];
    /** Only for `poll`. */
    readonly pollUrl?: string;
  };
  /** From before SSF 1.0: the subject stands in the event. */
  readonly subjectInEvent: boolean;
  /** From before RFC 8417 was final: no `typ`. */
  readonly typMayBeMissing: boolean;
};

/** What its SETs are held against, and where it is called: from its metadata and its stream, never from a SET. @see SEC-03 */
export type Binding = {
  readonly jwksUri: string;
  readonly audience: readonly string[];
  /** Absent: it has no management API. */
  readonly streamId?: string;
  readonly endpoints: TransmitterEndpoints;
  /** Where SETs are fetched. */
  readonly pollUrl?: string;
  /** Members of complex subjects that must be understood. @see SSF 1.0 §7.1 */
  readonly criticalSubjectMembers: readonly string[];
  /** What its stream carries, as it says; absent: it has no management API. */
  readonly eventsDelivered?: readonly string[];
  /** It is asked for a verification event no more often. */
  readonly minVerificationSeconds?: Seconds;
  readonly boundAtMs: Millis;
};

export type TransmitterEndpoints = {
  readonly configuration?: string;
  readonly status?: string;
  readonly addSubject?: string;
  readonly removeSubject?: string;
  readonly verification?: string;
};

/** Where looking after an upstream stands still. */
export type UpstreamFailure = {
  readonly atMs: Millis;
  readonly step: UpstreamStep;
  readonly text: string;
  /** In a row, of those who look after it. */
  readonly attempts?: number;
  /** No call failed: what was asked for did not come. */
  readonly isSilence?: true;
};
export const upstreamSteps = [
  'discover',
  'authorize',
  'connect',
  'verify',
  'poll',
  'read',
  'status',
] as const;
export type UpstreamStep = (typeof upstreamSteps)[number];

export type Upstream = {
  readonly id: UpstreamId;
  /** Also of the source that it speaks for. */
  readonly name: SourceId;
  /** With the limits that it has now. */
  readonly source: Source;
  readonly settings: UpstreamSettings;
  /** Of the `Authorization` that its pushes must carry. */
  readonly pushAuthorizationSha256: Uint8Array;
  readonly paused: boolean;
  readonly binding?: Binding;
  /** As the Transmitter last said. @see SSF 1.0 §8.1.2 */
  readonly streamStatus?: { readonly status: string; readonly reason?: string };
  readonly verification: {
    /** Sent with the request that is not answered yet. */
    readonly state?: string;
    readonly requestedAtMs?: Millis;
    readonly verifiedAtMs?: Millis;
  };
  readonly lastSetAtMs?: Millis;
  readonly failure?: UpstreamFailure;
  /** When it is looked after next. */
  readonly dueAtMs: Millis;
  readonly createdAtMs: Millis;
};

export type NewUpstream = Pick<Upstream, 'id' | 'name' | 'settings' | 'binding' | 'dueAtMs' | 'createdAtMs'>;

/** Sealed at rest, never shown. */
export type UpstreamSecrets = {
  readonly credentials: UpstreamCredentials;
  /** The `Authorization` that its pushes carry. */
  readonly pushAuthorization: string;
};

export type Change = { readonly actor: string; readonly atMs: Millis; readonly correlationId?: string };

/** What the looking-after found out. What is absent stays as it is; `null` takes away. */
export type UpstreamProgress = {
  readonly binding?: Binding | null;
  readonly streamStatus?: { readonly status: string; readonly reason?: string } | null;
  readonly verification?: { readonly state: string; readonly requestedAtMs: Millis };
  /** Ends the waiting for it; `null`: as if it had never been verified. */
  readonly verifiedAtMs?: Millis | null;
  readonly failure?: UpstreamFailure | null;
  readonly dueAtMs?: Millis;
};

/** What the source of a new upstream may say; the rest is as for every new source. */
export type NewSourceLimits = Required<Pick<Source, 'eventTypes' | 'subjectIssuers'>>;

/** Changes are announced as `configuration`. */
export type UpstreamStore = {
  /** By name, ascending; at most `upstreamsMax`. */
  list(): Promise<readonly Upstream[]>;
  find(name: string): Promise<Upstream | undefined>;
  secretsOf(name: SourceId): Promise<UpstreamSecrets | undefined>;
  /**
   * With the source that it speaks for and its `limits`, where there is none of that name.
   *
   * @throws Problem `conflict` when there is one of that name, or too many.
   */
  add(
    upstream: NewUpstream,
    secrets: UpstreamSecrets,
    limits: NewSourceLimits,
    change: Change,
  ): Promise<void>;
  setPaused(name: SourceId, paused: boolean, change: Change): Promise<boolean>;
  /** Its record of SETs goes with it; its source, and what was done on its word, stay. */
  remove(name: SourceId, change: Change): Promise<boolean>;
  /** Not for the audit. */
  note(name: SourceId, progress: UpstreamProgress): Promise<void>;
  /** SETs of it came, the last one then. Announced to nobody. */
  noteSet(name: SourceId, atMs: Millis): Promise<void>;
  /** Takes, or keeps, the right to poll it: one node at a time. */
  holdPoll(
    name: SourceId,
    by: { readonly holder: string; readonly untilMs: Millis; readonly nowMs: Millis },
  ): Promise<boolean>;
};

/** A stream as the Transmitter has it. @see SSF 1.0 §8.1.1 */
export type RemoteStream = {
  readonly streamId: string;
  readonly iss: string;
  readonly audience: readonly string[];
  readonly method: string;
  readonly endpointUrl?: string;
  readonly eventsDelivered: readonly string[];
  readonly minVerificationSeconds?: Seconds;
  readonly raw: JsonObject;
};

export type TransmitterMetadata = {
  readonly issuer: string;
  readonly jwksUri: string;
  readonly endpoints: TransmitterEndpoints;
  readonly deliveryMethods?: readonly string[];
  readonly criticalSubjectMembers: readonly string[];
};

/** What is asked of a stream. */
export type WantedStream = {
  readonly delivery:
    | {
        readonly method: 'urn:ietf:rfc:8935';
        readonly endpoint_url: string;
        readonly authorization_header: string;
      }
    | { readonly method: 'urn:ietf:rfc:8936' };
  readonly eventsRequested: readonly string[];
  readonly description: string;
};

/** A call to a Transmitter, or to its authorization server, that did not do what it should. */
export type CallFailure = {
  readonly kind: 'failed';
  readonly step: UpstreamStep;
  /** In words of ours, with the status; of the peer's answer no more than its error code. */
  readonly text: string;
  readonly status?: number;
  readonly retryAfterSeconds?: Seconds;
};
export type Called<T> = { readonly kind: 'done'; readonly value: T } | CallFailure;

export type PollAsk = {
  readonly url: string;
  readonly acks: readonly string[];
  readonly setErrs: ReadonlyMap<string, { readonly err: SetErrorCode; readonly description: string }>;
  readonly setsMax: number;
  readonly returnImmediately: boolean;
  readonly stop?: AbortSignal;
};
export type PolledSets = { readonly sets: ReadonlyMap<string, string>; readonly moreAvailable: boolean };

/**
 * One upstream's Transmitter, called with its credentials; a token that it refuses is got anew, once. Metadata and streams
 * of another issuer than that of the settings are failures. @see SSF 1.0 §4.1.6, §7.2.4
 */
export type TransmitterClient = {
  discover(): Promise<Called<TransmitterMetadata>>;
  listStreams(endpoints: TransmitterEndpoints): Promise<Called<readonly RemoteStream[]>>;
  createStream(endpoints: TransmitterEndpoints, wanted: WantedStream): Promise<Called<RemoteStream>>;
  readStream(endpoints: TransmitterEndpoints, streamId: string): Promise<Called<RemoteStream>>;
  /** PATCH. */
  updateStream(
    endpoints: TransmitterEndpoints,
    streamId: string,
    wanted: WantedStream,
  ): Promise<Called<RemoteStream>>;
  /** PUT. */
  replaceStream(
    endpoints: TransmitterEndpoints,
    streamId: string,
    wanted: WantedStream,
  ): Promise<Called<RemoteStream>>;
  deleteStream(endpoints: TransmitterEndpoints, streamId: string): Promise<Called<undefined>>;
  readStatus(
    endpoints: TransmitterEndpoints,
    streamId: string,
  ): Promise<Called<{ readonly status: string; readonly reason?: string }>>;
  setStatus(
    endpoints: TransmitterEndpoints,
    streamId: string,
    wanted: { readonly status: string; readonly reason?: string },
  ): Promise<Called<{ readonly status: string; readonly reason?: string }>>;
  verify(endpoints: TransmitterEndpoints, streamId: string, state: string): Promise<Called<undefined>>;
  poll(ask: PollAsk): Promise<Called<PolledSets>>;
};

/** Made anew when credentials change: it remembers the token. */
export type OpenTransmitterClient = (
  settings: UpstreamSettings,
  credentials: UpstreamCredentials,
) => TransmitterClient;

/** Upstreams of one hub. */
export const upstreamsMax = 200;
