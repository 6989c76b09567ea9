// Proofs, checked in this browser. What the members are is taken from the genesis document that was seen first: a node that
// later shows another one is not believed.

import { type Schemas, answer, api } from '../api/client';
import { Failure, OtherChain } from './failure';
import { live } from './live.svelte';
import { same } from './same';
import { chainSeen, forgetChain, see } from './seen';
import { timed, vault } from './vault';

/// What led to the newest validators seen: those they have replaced prove no balance any more.
const HANDOVERS = 'utilidor/handovers';
/// The newest block that a proof was of: one of an earlier block proves no present balance any more.
const NEWEST = 'utilidor/newest-proven';

let genesis: Promise<{ text: string; chain: string; kind: Schemas['ChainKind'] }> | undefined;

async function load() {
  const document = await answer(api.GET('/v1/genesis'));
  const text = JSON.stringify(document);
  const chain = await vault('chainOf', text);
  const seen = chainSeen();
  if (seen && seen.chain !== chain) throw new OtherChain(seen.chain);
  see({ chain, kind: document.kind });
  return { text, chain, kind: document.kind };
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
  forgetChain();
  for (const kept of [HANDOVERS, NEWEST]) localStorage.removeItem(kept);
  genesis = undefined;
}

/// What every proof shows: the members who could make a block final have made this one so.
interface Shown {
  chain: string;
  height: number;
  validators: number;
}

interface Bill extends Shown {
  kind: 'bill';
  statement: Schemas['Statement'];
  terms: Schemas['AgreementTerms'];
  /// How many readings it rests on; none if the proof brought none along.
  certificates: number | null;
}

interface Transaction extends Shown {
  kind: 'transaction';
  time_ms: number;
  transaction: string;
  account: string;
  said: Schemas['Transaction'];
  receipt: Schemas['Receipt'];
}

interface Certificates extends Shown {
  kind: 'certificates';
  certificates: Schemas['Certificate'][];
}

type Proof = Bill | Transaction | Certificates;

/// Checks a proof document of a kind, the bytes as the node sent them: it is long, and nothing here reads it before it is checked.
async function check<K extends Proof['kind']>(kind: K, document: ArrayBuffer): Promise<Extract<Proof, { kind: K }> & { ms: number }> {
  const { text } = await trusted();
  const { value, ms } = await timed('checkProof', text, document);
  const shown = value as Extract<Proof, { kind: K }>;
  if (shown.kind !== kind) throw new Failure('otherProof');
  hear(shown.height);
  return { ...shown, ms };
}

const newestProven = () => Number(localStorage.getItem(NEWEST)) || 0;

/// The chain has come to this block.
function hear(height: number): void {
  localStorage.setItem(NEWEST, String(Math.max(height, newestProven())));
}

function proofOfBill(agreement: string, number: number, short = false): Promise<ArrayBuffer> {
  const params = { path: { agreement, number }, query: short ? { short } : {} };
  return answer(api.GET('/v1/statements/{agreement}/{number}/proof', { params, parseAs: 'arrayBuffer' }));
}

/// Checks a bill's short proof, that without the readings, and says nothing of it: a browser translates the checking code while it first
/// runs, several times as slowly. So this happens while the bill is read.
export async function rehearse(agreement: string, number: number): Promise<void> {
  await check('bill', await proofOfBill(agreement, number, true));
}

/// A statement as the members have signed it: its program run again on what the ledger was told, down to the readings.
export async function checkBill(agreement: string, number: number) {
  const shown = await check('bill', await proofOfBill(agreement, number));
  // A proof of some other bill proves nothing about this one, and one without the readings too little.
  if (!isOf(shown, agreement, number) || shown.certificates === null) throw new Failure('otherProof');
  return shown;
}

const isOf = ({ statement }: Bill, agreement: string, number: number) => statement.agreement === agreement && statement.number === number;

