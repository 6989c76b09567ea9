// What a tariff's steps, discounts and tax come to where the app shows them before a bill does. Bills themselves, and estimates by their
// arithmetic, come from the vault.

import type { Schemas } from '../api/client';
import { type Carrier, micro } from './amount';

type Option = Schemas['TariffOption'];
export type Period = Schemas['Period'];

export const PERIODS: Period[] = ['month', 'quarter', 'year'];

/// The options of a carrier, in the package's order: a service names one by its number.
export function optionsOf(terms: Schemas['Package'], carrier: Carrier): Option[] {
  return terms.options.filter((option) => option.carrier === carrier);
}

export function tariffKind(option: Option): 'metered' | 'metered_by_period' | 'floor_area' {
  return Object.keys(option.tariff)[0] as 'metered' | 'metered_by_period' | 'floor_area';
}

/// What is charged for a net sum in millionths.
export function withTax(net: bigint, { vat_permille }: Option): bigint {
  return share(net, 1000 + vat_permille);
}

/// A net price in millionths after a discount.
export function discounted(price: bigint, discount_permille: number): bigint {
  return share(price, 1000 - discount_permille);
}

function share(sum: bigint, permille: number): bigint {
  return (sum * BigInt(permille)) / 1000n;
}

/// The discounts of a tariff that is prepaid by period.
export function discountsOf({ tariff }: Option): Schemas['PeriodDiscounts'] | undefined {
  if ('metered' in tariff) return undefined;
  return 'metered_by_period' in tariff ? tariff.metered_by_period.discounts : tariff.floor_area.discounts;
}

export function discountOf(option: Option, period: Period): number {
  return discountsOf(option)?.[`${period}_permille`] ?? 0;
}

/// The discount that a payment earns under a tariff with steps.
export function discountFor({ tariff }: Option, payment: string): number {
  const steps = 'metered' in tariff ? tariff.metered.steps : [];
  return steps.toReversed().find((step) => micro(step.from) <= micro(payment))?.discount_permille ?? 0;
}

/// The undiscounted price of a unit, net; a tariff by floor area has none.
export function listPrice({ tariff }: Option): Schemas['Price'] | undefined {
  if ('metered' in tariff) return tariff.metered.price;
  return 'metered_by_period' in tariff ? tariff.metered_by_period.price : undefined;
}

/// What is left of a prepayment, in millionths.
export function restOf({ opened, paid, charged, refunded }: Schemas['TrancheView'], option: Option): bigint {
  const rest = micro(opened ? opened.left : paid) - withTax(micro(charged), option) - micro(refunded);
  return rest > 0n ? rest : 0n;
}
