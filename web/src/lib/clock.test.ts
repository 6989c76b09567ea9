import { expect, test } from 'vitest';
import { dayOf, moment, timeOf } from './clock.svelte';

test('a day is understood as people write it, year first, and no day that the calendar lacks', () => {
  for (const written of ['2026-01-05', ' 2026-1-5 ', '2026/1/5', '2026.01.05', '2026年1月5日']) expect(dayOf(written)).toBe('2026-01-05');
  for (const wrong of ['', '5.1.2026', '01/05/2026', '2026-02-29', '2026-13-01', '2026-00-10', '2026-01-32', 'tomorrow']) expect(dayOf(wrong)).toBeUndefined();
  expect(dayOf('2028-02-29')).toBe('2028-02-29');
});

test('a field holds an hour at the tariffs’ offset, and reads it back', () => {
  const noon = Date.UTC(2026, 0, 31, 4);
  expect(moment(noon)).toBe('2026-01-31T12');
  expect(timeOf('2026-01-31T12')).toBe(noon);
  expect(timeOf('2026/1/31T12')).toBe(noon);
  for (const wrong of ['', '2026-01-31', '2026-02-30T12', 'T12']) expect(timeOf(wrong)).toBeNaN();
});
