import { writeFile } from 'node:fs/promises';
import type { Enforcement, Hub, SignalAnswer } from './hub.ts';

/** What the hub says of the kill afterwards, as it would be handed over. */
export type Evidence = {
  readonly signal: SignalAnswer;
  readonly enforcement: Enforcement;
  readonly audit: readonly unknown[];
  readonly audit_chain: unknown;
};

export async function writeEvidence(file: string, hub: Hub, found: Pick<Evidence, 'signal' | 'enforcement'>) {
  const audit = await hub.call<{ items: readonly unknown[] }>(
    'GET',
    `/v1/audit?signal_id=${found.signal.signal_id}`,
  );
  const evidence: Evidence = {
    ...found,
    audit: audit.items,
    audit_chain: await hub.call('GET', '/v1/audit/verify'),
  };
  await writeFile(file, `${JSON.stringify(evidence, null, 2)}\n`);
}
