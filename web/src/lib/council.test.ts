import { expect, test } from 'vitest';
import { nodes } from './council';

test('a dismissed node that still votes is shown, and one that is to move stands there once', () => {
  const validator = (name: string, address = `${name}:1`) => ({ key: name, member: name, address });
  const appointed = (of: ReturnType<typeof validator>, in_force: boolean) => ({ validator: of, in_force, ready_epoch: null });
  const shown = nodes({
    validators: { version: 1, validators: [validator('dismissed'), validator('moves'), validator('stays')] },
    appointed: [appointed(validator('moves', 'new:1'), true), appointed(validator('stays'), true), appointed(validator('comes'), false)],
  });
  expect(shown.map(({ validator, stands, moves }) => [validator.key, stands, moves])).toEqual([
    ['dismissed', 'leaves', undefined],
    ['moves', 'inForce', 'new:1'],
    ['stays', 'inForce', undefined],
    ['comes', 'wanted', undefined],
  ]);
});
