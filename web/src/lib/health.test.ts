import { describe, expect, test } from 'vitest';
import type { Schemas } from '../api/client';
import { HOUR } from './clock.svelte';
import { health, newest } from './health';

const read = (hour: number, more: Partial<Schemas['MeterView']> = {}) => ({ read_ms: hour * HOUR, gaps: 0, corrections: 0, retired: false, ...more }) as Schemas['MeterView'];

describe('a meter’s health', () => {
  test('meters that bring a day’s readings at once are not silent together, and the one that stays away is', () => {
    const meters = [read(24), read(24), read(20)];
    const troubled = (now: number) => meters.map((meter) => health(meter, now * HOUR, newest(meters)).troubled);
    expect(troubled(30)).toEqual([false, false, true]);
    expect(troubled(51)).toEqual([true, true, true]);
  });

  test('a retired meter is not silent', () => {
    expect(health(read(0, { retired: true }), 1_000 * HOUR, 1_000 * HOUR)).toEqual({ silentMs: 0, troubled: false, worry: -1 });
  });
});
