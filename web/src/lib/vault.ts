// The page's side of the vault: calls that a worker answers. The worker and its WebAssembly are loaded with the first call.

import { Failure, type Kind } from './failure';
import type { Calls } from './vault.worker';
import { type Answer, LOCKED } from './vault.answer';
import VaultWorker from './vault.worker?worker';

interface Waiting {
  call: keyof Calls;
  resolve(answer: { value: unknown; ms: number }): void;
  reject(error: unknown): void;
}

/// What it means that a call failed; that of any other is the vault's.
const FAILURES: { [call in keyof Calls]?: Kind } = { info: 'keyFile', open: 'passphrase', checkProof: 'proof', checkReadingsOfBill: 'proof', checkBalance: 'proof', checkCarrier: 'proof' };

/// A vault that did not come to run keeps nothing: the next call tries anew.
function give_up(why: string, ...asking: (Waiting | undefined)[]): void {
  for (const who of [...asking, ...waiting.values()]) who?.reject(new Failure('vaultMissing', why));
  waiting.clear();
  worker?.terminate();
  worker = undefined;
}

let worker: Worker | undefined;
let last = 0;
const waiting = new Map<number, Waiting>();

function start(): Worker {
  const made = new VaultWorker();
  made.onmessage = ({ data }: MessageEvent<Answer>) => {
    const who = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.error === undefined) who?.resolve(data);
    else if (data.error === LOCKED) who?.reject(new Failure('locked'));
    else if (data.ready) who?.reject(new Failure(FAILURES[who.call] ?? 'vault', data.error));
    else give_up(data.error, who);
  };
  made.onerror = (event) => give_up(event.message);
  return made;
}

/// Calls the vault, and tells how many milliseconds the work itself took.
export function timed<C extends keyof Calls>(
  call: C,
  ...args: Parameters<Calls[C]>
): Promise<{ value: ReturnType<Calls[C]>; ms: number }> {
  worker ??= start();
  const id = ++last;
  const promise = new Promise<{ value: unknown; ms: number }>((resolve, reject) => waiting.set(id, { call, resolve, reject }));
  // Bytes are handed over, not copied.
  worker.postMessage({ id, call, args }, args.filter((arg) => arg instanceof ArrayBuffer));
  return promise as Promise<{ value: ReturnType<Calls[C]>; ms: number }>;
}

/// Calls the vault.
export async function vault<C extends keyof Calls>(call: C, ...args: Parameters<Calls[C]>): Promise<ReturnType<Calls[C]>> {
  return (await timed(call, ...args)).value;
}
