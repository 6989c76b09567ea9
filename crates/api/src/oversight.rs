//! Supervision [M8]: a supervisor says, signed, which kind of whose data it wants to see and why. That stands in the node's log,
//! which members read, before it sees anything.
//!
//! The log is a file of one line an entry. Each wish names the digest of the entry before, so that no entry can be taken out
//! or put in unnoticed, and a signature serves once; it also names this node, since every node has a log of its own.

use crate::access::CalledAs;
use crate::admission::now;
use crate::extract::{Json, Listed, SignedIn};
use crate::problem::{Code, Problem, Problems};
use crate::session::described;
use crate::state::{App, blocking};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, RwLock, RwLockReadGuard};
use utilidor_types::session::{OversightWish, Subject};
use utilidor_types::{AccountId, ChainId, Digest, Role, Timestamp};
use utilidor_view::{NewToken, OversightView, Page, PageQuery, Scope, Viewer};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_oversight, oversee))
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    at_ms: Timestamp,
    wish: OversightWish,
}

impl Entry {
    fn digest(&self) -> Digest {
        self.wish.entry_digest(self.at_ms)
    }
}

/// The log. Entries are read while another one is on its way to the disk.
#[derive(Debug)]
pub(crate) struct Log {
    entries: RwLock<Vec<Entry>>,
    /// Held while an entry is written.
    written: Mutex<Written>,
}

/// The log's file.
#[derive(Debug)]
struct Written {
    file: File,
    /// Bytes of the whole entries in it.
    length: u64,
    /// Whether there may be something else behind them, which could not be cut off.
    is_unsure: bool,
}

impl Written {
    /// Appends a line, durably, or leaves the file as it was: a line that stayed there in part would be no log any more, and a
    /// whole one that nobody knows of would come before the next one.
    fn append(&mut self, line: &[u8], write: impl FnOnce(&mut File, &[u8]) -> io::Result<()>) -> io::Result<()> {
        if self.is_unsure {
            self.cut()?;
        }
        if let Err(error) = write(&mut self.file, line) {
            self.is_unsure = true;
            // If this fails as well it is tried again before the next entry.
            let _ = self.cut();
            return Err(error);
        }
        self.length += line.len() as u64;
        Ok(())
    }

    fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.length)?;
        self.file.sync_data()?;
        self.is_unsure = false;
        Ok(())
    }
}

fn write_synced(file: &mut File, line: &[u8]) -> io::Result<()> {
    file.write_all(line)?;
    file.sync_data()
}

impl Log {
    /// Reads the log of a chain; gives how many bytes of it are whole lines. Fails if entries do not follow each other.
    fn read_file(chain: ChainId, path: &Path) -> io::Result<(Vec<Entry>, usize)> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        // A crash can have cut off the last line: its wish was not granted.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let damaged = |line: usize| io::Error::other(format!("line {} of {} is damaged", line + 1, path.display()));
        let mut entries: Vec<Entry> = Vec::new();
        for (place, line) in text[..whole].lines().enumerate() {
            let entry: Entry = serde_json::from_str(line).map_err(|_| damaged(place))?;
            let before = entries.last().map_or_else(Digest::default, Entry::digest);
            if entry.wish.after != before || !entry.wish.holds(chain) {
                return Err(damaged(place));
            }
            entries.push(entry);
        }
        Ok((entries, whole))
    }

    /// Whether a log can be opened.
    pub fn check(chain: ChainId, path: &Path) -> io::Result<()> {
        Self::read_file(chain, path).map(|_| ())
    }

    /// Opens the log of a chain, or begins one. A log whose entries do not follow each other is not opened.
    pub fn open(chain: ChainId, path: &Path) -> io::Result<Self> {
        let (entries, whole) = Self::read_file(chain, path)?;
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let length = whole as u64;
        file.set_len(length)?;
        let written = Written { file, length, is_unsure: false };
        Ok(Self { entries: RwLock::new(entries), written: Mutex::new(written) })
    }

    /// Enters a wish, durably. Blocks for as long as the disk takes.
    fn enter(&self, wish: OversightWish) -> Result<(), Problem> {
        let mut written = self.written.lock().expect("no holder of this lock panics");
        let last = self.read().last().map_or_else(Digest::default, Entry::digest);
        if wish.after != last {
            let detail = format!("the last entry is {last}, the wish follows {}: sign it again", wish.after);
            return Err(Problem::new(Code::LogMoved, detail));
        }
        let entry = Entry { at_ms: Timestamp(now()), wish };
        let mut line = serde_json::to_string(&entry).expect("an entry is plain data");
        line.push('\n');
        written.append(line.as_bytes(), write_synced).map_err(|error| Problem::internal(&error))?;
        self.entries.write().expect("no holder of this lock panics").push(entry);
        Ok(())
    }

    fn read(&self) -> RwLockReadGuard<'_, Vec<Entry>> {
        self.entries.read().expect("no holder of this lock panics")
    }

    /// The number of the last entry; the first one's is 1.
    fn last(&self) -> u64 {
        self.read().len() as u64
    }

    /// The entries of these numbers.
    fn views(&self, numbers: &[u64]) -> Vec<(OversightView, Subject)> {
        let entries = self.read();
        let view = |number: &u64| {
            let entry = entries.get(usize::try_from(number.checked_sub(1)?).ok()?)?;
            let wish = &entry.wish;
            let view = OversightView {
                number: *number,
                at_ms: entry.at_ms,
                supervisor: AccountId::of(&wish.signer),
                category: wish.category,
                subject: Some(wish.subject),
                concerns_you: false,
                reason: Some(wish.reason.to_string()),
                digest: entry.digest(),
                after: wish.after,
            };
            Some((view, wish.subject))
        };
        numbers.iter().filter_map(view).collect()
    }
}

