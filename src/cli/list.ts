import type { Command } from 'commander';
import { parseCount } from './arguments.ts';
import type { Bind, CommandContext } from './command.ts';
import { exitCodes } from './exit-codes.ts';
import type { Page, Query } from './hub.ts';
import type { Screen } from './screen.ts';
import { table } from './text.ts';

export type PageOptions = { readonly limit: string; readonly after?: string };

/** How a list is shown to people. */
export type Columns<Item> = {
  readonly header: readonly string[];
  readonly cells: (item: Item) => readonly string[];
  /** Said of a list without items. */
  readonly empty: string;
};

/** A list that the hub tells page by page. */
export type Listing<Item> = Columns<Item> & { readonly path: string; readonly query?: Query };

/** What a command lists. */
type ListingOf<Item, Options> = (
  context: CommandContext,
  options: Options,
  operands: readonly string[],
) => Listing<Item>;

/** Ties a command to the list that it shows, a page of it at a time. */
export function bindList<Item, Options extends PageOptions = PageOptions>(
  bind: Bind,
  command: Command,
  examples: Parameters<Bind>[1],
  listingOf: ListingOf<Item, Options>,
): void {
  bind<Options>(withPages(command), examples, async (context, options, operands) => {
    const listing = listingOf(context, options, operands);
    showPage(context.screen, await readPage<Item>(context, listing, options), listing);
    return exitCodes.done;
  });
}

export const withPages = (command: Command): Command =>
  command
    .option('--limit <count>', 'at most so many', '50')
    .option('--after <cursor>', 'go on where a list ended; it says where');

/** @throws CliProblem for a limit that is none, before the hub is asked. */
export async function readPage<Item>(
  { connect }: CommandContext,
  { path, query = {} }: Pick<Listing<Item>, 'path' | 'query'>,
  { limit, after }: PageOptions,
): Promise<Page<Item>> {
  const most = parseCount('--limit', limit, 1);
  const hub = await connect();
  return hub.list<Item>(path, { ...query, cursor: after }, most);
}

/** The page as a table, and whether there is more: a list that ends in silence is taken for the whole. */
export function showPage<Item>(
  screen: Screen,
  page: Pick<Page<Item>, 'items'> & Partial<Page<Item>>,
  { header, cells, empty }: Columns<Item>,
): void {
  screen.show(page, ({ items, next_cursor: next = null }) => [
    ...table(header, items.map(cells), empty),
    ...(next === null ? [] : [`There are more: add --after ${shellWord(next)}, or raise --limit.`]),
  ]);
}

/** As a shell takes it for one word. */
const shellWord = (text: string): string =>
  /^[\w.:@%+=/-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
