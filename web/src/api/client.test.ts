import { expect, test } from 'vitest';
import { every, whole } from './client';

test('a list is read to its end, page by page', async () => {
  const page = (cursor?: string) => Promise.resolve(cursor ? { items: [3] } : { items: [1, 2], next: 'more' });
  expect(await every(page)).toEqual({ items: [1, 2, 3], cut: false });
  expect(await whole(page)).toEqual([1, 2, 3]);
  expect(await every(page, 2)).toEqual({ items: [1, 2], cut: true });
  await expect(whole(page, 2)).rejects.toMatchObject({ problem: { code: 'app/too-long' } });
});

test('a list without an end is read for a while', async () => {
  let asked = 0;
  const endless = () => {
    asked += 1;
    return Promise.resolve({ items: [], next: 'more' });
  };
  expect(await every(endless)).toEqual({ items: [], cut: true });
  expect(asked).toBe(100);
});
