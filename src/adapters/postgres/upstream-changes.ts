import { eq } from 'drizzle-orm';
import { isProblem, Problem } from '../../core/problem.ts';
import type { Announcer } from '../../pipeline/ports.ts';
import type { UpstreamChanges } from '../../receiver/change-ports.ts';
import type { UpstreamSecrets } from '../../receiver/ports.ts';
import type { Sealer } from '../system/sealer.ts';
import { doneEntry, insertAudit } from './audit-store.ts';
import type { Database } from './database.ts';
import { upstreams } from './schema-upstreams.ts';
import { columnsOf, contextOf } from './upstream-store.ts';

export function createUpstreamChanges(options: {
  readonly database: Database;
  readonly announcer: Pick<Announcer, 'announce'>;
  readonly sealer: Sealer;
}): UpstreamChanges {
  const { database, announcer, sealer } = options;
  return {
    async change(name, change, by) {
      const done = await database.transact(async (tx) => {
        const [row] = await tx
          .select({ settings: upstreams.settings, sealed: upstreams.secretsSealed })
          .from(upstreams)
          .where(eq(upstreams.name, name))
          .for('update');
        if (row === undefined) return false;
        const secrets = openSecrets(sealer, row.sealed, name);
        const { settings, credentials, isRebound, members } = change(row.settings, secrets.credentials);
        const sealed = credentials && { ...secrets, credentials };
        await tx
          .update(upstreams)
          .set({
            settings,
            dueAtMs: by.atMs,
            ...(isRebound
              ? columnsOf({ binding: null, verifiedAtMs: null, streamStatus: null, failure: null })
              : {}),
            ...(sealed === undefined
              ? {}
              : { secretsSealed: sealer.seal(JSON.stringify(sealed), contextOf(name)) }),
          })
          .where(eq(upstreams.name, name));
        await insertAudit(tx, [doneEntry('upstream.changed', name, by, { members: [...members] })]);
        return true;
      });
      announcer.announce('configuration');
      return done;
    },
  };
}

function openSecrets(sealer: Sealer, sealed: Uint8Array, name: string): UpstreamSecrets {
  try {
    return JSON.parse(sealer.open(sealed, contextOf(name))) as UpstreamSecrets;
  } catch (error) {
    if (!isProblem(error)) throw error;
    throw new Problem(
      'conflict',
      'The secrets of this upstream do not open with the SECRETS_KEY of the hub.',
      {
        hint: 'Start the hub with the SECRETS_KEY that they were sealed under, or remove the upstream and add it again.',
        cause: error,
      },
    );
  }
}
