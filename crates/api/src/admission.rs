//! Who a request is from: sessions of keys, read tokens of programs, supervisors' tokens. What each may see is not decided
//! here but in the index.
//!
//! ```text
//! challenge --signed by a key--> session (an hour) --> read token (until it ends, or is revoked)
//! ```
//!
//! A token is 32 random bytes. The node keeps hashes of tokens only: those of sessions in memory, so that a restart ends them,
//! those of programs in a file. A challenge is made of its end and a code that the node alone can make, so that asking for many
//! of them takes no memory; one that was answered is remembered until it would have ended.
//!
//! Deliberately absent: passwords, cookies (a page of another site could use them), and a clock of the chain: tokens end by
//! the node's own.

use crate::access::CalledAs;
use crate::problem::{Code, Problem};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};
use utilidor_chain::write_durably;
use utilidor_types::hash::tagged_hash;
use utilidor_types::session::{Category, Challenge, SignIn, Subject};
use utilidor_types::{AccountId, ChainId, Digest, Timestamp};
use utilidor_view::{ChallengeView, Scope, TokenKind, TokenView, TokenWish, Viewer};

/// How long a challenge is taken.
const CHALLENGE_MS: u64 = 60_000;
/// How long a session lasts.
const SESSION_MS: u64 = 60 * 60_000;
/// How long a supervisor's token lasts.
const OVERSIGHT_MS: u64 = 15 * 60_000;
/// Longest time for which a read token can be made.
const MAX_PROGRAM_MS: u64 = 400 * 24 * 60 * 60_000;
/// Most sessions, and most of one account: then its oldest one ends.
const MAX_SESSIONS: usize = 65_536;
const MAX_SESSIONS_OF_ACCOUNT: usize = 16;
/// Most sessions of keys that are no accounts.
const MAX_STRANGERS: usize = 1_024;
/// Most read tokens, and most of one account.
const MAX_PROGRAMS: usize = 65_536;
const MAX_PROGRAMS_OF_ACCOUNT: usize = 32;
/// Longest name of a read token in bytes.
const MAX_NAME_BYTES: usize = 64;

/// Milliseconds since 1970 by this machine's clock.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// Whom a token shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Admitted {
    pub kind: TokenKind,
    pub account: AccountId,
    pub viewer: Viewer,
    pub ends: Timestamp,
    /// The token's hash, to ask again whether it still counts.
    pub token: Digest,
    /// Whether the chain knew it when it signed in: sessions of strangers make room for each other.
    pub known: bool,
}

#[derive(Debug, Default)]
struct State {
    sessions: HashMap<Digest, Admitted>,
    programs: BTreeMap<Digest, TokenView>,
    answered: HashMap<Challenge, u64>,
}

/// Who is let in.
#[derive(Debug)]
pub(crate) struct Admission {
    secret: [u8; 32],
    chain: ChainId,
    state: Mutex<State>,
    /// The file of programs' tokens; held while it is written, so that nobody who is let in waits for the disk.
    file: Mutex<PathBuf>,
}

