// Consumption over time, from certified readings and what was corrected of them. What an account's or a contract's meters brought
// the node adds up. Of a single meter it is done here: a reading tells what passed since the one before; what passed within a bin is
// its share by time, so that bins add up to what was certified, to the last base unit.

import type { Schemas } from '../api/client';
import { answer, api, whole } from '../api/client';
import { DAY, HOUR, civil, clock, dayBegin, monthBegin } from './clock.svelte';

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

interface Flow {
  interval: { from: number; to: number };
  quantity: bigint;
}

/// Adds to a bin its share of what flowed in an interval, by time; tells of each bin that has some.
function share(into: Bin[], { interval, quantity }: Flow, first: number, has?: (bin: Bin) => void): void {
  const length = BigInt(interval.to - interval.from);
  const until = (time: number) => (quantity * BigInt(Math.max(0, Math.min(time, interval.to) - interval.from))) / length;
  for (let index = first; index < into.length && into[index]!.from < interval.to; index += 1) {
    const bin = into[index]!;
    bin.quantity += until(bin.to) - until(Math.max(bin.from, interval.from));
    has?.(bin);
  }
}

/// Adds certificates to bins. Both stand in the order of time.
export function fill(into: Bin[], certificates: Schemas['Certificate'][]): void {
  let first = 0;
  for (const { interval, quantity } of certificates) {
    while (first < into.length && into[first]!.to <= interval.from) first += 1;
    share(into, { interval, quantity: BigInt(quantity) }, first, (bin) => {
      const spread = interval.to - interval.from > USUAL && interval.to - interval.from > bin.to - bin.from;
      bin.mark = spread || bin.mark === 'spread' ? 'spread' : 'read';
    });
  }
}

/// Puts what is right in the place of what was certified.
export function correct(into: Bin[], corrections: { interval: Flow['interval']; certified: string; right: string }[]): void {
  for (const { interval, certified, right } of corrections) {
    const first = into.findIndex((bin) => bin.to > interval.from);
    if (first >= 0) share(into, { interval, quantity: BigInt(right) - BigInt(certified) }, first);
  }
}

/// The bins of a series as the node has added it up.
export function binsOf(points: Schemas['SeriesPoint'][]): Bin[] {
  return points.map(({ from_ms: from, to_ms: to, quantity: text, known }) => {
    const quantity = BigInt(text);
    // Of a step that is not over, what was read so far is read.
    const mark = known === 'spread' ? 'spread' : known === 'measured' || quantity > 0n ? 'read' : 'none';
    return { from, to, quantity, mark };
  });
}

/// Days and months begin by the app's own offset.
const asked = (from: number, to: number, step: Step) => ({ step, from_ms: from, to_ms: to, offset_minutes: clock.offset });

/// What an account's meters of a carrier brought, in bins.
export async function seriesOfAccount(account: string, carrier: Schemas['Carrier'], from: number, to: number, step: Step): Promise<Bin[]> {
  const path = { account, carrier };
  const found = await answer(api.GET('/v1/accounts/{account}/series/{carrier}', { params: { path, query: asked(from, to, step) } }));
  return binsOf(found.points);
}

/// What the meters that serve a contract brought under it, in bins.
export async function seriesOfAgreement(agreement: string, carrier: Schemas['Carrier'], from: number, to: number, step: Step): Promise<Bin[]> {
  const path = { agreement, carrier };
  const found = await answer(api.GET('/v1/agreements/{agreement}/series/{carrier}', { params: { path, query: asked(from, to, step) } }));
  return binsOf(found.points);
}

/// The certified readings of a meter, each with who has signed it.
export async function readings(meter: string, from: number, to: number): Promise<Schemas['CertificateView'][]> {
  const list = await whole(
    (cursor) =>
      answer(
        api.GET('/v1/meters/{meter}/certificates', {
          params: { path: { meter }, query: { from_ms: from, to_ms: to, cursor, limit: 1000 } },
        }),
      ),
    20_000,
  );
  return list.sort((a, b) => a.certificate.interval.from - b.certificate.interval.from);
}

/// What passed a meter.
export async function certificates(meter: string, from: number, to: number): Promise<Schemas['Certificate'][]> {
  return (await readings(meter, from, to)).map((each) => each.certificate);
}

/// What was corrected of what passed a meter.
async function corrections(meter: string) {
  const list = await whole((cursor) =>
    answer(api.GET('/v1/meters/{meter}/events', { params: { path: { meter }, query: { kind: 'corrected', cursor, limit: 1000 } } })),
  );
  return list.flatMap(({ event }) => (event.event === 'corrected' ? [event] : []));
}

/// What a meter brought, in bins, as corrections have it.
export async function seriesOfMeter(meter: string, from: number, to: number, step: Step): Promise<Bin[]> {
  const made = bins(from, to, step);
  const [certified, corrected] = await Promise.all([certificates(meter, from, to), corrections(meter)]);
  fill(made, certified);
  correct(made, corrected);
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
