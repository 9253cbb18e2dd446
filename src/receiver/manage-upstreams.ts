import type { Static } from 'typebox';
import { isProblem, Problem } from '../core/problem.ts';
import type { Source } from '../core/source.ts';
import {
  type JsonObject,
  type Millis,
  nameShape,
  type SourceId,
  sourceId,
  type UpstreamId,
} from '../core/vocabulary.ts';
import { type Caller, may } from '../http/caller.ts';
import type { UpstreamChanges } from './change-ports.ts';
import type { ClientOf } from './clients.ts';
import { keyFor, toCredentials } from './credential-schemas.ts';
import type { LookAfter } from './look-after.ts';
import type { Change, Upstream, UpstreamCredentials, UpstreamStore } from './ports.ts';
import { pausedByUs } from './round.ts';
import type { UpstreamTurns } from './turn-ports.ts';
import { noSuchUpstream } from './upstream-problems.ts';
import type { UpstreamBody, UpstreamPatchBody } from './upstream-schemas.ts';
import { changeSettings, isRebound, type RefuseUrl, toSettings, uriOf } from './upstream-settings.ts';
import { eventsUnderstood } from './wanted-stream.ts';

export type ManagementPorts = {
  readonly store: UpstreamStore;
  readonly changes: UpstreamChanges;
  readonly turns: Pick<UpstreamTurns, 'note'>;
  readonly lookAfter: LookAfter;
  readonly clientOf: ClientOf;
  readonly findSource: (id: SourceId) => Promise<Source | undefined>;
  readonly readIssuer: (metadataUrl: string) => Promise<string>;
  readonly refuseUrl: RefuseUrl;
  /** A private JWK with `alg` and `kid`. */
  readonly makeKey: () => Promise<JsonObject>;
  /** Nobody guesses it. */
  readonly newId: () => UpstreamId;
  /** Of a push: a value of `Authorization` that nobody guesses. */
  readonly newAuthorization: () => string;
  readonly nowMs: () => Millis;
};

/** Who asks for a change. */
export type Asking = { readonly caller: Caller; readonly correlationId: string };

export type Removed = {
  /** `not-deleted`: its Transmitter did not do it. */
  readonly stream: 'deleted' | 'kept' | 'none' | 'not-deleted';
  readonly text?: string;
};

export type UpstreamManagement = {
  add(
    body: Static<typeof UpstreamBody>,
    by: Asking,
  ): Promise<{
    readonly upstream: Upstream;
    readonly credentials: UpstreamCredentials;
    readonly pushAuthorization?: string;
  }>;
  /** @throws Problem `not-found` */
  find(name: string): Promise<Upstream>;
  /** `undefined`: they do not open. */
  credentialsOf(upstream: Upstream): Promise<UpstreamCredentials | undefined>;
  change(
    name: string,
    patch: Static<typeof UpstreamPatchBody>,
    by: Asking,
  ): Promise<{ readonly upstream: Upstream; readonly warnings: readonly string[] }>;
  remove(name: string, how: { readonly keepStream: boolean }, by: Asking): Promise<Removed>;
};

/** What people do with upstreams as a whole. What follows from it is done by who looks after them. */
export function createUpstreamManagement(ports: ManagementPorts): UpstreamManagement {
  const { store, lookAfter } = ports;
  const find = async (name: string): Promise<Upstream> => {
    const found = await store.find(name);
    if (found === undefined) throw noSuchUpstream();
    return found;
  };
  return {
    add: (body, by) => addUpstream(ports, body, by),
    find,
    credentialsOf: async ({ name }) => {
      try {
        return (await store.secretsOf(name))?.credentials;
      } catch (error) {
        if (isProblem(error) && error.code === 'invalid-configuration') return undefined;
        throw error;
      }
    },
    async change(name, { paused, ...patch }, by) {
      const upstream = await find(name);
      if (Object.keys(patch).length > 0) await changeOf(ports, upstream, patch, by);
      const warnings =
        paused === undefined || paused === upstream.paused
          ? []
          : await setPaused(ports, upstream, paused, by);
      lookAfter.wake();
      return { upstream: await find(name), warnings };
    },
    remove: (name, how, by) => removeUpstream(ports, name, how, by),
  };
}

const changeBy = ({ nowMs }: Pick<ManagementPorts, 'nowMs'>, { caller, correlationId }: Asking): Change => ({
  actor: caller.actor,
  atMs: nowMs(),
  correlationId,
});

async function addUpstream(
  ports: ManagementPorts,
  body: Static<typeof UpstreamBody>,
  by: Asking,
): ReturnType<UpstreamManagement['add']> {
  const { store, nowMs } = ports;
  if (!nameShape.test(body.name)) throw noName(body.name);
  await refuseMightier(ports, body, by.caller);
  const issuer = await issuerOf(ports, body);
  const { metadata_url: url, ...rest } = body;
  // What was read where it belongs need not be said again.
  const settings = toSettings(
    body.issuer === undefined ? rest : { ...rest, ...(url === undefined ? {} : { metadata_url: url }) },
    issuer,
    ports.refuseUrl,
  );
  const credentials = toCredentials(body.credentials, await keyFor(body.credentials, ports.makeKey));
  const pushAuthorization = ports.newAuthorization();
  const name = sourceId(body.name);
  const upstream = { id: ports.newId(), name, settings, dueAtMs: nowMs(), createdAtMs: nowMs() };
  await store.add(upstream, { credentials, pushAuthorization }, limitsOf(body, issuer), changeBy(ports, by));
  const added = await store.find(name);
  if (added === undefined) throw noSuchUpstream();
  ports.lookAfter.wake();
  const isToldByHand = settings.unmanaged !== undefined && settings.delivery === 'push';
  return { upstream: added, credentials, ...(isToldByHand ? { pushAuthorization } : {}) };
}

