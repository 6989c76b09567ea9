// Proofs, checked in this browser. What the members are is taken from the genesis document that was seen first: a node that
// later shows another one is not believed.

import { NoAnswer, type Schemas, answer, api } from '../api/client';
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
  readings: number | null;
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
  /// Those of them that their devices have signed by themselves.
  by_device: string[];
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
  if (!isOf(shown, agreement, number) || shown.readings === null) throw new Failure('otherProof');
  return shown;
}

const isOf = ({ statement }: Bill, agreement: string, number: number) => statement.agreement === agreement && statement.number === number;

/// What the members have signed of a bill's readings, by their ids: its proof brings whole runs along, also across the ends of its period.
/// Beside it how many of those that the node says are among them, and whether these say the same, and which devices have signed.
export async function checkReadings(agreement: string, number: number, said: Schemas['CertificateView'][]) {
  const [{ text }, document] = await Promise.all([trusted(), proofOfBill(agreement, number)]);
  const { value, ms } = await timed('checkReadingsOfBill', text, document);
  const { shown, certificates, by_device } = value as { shown: Bill; certificates: Schemas['Certificate'][]; by_device: string[] };
  if (!isOf(shown, agreement, number)) throw new Failure('otherProof');
  hear(shown.height);
  const proven = new Map(certificates.map((each) => [each.id, each]));
  const devices = new Set(by_device);
  const among = said.filter((each) => proven.has(each.certificate.id));
  const isSame = ({ certificate, signed_by }: Schemas['CertificateView']) =>
    same(certificate, proven.get(certificate.id)) && devices.has(certificate.id) === (signed_by === 'device');
  const byDevice = among.filter((each) => devices.has(each.certificate.id)).length;
  return { ...shown, ms, proven, devices, among: among.length, byDevice, asSaid: among.every(isSame) };
}

/// A certified reading of a meter as the members have signed it, and whether the node says the same: also of its signer, as far as that is
/// provable, which is where the device has signed it by itself.
export async function checkReading(meter: string, said: Schemas['CertificateView']) {
  const { id } = said.certificate;
  const document = await answer(api.GET('/v1/certificates/{id}/proof', { params: { path: { id } }, parseAs: 'arrayBuffer' }));
  const shown = await check('certificates', document);
  const certificate = shown.certificates.find((each) => each.id === id);
  if (certificate?.meter !== meter) throw new Failure('otherProof');
  const byDevice = shown.by_device.includes(id);
  return { ...shown, certificate, byDevice, asSaid: same(certificate, said.certificate) && byDevice === (said.signed_by === 'device') };
}

/// What the members have signed of a final transaction: who asked for what, where and when it came, and what the ledger answered.
export type Signed = Pick<Schemas['TransactionView'], 'hash' | 'height' | 'time_ms' | 'account' | 'nonce' | 'action' | 'receipt'>;

export async function proveTransaction(hash: string) {
  const document = await answer(api.GET('/v1/transactions/{hash}/proof', { params: { path: { hash } }, parseAs: 'arrayBuffer' }));
  const { said, height, time_ms, account, receipt, ...shown } = await check('transaction', document);
  if (shown.transaction !== hash) throw new Failure('otherProof');
  const signed: Signed = { hash, height, time_ms, account, nonce: said.nonce, action: said.action, receipt };
  return { ...shown, height, signed };
}

/// The same, and whether the node says it as well.
export async function checkTransaction({ hash, height, time_ms, account, nonce, action, receipt }: Signed) {
  const shown = await proveTransaction(hash);
  return { ...shown, asSaid: same(shown.signed, { hash, height, time_ms, account, nonce, action, receipt }) };
}

/// What the members have signed of a record after a block.
interface Stood<T> {
  height: number;
  validators: number;
  time_ms: number;
  /// None: there is no such record.
  record: T | null;
  ms: number;
}

async function stood<T>(call: 'checkBalance' | 'checkCarrier', key: string, id: string): Promise<Stood<T>> {
  const { text } = await trusted();
  const proof = await answer(api.GET('/v1/state/{key}/proof', { params: { path: { key } } }));
  const kept = localStorage.getItem(HANDOVERS) ?? '[]';
  const { value, ms } = await timed(call, text, kept, id, JSON.stringify(proof));
  const { handovers, ...found } = value as Omit<Stood<T>, 'ms'> & { handovers: unknown[] };
  localStorage.setItem(HANDOVERS, JSON.stringify(handovers));
  return { ...found, ms };
}

export interface Balance extends Omit<Stood<never>, 'record'> {
  free: string;
  reserved: string;
  nonce: number;
}

/// An account's balance as the members have signed it, after a block no older than any that this browser had heard of when it asked.
export async function checkBalance(account: string): Promise<Balance> {
  // What is no number is nothing that was heard.
  const newest = Math.max(live.height || 0, newestProven());
  const { record, ...found } = await stood<Pick<Balance, 'free' | 'reserved' | 'nonce'>>('checkBalance', await vault('accountKey', account), account);
  if (found.height < newest) throw new Failure('oldProof', `${found.height} < ${newest}`);
  hear(found.height);
  if (!record) throw new Failure('notOpen');
  return { ...found, ...record };
}

/// What a meter measures, as the members have signed it: it never changes. Nothing if the node does not show that to the reader.
export async function checkCarrier(meter: string): Promise<Schemas['Carrier'] | undefined> {
  try {
    const { record } = await stood<{ carrier: Schemas['Carrier'] }>('checkCarrier', await vault('meterKey', meter), meter);
    if (!record) throw new Failure('otherProof');
    return record.carrier;
  } catch (error) {
    if (error instanceof NoAnswer && error.status === 404) return undefined;
    throw error;
  }
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
