import { cpus, loadavg } from 'node:os';
import type { Line, Row, RowResult, Unit } from './contract.ts';
import { median } from './measure.ts';

export type Measured = { readonly row: Row; readonly result: RowResult };

type Spread = { readonly median: number; readonly low: number; readonly high: number };

const spreadOf = (values: readonly number[]): Spread => ({
  median: median(values),
  low: Math.min(...values),
  high: Math.max(...values),
});

/** Round by round, so that what slowed a whole round down cancels out. */
const ratiosOf = ({ ours, baseline }: Line): readonly number[] =>
  ours.map((value, round) => value / (baseline.values[round] ?? Number.NaN));

const isMet = (line: Line): boolean | undefined =>
  line.budget?.holds(spreadOf(ratiosOf(line)).median, spreadOf(line.ours).median);

/** The machine in a line, and how busy others keep it at this moment: what figures of different runs differ by first. */
export function machine(): string {
  const [first] = cpus();
  const [lastMinute = 0] = loadavg();
  return `${cpus().length} cores (${first?.model.trim() ?? 'unknown'}), load average ${lastMinute.toFixed(1)}, Node ${process.versions.node}, ${process.platform}`;
}

/** Everything that was measured, as Markdown that also reads well in a terminal. */
export function toTable(measured: readonly Measured[]): string {
  return measured.map(({ row, result }) => sectionOf(row, result)).join('\n');
}

function sectionOf(row: Row, { lines, notes = [] }: RowResult): string {
  const head = ['what', 'figure', 'ours', 'baseline', '', 'ratio', 'budget'];
  const cells = [head, ...lines.map(cellsOf)];
  const widths = head.map((_, column) => Math.max(3, ...cells.map((line) => line[column]?.length ?? 0)));
  const format = (line: readonly string[]) =>
    `| ${widths.map((width, column) => (line[column] ?? '').padEnd(width)).join(' | ')} |`;
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return [
    `### ${row.name}: ${row.title}`,
    '',
    `Durability: ${row.durability}. Algorithm: ${row.algorithm}. Node ${process.versions.node}.`,
    '',
    format(head),
    rule,
    ...cells.slice(1).map(format),
    '',
    ...notes.map((note) => `- ${note}`),
    ...(notes.length > 0 ? [''] : []),
  ].join('\n');
}

function cellsOf(line: Line): readonly string[] {
  const ratio = spreadOf(ratiosOf(line));
  const met = isMet(line);
  return [
    line.what,
    line.figure,
    formatSpread(spreadOf(line.ours), line.unit),
    formatSpread(spreadOf(line.baseline.values), line.unit),
    line.baseline.name,
    `${ratio.median.toFixed(2)} (${ratio.low.toFixed(2)}–${ratio.high.toFixed(2)})`,
    met === undefined ? '' : `${line.budget?.text}: ${met ? 'met' : 'missed'}`,
  ];
}

const formatSpread = ({ median, low, high }: Spread, unit: Unit): string =>
  `${formatNumber(median)} ${unit} (${formatNumber(low)}–${formatNumber(high)})`;

function formatNumber(value: number): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toFixed(digits).replace(/\B(?=(\d{3})+(?!\d))/g, ',');
}

/** The same for machines, every round of it. */
export function toJson(where: string, measured: readonly Measured[]): string {
  const rows = measured.map(({ row: { name, title, durability, algorithm }, result }) => ({
    name,
    title,
    durability,
    algorithm,
    notes: result.notes ?? [],
    lines: result.lines.map((line) => ({
      what: line.what,
      figure: line.figure,
      unit: line.unit,
      ours: { ...spreadOf(line.ours), rounds: line.ours },
      baseline: {
        name: line.baseline.name,
        ...spreadOf(line.baseline.values),
        rounds: line.baseline.values,
      },
      ratio: spreadOf(ratiosOf(line)),
      ...(line.budget && { budget: line.budget.text, met: isMet(line) }),
    })),
  }));
  return `${JSON.stringify({ machine: where, node: process.versions.node, rows }, undefined, 2)}\n`;
}
