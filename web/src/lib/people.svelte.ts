// Who uses the app: the keys of this browser, the demonstration's seats, and the reader's own names for whatever has an id, which never
// leave this browser.

import { createStore, get, update } from 'idb-keyval';
import { type Schemas, answer, api, beginningWith } from '../api/client';
import { Failure } from './failure';
import { short } from './format';
import { chainSeen, onSeen } from './seen';
import { sessions } from './session.svelte';
import { text } from './text.svelte';
import { vault } from './vault';

export type Role = Schemas['Role'];

/// A key of this browser, kept as the command line's key file.
export interface Kept {
  name: string;
  kind: 'ed25519' | 'p256';
  public: string;
  account: string;
  /// The key file.
  file: string;
  /// The key file of the key that quotes on this account's offers are sealed to, under the same passphrase.
  sealFile?: string;
  sealPublic?: string;
  /// Whether its files were saved outside this browser.
  backedUp: boolean;
}

/// A participant of the demonstration.
export interface Seat {
  name: string;
  category: string;
  account: string;
  roles: Role[];
  floor_area_m2: number | null;
  secret: string;
  seal_secret: string;
}

export interface Seats {
  people: Seat[];
  operator: string;
  /// What the demonstration calls its things, by their ids.
  names?: Record<string, { en: string; zh: string }>;
}

const store = createStore('utilidor', 'keys');
const KEYS = 'keys';
const KEYS_CHANGED = 'utilidor/keys-changed';
const CURRENT = 'utilidor/account';
const SEAT = 'utilidor/seat';
const NAMES = 'utilidor/names';

let kept = $state.raw<Kept[]>([]);
let seats = $state.raw<Seats>();
let current = $state<string>();
let seat = $state.raw<Seat>();
/// Public halves of the keys that are open in the vault, by account: the signing key, and the seal key.
let open = $state.raw<Record<string, { signing: string; seal?: string }>>({});
let record = $state.raw<Schemas['AccountView']>();
/// Whether it is being found out if the current account is open, and the account that is not.
let looking = $state(false);
let unopened = $state<string>();
let names = $state.raw(readNames());
let ready = $state(false);

/// The vault locks after so many idle minutes, and says so a minute before.
export const IDLE_MINUTES = 10;
let lastUse = Date.now();
let locksSoon = $state(false);

let reading: Promise<void> | undefined;
/// Why the keys of this browser cannot be read: that is not the same as having none.
let unread = $state.raw<unknown>();
/// Other windows of the app hear here that the keys are others now.
const changes = new BroadcastChannel(KEYS_CHANGED);

async function read(): Promise<void> {
  try {
    kept = (await get<Kept[]>(KEYS, store)) ?? [];
    unread = undefined;
  } catch (error) {
    reading = undefined;
    unread = new Failure('keyStore', String(error));
    throw unread;
  }
}

/// The keys of this browser, which the first page does not wait for unless it is about one of them.
async function stored(): Promise<Kept[]> {
  await (reading ??= read());
  return kept;
}

/// Changes the keys as they stand now, whatever another window has done to them since they were read.
async function keep(change: (keys: Kept[]) => Kept[]): Promise<void> {
  let changed: Kept[] = [];
  await update<Kept[]>(KEYS, (keys) => (changed = change(keys ?? [])), store);
  kept = changed;
  changes.postMessage(undefined);
}

changes.onmessage = () => void (reading = read()).catch(() => undefined);

function readNames(): Record<string, string> {
  return JSON.parse(localStorage.getItem(NAMES) ?? '{}') as Record<string, string>;
}

window.addEventListener('storage', ({ key }) => {
  if (key === NAMES || key === null) names = readNames();
});

/// Of the chain that was seen first, or else of the one that the node shows: it is trusted with the first thing that is checked or signed.
async function believesSeats(): Promise<boolean> {
  const seen = chainSeen();
  const kind = seen?.kind ?? (seen ? (await (await import('./proof')).trusted()).kind : (await answer(api.GET('/v1/genesis'))).kind);
  return kind === 'development';
}

// Until then the node alone says of which kind its chain is.
onSeen(({ kind }) => {
  if (kind !== 'development') seats = undefined;
});

/// Chooses the account of a key of this browser.
function choose(account: string | null | undefined): boolean {
  const found = kept.find((each) => each.account === account);
  if (found) current = found.account;
  return found !== undefined;
}

function givenName(id: string): string | undefined {
  const seat = seats?.people.find((each) => each.account === id)?.name;
  return seat ?? seats?.names?.[id]?.[text.language === 'en' ? 'en' : 'zh'];
}

