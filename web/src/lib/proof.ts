// Proofs, checked in this browser. What the members are is taken from the genesis document that was seen first: a node that
// later shows another one is not believed.

import { type Schemas, answer, api } from '../api/client';
import { Failure, OtherChain } from './failure';
import { timed, vault } from './vault';

const GENESIS = 'utilidor/genesis';
/// What led to the newest validators seen: those they have replaced prove no balance any more.
const HANDOVERS = 'utilidor/handovers';

let genesis: Promise<{ text: string; validators: number; chain: string }> | undefined;

async function load() {
  const document = await answer(api.GET('/v1/genesis'));
  const text = JSON.stringify(document);
  const chain = await vault('chainOf', text);
  const seen = localStorage.getItem(GENESIS);
  if (seen && seen !== chain) throw new OtherChain(seen);
  localStorage.setItem(GENESIS, chain);
  return { text, validators: document.validators.length, chain };
}

/// The genesis document, and what follows from it.
export function trusted() {
  genesis ??= load().catch((error: unknown) => {
    genesis = undefined;
    throw error;
  });
  return genesis;
}

/// Trusts the node's chain from now on, whatever was seen before.
export function trustAnew(): void {
  localStorage.removeItem(GENESIS);
  localStorage.removeItem(HANDOVERS);
  genesis = undefined;
}

export interface Bill {
  kind: 'bill';
  chain: string;
  height: number;
  statement: Schemas['Statement'];
  certificates: number | null;
  validators: number;
}

/// Checks a proof document, the bytes as the node sent them: it is long, and nothing here reads it before it is checked.
export async function check<T>(document: ArrayBuffer): Promise<{ shown: T; ms: number; validators: number }> {
  const { text, validators } = await trusted();
  const { value, ms } = await timed('checkProof', text, document);
  return { shown: value as T, ms, validators };
}

/// Checks a bill's short proof, that without the readings, and says nothing of it: a browser translates the checking code while it first
/// runs, several times as slowly. So this happens while the bill is read.
export async function rehearse(agreement: string, number: number): Promise<void> {
  const params = { path: { agreement, number }, query: { short: true } };
  const short = api.GET('/v1/statements/{agreement}/{number}/proof', { params, parseAs: 'arrayBuffer' });
  await check(await answer(short));
}

/// A statement as the members have signed it: its program run again on what the ledger was told, down to the readings.
export async function checkBill(agreement: string, number: number) {
  const document = await answer(
    api.GET('/v1/statements/{agreement}/{number}/proof', { params: { path: { agreement, number } }, parseAs: 'arrayBuffer' }),
  );
  const { shown, ms, validators } = await check<Bill>(document);
  // A proof of some other bill proves nothing about this one.
  if (shown.statement.agreement !== agreement || shown.statement.number !== number) throw new Failure('otherProof');
  return { ...shown, ms, validators };
}

interface Balance {
  height: number;
  time_ms: number;
  free: string;
  reserved: string;
  nonce: number;
}

/// An account's balance as the members have signed it.
export async function checkBalance(account: string) {
  const { text, validators } = await trusted();
  const key = await vault('accountKey', account);
  const proof = await answer(api.GET('/v1/state/{key}/proof', { params: { path: { key } } }));
  const kept = localStorage.getItem(HANDOVERS) ?? '[]';
  const { value, ms } = await timed('checkBalance', text, kept, account, JSON.stringify(proof));
  const { handovers, ...balance } = value as Balance & { handovers: unknown[] };
  localStorage.setItem(HANDOVERS, JSON.stringify(handovers));
  return { ...balance, ms, validators };
}
