import { widthOf } from './screen.ts';

/** Aligned columns, the last one free. A row of nothing but empty cells is an empty line. */
export function table(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  empty: string,
): readonly string[] {
  if (rows.length === 0) return [empty];
  return columns([header, ...rows]);
}

export function columns(rows: readonly (readonly string[])[]): readonly string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.slice(0, -1).forEach((cell, index) => {
      widths[index] = Math.max(widths[index] ?? 0, widthOf(cell));
    });
  }
  return rows.map((row) =>
    row
      .map((cell, index) => (index === row.length - 1 ? cell : padTo(cell, widths[index] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

/** One member a line; members without a value are left out. */
export const fields = (members: {
  readonly [name: string]: string | number | undefined;
}): readonly string[] =>
  columns(
    Object.entries(members).flatMap(([name, value]) =>
      value === undefined || value === '' ? [] : [[name, String(value)]],
    ),
  );

export const padTo = (text: string, width: number): string =>
  text + ' '.repeat(Math.max(0, width - widthOf(text)));

/** `client_id=build-runner iss=https://login.example`, the telling members first. */
export function subjectText(subject: object): string {
  const members = Object.entries(subject).filter(([name]) => name !== 'iss');
  const issuer = Object.entries(subject).filter(([name]) => name === 'iss');
  return [...members, ...issuer]
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ');
}

export const secondsText = (seconds: number): string => millisText(seconds * 1_000);

/** UTC, to the second; a time that no calendar has stays a number. */
export function millisText(millis: number): string {
  const date = new Date(millis);
  return Number.isNaN(date.getTime())
    ? String(millis)
    : date.toISOString().replace('T', ' ').replace(/\..*$/, 'Z');
}

/** UTC, to the millisecond, without the day: for what is seen as it happens. */
export const clockText = (millis: number): string => {
  const date = new Date(millis);
  return Number.isNaN(date.getTime()) ? String(millis) : date.toISOString().slice(11, 23);
};

/** The time of the day where that is today, else the day too: yesterday's times must not pass for today's. */
export const momentText = (millis: number, nowMs: number): string =>
  Math.floor(millis / dayMs) === Math.floor(nowMs / dayMs) ? clockText(millis) : millisText(millis);

const dayMs = 86_400_000;

/** `860 ms`, `4.2 s`, `14 min`, `3 h`, `12 d`. */
export function spanText(millis: number): string {
  if (millis < 1_000) return `${Math.round(millis)} ms`;
  if (millis < 60_000) return `${(millis / 1_000).toFixed(1)} s`;
  if (millis < 5_400_000) return `${Math.round(millis / 60_000)} min`;
  return millis < 172_800_000
    ? `${Math.round(millis / 3_600_000)} h`
    : `${Math.round(millis / 86_400_000)} d`;
}

export const countText = (amount: number, thing: string): string =>
  `${amount} ${thing}${amount === 1 ? '' : 's'}`;
