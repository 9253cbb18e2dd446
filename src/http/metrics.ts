import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** Down to 50 µs and up to the timeout of a statement. */
const commitSecondsBuckets = [
  0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
];
const groupSizeBuckets = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/** A gauge that is asked for when somebody looks: label values and a number each. */
export type Reading = { readonly labels?: Readonly<Record<string, string>>; readonly value: number };
export type GaugeName = keyof typeof gauges;

type Read = () => readonly Reading[] | Promise<readonly Reading[]>;

const gauges = {
  caep_hub_feed_connections: { help: 'Open feeds of this node.', labels: [] },
  caep_hub_live_entries: {
    help: 'Live entries by effect; those that lapse="never" stay until they are lifted.',
    labels: ['effect', 'lapse'],
  },
  caep_hub_points: { help: 'Instances of enforcement points by state.', labels: ['state'] },
  caep_hub_audit_unchained_rows: { help: 'Committed audit rows that wait for the chainer.', labels: [] },
  caep_hub_audit_lag_seconds: { help: 'Age of the oldest audit row that waits for the chainer.', labels: [] },
  caep_hub_redis_away: { help: '1 while this node has no Redis to talk to, else 0.', labels: [] },
  caep_hub_deliveries: {
    help: 'Of each stream: SETs that are pending and dead, 1000 for that many or more; how long the oldest pending one has been due; the most attempts at one.',
    labels: ['stream', 'state'],
  },
  caep_hub_upstreams: { help: '1 for the state that each upstream is in.', labels: ['upstream', 'state'] },
  caep_hub_held_waiting: { help: 'Signals that wait for a person.', labels: [] },
} as const;

export type Metrics = {
  readonly contentType: string;
  render(): Promise<string>;
  readonly signalHandled: (outcome: string) => void;
  readonly groupCommitted: (size: number, seconds: number) => void;
  readonly pushed: (outcome: string) => void;
  /** `outcome`: what became of it, or the code with which it was refused. */
  readonly setReceived: (outcome: string) => void;
  readonly alerted: (kind: string) => void;
  /** `hook` is one that there is, or empty. */
  readonly hookAsked: (hook: string, outcome: string) => void;
  /** Asked at each scrape, and at most every `rememberMs`; one that throws is left out. */
  gauge(name: GaugeName, read: Read): void;
};

/** Several scrapers, or an impatient one, cost the database no more than one. */
const rememberMs = 10_000;

/** Metrics of this process in a registry of its own: two hubs in one process do not meet. */
export function createMetrics(options: {
  readonly monotonicMs: () => number;
  readonly onError: (error: unknown) => void;
}): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const signals = new Counter({
    name: 'caep_hub_signals_total',
    help: 'Signals by outcome.',
    labelNames: ['outcome'],
    registers,
  });
  const alerts = new Counter({
    name: 'caep_hub_alerts_total',
    help: 'What a person must look at, by kind.',
    labelNames: ['kind'],
    registers,
  });
  const pushes = new Counter({
    name: 'caep_hub_pushes_total',
    help: 'Attempts to push a SET, by what came of them.',
    labelNames: ['outcome'],
    registers,
  });
  const received = new Counter({
    name: 'caep_hub_received_sets_total',
    help: 'SETs of upstreams, by what became of them.',
    labelNames: ['outcome'],
    registers,
  });
  const hooks = new Counter({
    name: 'caep_hub_hook_requests_total',
    help: 'Requests at hooks, by what became of them; those at a hook that does not exist have no name.',
    labelNames: ['hook', 'outcome'],
    registers,
  });
  const commits = new Histogram({
    name: 'caep_hub_commit_seconds',
    help: 'A group of signals from the start of its transaction to its commit.',
    buckets: commitSecondsBuckets,
    registers,
  });
  const groups = new Histogram({
    name: 'caep_hub_commit_group_size',
    help: 'Signals that shared a transaction.',
    buckets: groupSizeBuckets,
    registers,
  });
  return {
    contentType: registry.contentType,
    render: () => registry.metrics(),
    signalHandled: (outcome) => signals.inc({ outcome }),
    groupCommitted: (size, seconds) => {
      groups.observe(size);
      commits.observe(seconds);
    },
    pushed: (outcome) => pushes.inc({ outcome }),
    setReceived: (outcome) => received.inc({ outcome }),
    alerted: (kind) => alerts.inc({ kind }),
    hookAsked: (hook, outcome) => hooks.inc({ hook, outcome }),
    gauge: (name, read) =>
      registerGauge(registry, name, remember(read, options.monotonicMs), options.onError),
  };
}

function registerGauge(
  registry: Registry,
  name: GaugeName,
  read: Read,
  onError: (error: unknown) => void,
): void {
  const { help, labels } = gauges[name];
  const gauge = new Gauge<string>({
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

function remember(read: Read, monotonicMs: () => number): Read {
  let last: { readonly atMs: number; readonly readings: ReturnType<Read> } | undefined;
  return () => {
    const now = monotonicMs();
    if (last === undefined || now - last.atMs >= rememberMs) last = { atMs: now, readings: read() };
    return last.readings;
  };
}
