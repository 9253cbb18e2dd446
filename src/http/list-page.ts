import { Type, type TSchema, type TString } from 'typebox';

/** Items of a page, where a list says nothing else. */
export const pageDefault = 50;
const pageMax = 200;

/** How a list answers. */
export const listOf = <Item extends TSchema>(item: Item) =>
  Type.Object({ items: Type.Array(item), next_cursor: Type.Union([Type.String(), Type.Null()]) });

/** What a list is asked with, besides its filters: `cursor` is the `next_cursor` of the page before. */
export const pageQuery = (
  cursor: TString = Type.String({ maxLength: 64 }),
  sizes: { readonly default: number; readonly maximum: number } = { default: pageDefault, maximum: pageMax },
) => ({
  cursor: Type.Optional(cursor),
  limit: Type.Optional(Type.Integer({ minimum: 1, ...sizes })),
});

/** One page of a list. There is a next one if the list has one more than asked for. */
export async function pageOf<Found, Item>(page: {
  readonly limit: number | undefined;
  /** In the order of the list, at most so many. */
  readonly find: (rows: number) => Promise<readonly Found[]>;
  readonly toItem: (found: Found) => Item;
  /** Where the list goes on after it. */
  readonly cursorOf: (last: Found) => string;
}): Promise<{ items: Item[]; next_cursor: string | null }> {
  const { limit = pageDefault, find, toItem, cursorOf } = page;
  const found = await find(limit + 1);
  const shown = found.slice(0, limit);
  const last = found.length > limit ? shown.at(-1) : undefined;
  return { items: shown.map(toItem), next_cursor: last === undefined ? null : cursorOf(last) };
}
