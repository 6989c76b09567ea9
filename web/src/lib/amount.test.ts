import { expect, test } from 'vitest';
import { micro, money, parseMoney, parseQuantity, readable } from './amount';

test('money keeps every millionth, whatever its size', () => {
  for (const decimal of ['0.000000', '0.000001', '12.500000', '90071992547409931.123456']) expect(money(micro(decimal))).toBe(decimal);
  expect(money(-1_500_000n)).toBe('-1.500000');
});

test('what a person types as money becomes the ledger’s decimal string, and nothing else does', () => {
  expect(parseMoney(' 1,234.5 ')).toBe('1234.500000');
  expect(parseMoney('¥12')).toBe('12.000000');
  for (const wrong of ['', '-1', '1.2345678', '1e5', '0x10', '1.', 'abc']) expect(parseMoney(wrong)).toBeUndefined();
});

test('a quantity is shown rounded half up, and typed exactly', () => {
  expect(readable(1_800_000n, 'electricity', 0)).toBe('1');
  expect(readable(1_799_999n, 'electricity', 0)).toBe('0');
  expect(readable(3_600_000n * 1234n, 'electricity', 3)).toBe('1234.000');
  expect(parseQuantity('1,200.5', 'electricity')).toBe(4_321_800_000n);
  expect(parseQuantity('0.000001', 'water')).toBe(1n);
  expect(parseQuantity('0.0000001', 'electricity')).toBeUndefined();
});

test('a decimal string is formatted exactly', () => {
  const format = new Intl.NumberFormat('zh-CN', { minimumFractionDigits: 2, maximumFractionDigits: 6 });
  expect(format.format('90071992547409931.123456' as unknown as number)).toBe('90,071,992,547,409,931.123456');
});
