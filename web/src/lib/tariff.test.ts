import { expect, test } from 'vitest';
import type { Schemas } from '../api/client';
import { discountFor, discountOf, discounted, restOf, withTax } from './tariff';

const price = { money: '0.620000', per: 'kilowatt_hour' };
const discounts = { month_permille: 0, quarter_permille: 20, year_permille: 50 };
const steps = [{ from: '10000.000000', discount_permille: 30 }, { from: '50000.000000', discount_permille: 60 }];
const option = (tariff: unknown) => ({ carrier: 'electricity', vat_permille: 130, tariff }) as Schemas['TariffOption'];
const stepped = option({ metered: { price, steps } });
const tranche = (fields: object) => ({ paid: '113.000000', charged: '0.000000', refunded: '0.000000', ...fields }) as Schemas['TrancheView'];

test('a payment earns the discount of the highest step that it reaches', () => {
  const earned = ['9999.999999', '10000', '49999', '50000'].map((payment) => discountFor(stepped, payment));
  expect(earned).toEqual([0, 30, 30, 60]);
  expect(discountOf(stepped, 'year')).toBe(0);
  expect(discounted(620_000n, 60)).toBe(582_800n);
});

test('a period earns its discount, by meter and by floor area', () => {
  for (const tariff of [{ metered_by_period: { price, discounts } }, { floor_area: { discounts } }]) {
    expect(discountOf(option(tariff), 'quarter')).toBe(20);
    expect(discountFor(option(tariff), '50000')).toBe(0);
  }
});

test('what bills have charged, with its tax, and what was given back is no longer left of a prepayment', () => {
  expect(withTax(100_000_000n, stepped)).toBe(113_000_000n);
  expect(restOf(tranche({}), stepped)).toBe(113_000_000n);
  expect(restOf(tranche({ charged: '50.000000' }), stepped)).toBe(56_500_000n);
  expect(restOf(tranche({ opened: { left: '100.000000' }, charged: '50.000000', refunded: '3.500000' }), stepped)).toBe(40_000_000n);
  expect(restOf(tranche({ charged: '101.000000' }), stepped)).toBe(0n);
});
