//! `utilidor doctor`: what is wrong with a node's machine, folder, keys and peers, and what to do about each.
//!
//! It reads, tries to listen and to connect, and changes nothing. Each check says what it found; what cannot be told on this
//! system is said to be unknown, not well.

use super::node::{VALIDATOR, read_genesis};
use crate::context::Context;
use crate::failure::Failure;
use crate::node_file::{NodeFile, PeerNode, guard_path, resolve};
use crate::output::{Output, Word};
use crate::t;
use clap::Args;
use serde::Serialize;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;
use utilidor_chain::KEEP_FREE_BYTES;
use utilidor_sdk::{Client, Keystore};
use utilidor_types::genesis::ChainKind;
use utilidor_types::validator::quorum;
use utilidor_types::{Genesis, PublicKey};
use utilidor_view::NodeStatus;

/// Which node.
#[derive(Debug, Args)]
#[command(after_help = "\
Ends with status 1 if something is wrong that keeps the node from its work.

Example:
  utilidor doctor --data north")]
pub struct Arguments {
    /// The node's folder
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
}

/// How long a peer may take to answer.
const CONNECT_TIME: Duration = Duration::from_secs(2);
/// How long the own node may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(2);
/// Bytes free on a disk below which it should be looked after.
const LITTLE_FREE: u64 = 1 << 30;
/// Files that a node should be able to open.
const ENOUGH_FILES: u64 = 4_096;
/// A chain that has nothing to do makes a block every five seconds, in milliseconds: so much later it stands.
const OLD_BLOCK_MS: u64 = 30_000;
/// Milliseconds that the clock may be behind the chain's last block before it is wrong.
const CLOCK_BEHIND_MS: u64 = 1_000;

/// What a check comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Good,
    Unknown,
    Warning,
    Bad,
}

/// A check.
#[derive(Debug, Serialize)]
struct Check {
    check: &'static str,
    verdict: Verdict,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// All checks so far.
#[derive(Debug, Default)]
struct Checks(Vec<Check>);

impl Checks {
    fn say(&mut self, check: &'static str, verdict: Verdict, found: impl Into<String>) {
        self.0.push(Check { check, verdict, found: found.into(), next: None });
    }

