/** What the demo's processes agree on, and what they tell each other over their IPC channel. */

/** The resource that the tokens are for: their `aud`. */
export const audience = 'https://charges.example';
export const scope = 'charges:read refunds:write';
export const tokenLifeSeconds = 900;

export const clientNames = ['build-runner', 'report-writer', 'night-auditor'] as const;
export type ClientName = (typeof clientNames)[number];

/** Good for one run, on loopback. */
export const secretOf = (client: ClientName): string => `the demo's secret of ${client}`;

export type LoginSettings = { readonly role: 'login' };
export type ChargesSettings = {
  readonly role: 'charges';
  readonly hub: string;
  readonly token: string;
  /** `charges-api/1` */
  readonly point: string;
  readonly snapshotFile: string;
  /** Seconds without news after which unknown tokens are refused. */
  readonly failClosedAfter: number;
};
export type Settings = LoginSettings | ChargesSettings;

/** Each child says it once, when it is so. */
export type Said = { readonly kind: 'listening'; readonly origin: string };