/// What supervisors have looked at, oldest first: when, who, and which kind. Whom it concerns is told of whom, and why.
#[utoipa::path(
    get, path = "/v1/oversight", tag = "access", params(PageQuery), security(("token" = [])),
    responses((status = 200, body = Page<OversightView>), Problems)
)]
async fn list_oversight(
    State(app): State<App>,
    SignedIn(admitted): SignedIn,
    Listed(paging): Listed,
) -> Result<axum::Json<Page<OversightView>>, Problem> {
    let page = paging.page_of_numbers(app.log.last());
    let mut views = app.log.views(&page.items);
    // Keeping the log is not the business of a token's scope, nor of what a supervisor looks at just now.
    let viewer = Viewer::Holder { account: admitted.account, scope: Scope::whole() };
    let views = app.ask(viewer, move |questions| {
        let member = questions.asking_member();
        let all = questions.sees_everything() || member.is_some_and(|(_, roles)| roles.has(Role::Supervisor));
        if !all && member.is_none() {
            return Ok(None);
        }
        for (view, subject) in &mut views {
            view.concerns_you = questions.concerns(*subject)?;
            if !all && !view.concerns_you {
                (view.subject, view.reason) = (None, None);
            }
        }
        Ok(Some(views))
    });
    let only_members = || Problem::new(Code::OutOfScope, "only members read the log of oversight");
    let views = views.await?.ok_or_else(only_members)?;
    let items = views.into_iter().map(|(view, _)| view).collect();
    Ok(axum::Json(Page { items, next: page.next }))
}

