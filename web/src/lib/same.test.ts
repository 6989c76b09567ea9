import { expect, test } from 'vitest';
import { same } from './same';

test('values are the same whatever the order of their fields, and whether nothing is said or left out', () => {
  expect(same({ a: 1, b: [{ c: '2', d: null }] }, { b: [{ c: '2' }], a: 1, e: undefined })).toBe(true);
  expect(same(undefined, null)).toBe(true);
});

test('values that say something else are not the same', () => {
  for (const other of [{ a: '1' }, { a: 1, b: 0 }, { a: [1] }, {}, [], null, '{"a":1}']) expect(same({ a: 1 }, other)).toBe(false);
  expect(same([1, 2], [2, 1])).toBe(false);
  expect(same({ 'a:1,b': 2 }, { a: 1, b: 2 })).toBe(false);
});
