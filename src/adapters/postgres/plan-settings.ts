/**
 * How our statements are planned: once, whatever their values, by the indexes that each was written for, and never
 * compiled. The plan of a kill then depends neither on statistics that are minutes old nor on a table that was empty
 * when it was first asked; and planning, which takes longer than running them, is paid once for each connection.
 */
const settings = [
  ['plan_cache_mode', 'force_generic_plan'],
  ['enable_seqscan', 'off'],
  ['enable_incremental_sort', 'off'],
  ['jit', 'off'],
] as const;

/** As statements, for a session that is there already. */
export const planStatements: string = settings.map(([name, value]) => `SET ${name} TO ${value}`).join('; ');

/** As the `options` of a new connection. */
export const planOptions: string = settings.map(([name, value]) => `-c ${name}=${value}`).join(' ');
