import { cloudEvents } from './kinds/cloudevents.ts';
import { crowdstrike } from './kinds/crowdstrike.ts';
import { entra } from './kinds/entra.ts';
import { githubSecretScanning } from './kinds/github-secret-scanning.ts';
import { github } from './kinds/github.ts';
import { okta } from './kinds/okta.ts';
import { pagerduty } from './kinds/pagerduty.ts';
import { dependencyTrack, falco, trivy } from './kinds/scanners.ts';
import { splunkHec } from './kinds/splunk-hec.ts';
import { splunk } from './kinds/splunk.ts';
import { standardWebhooks } from './kinds/standard-webhooks.ts';
import { admission, datadog, elastic, sentinel } from './kinds/templates.ts';
import type { HookAnswer, HookKind, Outcome } from './kind.ts';

/** Every kind of sender there is. The table in docs/hooks.md is made of it. */
export const hookKinds: readonly HookKind[] = [
  splunk,
  splunkHec,
  sentinel,
  elastic,
  datadog,
  pagerduty,
  crowdstrike,
  github,
  githubSecretScanning,
  okta,
  entra,
  trivy,
  dependencyTrack,
  admission,
  falco,
  standardWebhooks,
  cloudEvents,
];

/** `undefined` for one that only another release knows. */
export const kindOf = (name: string): HookKind | undefined => hookKinds.find((kind) => kind.name === name);

/** In the words of the kind, or of whoever has such a path; nothing where a problem says it. */
export const answerInDialect = (
  tail: string,
  outcome: Outcome,
  kind: HookKind | undefined = hookKinds.find(({ ownsPath }) => ownsPath?.(tail) === true),
): HookAnswer | undefined => kind?.answer?.(outcome);
