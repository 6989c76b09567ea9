// The vault: secrets live in this worker's WebAssembly memory, behind handles, and nowhere else while they are open.

import init, * as wasm from '../wasm/utilidor_browser.js';
import { type Answer, LOCKED } from './vault.answer';
import url from '../wasm/utilidor_browser_bg.wasm?url';

const ready = init({ module_or_path: url });
/// Open keys by their public half.
const open = new Map<string, wasm.Key>();

function keep(key: wasm.Key) {
  const id = key.public();
  open.get(id)?.free();
  open.set(id, key);
  return { public: id, kind: key.kind(), account: key.account() ?? null };
}

function key(id: string): wasm.Key {
  const found = open.get(id);
  if (!found) throw new Error(LOCKED);
  return found;
}

const calls = {
  generate: (kind: string) => keep(wasm.Key.generate(kind)),
  open: (file: string, passphrase: string) => keep(wasm.Key.open(file, passphrase)),
  seat: (secret: string) => keep(wasm.Key.of_secret('ed25519', secret)),
  sealSeat: (secret: string) => keep(wasm.Key.of_secret('seal', secret)),
  lockFile: (id: string, passphrase: string, work: number) => key(id).lock(passphrase, work),
  forget: (id: string) => {
    open.get(id)?.free();
    open.delete(id);
  },
  forgetAll: () => {
    for (const each of open.values()) each.free();
    open.clear();
  },
  isOpen: (id: string) => open.has(id),
  info: (file: string, name: string) => JSON.parse(wasm.key_file_info(file, name)),
  prepare: (id: string, chain: string, nonce: number, expires: number, action: string) => {
    const bytes = key(id).prepare(chain, nonce, expires, action);
    return { bytes, says: JSON.parse(wasm.decode_transaction(bytes)) };
  },
  sign: (id: string, bytes: Uint8Array) => {
    const signed = key(id).sign(bytes);
    const result = { bytes: signed.bytes, hash: signed.hash };
    signed.free();
    return result;
  },
  seal: (id: string) => JSON.parse(key(id).seal()),
  openQuote: (id: string, chain: string, bidder: string, quote: string) =>
    JSON.parse(key(id).open_quote(chain, bidder, quote)),
  advanceTime: (id: string, chain: string, to: number) => JSON.parse(key(id).advance_time(chain, to)),
  signIn: (id: string, chain: string, node: string, challenge: string) => JSON.parse(key(id).sign_in(chain, node, challenge)),
  oversee: (id: string, chain: string, node: string, category: string, subject: string, reason: string, after: string) =>
    JSON.parse(key(id).oversee(chain, node, category, subject, reason, after)),
  firstAccount: (id: string, chain: string) => JSON.parse(key(id).as_first_account(chain)),
  accountOf: (id: string, chain: string, member: string) => JSON.parse(key(id).as_account_of(chain, member)),
  sealQuote: (chain: string, bidder: string, owner: string, offer: string, lines: string, binding: boolean) =>
    JSON.parse(wasm.seal_quote(chain, bidder, owner, offer, lines, binding)),
  newLabel: () => wasm.new_label(),
  defaultOpenMs: () => wasm.default_open_ms(),
  labelOf: (name: string) => wasm.label_of(name),
  awardLabel: (offer: string, offered: string, bidder: string) => wasm.award_label(offer, offered, bidder),
  offerId: (owner: string, label: string) => wasm.offer_id(owner, label),
  packageId: (owner: string, label: string) => wasm.package_id(owner, label),
  motionId: (proposer: string, label: string) => wasm.motion_id(proposer, label),
  motionDigest: (motion: string) => wasm.motion_digest(motion),
  agreementId: (creator: string, label: string) => wasm.agreement_id(creator, label),
  awardTerms: (offer: string, owner: string, bidder: string, opening: string) =>
    JSON.parse(wasm.award_terms(offer, owner, bidder, opening)),
  termsDigest: (terms: string) => wasm.terms_digest(terms),
  chainOf: (genesis: string) => wasm.chain_of(genesis),
  checkProof: (genesis: string, document: ArrayBuffer) => JSON.parse(wasm.check_proof(genesis, new Uint8Array(document))),
  checkReadingsOfBill: (genesis: string, document: ArrayBuffer) => JSON.parse(wasm.check_readings_of_bill(genesis, new Uint8Array(document))),
  estimateCosts: (asked: string) => JSON.parse(wasm.estimate_costs(asked)),
  accountKey: (account: string) => wasm.account_key(account),
  meterKey: (meter: string) => wasm.meter_key(meter),
  checkCarrier: (genesis: string, kept: string, meter: string, proof: string) => JSON.parse(wasm.check_carrier(genesis, kept, meter, proof)),
  checkBalance: (genesis: string, kept: string, account: string, proof: string) =>
    JSON.parse(wasm.check_balance(genesis, kept, account, proof)),
};

export type Calls = typeof calls;

self.onmessage = async (event: MessageEvent<{ id: number; call: keyof Calls; args: unknown[] }>) => {
  const { id, call, args } = event.data;
  let running = false;
  try {
    await ready;
    running = true;
    const begun = performance.now();
    const value = (calls[call] as (...args: unknown[]) => unknown)(...args);
    self.postMessage({ id, value, ms: performance.now() - begun, ready: running } satisfies Answer);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    self.postMessage({ id, value: undefined, ms: 0, error: why, ready: running } satisfies Answer);
  }
};
