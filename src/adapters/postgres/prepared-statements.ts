import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { Client, type ClientConfig, type QueryConfig } from 'pg';

/** From its second time on a statement is prepared: what is asked once never is. */
const preparedFromTimes = 2;
/** Statements that each connection keeps prepared. There is no end to their being kept, so there is one to their number. */
const preparedMax = 256;
/** Texts that are told apart while they are counted. */
const countedMax = 1_000;
/** Plans are made anew after so many statements of a connection, twice as many, and so on up to the last. */
const replannedFrom = 32;
const replannedUntil = 65_536;

/**
 * A client whose repeated statements are planned once for each connection: planning takes longer than running what the
 * hub asks. Texts of statements carry no values and there are few of them; names are made of texts, so that an equal
 * name is an equal statement on every connection.
 *
 * Statements that are asked together are written together: one system call for them, and one wake-up of the server.
 *
 * What was planned on empty tables is of no use on full ones. A server learns within a minute how large its tables have
 * become and plans anew, the embedded database at its VACUUM; until then a new hub does it by itself.
 */
export function preparingClient(): new (config?: ClientConfig) => Client {
  const nameOf = createNames();
  return class extends Client {
    #statements = 0;
    #replansAfter = replannedFrom;
    #isWriting = false;

    // oxlint-disable-next-line typescript/no-explicit-any -- the overloads of pg
    override query(asked: unknown, ...rest: readonly unknown[]): any {
      const query = super.query as (...all: readonly unknown[]) => unknown;
      this.#writeTogether();
      this.#statements += 1;
      if (this.#statements >= this.#replansAfter && this.#replansAfter <= replannedUntil) {
        this.#replansAfter *= 2;
        query.call(this, 'DISCARD PLANS', () => undefined);
      }
      return query.call(this, withName(asked, rest[0], nameOf), ...rest);
    }

    /** What is asked before the event loop turns to something else leaves in one write, and arrives in one read. */
    #writeTogether(): void {
      if (this.#isWriting) return;
      this.#isWriting = true;
      const { stream } = this.connection;
      stream.cork();
      process.nextTick(() => {
        this.#isWriting = false;
        stream.uncork();
      });
    }
  };
}

function createNames(): (text: string) => string | undefined {
  const names = new Map<string, string>();
  const times = new LRUCache<string, number>({ max: countedMax });
  return (text) => {
    const name = names.get(text);
    if (name !== undefined || names.size >= preparedMax) return name;
    const asked = (times.get(text) ?? 0) + 1;
    times.set(text, asked);
    if (asked < preparedFromTimes) return undefined;
    const made = `hub_${createHash('sha256').update(text).digest('hex').slice(0, 24)}`;
    names.set(text, made);
    return made;
  };
}

/** A bare text is a simple query, which may hold several statements and is sent as it is. */
function withName(asked: unknown, values: unknown, nameOf: (text: string) => string | undefined): unknown {
  if (typeof asked === 'string') {
    if (!hasValues(values)) return asked;
    const name = nameOf(asked);
    return name === undefined ? asked : { text: asked, name };
  }
  if (!isConfig(asked) || asked.name !== undefined || !Array.isArray(asked.values ?? values)) return asked;
  const name = nameOf(asked.text);
  return name === undefined ? asked : { ...asked, name };
}

const hasValues = (values: unknown): boolean => Array.isArray(values) && values.length > 0;

const isConfig = (asked: unknown): asked is QueryConfig =>
  typeof asked === 'object' && asked !== null && 'text' in asked && !('submit' in asked);