/// Reads the tokens of programs; none where there is no file.
pub(crate) fn read_file(file: &Path) -> io::Result<Vec<TokenView>> {
    match fs::read(file) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The hash that a token is kept by.
fn hash_of(token: &str) -> Digest {
    tagged_hash("utilidor/token", &[token.as_bytes()])
}

fn random() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

impl Admission {
    /// Reads the tokens of programs from `file`, if it is there.
    pub fn open(chain: ChainId, file: &Path) -> io::Result<Self> {
        let programs = read_file(file)?.into_iter().map(|token| (token.id, token)).collect();
        let state = Mutex::new(State { programs, ..State::default() });
        Ok(Self { secret: random()?, chain, state, file: Mutex::new(file.into()) })
    }

    /// A challenge to be signed.
    pub fn challenge(&self) -> Result<ChallengeView, Problem> {
        let random = random().map_err(|error| Problem::internal(&error))?;
        let ends = now() + CHALLENGE_MS;
        let mut challenge = [0; 32];
        challenge[..8].copy_from_slice(&ends.to_le_bytes());
        challenge[8..16].copy_from_slice(&random[..8]);
        let code = self.code(&challenge[..16]);
        challenge[16..].copy_from_slice(&code);
        Ok(ChallengeView { challenge: Challenge(challenge), chain: self.chain, ends_ms: Timestamp(ends) })
    }

    fn code(&self, of: &[u8]) -> [u8; 16] {
        *tagged_hash("utilidor/challenge", &[&self.secret, of]).0.first_chunk().expect("a digest has 32 bytes")
    }

    /// Opens a session for who answers a challenge; `known` tells whether the chain knows the signer. Gives the token. The session
    /// keeps whose it is and no role: what it shows is asked of the state each time.
    pub fn sign_in(&self, answer: &SignIn, called: &CalledAs, known: bool) -> Result<(String, Admitted), Problem> {
        let refused = |what: &str| Problem::new(Code::BadSignIn, what);
        let Challenge(bytes) = answer.challenge;
        let ends = u64::from_le_bytes(*bytes.first_chunk().expect("a challenge has 32 bytes"));
        if bytes[16..] != self.code(&bytes[..16]) || ends < now() {
            return Err(refused("the challenge is not one of this node's, or it has ended: ask for another"));
        }
        called.check(&answer.node)?;
        if !answer.holds(self.chain) {
            return Err(refused("the signature is not the signer's"));
        }
        let account = AccountId::of(&answer.signer);
        let mut state = self.state.lock().expect("no holder of this lock panics");
        let now = now();
        state.answered.retain(|_, ends| *ends >= now);
        if state.answered.insert(answer.challenge, ends).is_some() {
            return Err(refused("the challenge was answered before: ask for another"));
        }
        let viewer = Viewer::Holder { account, scope: Scope::whole() };
        admit(&mut state, TokenKind::Session, account, viewer, SESSION_MS, known)
    }

    /// Lets a supervisor see a category of a subject for a while.
    pub fn oversee(
        &self,
        account: AccountId,
        category: Category,
        subject: Subject,
    ) -> Result<(String, Admitted), Problem> {
        let viewer = Viewer::Supervisor { account, category, subject };
        let mut state = self.state.lock().expect("no holder of this lock panics");
        admit(&mut state, TokenKind::Oversight, account, viewer, OVERSIGHT_MS, true)
    }

    /// Whom a token shows; none if it is not one, or is over.
    pub fn of(&self, token: &str) -> Option<Admitted> {
        self.again(hash_of(token))
    }

    /// The same, for one that was seen before.
    pub fn again(&self, token: Digest) -> Option<Admitted> {
        let state = self.state.lock().expect("no holder of this lock panics");
        let program = |token: &TokenView| {
            let scope = Scope::of(&token.categories, token.this_account_only);
            let viewer = Viewer::Holder { account: token.account, scope };
            let (kind, account, ends) = (TokenKind::Program, token.account, token.ends_ms);
            Admitted { kind, account, viewer, ends, token: token.id, known: true }
        };
        let found = state.sessions.get(&token).copied().or_else(|| state.programs.get(&token).map(program));
        found.filter(|found| found.ends.0 > now())
    }

    /// Ends a session.
    pub fn end(&self, token: Digest) {
        self.state.lock().expect("no holder of this lock panics").sessions.remove(&token);
    }

    /// Makes a read token for a program of `account`, and gives it. Blocks for as long as the disk takes.
    pub fn make(&self, account: AccountId, wish: TokenWish) -> Result<(String, Admitted), Problem> {
        let malformed = |what: String| Err(Problem::new(Code::Malformed, what));
        let TokenWish { name, categories, this_account_only, ends_ms } = wish;
        if !crate::words::are_readable(&name) || name.len() > MAX_NAME_BYTES {
            return malformed(format!(
                "a token's name is words that can be read, on one line of 1 to {MAX_NAME_BYTES} bytes"
            ));
        }
        if categories.is_empty() {
            return malformed("a token is for at least one category".into());
        }
        let now = now();
        if ends_ms.0 <= now || ends_ms.0 > now + MAX_PROGRAM_MS {
            return malformed(format!("a token ends after now, {now}, and within 400 days"));
        }
        let token = hex::encode(random().map_err(|error| Problem::internal(&error))?);
        let id = hash_of(&token);
        let categories = Scope::of(&categories, false).categories();
        let view = TokenView { id, name, account, categories, this_account_only, made_ms: Timestamp(now), ends_ms };
        self.change(|programs| {
            programs.retain(|_, token| token.ends_ms.0 > now);
            let refused = |detail| Err(Problem::new(Code::TooManyTokens, detail));
            if programs.values().filter(|token| token.account == account).count() >= MAX_PROGRAMS_OF_ACCOUNT {
                return refused(format!("an account has at most {MAX_PROGRAMS_OF_ACCOUNT} read tokens: revoke one"));
            }
            if programs.len() >= MAX_PROGRAMS {
                return refused(format!(
                    "this node holds {MAX_PROGRAMS} read tokens of all accounts, and takes no more before some end: sign in instead, \
                     or ask another node"
                ));
            }
            programs.insert(id, view);
            Ok(true)
        })?;
        let admitted = self.again(id).ok_or_else(|| Problem::new(Code::Internal, "the token has ended already"))?;
        Ok((token, admitted))
    }

    /// The read tokens of accounts, oldest first.
    pub fn made_by(&self, is_own: impl Fn(AccountId) -> bool) -> Vec<TokenView> {
        let state = self.state.lock().expect("no holder of this lock panics");
        let now = now();
        let own = state.programs.values().filter(|token| is_own(token.account) && token.ends_ms.0 > now);
        let mut own: Vec<_> = own.cloned().collect();
        own.sort_by_key(|token| (token.made_ms, token.id));
        own
    }

    /// Revokes a read token of one of the accounts. False if there is none. Blocks for as long as the disk takes.
    pub fn revoke(&self, id: Digest, is_own: impl Fn(AccountId) -> bool) -> Result<bool, Problem> {
        self.change(|programs| {
            let is_there = programs.get(&id).is_some_and(|token| is_own(token.account));
            if is_there {
                programs.remove(&id);
            }
            Ok(is_there)
        })
    }

    /// Changes the tokens of programs, one change after the other: it is on the disk before it counts. Tells whether there was
    /// something to change.
    fn change(
        &self,
        change: impl FnOnce(&mut BTreeMap<Digest, TokenView>) -> Result<bool, Problem>,
    ) -> Result<bool, Problem> {
        let file = self.file.lock().expect("no holder of this lock panics");
        let mut programs = self.state.lock().expect("no holder of this lock panics").programs.clone();
        if !change(&mut programs)? {
            return Ok(false);
        }
        let list: Vec<_> = programs.values().collect();
        let json = serde_json::to_vec(&list).expect("tokens are plain data");
        write_durably(&file, &json).map_err(|error| Problem::internal(&error))?;
        self.state.lock().expect("no holder of this lock panics").programs = programs;
        Ok(true)
    }
}

fn admit(
    state: &mut State,
    kind: TokenKind,
    account: AccountId,
    viewer: Viewer,
    lasts: u64,
    known: bool,
) -> Result<(String, Admitted), Problem> {
    let token = hex::encode(random().map_err(|error| Problem::internal(&error))?);
    let (hash, now) = (hash_of(&token), now());
    if state.sessions.len() >= MAX_SESSIONS {
        state.sessions.retain(|_, session| session.ends.0 > now);
    }
    if state.sessions.len() >= MAX_SESSIONS {
        return Err(Problem::new(Code::TooManyClients, format!("there are {MAX_SESSIONS} sessions already")));
    }
    let make_room = |state: &mut State, most: usize, alike: &dyn Fn(&Admitted) -> bool| {
        let mut alike: Vec<_> = state.sessions.values().filter(|session| alike(session)).collect();
        alike.sort_by_key(|session| session.ends);
        let over = (alike.len() + 1).saturating_sub(most);
        let over: Vec<_> = alike.into_iter().take(over).map(|session| session.token).collect();
        for token in over {
            state.sessions.remove(&token);
        }
    };
    make_room(state, MAX_SESSIONS_OF_ACCOUNT, &|session| session.account == account && session.kind == kind);
    if !known {
        make_room(state, MAX_STRANGERS, &|session| !session.known);
    }
    let admitted = Admitted { kind, account, viewer, ends: Timestamp(now + lasts), token: hash, known };
    state.sessions.insert(hash, admitted);
    Ok((token, admitted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use utilidor_types::PrivateKey;

    const HOST: &str = "localhost:4680";

    fn admission(folder: &Path) -> Admission {
        Admission::open(ChainId([1; 16]), &folder.join("tokens.json")).unwrap()
    }

    fn sign_in(admission: &Admission, answer: &SignIn, host: &str) -> Result<(String, Admitted), Problem> {
        admission.sign_in(answer, &CalledAs::of(host), true)
    }

    fn answer(admission: &Admission, key: &PrivateKey) -> SignIn {
        let ChallengeView { challenge, chain, .. } = admission.challenge().unwrap();
        SignIn::sign(chain, HOST.parse().unwrap(), challenge, key)
    }

    fn wish(name: &str) -> TokenWish {
        let (categories, ends_ms) = (vec![Category::Meters], Timestamp(now() + 60_000));
        TokenWish { name: name.into(), categories, this_account_only: false, ends_ms }
    }

    #[test]
    fn a_challenge_is_answered_once_under_the_nodes_name_by_its_signer() {
        let folder = tempfile::tempdir().unwrap();
        let (admission, key) = (admission(folder.path()), PrivateKey::ed25519([3; 32]));
        let code = |answer: &SignIn, host| {
            sign_in(&admission, answer, host).map(|_| ()).map_err(|problem| problem.0.code.into_owned())
        };
        let bad = Err("access/bad-sign-in".to_owned());
        let good = answer(&admission, &key);

        assert_eq!(code(&good, "evil.example:4680"), bad);
        let other = PrivateKey::ed25519([4; 32]).public_key();
        assert_eq!(code(&SignIn { signer: other, ..good.clone() }, HOST), bad);
        let mut made_up = good.challenge;
        made_up.0[9] ^= 1;
        let made_up = SignIn::sign(ChainId([1; 16]), HOST.parse().unwrap(), made_up, &key);
        assert_eq!(code(&made_up, HOST), bad);
        assert_eq!(code(&good, "LOCALHOST:4680"), Ok(()));
        assert_eq!(code(&good, HOST), bad, "it was answered");
    }

    #[test]
    fn the_sixteen_newest_sessions_of_an_account_count() {
        let folder = tempfile::tempdir().unwrap();
        let (admission, key) = (admission(folder.path()), PrivateKey::ed25519([3; 32]));
        let token = |_| sign_in(&admission, &answer(&admission, &key), HOST).unwrap().0;
        let tokens: Vec<_> = (0..MAX_SESSIONS_OF_ACCOUNT + 3).map(token).collect();
        let count = tokens.iter().filter(|token| admission.of(token).is_some()).count();
        assert_eq!(count, MAX_SESSIONS_OF_ACCOUNT);
        let last = tokens.last().unwrap();
        let admitted = admission.of(last).unwrap();
        admission.end(admitted.token);
        assert_eq!(admission.of(last), None);
    }

    #[test]
    fn a_programs_token_outlives_a_restart_and_ends_when_it_is_revoked() {
        let folder = tempfile::tempdir().unwrap();
        let account = AccountId([7; 32]);
        let (token, made) = admission(folder.path()).make(account, wish("bill printer")).unwrap();
        assert!(!std::fs::read_to_string(folder.path().join("tokens.json")).unwrap().contains(&token));
        let again = admission(folder.path());
        assert_eq!(again.of(&token), Some(made));
        assert!(made.viewer.may_ask_for(Category::Meters) && !made.viewer.may_ask_for(Category::Trade));
        assert_eq!(again.revoke(made.token, |of| of != account), Ok(false), "it is somebody else's");
        assert_eq!(again.revoke(made.token, |of| of == account), Ok(true));
        assert_eq!((again.of(&token), admission(folder.path()).of(&token)), (None, None));
    }

    #[test]
    fn tokens_are_bounded_by_account_and_time() {
        let folder = tempfile::tempdir().unwrap();
        let (admission, account) = (admission(folder.path()), AccountId([7; 32]));
        for bad in [
            TokenWish { ends_ms: Timestamp(1), ..wish("past") },
            TokenWish { ends_ms: Timestamp(now() + MAX_PROGRAM_MS + 60_000), ..wish("far") },
            TokenWish { categories: vec![], ..wish("nothing") },
            wish(" "),
            wish(&"n".repeat(65)),
        ] {
            assert_eq!(admission.make(account, bad).unwrap_err().0.code, "request/malformed");
        }
        for _ in 0..MAX_PROGRAMS_OF_ACCOUNT {
            admission.make(account, wish("one")).unwrap();
        }
        assert_eq!(admission.make(account, wish("more")).unwrap_err().0.code, "access/too-many-tokens");
        admission.make(AccountId([8; 32]), wish("another's")).unwrap();
    }

    #[test]
    fn a_node_that_is_full_of_others_tokens_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let admission = admission(folder.path());
        let (_, made) = admission.make(AccountId([7; 32]), wish("the first")).unwrap();
        {
            let mut state = admission.state.lock().unwrap();
            let one = state.programs[&made.token].clone();
            for number in 1..MAX_PROGRAMS {
                let id = tagged_hash("a token", &[&number.to_le_bytes()]);
                state.programs.insert(id, TokenView { id, account: AccountId(id.0), ..one.clone() });
            }
        }
        let refused = admission.make(AccountId([8; 32]), wish("one more")).unwrap_err().0;
        assert_eq!(refused.code, "access/too-many-tokens");
        assert!(refused.detail.contains("of all accounts") && !refused.detail.contains("revoke"), "{}", refused.detail);
    }

    #[test]
    fn who_is_let_in_does_not_wait_for_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let admission = admission(folder.path());
        let (token, made) = admission.make(AccountId([7; 32]), wish("reader")).unwrap();
        // As while another token is being written.
        let _writing = admission.file.lock().unwrap();
        assert_eq!(admission.of(&token), Some(made));
        assert_eq!(admission.made_by(|_| true).len(), 1);
    }
}