    fn advise(&mut self, check: &'static str, verdict: Verdict, found: impl Into<String>, next: impl Into<String>) {
        self.0.push(Check { check, verdict, found: found.into(), next: Some(next.into()) });
    }
}

/// Does it.
pub async fn run(arguments: Arguments, context: Context) -> Result<(), Failure> {
    let data = &arguments.data;
    let mut checks = Checks::default();
    checks.say("version", Verdict::Good, env!("CARGO_PKG_VERSION"));
    let genesis = folder(data, &mut checks);
    let file = node_file(data, &mut checks);
    let key = keys(data, genesis.as_ref(), &mut checks);
    disk(data, &mut checks);
    descriptors(&mut checks);
    let http = file.as_ref().map_or(SocketAddr::from(([127, 0, 0, 1], 4_680)), |file| file.http);
    let own = own_node(http, genesis.as_ref()).await;
    let runner = runner(data);
    match (&own, runner) {
        (Some(status), _) => running(status, &mut checks),
        (None, Some(process)) => checks.say(
            "node",
            Verdict::Unknown,
            format!("process {process} runs this folder's node, which does not answer at {http}: it is starting, or --listen named another address"),
        ),
        (None, None) => {
            checks.say("node", Verdict::Unknown, format!("no node of this chain answers at {http}: it is not running"))
        }
    }
    let node = Node { answers: own.is_some(), runner };
    let elsewhere = match &file {
        Some(_) => "choose another port in node.toml".into(),
        None => {
            format!("run the node at another port: utilidor node run --data {} --listen 127.0.0.1:PORT", data.display())
        }
    };
    port("http port", http, node, &elsewhere, &mut checks);
    if let (Some(file), Some(genesis), Some(key)) = (&file, &genesis, &key) {
        port("peers' port", file.listen, node, &elsewhere, &mut checks);
        peers(&file.others(genesis, key), genesis, key, &mut checks);
    }
    show(&checks.0, &context)
}

fn folder(data: &Path, checks: &mut Checks) -> Option<Genesis> {
    match read_genesis(data) {
        Err(failure) => {
            checks.advise(
                "genesis document",
                Verdict::Bad,
                failure.what(),
                "take it in: utilidor network install --help; or begin a chain of one: utilidor node init --help",
            );
            None
        }
        Ok(genesis) => {
            match genesis.check() {
                Ok(()) => checks.say("genesis document", Verdict::Good, format!("chain {}", genesis.chain())),
                Err(refused) => checks.advise(
                    "genesis document",
                    Verdict::Bad,
                    refused.to_string(),
                    "ask the coordinator for another document: no chain can begin with this one",
                ),
            }
            Some(genesis)
        }
    }
}

fn node_file(data: &Path, checks: &mut Checks) -> Option<NodeFile> {
    match NodeFile::of_folder(data) {
        Ok(Some(file)) => {
            checks.say(
                "node.toml",
                Verdict::Good,
                format!("listens for peers at {}, HTTP at {}", file.listen, file.http),
            );
            Some(file)
        }
        Ok(None) => {
            checks.say("node.toml", Verdict::Good, "none: a node of a chain of one needs none");
            None
        }
        Err(failure) => {
            checks.advise(
                "node.toml",
                Verdict::Bad,
                failure.what(),
                "mend the file: utilidor node run --help says what it holds",
            );
            None
        }
    }
}

fn keys(data: &Path, genesis: Option<&Genesis>, checks: &mut Checks) -> Option<PublicKey> {
    let make =
        || format!("take {0}/keys from a copy, or make new ones: utilidor network join --data {0}", data.display());
    let keystore = Keystore::of_folder(data.join("keys"));
    let key: PublicKey = match keystore.info(VALIDATOR).map(|info| info.public.parse()) {
        Ok(Ok(key)) => key,
        Ok(Err(_)) | Err(_) => {
            checks.advise("keys", Verdict::Bad, format!("there is no key {VALIDATOR:?} that can be read"), make());
            return None;
        }
    };
    let role = match genesis.map(|genesis| genesis.has_validator(&key)) {
        Some(true) => "a founding member's: it votes",
        Some(false) => "of no founding member: it follows, or votes if the council has appointed it since",
        None => "of a chain that is not known here",
    };
    checks.say("keys", Verdict::Good, format!("{key}, {role}"));
    let guard = guard_path(data).with_extension("votes.1");
    if genesis.is_some_and(|genesis| genesis.validators.len() > 1 && genesis.has_validator(&key)) && !guard.exists() {
        checks.advise(
            "vote guard",
            Verdict::Warning,
            format!("{} is missing", guard.display()),
            "nothing: the node follows first and votes again by itself; never take a guard from a copy",
        );
    }
    match keystore.exposed(VALIDATOR) {
        Some(path) => checks.advise(
            "key file's permissions",
            Verdict::Warning,
            "other users may read it, which only its passphrase protects",
            format!("chmod 600 {}", path.display()),
        ),
        None => checks.say("key file's permissions", Verdict::Good, "only its owner reads it"),
    }
    Some(key)
}

#[cfg(unix)]
fn disk(data: &Path, checks: &mut Checks) {
    if !data.exists() {
        return checks.say("disk", Verdict::Unknown, format!("there is no folder {}", data.display()));
    }
    let Ok(disk) = rustix::fs::statvfs(data) else {
        return checks.say("disk", Verdict::Unknown, "the system does not tell how much is free");
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let found = format!("{} MiB free", free >> 20);
    match free {
        free if free < KEEP_FREE_BYTES => checks.advise(
            "disk",
            Verdict::Bad,
            found,
            format!("make room: with less than {} MiB the node does not start", KEEP_FREE_BYTES >> 20),
        ),
        free if free < LITTLE_FREE => checks.advise("disk", Verdict::Warning, found, "make room before it is used up"),
        _ => checks.say("disk", Verdict::Good, found),
    }
}

#[cfg(not(unix))]
fn disk(_: &Path, checks: &mut Checks) {
    checks.say("disk", Verdict::Unknown, "this system does not tell how much is free");
}

#[cfg(unix)]
fn descriptors(checks: &mut Checks) {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    match limit.maximum.or(limit.current) {
        Some(most) if most < ENOUGH_FILES => checks.advise(
            "open files",
            Verdict::Warning,
            format!("{most} may be open at once"),
            format!("raise the limit: ulimit -Hn {ENOUGH_FILES}"),
        ),
        most => checks.say(
            "open files",
            Verdict::Good,
            most.map_or_else(|| "no limit".into(), |most| format!("{most} may be open at once")),
        ),
    }
}

#[cfg(not(unix))]
fn descriptors(checks: &mut Checks) {
    checks.say("open files", Verdict::Unknown, "this system does not tell how many may be open");
}

/// The node of this folder's chain at an address, if it answers.
async fn own_node(http: SocketAddr, genesis: Option<&Genesis>) -> Option<NodeStatus> {
    let client = Client::new(&format!("http://{http}")).ok()?;
    let status = tokio::time::timeout(ANSWER_TIME, client.status()).await.ok()?.ok()?;
    genesis.is_some_and(|genesis| genesis.chain() == status.chain).then_some(status)
}

fn running(status: &NodeStatus, checks: &mut Checks) {
    let found = format!("runs: block {} of {}, read model at {}", status.height, status.time_ms, status.indexed_height);
    checks.say("node", Verdict::Good, found);
    if status.misconduct > 0 {
        checks.advise(
            "misconduct",
            Verdict::Bad,
            format!("validators have signed contradicting votes, {} times since the node started", status.misconduct),
            "the node's log holds the votes, which prove it: show them to the council, which can dismiss the validator",
        );
    }
    if status.version != env!("CARGO_PKG_VERSION") {
        checks.advise(
            "version",
            Verdict::Warning,
            format!("the node that runs is {}", status.version),
            "start it again to run this release",
        );
    }
    if status.kind == ChainKind::Development {
        return checks.say("clock", Verdict::Good, "a development chain's time is its operator's");
    }
    let now = super::offer::now();
    match status.time_ms.0.checked_sub(now.0) {
        Some(ahead) if ahead > CLOCK_BEHIND_MS => checks.advise(
            "clock",
            Verdict::Bad,
            format!("this machine's clock is {ahead} ms behind the chain's last block"),
            "set the clock, and keep it by NTP (chrony, systemd-timesyncd): the others refuse blocks of a wrong time",
        ),
        _ => checks.say("clock", Verdict::Good, "not behind the chain's last block"),
    }
    let age = now.0.saturating_sub(status.time_ms.0);
    if age > OLD_BLOCK_MS {
        checks.advise(
            "blocks",
            Verdict::Bad,
            format!("the last one is {} s old: the chain stands, or this node is left behind", age / 1_000),
            "see what it waits for: utilidor status; compare the height with another member's node",
        );
    } else {
        checks.say("blocks", Verdict::Good, format!("the last one is {age} ms old"));
    }
}

/// Whether this folder's node runs.
#[derive(Debug, Clone, Copy)]
struct Node {
    /// It answers where it is looked for.
    answers: bool,
    /// The process that has the folder's chain open, as far as the system tells.
    runner: Option<u32>,
}

fn port(check: &'static str, address: SocketAddr, node: Node, elsewhere: &str, checks: &mut Checks) {
    match TcpListener::bind(address) {
        Ok(_) => checks.say(check, Verdict::Good, format!("{address} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let holder = holder_of(address.port());
            let by = holder
                .as_ref()
                .map_or_else(|| "a process that is not told".into(), |(pid, name)| format!("{name}, process {pid}"));
            let held = format!("{address} is held by {by}");
            match (node, holder) {
                // While it starts it holds its ports and answers nothing.
                (Node { answers: true, .. }, _) => {
                    checks.say(check, Verdict::Good, format!("{held}: this folder's node"));
                }
                (Node { runner: Some(runner), .. }, Some((pid, _))) if runner == pid => {
                    checks.say(check, Verdict::Good, format!("{held}: this folder's node"));
                }
                (Node { runner: Some(_), .. }, _) => {
                    checks.say(check, Verdict::Unknown, format!("{held}, while this folder's node runs elsewhere"));
                }
                (Node { runner: None, .. }, _) => checks.advise(check, Verdict::Bad, held, elsewhere),
            }
        }
        Err(error) => checks.advise(
            check,
            Verdict::Bad,
            format!("{address} cannot be listened on: {error}"),
            format!("take an address of this machine, and a port above 1023: {elsewhere}"),
        ),
    }
}

/// The process that has the chain of a node's folder open, as Linux tells it. The lock itself is not tried: that could keep a
/// node from starting.
fn runner(data: &Path) -> Option<u32> {
    let lock = data.join("chain/lock").canonicalize().ok()?;
    has_open(&lock).map(|(process, _)| process)
}

/// Process and name of who listens on a TCP port of this machine, as Linux tells it.
fn holder_of(port: u16) -> Option<(u32, String)> {
    const LISTENING: &str = "0A";
    let end = format!(":{port:04X}");
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| std::fs::read_to_string(path).unwrap_or_default());
    let inode = tables.iter().flat_map(|table| table.lines()).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        (local.ends_with(&end) && *state == LISTENING).then(|| (*inode).to_owned())
    })?;
    has_open(Path::new(&format!("socket:[{inode}]")))
}

