// Signing in: a key answers the node's challenge, and has a token for an hour. The token shows what is its account's, and moves
// nothing; it is kept for this tab, so that a reload needs no passphrase. A supervisor's look is a token beside it: as long as it
// counts, what is asked of its category is asked with it, on every page.

import { SCHEME, type Schemas, answer, api, askAs } from '../api/client';
import { vault } from './vault';

type Session = Schemas['NewToken'];

/// The handle of the current account's open key, if it is open.
type Opened = () => Promise<string | undefined>;

const KEPT = 'utilidor/session';
const LOOK = 'utilidor/look';
/// What each category is about. Proofs of balances are for whoever signs.
const ABOUT: Record<Schemas['Category'], RegExp> = {
  accounts: /^\/v1\/accounts(?!.*\/(proof|series))/,
  trade: /^\/v1\/(agreements|statements|subscriptions|offers\/.*\/quotes)/,
  meters: /^\/v1\/(meters|certificates)/,
};
/// A session is renewed so long before its end.
const AHEAD_MS = 60_000;

let session = $state.raw<Session>();
let look = $state.raw<Session>();
let beginning = $state(false);
let whose: string | undefined;
let opened: Opened = () => Promise.resolve(undefined);
let underWay: Promise<Session | undefined> | undefined;

function kept(account: string, key = KEPT): Session | undefined {
  const found = JSON.parse(sessionStorage.getItem(key) ?? 'null') as Session | null;
  return found?.account === account ? found : undefined;
}

function lookAt(found: Session | undefined): void {
  look = found;
  if (found) sessionStorage.setItem(LOOK, JSON.stringify(found));
  else sessionStorage.removeItem(LOOK);
}

function forget(): void {
  session = undefined;
  sessionStorage.removeItem(KEPT);
}

async function signIn(account: string): Promise<Session | undefined> {
  const handle = await opened();
  if (!handle) return undefined;
  const { trusted } = await import('./proof');
  const [{ chain }, { challenge }] = await Promise.all([trusted(), answer(api.POST('/v1/session/challenge'))]);
  // It is for the chain that is trusted, and for this node alone: what another node hands on is answered for another name.
  const body = await vault('signIn', handle, chain, location.host, challenge);
  const made = await answer(api.POST('/v1/session', { body }));
  if (whose !== account) return undefined;
  session = made;
  sessionStorage.setItem(KEPT, JSON.stringify(made));
  return made;
}

async function current(refused?: string): Promise<Session | undefined> {
  const account = whose;
  if (!account) return undefined;
  if (session && (session.token === refused || session.ends_ms < Date.now() + AHEAD_MS)) forget();
  if (session) return session;
  underWay ??= signIn(account).finally(() => (underWay = undefined));
  return underWay;
}

askAs(async (path, refused) => {
  if (look && (look.token === refused || look.ends_ms < Date.now())) lookAt(undefined);
  if (look?.categories.some((category) => ABOUT[category].test(path))) return look.token;
  return (await current(refused).catch(() => undefined))?.token;
});

/// Ends what a token shows, at the node.
const endAt = ({ token }: Session) => api.DELETE('/v1/session', { headers: { authorization: SCHEME + token } }).catch(() => undefined);

export const sessions = {
  /// From now on, questions are an account's; with what is kept of it, or else by its key.
  async begin(account: string | undefined, key: Opened): Promise<void> {
    [whose, opened, underWay] = [account, key, undefined];
    if (account === undefined || session?.account !== account) {
      session = account === undefined ? undefined : kept(account);
      if (!session) forget();
    }
    lookAt(account === undefined ? undefined : kept(account, LOOK));
    beginning = true;
    // An account whose key is locked is shown without what is its own.
    await current().catch(() => undefined);
    if (whose === account) beginning = false;
  },
  /// Ends the session, here and at the node.
  async end(): Promise<void> {
    const ended = [session, look].filter((each) => each !== undefined);
    forget();
    lookAt(undefined);
    await Promise.all(ended.map(endAt));
  },
  /// What the reader looks at for a reason.
  get look() {
    return look;
  },
  /// Looks at what a reason was given for; at nothing any more without one.
  async lookAt(found: Session | undefined): Promise<void> {
    const ended = look;
    lookAt(found);
    if (ended) await endAt(ended);
  },
  get beginning() {
    return beginning;
  },
  /// Whom the node takes the reader for; nobody without a session.
  get now() {
    return session;
  },
};