async function openSeat(chosen: Seat): Promise<void> {
  // Whoever sits at a place of a chain where money is at stake would use a key that others have.
  const { trusted } = await import('./proof');
  if ((await trusted()).kind !== 'development') throw new Failure('noSeats');
  const signing = await vault('seat', chosen.secret);
  const seal = await vault('sealSeat', chosen.seal_secret);
  open = { ...open, [chosen.account]: { signing: signing.public, seal: seal.public } };
}

/// The handles of the current account's open keys; a seat's are opened when they are first needed.
async function handles(): Promise<{ signing: string; seal?: string } | undefined> {
  if (current === undefined) return undefined;
  if (!open[current] && seat) await openSeat(seat);
  return open[current];
}

async function loadRecord(): Promise<void> {
  const account = current;
  // A key of this browser may be one that the chain does not know yet: then there is nothing of its own to ask for.
  if (record?.account !== account) looking = account !== undefined && !seat;
  record = undefined;
  await find(account);
  if (account === current) looking = false;
}

async function find(account: string | undefined): Promise<void> {
  await sessions.begin(account, async () => (await handles())?.signing);
  if (!account || !sessions.now) return;
  try {
    const known = Boolean(seat) || (await beginningWith(account)).length > 0;
    if (account === current) unopened = known ? undefined : account;
    if (!known) return;
    const found = await answer(api.GET('/v1/accounts/{account}', { params: { path: { account } } }));
    if (account === current) record = found;
  } catch {
    // Without an answer the account is shown as not open; the page's own questions say what is wrong.
  }
}