/// How many of the readings are among those that a bill's proof brings along: whole runs, also across the ends of its period. None of
/// them may be another there.
export async function checkReadings(agreement: string, number: number, said: Schemas['Certificate'][]) {
  const [{ text }, document] = await Promise.all([trusted(), proofOfBill(agreement, number)]);
  const { value, ms } = await timed('checkReadingsOfBill', text, document);
  const { shown, readings } = value as { shown: Bill; readings: Schemas['Certificate'][] };
  if (!isOf(shown, agreement, number)) throw new Failure('otherProof');
  hear(shown.height);
  const proven = new Map(readings.map((each) => [each.id, each]));
  const among = said.filter((each) => proven.has(each.id));
  if (among.some((each) => !same(each, proven.get(each.id)))) throw new Failure('differs');
  return { ...shown, ms, among: among.length };
}

/// That a reading of a meter is certified as the node says it.
export async function checkReading(meter: string, said: Schemas['Certificate']) {
  if (said.meter !== meter) throw new Failure('otherProof');
  const params = { path: { id: said.id } };
  const document = await answer(api.GET('/v1/certificates/{id}/proof', { params, parseAs: 'arrayBuffer' }));
  const shown = await check('certificates', document);
  const found = shown.certificates.find((each) => each.id === said.id);
  if (!found) throw new Failure('otherProof');
  if (!same(found, said)) throw new Failure('differs');
  return shown;
}

/// A final transaction as the members have signed it (who asked for what, where and when it came, and what the ledger answered), and whether
/// the node says the same.
export async function checkTransaction(view: Schemas['TransactionView']) {
  const params = { path: { hash: view.hash } };
  const document = await answer(api.GET('/v1/transactions/{hash}/proof', { params, parseAs: 'arrayBuffer' }));
  const shown = await check('transaction', document);
  if (shown.transaction !== view.hash) throw new Failure('otherProof');
  const { height, time_ms, account, said, receipt } = shown;
  const { nonce, action } = said;
  const seen = { height: view.height, time_ms: view.time_ms, account: view.account, nonce: view.nonce, action: view.action, receipt: view.receipt };
  return { ...shown, asSaid: same({ height, time_ms, account, nonce, action, receipt }, seen) };
}

export interface Balance {
  height: number;
  validators: number;
  time_ms: number;
  free: string;
  reserved: string;
  nonce: number;
  ms: number;
}

/// An account's balance as the members have signed it, after a block no older than any that this browser has heard of.
export async function checkBalance(account: string): Promise<Balance> {
  const { text } = await trusted();
  // What is no number is nothing that was heard.
  const newest = Math.max(live.height || 0, newestProven());
  const key = await vault('accountKey', account);
  const proof = await answer(api.GET('/v1/state/{key}/proof', { params: { path: { key } } }));
  const kept = localStorage.getItem(HANDOVERS) ?? '[]';
  const { value, ms } = await timed('checkBalance', text, kept, account, JSON.stringify(proof));
  const { handovers, ...balance } = value as Omit<Balance, 'ms'> & { handovers: unknown[] };
  if (balance.height < newest) throw new Failure('oldProof', `${balance.height} < ${newest}`);
  localStorage.setItem(HANDOVERS, JSON.stringify(handovers));
  hear(balance.height);
  return { ...balance, ms };
}

/// Whether what the node says of an account is what the members have signed: both are asked for once more until they are of one time.
export async function saysWhatIsProven(account: string, proven: Balance): Promise<boolean> {
  for (let turn = 0; turn < TURNS; turn += 1) {
    await reachedBy(proven.height);
    const said = await answer(api.GET('/v1/accounts/{account}', { params: { path: { account } } }));
    const after = await checkBalance(account);
    if ([proven, after].some((each) => each.free === said.free && each.reserved === said.reserved)) return true;
    if (after.free === proven.free && after.reserved === proven.reserved) return false;
    proven = after;
  }
  return false;
}

const TURNS = 5;

/// Waits a moment for the node's read model, which follows the chain.
async function reachedBy(height: number): Promise<void> {
  for (let turn = 0; turn < TURNS; turn += 1) {
    await live.ask();
    if (live.height >= height) return;
    await new Promise((wake) => setTimeout(wake, 200));
  }
}
