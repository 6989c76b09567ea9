// Which chain this browser saw first. What a node says later is held against it.

import type { Schemas } from '../api/client';

const CHAIN = 'utilidor/genesis';
/// Its kind: only a chain for development has seats.
const KIND = 'utilidor/genesis-kind';

export interface Seen {
  chain: string;
  kind: Schemas['ChainKind'] | null;
}

export function chainSeen(): Seen | undefined {
  const chain = localStorage.getItem(CHAIN);
  return chain === null ? undefined : { chain, kind: localStorage.getItem(KIND) as Seen['kind'] };
}

let whenSeen: ((seen: Seen) => void) | undefined;

/// Tells a listener of the chain whenever it is seen.
export function onSeen(listener: (seen: Seen) => void): void {
  whenSeen = listener;
}

export function see({ chain, kind }: Seen): void {
  whenSeen?.({ chain, kind });
  localStorage.setItem(CHAIN, chain);
  if (kind) localStorage.setItem(KIND, kind);
}

export function forgetChain(): void {
  localStorage.removeItem(CHAIN);
  localStorage.removeItem(KIND);
}