/// Lets a supervisor see one kind of somebody's data for a quarter of an hour. The signed wish, with its reason, stands in the
/// log before anything is shown.
#[utoipa::path(
    post, path = "/v1/oversight", tag = "access", request_body = OversightWish,
    responses(
        (status = 200, body = NewToken),
        (status = 401, description = "`access/bad-sign-in`", body = utilidor_view::Problem,
            content_type = crate::problem::PROBLEM_JSON),
        (status = 403, description = "`access/missing-role`", body = utilidor_view::Problem,
            content_type = crate::problem::PROBLEM_JSON),
        (status = 409, description = "`access/log-moved`", body = utilidor_view::Problem,
            content_type = crate::problem::PROBLEM_JSON),
        Problems
    )
)]
async fn oversee(
    State(app): State<App>,
    called: CalledAs,
    Json(wish): Json<OversightWish>,
) -> Result<axum::Json<NewToken>, Problem> {
    called.check(&wish.node)?;
    if !wish.holds(app.chain.genesis().chain()) {
        return Err(Problem::new(Code::BadSignIn, "the signature is not the signer's"));
    }
    if !crate::words::are_readable(&wish.reason) {
        return Err(Problem::new(Code::Malformed, "a supervisor says why, in words that can be read, on one line"));
    }
    let account = AccountId::of(&wish.signer);
    let viewer = Viewer::Holder { account, scope: Scope::whole() };
    let member = app.ask(viewer, |questions| Ok(questions.asking_member())).await?;
    if !member.is_some_and(|(_, roles)| roles.has(Role::Supervisor)) {
        return Err(Problem::new(Code::MissingRole, "only supervisors may look at what is others'"));
    }
    if !app.oversight.contains(&wish.category) {
        let detail = format!("this node lets supervisors see nothing of the category {}", wish.category);
        return Err(Problem::new(Code::OutOfScope, detail));
    }
    let (category, subject) = (wish.category, wish.subject);
    let log = Arc::clone(&app.log);
    blocking(move || log.enter(wish)).await?;
    let (token, admitted) = app.admission.oversee(account, category, subject)?;
    Ok(axum::Json(NewToken { token, session: described(&app, admitted).await? }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use utilidor_types::PrivateKey;
    use utilidor_types::session::Category;

    fn wish(after: Digest, reason: &str) -> OversightWish {
        let key = PrivateKey::ed25519([3; 32]);
        let what = (Category::Meters, Subject::Everything);
        OversightWish::sign(
            ChainId([1; 16]),
            "localhost:4680".parse().unwrap(),
            what,
            reason.parse().unwrap(),
            after,
            &key,
        )
    }

    #[test]
    fn the_log_outlives_a_restart_and_shows_what_was_taken_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("oversight.jsonl");
        let open = || Log::open(ChainId([1; 16]), &path);
        let log = open().unwrap();
        log.enter(wish(Digest::default(), "one")).unwrap();
        let first = log.views(&[1])[0].0.digest;
        assert_eq!(log.enter(wish(Digest::default(), "again")).unwrap_err().0.code, "access/log-moved");
        log.enter(wish(first, "two")).unwrap();
        let all = |log: &Log| log.views(&(1..=log.last()).collect::<Vec<_>>());
        let views = all(&open().unwrap());
        assert_eq!(views.len(), 2);
        assert_eq!(views[1].0.after, first);

        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}{{\"at_ms\":")).unwrap();
        assert_eq!(all(&open().unwrap()).len(), 2, "what a crash cut off was not granted");
        let without_first: String = text.lines().skip(1).map(|line| format!("{line}\n")).collect();
        std::fs::write(&path, without_first).unwrap();
        assert!(open().is_err());
        std::fs::write(&path, text.replace("\"two\"", "\"six\"")).unwrap();
        assert!(open().is_err());
    }

    #[test]
    fn an_entry_that_could_not_be_written_leaves_a_log_that_opens_and_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("oversight.jsonl");
        let open = || Log::open(ChainId([1; 16]), &path);
        let log = open().unwrap();
        log.enter(wish(Digest::default(), "one")).unwrap();
        let first = log.views(&[1])[0].0.digest;
        let whole = std::fs::read(&path).unwrap();

        // The disk is full in the middle of a line; a line is whole, but not known to be on the disk.
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let half = |file: &mut File, line: &[u8]| file.write_all(&line[..line.len() / 2]).and_then(|()| Err(full()));
        let unsynced = |file: &mut File, line: &[u8]| file.write_all(line).and_then(|()| Err(full()));
        let line = b"{\"at_ms\":1}\n";
        log.written.lock().unwrap().append(line, half).unwrap_err();
        assert_eq!(std::fs::read(&path).unwrap(), whole);
        log.written.lock().unwrap().append(line, unsynced).unwrap_err();
        assert_eq!(std::fs::read(&path).unwrap(), whole);

        log.enter(wish(first, "two")).unwrap();
        assert_eq!((log.last(), open().unwrap().last()), (2, 2));

        // Where not even that can be cut off, no more is written behind it.
        let read_only = File::open(&path).unwrap();
        let kept = std::mem::replace(&mut log.written.lock().unwrap().file, read_only);
        let second = log.views(&[2])[0].0.digest;
        assert_eq!(log.enter(wish(second, "three")).unwrap_err().0.code, "node/internal");
        assert!(log.written.lock().unwrap().is_unsure);
        log.written.lock().unwrap().file = kept;
        log.enter(wish(second, "three")).unwrap();
        assert_eq!(open().unwrap().last(), 3);
    }
}
