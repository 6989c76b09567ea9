import { expect, test, vi } from 'vitest';

vi.mock('./people.svelte', () => ({ people: { called: (id: string) => `${id.slice(0, 4)}…` } }));
vi.mock('./text.svelte', async () => ({ text: { language: 'zh', t: (await import('../text/zh')).zh } }));

import { type Told, differences } from './difference';

const signed = {
  owner: 'aa11'.padEnd(64, '0'),
  user: 'bb22'.padEnd(64, '0'),
  kind: 'subscription',
  height: 7,
  statement: {
    agreement: 'cc33'.padEnd(32, '0'), number: 1, period: { from: 0, to: 86_400_000 }, closing: 'period', issued: 86_400_000, lines: [], paid: '1.000000', unpaid: '0.000000',
    debt: '0.000000', available: '0.000000', substituted: false, state_before: 'dd'.padEnd(64, '0'), state_after: 'ee'.padEnd(64, '0'),
  },
} as unknown as Told;

const saying = (said: object, statement: object = {}) => differences({ ...signed, ...said, statement: { ...signed.statement, ...statement } } as Told, signed);

test('what the node says otherwise is told in the reader’s words', () => {
  expect(saying({})).toEqual([]);
  expect(saying({ owner: 'ff44'.padEnd(64, '0') })).toEqual(['卖方: ff44… ≠ aa11…']);
  expect(saying({ kind: 'coded', height: 8 })).toEqual(['合约: 自定程序 ≠ 能源套餐', '所在区块: 8 ≠ 7']);
  expect(saying({}, { paid: '2.000000', substituted: true, closing: 'end' })).toEqual(['结算类型: 合约终结 ≠ 期间', '已付: ¥2.00 ≠ ¥1.00', '含替代量: 是 ≠ 否']);
  expect(saying({}, { lines: [{}] })).toEqual([expect.stringContaining('1')]);
});

test('ids that look alike in short are told whole', () => {
  const [only] = saying({ owner: 'aa11'.padEnd(64, '1') });
  expect(only).toContain('aa11'.padEnd(64, '1'));
});

test('what is no value of its field is told as it came', () => {
  expect(saying({ user: null, kind: 'gift' }, { period: null, paid: {} })).toHaveLength(4);
});
