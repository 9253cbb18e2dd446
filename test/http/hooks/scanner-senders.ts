import { issuer } from './a-hook.ts';
import { bearer, entraUser, hmac, ours, risc, runner, type Sender } from './a-sender.ts';

/** Identity providers, scanners, and what follows a standard. */
export const scanners: readonly Sender[] = [
  {
    kind: 'okta',
    options: { issuer },
    sign: (_body, { secret }) => ({ headers: { authorization: secret } }),
    recordings: [
      {
        file: 'events.json',
        becomes: [
          {
            event: risc('account-disabled'),
            subject: { iss: issuer, sub: 'mara@example.com' },
            effect: 'deny',
          },
          {
            event: risc('account-disabled'),
            subject: { iss: issuer, client_id: '0oa2h3xamjtvSLZVh5d7' },
            effect: 'deny',
          },
        ],
      },
    ],
  },
  {
    kind: 'entra',
    options: { issuer },
    sign: (body, { secret }) => ({ headers: {}, body: body.replaceAll('{secret}', secret) }),
    recordings: [
      {
        file: 'deleted.json',
        becomes: [{ event: risc('account-purged'), subject: entraUser, effect: 'deny' }],
      },
    ],
  },
  {
    kind: 'trivy',
    sign: bearer,
    recordings: [
      {
        file: 'vulnerabilityreport.json',
        becomes: [
          {
            event: ours('host-vulnerable'),
            subject: { format: 'uri', uri: 'k8s:payments/replicaset/charges-6d4cf56db6' },
            outcome: 'unresolved',
          },
        ],
      },
      {
        file: 'exposedsecretreport.json',
        becomes: [
          {
            event: risc('credential-compromise'),
            subject: { format: 'uri', uri: 'k8s:payments/replicaset/charges-6d4cf56db6' },
            outcome: 'unresolved',
          },
        ],
      },
    ],
  },
  {
    kind: 'dependency-track',
    sign: bearer,
    recordings: [
      {
        file: 'new-vulnerability.json',
        becomes: [
          {
            event: ours('host-vulnerable'),
            subject: { format: 'uri', uri: 'urn:uuid:6fb1820f-5280-4577-ac51-40124aabe307' },
            outcome: 'unresolved',
          },
        ],
      },
    ],
  },
  {
    kind: 'admission',
    sign: bearer,
    recordings: [
      {
        file: 'unverified.json',
        becomes: [
          {
            event: ours('build-untrusted'),
            subject: { workload: 'spiffe://example.org/ns/payments/sa/charges' },
            effect: 'deny',
          },
        ],
      },
    ],
  },
  {
    kind: 'falco',
    sign: bearer,
    recordings: [
      {
        file: 'alert.json',
        becomes: [
          {
            event: ours('behavior-anomaly'),
            subject: { format: 'uri', uri: 'k8s:payments/pod/charges-6d4cf56db6-x2x7z' },
            outcome: 'unresolved',
          },
        ],
      },
    ],
  },
  {
    kind: 'standard-webhooks',
    timed: true,
    sign(body, { secret, nowSeconds }) {
      const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
      const id = 'msg_2KWPBgLlAfxdpx2AI54pPJ85f4W';
      const timestamp = String(Math.floor(nowSeconds));
      return {
        headers: {
          'webhook-id': id,
          'webhook-timestamp': timestamp,
          'webhook-signature': `v1,AAAA v1,${hmac(key, 'base64', `${id}.${timestamp}.${body}`)}`,
        },
      };
    },
    recordings: [
      {
        file: 'event.json',
        becomes: [{ event: risc('credential-compromise'), subject: runner, effect: 'deny' }],
      },
    ],
  },
  {
    kind: 'cloudevents',
    sign: bearer,
    recordings: [
      {
        file: 'structured.json',
        headers: { 'content-type': 'application/cloudevents+json; charset=utf-8' },
        becomes: [{ event: risc('credential-compromise'), subject: runner, effect: 'deny' }],
      },
      {
        file: 'binary.json',
        headers: {
          'ce-specversion': '1.0',
          'ce-id': 'A234-1234-1235',
          'ce-source': '/siem/rules/8',
          'ce-type': 'credential-compromise',
          'ce-time': '2026-11-21T22:26:41.123Z',
        },
        becomes: [{ event: risc('credential-compromise'), subject: runner, effect: 'deny' }],
      },
    ],
  },
];
