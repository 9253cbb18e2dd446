import { issuer } from './a-hook.ts';
import { bearer, caep, entraUser, hmac, ours, repository, risc, runner, type Sender } from './a-sender.ts';
import { scanners } from './scanner-senders.ts';

/** Doubles of all stock senders but GitHub's secret scanning, which has keys of its own. */
export const senders: readonly Sender[] = [
  {
    kind: 'splunk',
    sign: (_body, { secret }) => ({ headers: {}, tail: `/${secret}` }),
    recordings: [
      { file: 'alert.json', becomes: [{ event: ours('behavior-anomaly'), subject: runner, effect: 'deny' }] },
    ],
  },
  {
    kind: 'splunk-hec',
    sign: (_body, { secret }) => ({ headers: { authorization: `Splunk ${secret}` } }),
    refusal: [403, '{"text":"Invalid token","code":4}'],
    accepted: [200, '{"text":"Success","code":0}'],
    recordings: [
      {
        file: 'events.json.txt',
        becomes: [{ event: risc('credential-compromise'), subject: runner, effect: 'deny' }],
      },
    ],
  },
  {
    kind: 'sentinel',
    options: { issuer },
    sign: bearer,
    recordings: [
      {
        file: 'incident.json',
        becomes: [{ event: caep('risk-level-change'), subject: entraUser, effect: 'deny' }],
      },
    ],
  },
  {
    kind: 'elastic',
    sign: (_body, { secret }) => ({
      headers: { authorization: `Basic ${Buffer.from(`elastic:${secret}`).toString('base64')}` },
    }),
    recordings: [
      {
        file: 'alerts.json',
        becomes: [
          { event: ours('behavior-anomaly'), subject: runner, effect: 'restrict' },
          {
            event: caep('session-revoked'),
            subject: { format: 'email', email: 'mara@example.com' },
            outcome: 'unresolved',
          },
        ],
      },
    ],
  },
  {
    kind: 'datadog',
    options: { header: 'X-Hook-Key' },
    sign: (_body, { secret }) => ({ headers: { 'x-hook-key': secret } }),
    recordings: [
      {
        file: 'monitor.json',
        becomes: [{ event: ours('behavior-anomaly'), subject: runner, effect: 'deny' }],
      },
    ],
  },
  {
    kind: 'pagerduty',
    secret: 'pagerduty-made-this-secret-1',
    sign: (body, { secret }) => ({
      headers: { 'x-pagerduty-signature': `v1=${'0'.repeat(64)},v1=${hmac(secret, 'hex', body)}` },
    }),
    recordings: [
      {
        file: 'custom-fields.json',
        becomes: [{ event: risc('credential-compromise'), subject: runner, effect: 'deny' }],
      },
    ],
  },
  {
    kind: 'crowdstrike',
    timed: true,
    sign(body, { secret, nowSeconds }) {
      const time = new Date(nowSeconds * 1_000).toISOString().replace(/\.\d+Z$/, 'Z');
      return {
        headers: {
          'x-cs-primary-signature': hmac(secret, 'base64', body + time),
          'x-cs-delivery-timestamp': time,
          'x-cs-signature-algorithm': 'HmacSHA256',
        },
      };
    },
    recordings: [
      {
        file: 'detection.json',
        becomes: [
          {
            event: caep('risk-level-change'),
            subject: { format: 'opaque', id: '9f8e7d6c5b4a39281706f5e4d3c2b1a0' },
            outcome: 'unresolved',
          },
        ],
      },
    ],
  },
  {
    kind: 'github',
    sign: (body, { secret }) => ({
      headers: { 'x-hub-signature-256': `sha256=${hmac(secret, 'hex', body)}` },
    }),
    recordings: [
      {
        file: 'secret_scanning_alert.json',
        headers: { 'x-github-event': 'secret_scanning_alert' },
        becomes: [{ event: risc('credential-compromise'), subject: repository, outcome: 'unresolved' }],
      },
      {
        file: 'dependabot_alert.json',
        headers: { 'x-github-event': 'dependabot_alert' },
        becomes: [{ event: ours('host-vulnerable'), subject: repository, outcome: 'unresolved' }],
      },
      {
        file: 'repository.json',
        headers: { 'x-github-event': 'repository' },
        becomes: [{ event: ours('build-untrusted'), subject: repository, outcome: 'unresolved' }],
      },
      {
        file: 'organization.json',
        headers: { 'x-github-event': 'organization' },
        becomes: [
          {
            event: ours('owner-departed'),
            subject: { format: 'uri', uri: 'https://github.com/mara' },
            outcome: 'unresolved',
          },
        ],
      },
      { file: 'push.json', headers: { 'x-github-event': 'push' }, becomes: [] },
    ],
  },
  ...scanners,
];
