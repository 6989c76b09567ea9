// Consumption over time, from certified readings. A reading tells what passed since the one before; what passed within a bin is
// its share by time, so that bins add up to what was certified, to the last base unit.

import type { Schemas } from '../api/client';
import { answer, api, every } from '../api/client';
import { DAY, HOUR, civil, dayBegin, monthBegin } from './clock.svelte';

export type Step = 'hour' | 'day' | 'month';

/// What a bin holds: all from readings within it, some spread over a time without readings, or nothing certified.
export type Mark = 'read' | 'spread' | 'none';

export interface Bin {
  from: number;
  to: number;
  quantity: bigint;
  mark: Mark;
}

/// A meter is read each hour; longer without a reading is a gap.
const USUAL = 1.5 * HOUR;

export function bins(from: number, to: number, step: Step): Bin[] {
  const made: Bin[] = [];
  let begin = from;
  while (begin < to && made.length < 10_000) {
    let end = begin + (step === 'hour' ? HOUR : DAY);
    if (step === 'month') {
      const { year, month } = civil(begin);
      end = monthBegin(year, month + 1);
    }
    made.push({ from: begin, to: Math.min(end, to), quantity: 0n, mark: 'none' });
    begin = end;
  }
  return made;
}

/// Adds certificates to bins. Both stand in the order of time.
export function fill(into: Bin[], certificates: Schemas['Certificate'][]): void {
  let first = 0;
  for (const { interval, quantity } of certificates) {
    const total = BigInt(quantity);
    const length = BigInt(interval.to - interval.from);
    const until = (time: number) => (total * BigInt(Math.max(0, Math.min(time, interval.to) - interval.from))) / length;
    while (first < into.length && into[first]!.to <= interval.from) first += 1;
    for (let index = first; index < into.length && into[index]!.from < interval.to; index += 1) {
      const bin = into[index]!;
      bin.quantity += until(bin.to) - until(Math.max(bin.from, interval.from));
      const spread = interval.to - interval.from > USUAL && interval.to - interval.from > bin.to - bin.from;
      bin.mark = spread || bin.mark === 'spread' ? 'spread' : 'read';
    }
  }
}

/// What passed a meter.
export async function certificates(meter: string, from: number, to: number): Promise<Schemas['Certificate'][]> {
  const pages = await every(
    (cursor) =>
      answer(
        api.GET('/v1/meters/{meter}/certificates', {
          params: { path: { meter }, query: { from_ms: from, to_ms: to, cursor, limit: 1000 } },
        }),
      ),
    20_000,
  );
  return pages.items.map((item) => item.certificate).sort((a, b) => a.interval.from - b.interval.from);
}

/// What several meters of one carrier brought, in bins.
export async function series(meters: string[], from: number, to: number, step: Step): Promise<Bin[]> {
  const made = bins(from, to, step);
  const of = await Promise.all(meters.map((meter) => certificates(meter, from, to)));
  for (const list of of) fill(made, list);
  return made;
}

/// The span that a step is looked at in, and the one before it: the day, the month, the year around a time.
export function span(step: Step, time: number): { from: number; to: number; before: { from: number; to: number } } {
  const { year, month } = civil(time);
  if (step === 'hour') {
    const from = dayBegin(time);
    return { from, to: from + DAY, before: { from: from - DAY, to: from } };
  }
  if (step === 'day') {
    const from = monthBegin(year, month);
    return { from, to: monthBegin(year, month + 1), before: { from: monthBegin(year, month - 1), to: from } };
  }
  const from = monthBegin(year, 1);
  return { from, to: monthBegin(year + 1, 1), before: { from: monthBegin(year - 1, 1), to: from } };
}

export function total(bins: Bin[]): bigint {
  return bins.reduce((sum, bin) => sum + bin.quantity, 0n);
}
