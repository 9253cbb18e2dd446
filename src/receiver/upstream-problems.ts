import { Problem } from '../core/problem.ts';
import type { Millis } from '../core/vocabulary.ts';
import type { CallFailure } from './ports.ts';

export const noSuchUpstream = (): Problem =>
  new Problem('not-found', 'There is no such upstream.', { hint: 'GET /v1/upstreams lists them.' });

export const upstreamBusy = (): Problem =>
  new Problem('conflict', 'Somebody else is looking after this upstream just now.', {
    hint: 'Try again in a moment; GET /v1/upstreams/:name says what became of it.',
  });

export const upstreamPaused = (): Problem =>
  new Problem('conflict', 'This upstream is paused.', {
    hint: 'Resume it first: PATCH with {"paused": false}.',
  });

export const notConnected = (): Problem =>
  new Problem('conflict', 'This upstream has no stream that the hub manages.', {
    hint: 'POST …/connect makes one; a Transmitter without management API has none.',
  });

export const cannotBeAsked = (what: string): Problem =>
  new Problem('conflict', `This upstream cannot be verified: ${what}.`, {
    hint: 'GET /v1/upstreams/:name says how it is.',
  });

export const askedTooSoon = (mayAskAtMs: Millis, nowMs: Millis): Problem =>
  new Problem('rate-limited', 'Its Transmitter does not take another request for verification yet.', {
    hint: 'Wait as long as Retry-After says.',
    extra: { retry_after: Math.max(1, Math.ceil((mayAskAtMs - nowMs) / 1_000)) },
  });

/** What a Transmitter did not do, in words of ours. */
export const upstreamFailed = ({ step, text, status, retryAfterSeconds }: CallFailure): Problem =>
  new Problem('upstream-failed', text, {
    hint: 'POST /v1/upstreams/:name/test says which step works.',
    extra: {
      step,
      ...(status === undefined ? {} : { transmitter_status: status }),
      ...(retryAfterSeconds === undefined ? {} : { retry_after: retryAfterSeconds }),
    },
  });