/// Process and name of who has a file or socket open, as Linux tells it.
fn has_open(what: &Path) -> Option<(u32, String)> {
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Ok(files) = std::fs::read_dir(process.path().join("fd")) else { continue };
        let has = |file: std::fs::DirEntry| std::fs::read_link(file.path()).is_ok_and(|to| to == what);
        if files.flatten().any(has) {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some((pid, name.trim().into()));
        }
    }
    None
}

fn peers(others: &[PeerNode], genesis: &Genesis, own: &PublicKey, checks: &mut Checks) {
    let mut reached = 0;
    for other in others {
        let connected = match resolve(other) {
            Some(address) => TcpStream::connect_timeout(&address, CONNECT_TIME).map(drop),
            None => Err(ErrorKind::NotFound.into()),
        };
        match connected {
            Ok(()) => reached += usize::from(genesis.has_validator(&other.key)),
            Err(error) => checks.advise(
                "peer",
                Verdict::Warning,
                format!("{} is not reached: {error}", other.address),
                "ask its organisation whether it runs, and whether a firewall lets this machine through",
            ),
        }
    }
    let members = genesis.validators.len();
    let (there, needed) = (reached + usize::from(genesis.has_validator(own)), quorum(members));
    let found =
        format!("{there} of {members} founding members' nodes are reached, this one included; {needed} make blocks");
    match there < needed {
        true => checks.advise(
            "peers",
            Verdict::Bad,
            found,
            "the chain stands until enough are reached; it goes on by itself",
        ),
        false => checks.say("peers", Verdict::Good, found),
    }
}

