import { randomUUID } from 'node:crypto';
import { topics, type Announcer, type Topic } from '../../pipeline/ports.ts';

export type Announcements = Announcer & {
  /** What came from any node, this one included. What is no announcement is nothing. */
  heard(message: string): void;
  /** Announcements may have been lost: everybody here looks. */
  wakeAll(): void;
  /** Tells the others what they could not be told. */
  sendAgain(): void;
};

/**
 * What every announcer does: wakes the readers of this process at once, and those of other nodes by what `send` carries
 * to their `heard`. A message is the node that speaks and a topic. While one of a topic is under way, further
 * announcements of it become one more, so that a commit never waits and nothing piles up.
 */
export function createAnnouncements(options: {
  /** Absent: there are no other nodes. */
  readonly send?: (message: string) => Promise<unknown>;
  readonly onError: (error: unknown) => void;
}): Announcements {
  const { send, onError } = options;
  const node = randomUUID();
  const listeners = new Map<Topic, Set<() => void>>(topics.map((topic) => [topic, new Set()]));
  const underWay = new Map<Topic, { again: boolean }>();
  const unsent = new Set<Topic>();

  function wake(topic: Topic): void {
    for (const listener of listeners.get(topic) ?? []) listener();
  }

  async function tellOthers(topic: Topic, carry: (message: string) => Promise<unknown>): Promise<void> {
    const running = underWay.get(topic);
    if (running !== undefined) {
      running.again = true;
      return;
    }
    const mine = { again: true };
    underWay.set(topic, mine);
    try {
      while (mine.again) {
        mine.again = false;
        await carry(`${node} ${topic}`);
        unsent.delete(topic);
      }
    } catch (error) {
      unsent.add(topic);
      onError(error);
    } finally {
      underWay.delete(topic);
    }
  }

  return {
    announce(topic) {
      wake(topic);
      if (send !== undefined) void tellOthers(topic, send);
    },
    subscribe(topic, listener) {
      listeners.get(topic)?.add(listener);
      return () => void listeners.get(topic)?.delete(listener);
    },
    heard(message) {
      const [from, name] = message.split(' ');
      const topic = topics.find((known) => known === name);
      if (topic !== undefined && from !== node) wake(topic);
    },
    wakeAll: () => topics.forEach(wake),
    sendAgain() {
      if (send !== undefined) for (const topic of unsent) void tellOthers(topic, send);
    },
  };
}
