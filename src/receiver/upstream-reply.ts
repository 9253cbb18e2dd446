import { type UpstreamHealth, upstreamHealth } from '../core/upstream-health.ts';
import type { Millis } from '../core/vocabulary.ts';
import { toCredentialsReply } from './credential-schemas.ts';
import type { Binding, Upstream, UpstreamCredentials, UpstreamSettings } from './ports.ts';
import type { UpstreamReply } from './upstream-schemas.ts';
import { pushUrlOf } from './wanted-stream.ts';

export const healthOf = (upstream: Upstream, nowMs: Millis): UpstreamHealth => {
  const { paused, settings, binding, streamStatus, verification, lastSetAtMs, failure } = upstream;
  return upstreamHealth(
    {
      paused,
      canBeAsked: binding?.endpoints.verification !== undefined,
      verifyEverySeconds: settings.verifyEverySeconds,
      verification,
      ...(binding === undefined ? {} : { boundAtMs: binding.boundAtMs }),
      ...(streamStatus === undefined ? {} : { streamStatus }),
      ...(lastSetAtMs === undefined ? {} : { lastSetAtMs }),
      ...(failure === undefined ? {} : { failure }),
    },
    nowMs,
  );
};

/** Nothing of it is secret: whoever sends a push to its URL needs an Authorization, too. */
export function toUpstreamReply(
  upstream: Upstream,
  {
    hubUrl,
    nowMs,
    credentials,
  }: { readonly hubUrl: string; readonly nowMs: Millis; readonly credentials?: UpstreamCredentials },
): UpstreamReply {
  const { settings, binding, streamStatus, verification, lastSetAtMs, failure } = upstream;
  const { requestedAtMs, verifiedAtMs } = verification;
  return {
    name: upstream.name,
    ...settingsReply(settings),
    paused: upstream.paused,
    health: healthOf(upstream, nowMs),
    ...(settings.delivery === 'push' ? { push_url: pushUrlOf(hubUrl, upstream) } : {}),
    ...(credentials === undefined ? {} : { credentials: toCredentialsReply(credentials) }),
    ...(binding === undefined ? {} : { binding: bindingReply(binding) }),
    ...(streamStatus === undefined ? {} : { stream: streamStatus }),
    verification: {
      ...(requestedAtMs === undefined ? {} : { requested_at_ms: requestedAtMs }),
      ...(verifiedAtMs === undefined ? {} : { verified_at_ms: verifiedAtMs }),
    },
    ...(lastSetAtMs === undefined ? {} : { last_set_at_ms: lastSetAtMs }),
    ...(failure === undefined
      ? {}
      : {
          failure: {
            at_ms: failure.atMs,
            step: failure.step,
            text: failure.text,
            ...(failure.attempts === undefined ? {} : { attempts: failure.attempts }),
          },
        }),
    due_at_ms: upstream.dueAtMs,
    created_at_ms: upstream.createdAtMs,
  };
}

const settingsReply = ({
  issuer,
  metadataUrl,
  eventsRequested,
  unmanaged,
  ...settings
}: UpstreamSettings) => ({
  issuer,
  ...(metadataUrl === undefined ? {} : { metadata_url: metadataUrl }),
  delivery: settings.delivery,
  algorithm: settings.algorithm,
  ...(eventsRequested === undefined ? {} : { events: [...eventsRequested] }),
  verify_every_seconds: settings.verifyEverySeconds,
  subject_in_event: settings.subjectInEvent,
  typ_may_be_missing: settings.typMayBeMissing,
  ...(unmanaged === undefined
    ? {}
    : {
        unmanaged: {
          jwks_uri: unmanaged.jwksUri,
          audience: [...unmanaged.audience],
          ...(unmanaged.pollUrl === undefined ? {} : { poll_url: unmanaged.pollUrl }),
        },
      }),
});

const bindingReply = ({ jwksUri, audience, streamId, pollUrl, eventsDelivered, boundAtMs }: Binding) => ({
  jwks_uri: jwksUri,
  audience: [...audience],
  ...(streamId === undefined ? {} : { stream_id: streamId }),
  ...(pollUrl === undefined ? {} : { poll_url: pollUrl }),
  ...(eventsDelivered === undefined ? {} : { events_delivered: [...eventsDelivered] }),
  bound_at_ms: boundAtMs,
});