fn verdict_text(out: &Output, verdict: Verdict) -> &'static str {
    let word: Word = match verdict {
        Verdict::Good => t!("check_good"),
        Verdict::Unknown => t!("check_unknown"),
        Verdict::Warning => t!("check_warning"),
        Verdict::Bad => t!("check_bad"),
    };
    out.word(word)
}

fn show(checks: &[Check], context: &Context) -> Result<(), Failure> {
    context.out.show(checks, |out| {
        let mut lines = Vec::new();
        for check in checks {
            lines.push(format!("{}  {}: {}", verdict_text(out, check.verdict), check.check, check.found));
            lines.extend(check.next.as_ref().map(|next| format!("      {}: {next}", out.word(t!("next")))));
        }
        lines.join("\n")
    });
    let bad = checks.iter().filter(|check| check.verdict == Verdict::Bad).count();
    if bad > 0 {
        return Err(Failure::new("doctor/bad", format!("{bad} of {} checks are bad", checks.len())));
    }
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_is_said_not_to_be_there() {
        let data = tempfile::tempdir().unwrap();
        let mut checks = Checks::default();
        disk(&data.path().join("nix"), &mut checks);
        assert!(checks.0[0].found.starts_with("there is no folder"), "{:?}", checks.0);
    }

    #[test]
    fn the_own_node_is_known_by_its_folder_before_it_answers_and_a_stranger_is_not_to_be_stopped() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(runner(data.path()), None, "there is no chain");
        std::fs::create_dir(data.path().join("chain")).unwrap();
        let lock = std::fs::File::create(data.path().join("chain/lock")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let checked = || {
            let mut checks = Checks::default();
            let node = Node { answers: false, runner: runner(data.path()) };
            port("http port", listener.local_addr().unwrap(), node, "listen elsewhere", &mut checks);
            checks.0.remove(0)
        };
        assert_eq!((checked().verdict, checked().next), (Verdict::Good, None));
        drop(lock);
        assert_eq!((checked().verdict, checked().next), (Verdict::Bad, Some("listen elsewhere".into())));
    }
}
