import { expect, test } from 'vitest';
import { HOUR, dayBegin, monthBegin } from './clock.svelte';
import { bins, binsOf, correct, fill, span, total } from './series';

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

test('what was corrected stands at its right value, shared out by time', () => {
  const hours = bins(midnight, midnight + 4 * HOUR, 'hour');
  fill(hours, [certificate(midnight, midnight + HOUR, '10'), certificate(midnight + HOUR, midnight + 3 * HOUR, '30')]);
  correct(hours, [
    { interval: { from: midnight + HOUR, to: midnight + 3 * HOUR }, certified: '30', right: '20' },
    { interval: { from: midnight - 9 * HOUR, to: midnight - 8 * HOUR }, certified: '5', right: '1' },
  ]);
  expect(hours.map((bin) => bin.quantity)).toEqual([10n, 10n, 10n, 0n]);
  expect(hours.map((bin) => bin.mark)).toEqual(['read', 'spread', 'spread', 'none']);
});

test('a series of the node is shown as it added it up', () => {
  const point = (quantity: string, known: 'measured' | 'spread' | 'missing') => ({ from_ms: 0, to_ms: 1, quantity, known, substituted: false, corrected: false });
  const shown = binsOf([point('0', 'measured'), point('7', 'spread'), point('3', 'missing'), point('0', 'missing')]);
  expect(shown.map((bin) => [bin.quantity, bin.mark])).toEqual([[0n, 'read'], [7n, 'spread'], [3n, 'read'], [0n, 'none']]);
});
