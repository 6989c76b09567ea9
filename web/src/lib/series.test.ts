import { expect, test } from 'vitest';
import { HOUR, dayBegin, monthBegin } from './clock.svelte';
import { bins, fill, span, total } from './series';

const certificate = (from: number, to: number, quantity: string) => ({ id: '1', meter: '', interval: { from, to }, quantity, register: '0' });
const midnight = dayBegin(Date.UTC(2026, 0, 5, 12));

test('hours add up to what was certified, to the last base unit, also over a gap', () => {
  const hours = bins(midnight, midnight + 24 * HOUR, 'hour');
  fill(hours, [certificate(midnight, midnight + HOUR, '1001'), certificate(midnight + HOUR, midnight + 8 * HOUR, '1000')]);
  expect(total(hours)).toBe(2001n);
  expect(hours.map((bin) => bin.mark).slice(0, 9)).toEqual(['read', ...Array(7).fill('spread'), 'none']);
});

test('a day is the local day of the tariff, and a month the local month', () => {
  expect(new Date(midnight).toISOString()).toBe('2026-01-04T16:00:00.000Z');
  const { from, to, before } = span('day', midnight);
  expect([from, to]).toEqual([monthBegin(2026, 1), monthBegin(2026, 2)]);
  expect(before.from).toBe(monthBegin(2025, 12));
  expect(bins(from, to, 'day')).toHaveLength(31);
  expect(bins(monthBegin(2026, 1), monthBegin(2027, 1), 'month')).toHaveLength(12);
});

test('certificates that cross midnight are shared out by time', () => {
  const days = bins(midnight - 24 * HOUR, midnight + 24 * HOUR, 'day');
  fill(days, [certificate(midnight - HOUR, midnight + HOUR, '7')]);
  expect(days.map((bin) => bin.quantity)).toEqual([3n, 4n]);
});
