import { sql, type SQL } from 'drizzle-orm';
import { formatPosition } from '../../core/feed.ts';
import { membersOf } from '../../core/match-key.ts';
import type {
  RevocationFilter,
  RevocationReader,
  RevocationRecord,
  RevocationState,
} from '../../revocations/ports.ts';
import type { Database } from './database.ts';
import { revocationJson, revocationOf, type RevocationRow } from './revocation-rows.ts';

export const createRevocationReader = ({ database }: { readonly database: Database }): RevocationReader => ({
  async list(filter, { after, limit }) {
    const conditions = conditionsOf(filter);
    if (after) conditions.push(sql`(r.put_at_ms, r.id) < (${after.putAtMs}, ${after.id})`);
    const where = conditions.length === 0 ? sql`` : sql`WHERE ${sql.join(conditions, sql` AND `)}`;
    // Few are found by what names them and then sorted; in the order of the index of times all would be looked at for them.
    const newest = namesFew(filter) ? sql`r.put_at_ms + 0 DESC, r.id DESC` : sql`r.put_at_ms DESC, r.id DESC`;
    const { rows } = await database.db.execute<RecordRow>(sql`
      SELECT ${recordColumns} FROM (SELECT * FROM hub.revocations r ${where} ORDER BY ${newest} LIMIT ${limit}) r
       ORDER BY r.put_at_ms DESC, r.id DESC`);
    return rows.map(recordOf);
  },

  async find(id) {
    const { rows } = await database.db.execute<RecordRow>(
      sql`SELECT ${recordColumns} FROM hub.revocations r WHERE r.id = ${id}`,
    );
    return rows[0] && recordOf(rows[0]);
  },
});

const conditionsOf = ({ state, agent, signalId, effect, match }: RevocationFilter): SQL[] => [
  ...(state === undefined ? [] : [sql`r.state = ${state}`]),
  ...(agent === undefined ? [] : [sql`r.agent = ${agent}`]),
  ...(signalId === undefined ? [] : [sql`r.signal_id = ${signalId}`]),
  ...(effect === undefined ? [] : [sql`r.effect = ${effect}`]),
  ...(match === undefined ? [] : [sql`r.match @> ${JSON.stringify(match)}::jsonb`]),
];

/** An issuer alone is named by most. */
const namesFew = ({ agent, signalId, match = {} }: RevocationFilter): boolean =>
  agent !== undefined || signalId !== undefined || membersOf(match).some((member) => member !== 'iss');

const recordColumns = sql`${revocationJson} AS entry, r.epoch, r.seq::float8 AS seq, r.state,
  r.committed_at_ms::float8 AS committed_at_ms, r.put_at_ms::float8 AS put_at_ms, r.ended_at_ms::float8 AS ended_at_ms, r.ended_by`;

type RecordRow = {
  readonly entry: RevocationRow;
  readonly epoch: string;
  readonly seq: number;
  readonly state: RevocationState;
  readonly committed_at_ms: number;
  readonly put_at_ms: number;
  readonly ended_at_ms: number | null;
  readonly ended_by: string | null;
};

const recordOf = (row: RecordRow): RevocationRecord => ({
  ...revocationOf(row.entry),
  position: formatPosition(row),
  committedAtMs: row.committed_at_ms,
  putAtMs: row.put_at_ms,
  state: row.state,
  ...(row.ended_at_ms === null ? {} : { endedAtMs: row.ended_at_ms }),
  ...(row.ended_by === null ? {} : { endedBy: row.ended_by }),
});
