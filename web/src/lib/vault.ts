// The page's side of the vault: calls that a worker answers. The worker and its WebAssembly are loaded with the first call.

import type { Calls } from './vault.worker';
import VaultWorker from './vault.worker?worker';

interface Waiting {
  resolve(answer: { value: unknown; ms: number }): void;
  reject(error: Error): void;
}

let worker: Worker | undefined;
let last = 0;
const waiting = new Map<number, Waiting>();

function start(): Worker {
  const made = new VaultWorker();
  made.onmessage = ({ data }: MessageEvent<{ id: number; value: unknown; ms: number; error?: string }>) => {
    const who = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.error === undefined) who?.resolve(data);
    else who?.reject(new Error(data.error));
  };
  made.onerror = () => {
    for (const who of waiting.values()) who.reject(new Error('the vault failed'));
    waiting.clear();
  };
  return made;
}

/// Calls the vault, and tells how many milliseconds the work itself took.
export function timed<C extends keyof Calls>(
  call: C,
  ...args: Parameters<Calls[C]>
): Promise<{ value: ReturnType<Calls[C]>; ms: number }> {
  worker ??= start();
  const id = ++last;
  const promise = new Promise<{ value: unknown; ms: number }>((resolve, reject) => waiting.set(id, { resolve, reject }));
  // Bytes are handed over, not copied.
  worker.postMessage({ id, call, args }, args.filter((arg) => arg instanceof ArrayBuffer));
  return promise as Promise<{ value: ReturnType<Calls[C]>; ms: number }>;
}

/// Calls the vault.
export async function vault<C extends keyof Calls>(call: C, ...args: Parameters<Calls[C]>): Promise<ReturnType<Calls[C]>> {
  return (await timed(call, ...args)).value;
}
