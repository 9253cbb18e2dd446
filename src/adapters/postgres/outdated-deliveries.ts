import { type SQL, sql } from 'drizzle-orm';

const later = sql.raw('later');
const earlier = sql.raw('earlier');

/** The first word of `family`, which is followed by the subject. */
const kindOf = (row: SQL): SQL => sql`split_part(${row}.family, ' ', 1)`;
/** As the index `deliveries_family` has it, to the letter. */
const keyOf = (row: SQL): SQL =>
  sql`hashtextextended(${row}.stream_id || ' ' || ${row}.principal || ' ' || ${kindOf(row)}, 0)`;

/** What a principal was told of one family. Nothing else is asked in there, so that no other index looks as good. */
const toldWith = (row: SQL, name: SQL): SQL => sql`(
  SELECT * FROM hub.deliveries ${name} WHERE family IS NOT NULL AND ${keyOf(name)} = ${keyOf(row)} OFFSET 0) ${name}`;

/**
 * That by the later row the earlier one says no more what holds: both of one family about the same subject; or the later
 * one denies, whatever the principal is called in it, and the earlier does not. What became of the later one does not
 * matter: it may be on its way, and it is true also where nobody was told.
 */
const outdates = (one: SQL, other: SQL): SQL => sql`(
  ${one}.seq > ${other}.seq AND ${one}.stream_id = ${other}.stream_id AND ${one}.principal = ${other}.principal
  AND ${kindOf(one)} = ${kindOf(other)}
  AND (${one}.family = ${other}.family OR (${one}.denies AND NOT ${other}.denies)))`;

/** Whether a later one outdates the row. */
export const isOutdated = (row: SQL): SQL =>
  sql`EXISTS (SELECT FROM ${toldWith(row, later)} WHERE ${outdates(later, row)})`;

/** The dead rows that the row outdates. */
export const deadOutdatedBy = (row: SQL): SQL =>
  sql`SELECT earlier.seq FROM ${toldWith(row, earlier)} WHERE ${outdates(row, earlier)} AND earlier.state = 'dead'`;
