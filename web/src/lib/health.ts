// How a meter does, worst first.

import type { Schemas } from '../api/client';
import { HOUR } from './clock.svelte';

/// Silence that somebody should look at.
export const SILENT_MS = 3 * HOUR;

export interface Health {
  silentMs: number;
  troubled: boolean;
  /// The higher, the sooner it needs attention.
  worry: number;
}

export function health(meter: Schemas['MeterView'], now: number): Health {
  const silentMs = meter.retired ? 0 : Math.max(0, now - meter.read_ms);
  const silent = silentMs > SILENT_MS;
  return { silentMs, troubled: silent, worry: meter.retired ? -1 : (silent ? 1e6 + silentMs / HOUR : 0) + meter.gaps * 10 + meter.corrections };
}
