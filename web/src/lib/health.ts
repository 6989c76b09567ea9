// How a meter does, worst first.

import type { Schemas } from '../api/client';
import { HOUR } from './clock.svelte';

/// Silence that somebody should look at, while others read; where readings come once a day, all fall silent together.
const SILENT_MS = 3 * HOUR;
/// And silence whatever the others do.
const LONG_SILENT_MS = 26 * HOUR;

export interface Health {
  silentMs: number;
  troubled: boolean;
  /// The higher, the sooner it needs attention.
  worry: number;
}

/// When the last of several was read.
export function newest(meters: Schemas['MeterView'][]): number {
  return meters.reduce((last, meter) => Math.max(last, meter.read_ms), 0);
}

/// `others` is when the last of the meters was read that come the same way, if it is known.
export function health(meter: Schemas['MeterView'], now: number, others = 0): Health {
  const silentMs = meter.retired ? 0 : Math.max(0, now - meter.read_ms);
  const silent = silentMs > LONG_SILENT_MS || (!meter.retired && others - meter.read_ms > SILENT_MS);
  return { silentMs, troubled: silent, worry: meter.retired ? -1 : (silent ? 1e6 + silentMs / HOUR : 0) + meter.gaps * 10 + meter.corrections };
}
