import { expect, it } from 'vitest';
import { pageDefault, pageOf } from '../../../src/http/list-page.ts';

const found = Array.from({ length: 120 }, (_, index) => ({ id: `id_${index}`, hidden: true }));
const page = (limit: number | undefined, from = 0) =>
  pageOf({
    limit,
    find: async (rows) => found.slice(from, from + rows),
    toItem: ({ id }) => ({ id }),
    cursorOf: ({ id }) => `after ${id}`,
  });

it('has as many items as were asked for, and says where the list goes on', async () => {
  expect(await page(2)).toEqual({ items: [{ id: 'id_0' }, { id: 'id_1' }], next_cursor: 'after id_1' });
  expect((await page(undefined)).items).toHaveLength(pageDefault);
});

it('the last one says that nothing follows, also when it is full, and so does an empty one', async () => {
  expect(await page(20, 100)).toMatchObject({ next_cursor: null });
  expect((await page(20, 100)).items).toHaveLength(20);
  expect(await page(20, 120)).toEqual({ items: [], next_cursor: null });
});
