import type { HookKind } from '../kind.ts';
import { bodyDelivery, secretInPath, verifyPath } from '../verify.ts';

/** Sends neither header nor signature: the path is the secret. The body is fixed and holds the first row of the result. */
export const splunk: HookKind = {
  name: 'splunk',
  title: 'Splunk webhook alert action',
  proof: 'whoever knows the path',
  reference: 'https://docs.splunk.com/Documentation/Splunk/latest/Alert/Webhooks',
  secret: secretInPath,
  options: ['issuer'],
  takes: (tail, method) => method === 'POST' && tail !== '',
  tailOf: (secret) => secret,
  verify: verifyPath,
  // `sid` names the search; with "For each result" every row comes with the same one.
  deliveryOf: bodyDelivery,
  passes: [],
  mapping: '$signal(result, {"reason": search_name})',
};