export const people = {
  /// Loads what this browser keeps, and whether the node offers seats.
  async begin(): Promise<void> {
    const keys = stored().catch(() => undefined);
    try {
      // The page's head asks for them already.
      const response = await fetch('/seats.json');
      const offered = response.ok ? ((await response.json()) as Seats | null) : null;
      // Seats and their names are believed of a chain for development alone.
      if (offered && (await believesSeats())) seats = offered;
    } catch {
      // No node, no seats.
    }
    const account = sessionStorage.getItem(SEAT) ?? localStorage.getItem(CURRENT) ?? undefined;
    seat = seats?.people.find((each) => each.account === account);
    if (account !== undefined && !seat) await keys;
    if (seat) current = seat.account;
    else choose(account);
    ready = true;
    await loadRecord();
  },
  get ready() {
    return ready;
  },
  get kept() {
    return kept;
  },
  /// Why the keys of this browser cannot be read, if they cannot.
  get unread() {
    return unread;
  },
  async reread(): Promise<void> {
    await stored().catch(() => undefined);
    if (!current && choose(localStorage.getItem(CURRENT))) await loadRecord();
  },
  get seats() {
    return seats;
  },
  /// The account that the app shows, if one is chosen.
  get account() {
    return current;
  },
  get key() {
    return kept.find((each) => each.account === current);
  },
  get seat() {
    return seat;
  },
  get record() {
    return record;
  },
  get roles(): Role[] {
    return sessions.now?.roles ?? seat?.roles ?? [];
  },
  has(role: Role): boolean {
    return people.roles.includes(role);
  },
  /// Whether the node shows the reader what is the current account's.
  get signedIn() {
    return current !== undefined && sessions.now?.account === current;
  },
  /// The account that the app shows, once it is known to be open and the node shows what is its own.
  get own() {
    return people.signedIn && !looking && !people.unopened ? current : undefined;
  },
  /// Whether the reader's member sees what all members see.
  get isMember() {
    return people.signedIn && (sessions.now?.member ?? undefined) !== undefined;
  },
  get looking() {
    return looking;
  },
  /// Whether the chain does not know the current account.
  get unopened() {
    return current !== undefined && unopened === current;
  },
  get unlocked() {
    return current !== undefined && (open[current] !== undefined || seat !== undefined);
  },
  get locksSoon() {
    return locksSoon;
  },
  handles(): Promise<{ signing: string; seal?: string } | undefined> {
    lastUse = Date.now();
    return handles();
  },
  async takeSeat(chosen: Seat): Promise<void> {
    [seat, current] = [chosen, chosen.account];
    sessionStorage.setItem(SEAT, chosen.account);
    await loadRecord();
  },
  async choose(account: string): Promise<void> {
    [seat, current] = [undefined, account];
    sessionStorage.removeItem(SEAT);
    localStorage.setItem(CURRENT, account);
    await loadRecord();
  },
  leave(): void {
    void sessions.end();
    [seat, current] = [undefined, undefined];
    sessionStorage.removeItem(SEAT);
    localStorage.removeItem(CURRENT);
    void loadRecord();
  },
  refresh: loadRecord,
  /// A new key with a key for quotes beside it, both under one passphrase.
  async create(name: string, kind: 'ed25519' | 'p256', passphrase: string): Promise<Kept> {
    const signing = await vault('generate', kind);
    const seal = await vault('generate', 'seal');
    const made: Kept = {
      name,
      kind,
      public: signing.public,
      account: signing.account!,
      file: await vault('lockFile', signing.public, passphrase, 17),
      sealFile: await vault('lockFile', seal.public, passphrase, 17),
      sealPublic: seal.public,
      backedUp: false,
    };
    open = { ...open, [made.account]: { signing: signing.public, seal: seal.public } };
    await keep((keys) => [...keys, made]);
    people.name(made.account, name);
    await people.choose(made.account);
    return made;
  },
  /// Takes in a key file of the command line, which is opened to see that the passphrase is right.
  async import(name: string, file: string, passphrase: string): Promise<Kept | 'seal'> {
    await vault('info', file, name);
    const opened = await vault('open', file, passphrase);
    if (opened.kind === 'seal') {
      const mine = people.key;
      if (!mine) throw new Failure('keyFile', 'a seal key goes beside an account’s key');
      await keep((keys) => keys.map((each) => (each.account === mine.account ? { ...each, sealFile: file, sealPublic: opened.public } : each)));
      open = { ...open, [mine.account]: { ...open[mine.account]!, seal: opened.public } };
      return 'seal';
    }
    const account = opened.account!;
    const before = (await stored()).find((each) => each.account === account);
    const taken: Kept = { ...before, name, kind: opened.kind as Kept['kind'], public: opened.public, account, file, backedUp: true };
    open = { ...open, [account]: { ...open[account], signing: opened.public } };
    await keep((keys) => [...keys.filter((each) => each.account !== account), taken]);
    people.name(account, name);
    await people.choose(account);
    return taken;
  },
  async unlock(passphrase: string): Promise<void> {
    const mine = people.key;
    if (!mine) return;
    const signing = await vault('open', mine.file, passphrase);
    const seal = mine.sealFile ? await vault('open', mine.sealFile, passphrase) : undefined;
    open = { ...open, [mine.account]: { signing: signing.public, ...(seal && { seal: seal.public }) } };
    lastUse = Date.now();
    locksSoon = false;
    if (!people.signedIn) await loadRecord();
  },
  async lock(): Promise<void> {
    open = {};
    locksSoon = false;
    await Promise.all([vault('forgetAll'), sessions.end()]);
    record = undefined;
  },
  stay(): void {
    lastUse = Date.now();
    locksSoon = false;
  },
  async backedUp(account: string): Promise<void> {
    await keep((keys) => keys.map((each) => (each.account === account ? { ...each, backedUp: true } : each)));
  },
  async remove(account: string): Promise<void> {
    await keep((keys) => keys.filter((each) => each.account !== account));
    if (current === account) people.leave();
  },
  /// The name of what has this id: the reader's own, a key's, or the demonstration's.
  nameOf(id: string): string | undefined {
    return names[id] ?? givenName(id);
  },
  /// The same, or the beginning of the id.
  called(id: string): string {
    return people.nameOf(id) ?? short(id);
  },
  /// The name that the reader gave.
  ownName: (id: string): string | undefined => names[id],
  /// Everything with a name here, by its id.
  get known(): [id: string, name: string][] {
    const given = [...(seats?.people ?? []).map((each) => each.account), ...Object.keys(seats?.names ?? {})];
    return [...new Set([...Object.keys(names), ...given])].map((id) => [id, people.called(id)]);
  },
  name(id: string, name: string): void {
    const { [id]: _, ...rest } = readNames();
    names = name.trim() ? { ...rest, [id]: name.trim() } : rest;
    localStorage.setItem(NAMES, JSON.stringify(names));
  },
};

/// Watches whether somebody is there.
export function watchIdle(): void {
  for (const sign of ['pointerdown', 'keydown']) {
    addEventListener(sign, () => {
      if (!locksSoon) lastUse = Date.now();
    });
  }
  setInterval(() => {
    if (!Object.keys(open).length || seat) return;
    const idle = Date.now() - lastUse;
    locksSoon = idle > (IDLE_MINUTES - 1) * 60_000;
    if (idle > IDLE_MINUTES * 60_000) void people.lock();
  }, 5_000);
}
