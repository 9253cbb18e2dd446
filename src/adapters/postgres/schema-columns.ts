import { bigint, customType, pgSchema } from 'drizzle-orm/pg-core';

/** Milliseconds and sequences stay below 2^53. */
export const count = (name: string) => bigint(name, { mode: 'number' });
export const bytes = customType<{ data: Uint8Array; driverData: Uint8Array }>({ dataType: () => 'bytea' });

export const hub = pgSchema('hub');
