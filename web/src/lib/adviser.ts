// What each tariff of a package would have cost for what one's own meters have certified: computed in the vault, by the
// arithmetic of the bill.

import type { Schemas } from '../api/client';
import { type Carrier, CARRIERS, micro } from './amount';
import { DAY, dayBegin } from './clock.svelte';
import { type Asked, billedMeters, estimate, flowed, metersOf } from './retail';
import { certificates } from './series';
import { PERIODS, discountOf, optionsOf } from './tariff';

type Option = Schemas['TariffOption'];

export interface Candidate {
  number: number;
  option: Option;
  discount: number;
  /// What the discount asks for: a payment of at least so much, or a period.
  condition: { from?: string; period?: Schemas['Period'] };
  cost: bigint;
}

export interface Advice {
  carrier: Carrier;
  /// One's meters of the carrier that are in service: first those that a package bills already, of others the larger ones.
  meters: string[];
  /// The one whose readings this is about, and which would be billed.
  meter?: string;
  /// Cheapest first.
  candidates: Candidate[];
}

function ways(option: Option): Omit<Candidate, 'cost' | 'number' | 'option'>[] {
  if ('metered' in option.tariff) {
    const steps = option.tariff.metered.steps.map((step) => ({ discount: step.discount_permille, condition: { from: step.from } }));
    return [{ discount: 0, condition: {} }, ...steps];
  }
  return PERIODS.map((period) => ({ discount: discountOf(option, period), condition: { period } }));
}

/// Advice on each carrier of a package, and the time that it looks at: at most the last 92 whole days with readings. `wanted` are the
/// meters that were chosen.
export async function advise(account: string, terms: Schemas['Package'], areaM2: number, now: number, wanted: Partial<Record<Carrier, string>>) {
  const [meters, billed] = await Promise.all([metersOf(account), billedMeters(account)]);
  const capacity = (meter: Schemas['MeterView']) => BigInt(meter.capacity_per_hour);
  const first = (a: Schemas['MeterView'], b: Schemas['MeterView']) =>
    Number(billed.has(b.meter)) - Number(billed.has(a.meter)) || (capacity(b) > capacity(a) ? 1 : -1);
  const to = dayBegin(now);
  const since = Math.max(to - 92 * DAY, dayBegin(Math.min(...meters.map((meter) => meter.since_ms), now) + DAY - 1));
  const window = { from: Math.min(since, to), to };
  const offset_minutes = terms.terms.offset_minutes;
  const offered = CARRIERS.filter((carrier) => terms.options.some((option) => option.carrier === carrier));
  const advice = await Promise.all(
    offered.map(async (carrier): Promise<Advice> => {
      const own = meters.filter((each) => each.carrier === carrier && !each.retired).toSorted(first).map((each) => each.meter);
      const meter = own.find((each) => each === wanted[carrier]) ?? own[0];
      const used = meter ? flowed(await certificates(meter, window.from, window.to), window.from, window.to) : [];
      const asked: { way: Omit<Candidate, 'cost'>; ask: Asked }[] = [];
      for (const [number, option] of optionsOf(terms, carrier).entries()) {
        const byArea = 'floor_area' in option.tariff;
        if (!byArea && !meter) continue;
        for (const way of ways(option)) {
          const ask: Asked = { option, offset_minutes, discount_permille: way.discount, flowed: byArea ? [] : used };
          if (byArea) ask.floor_area = [Math.round(areaM2 * 100), window];
          asked.push({ way: { number, option, ...way }, ask });
        }
      }
      const results = asked.length ? await estimate(asked.map((each) => each.ask)) : [];
      const candidates = asked.map(({ way }, index) => ({ ...way, cost: micro(results[index]!.money) }));
      candidates.sort((a, b) => (a.cost < b.cost ? -1 : a.cost > b.cost ? 1 : 0));
      return { carrier, meters: own, meter, candidates };
    }),
  );
  return { window, advice };
}
