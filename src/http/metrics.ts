import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** Down to 50 µs and up to the timeout of a statement. */
const commitSecondsBuckets = [
  0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
];
const groupSizeBuckets = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/** A gauge that is asked for when somebody looks: label values and a number each. */
export type Reading = { readonly labels?: Readonly<Record<string, string>>; readonly value: number };
export type GaugeName = keyof typeof gauges;

/** Asked at each scrape; one that throws leaves its gauge out of it. */
export type GaugeReaders = {
  readonly [Name in GaugeName]?: () => readonly Reading[] | Promise<readonly Reading[]>;
};

const gauges = {
  caep_hub_feed_connections: { help: 'Open feeds of this node.', labels: [] },
  caep_hub_live_entries: {
    help: 'Live entries by kind; `lapses` tells those that never lapse.',
    labels: ['kind', 'lapses'],
  },
  caep_hub_points: { help: 'Instances of enforcement points by state.', labels: ['state'] },
  caep_hub_audit_unchained_rows: { help: 'Committed audit rows that wait for the chainer.', labels: [] },
  caep_hub_audit_lag_seconds: { help: 'Age of the oldest audit row that waits for the chainer.', labels: [] },
  caep_hub_held_waiting: { help: 'Signals that wait for a person.', labels: [] },
} as const;

export type Metrics = {
  readonly contentType: string;
  render(): Promise<string>;
  readonly signalHandled: (outcome: string) => void;
  readonly groupCommitted: (size: number, seconds: number) => void;
};

/** Metrics of this process in a registry of its own: two hubs in one process do not meet. */
export function createMetrics(readers: GaugeReaders, onError: (error: unknown) => void): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const signals = new Counter({
    name: 'caep_hub_signals_total',
    help: 'Signals by outcome.',
    labelNames: ['outcome'],
    registers,
  });
  const commits = new Histogram({
    name: 'caep_hub_commit_seconds',
    help: 'From the start of a group to its commit.',
    buckets: commitSecondsBuckets,
    registers,
  });
  const groups = new Histogram({
    name: 'caep_hub_commit_group_size',
    help: 'Signals that shared a transaction.',
    buckets: groupSizeBuckets,
    registers,
  });
  for (const [name, { help, labels }] of Object.entries(gauges)) {
    const read = readers[name as GaugeName];
    if (read !== undefined) registerGauge({ name, help, labels, read, registry, onError });
  }
  return {
    contentType: registry.contentType,
    render: () => registry.metrics(),
    signalHandled: (outcome) => signals.inc({ outcome }),
    groupCommitted: (size, seconds) => {
      groups.observe(size);
      commits.observe(seconds);
    },
  };
}

function registerGauge(options: {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  readonly read: NonNullable<GaugeReaders[GaugeName]>;
  readonly registry: Registry;
  readonly onError: (error: unknown) => void;
}): void {
  const { name, help, labels, read, registry, onError } = options;
  const gauge = new Gauge({
    name,
    help,
    labelNames: [...labels],
    registers: [registry],
    async collect() {
      gauge.reset();
      try {
        for (const { labels: values = {}, value } of await read()) gauge.set(values, value);
      } catch (error) {
        gauge.remove();
        onError(error);
      }
    },
  });
}