const noName = (name: string): Problem =>
  new Problem('invalid-request', `"${name}" is no name for an upstream.`, {
    hint: 'Use 1 to 64 letters, digits, ".", "_" or "-", beginning with a letter or digit.',
    errors: [{ path: '/name', message: 'is no name' }],
  });

/** Whoever may add upstreams may not therefore lend a stranger what a source that is there may do, nor set limits at will. */
async function refuseMightier(
  { findSource }: ManagementPorts,
  { name, limits }: Static<typeof UpstreamBody>,
  caller: Caller,
): Promise<void> {
  if (may(caller, 'sources.write')) return;
  const isThere = (await findSource(sourceId(name))) !== undefined;
  if (limits === undefined && !isThere) return;
  throw new Problem(
    'insufficient-scope',
    isThere
      ? `There is a source "${name}": to let another speak for it takes the scope sources.write.`
      : 'To set limits takes the scope sources.write.',
    {
      hint: 'Ask somebody whose token has that scope, or use another name and leave limits out.',
      extra: { scope: 'sources.write' },
    },
  );
}

async function issuerOf(
  { readIssuer, refuseUrl }: ManagementPorts,
  { issuer, metadata_url: url, unmanaged }: Static<typeof UpstreamBody>,
): Promise<string> {
  if (issuer !== undefined) return issuer;
  const reason = url === undefined || unmanaged !== undefined ? undefined : refuseUrl(url);
  if (url === undefined || unmanaged !== undefined || reason !== undefined) {
    throw new Problem('invalid-request', 'It is not said who the Transmitter is.', {
      hint: 'Give "issuer", or "metadata_url" from which it is read.',
      errors: [
        reason === undefined
          ? { path: '/issuer', message: 'is missing' }
          : { path: '/metadata_url', message: reason },
      ],
    });
  }
  return readIssuer(url);
}

const limitsOf = ({ limits = {} }: Static<typeof UpstreamBody>, issuer: string) => ({
  eventTypes:
    limits.event_types?.map((name, index) => uriOf(name, `/limits/event_types/${index}`)) ?? eventsUnderstood,
  subjectIssuers: limits.subject_issuers ?? [issuer],
});

async function changeOf(
  ports: ManagementPorts,
  { name }: Upstream,
  patch: Omit<Static<typeof UpstreamPatchBody>, 'paused'>,
  by: Asking,
): Promise<void> {
  const key = await keyFor(patch.credentials, ports.makeKey);
  const done = await ports.changes.change(
    name,
    (settings, credentials) => ({
      settings: changeSettings(settings, patch, ports.refuseUrl),
      ...(patch.credentials === undefined
        ? {}
        : { credentials: toCredentials(patch.credentials, key, credentials) }),
      isRebound: isRebound(patch),
      members: Object.keys(patch),
    }),
    changeBy(ports, by),
  );
  if (!done) throw noSuchUpstream();
}

/** The hub stops first. Its Transmitter is told, so that it holds SETs rather than try to push them. */
async function setPaused(
  ports: ManagementPorts,
  { name }: Upstream,
  paused: boolean,
  by: Asking,
): Promise<readonly string[]> {
  const { store, clientOf, lookAfter, turns } = ports;
  if (!(await store.setPaused(name, paused, changeBy(ports, by)))) throw noSuchUpstream();
  if (!paused) return [];
  return lookAfter.alone(name, async (turn) => {
    const { endpoints, streamId } = turn.upstream.binding ?? {};
    if (endpoints?.status === undefined || streamId === undefined) return [];
    const client = await clientOf(turn.upstream);
    const told = await client.setStatus(endpoints, streamId, { status: 'paused', reason: pausedByUs });
    if (told.kind === 'failed') return [`Its Transmitter was not told to pause the stream: ${told.text}`];
    await turns.note(turn, { streamStatus: { status: told.value.status, reason: pausedByUs } });
    return [];
  });
}

async function removeUpstream(
  ports: ManagementPorts,
  name: string,
  { keepStream }: { readonly keepStream: boolean },
  by: Asking,
): Promise<Removed> {
  const { store, lookAfter } = ports;
  return lookAfter.alone(name, async (turn) => {
    const stream = keepStream ? ({ stream: 'kept' } as const) : await deleteStream(ports, turn.upstream);
    if (!(await store.remove(turn.upstream.name, changeBy(ports, by)))) throw noSuchUpstream();
    return stream;
  });
}

/** What cannot be deleted stays there: the hub takes nothing of it any more. */
async function deleteStream({ clientOf }: ManagementPorts, upstream: Upstream): Promise<Removed> {
  const { endpoints, streamId } = upstream.binding ?? {};
  if (endpoints === undefined || streamId === undefined) return { stream: 'none' };
  try {
    const client = await clientOf(upstream);
    const deleted = await client.deleteStream(endpoints, streamId);
    if (deleted.kind === 'done' || deleted.status === 404) return { stream: 'deleted' };
    return { stream: 'not-deleted', text: deleted.text };
  } catch (error) {
    if (!isProblem(error) || error.code !== 'invalid-configuration') throw error;
    return { stream: 'not-deleted', text: error.message };
  }
}
