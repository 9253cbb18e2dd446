import type { Millis, Seconds } from './vocabulary.ts';

/** How an upstream is, the worst first. */
export const upstreamStates = [
  'failing',
  'silent',
  'connecting',
  'unverified',
  'verified',
  'paused',
] as const;
export type UpstreamState = (typeof upstreamStates)[number];

export type UpstreamHealth = {
  readonly state: UpstreamState;
  /** One sentence for people. */
  readonly text: string;
};

/** What its health follows from. */
export type UpstreamCondition = {
  readonly paused: boolean;
  /** Absent: it is not connected. */
  readonly boundAtMs?: Millis;
  /** It has an endpoint that verification events are asked for at. */
  readonly canBeAsked: boolean;
  readonly verifyEverySeconds: Seconds;
  /** As the Transmitter last said. */
  readonly streamStatus?: { readonly status: string; readonly reason?: string };
  readonly verification: { readonly requestedAtMs?: Millis; readonly verifiedAtMs?: Millis };
  readonly lastSetAtMs?: Millis;
  readonly failure?: { readonly step: string; readonly text: string; readonly isSilence?: true };
};

/** Who was not heard of for so many times the interval of verification is silent. */
export const silentAfterIntervals = 3;
/** What was asked for has come by then, or its Transmitter is silent. @see SSF 1.0 §8.1.4.2 */
export const verificationDeadlineMs = 5 * 60_000;

type Row = {
  readonly state: UpstreamState;
  /** The sentence, where the row holds. */
  readonly text: (condition: UpstreamCondition, nowMs: Millis) => string | undefined;
};

/** The first row that holds is its health. */
const rows: readonly Row[] = [
  {
    state: 'paused',
    text: ({ paused }) =>
      paused ? 'It is paused here: nothing is asked of it, and nothing taken from it.' : undefined,
  },
  {
    state: 'failing',
    text: ({ failure }) =>
      failure === undefined || failure.isSilence === true
        ? undefined
        : `The step "${failure.step}" fails: ${failure.text}`,
  },
  {
    state: 'failing',
    text: ({ streamStatus }) => {
      if (streamStatus === undefined || streamStatus.status === 'enabled') return undefined;
      const { status, reason } = streamStatus;
      return `Its Transmitter says that the stream is ${status}${reason === undefined ? '.' : `: ${reason}`}`;
    },
  },
  {
    state: 'connecting',
    text: ({ boundAtMs }) => (boundAtMs === undefined ? 'It is being connected.' : undefined),
  },
  { state: 'silent', text: ({ failure }) => failure?.text },
  {
    state: 'silent',
    text: ({ verification: { requestedAtMs } }, nowMs) =>
      requestedAtMs === undefined || nowMs - requestedAtMs <= verificationDeadlineMs
        ? undefined
        : verificationMissing(requestedAtMs),
  },
  {
    state: 'silent',
    text: (condition, nowMs) => {
      const heardAtMs = lastHeardAtMs(condition);
      const quietMsMax = condition.verifyEverySeconds * 1_000 * silentAfterIntervals;
      return nowMs - heardAtMs > quietMsMax
        ? `Nothing came from it since ${timeText(heardAtMs)}.`
        : undefined;
    },
  },
  {
    state: 'verified',
    text: ({ verification: { verifiedAtMs } }) =>
      verifiedAtMs === undefined ? undefined : `Its stream was last verified at ${timeText(verifiedAtMs)}.`,
  },
  {
    state: 'unverified',
    text: ({ canBeAsked }) =>
      canBeAsked
        ? 'It is connected, and the verification event that was asked for has not come yet.'
        : 'It is connected, and its Transmitter cannot be asked for a verification event.',
  },
];

export function upstreamHealth(condition: UpstreamCondition, nowMs: Millis): UpstreamHealth {
  for (const { state, text } of rows) {
    const found = text(condition, nowMs);
    if (found !== undefined) return { state, text: found };
  }
  throw new Error('no row of health holds');
}

export const verificationMissing = (requestedAtMs: Millis): string =>
  `The verification event that was asked for at ${timeText(requestedAtMs)} did not come.`;

const lastHeardAtMs = ({ boundAtMs = 0, lastSetAtMs = 0, verification }: UpstreamCondition): Millis =>
  Math.max(boundAtMs, lastSetAtMs, verification.verifiedAtMs ?? 0);

/** To the second, in UTC. */
const timeText = (atMs: Millis): string => new Date(atMs).toISOString().replace(/\.\d+Z$/, 'Z');
