//! `utilidor doctor`: what is wrong with a node's machine, folder, keys and peers, and what to do about each.
//!
//! It reads, tries to listen and to connect, and changes nothing. Each check says what it found; what cannot be told on this
//! system is said to be unknown, not well.

mod ports;

use super::node::{VALIDATOR, read_genesis};
use crate::causes::{system, told};
use crate::context::Context;
use crate::failure::Failure;
use crate::node_file::{NodeFile, PeerNode, guard_path, resolve};
use crate::output::{Output, Word};
use crate::sentence::Said;
use crate::{said, t};
use clap::Args;
use ports::{Node, port, runner};
use serde::Serialize;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
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
    check: Said,
    verdict: Verdict,
    found: Said,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Said>,
}

/// All checks so far.
#[derive(Debug, Default)]
struct Checks(Vec<Check>);

impl Checks {
    fn say(&mut self, check: Said, verdict: Verdict, found: Said) {
        self.0.push(Check { check, verdict, found, next: None });
    }

    fn advise(&mut self, check: Said, verdict: Verdict, found: Said, next: Said) {
        self.0.push(Check { check, verdict, found, next: Some(next) });
    }
}

/// Does it.
pub async fn run(arguments: Arguments, context: Context) -> Result<(), Failure> {
    let data = &arguments.data;
    let mut checks = Checks::default();
    checks.say(said!("version", "版本"), Verdict::Good, said!("{}", "{}", env!("CARGO_PKG_VERSION")));
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
            said!("node", "节点"),
            Verdict::Unknown,
            said!(
                "process {process} runs this folder's node, which does not answer at {http}: it is starting, or --listen named another address",
                "进程 {process} 正在运行此文件夹的节点，但它在 {http} 没有应答：可能正在启动，或 --listen 指定了其他地址"
            ),
        ),
        (None, None) => {
            let found = said!(
                "no node of this chain answers at {http}: it is not running",
                "{http} 没有本链的节点应答：节点未运行"
            );
            checks.say(said!("node", "节点"), Verdict::Unknown, found)
        }
    }
    let node = Node { answers: own.is_some(), runner };
    let elsewhere = match &file {
        Some(_) => said!("choose another port in node.toml", "在 node.toml 中另选端口"),
        None => said!(
            "run the node at another port: utilidor node run --data {} --listen 127.0.0.1:PORT",
            "用其他端口运行节点：utilidor node run --data {} --listen 127.0.0.1:PORT",
            data.display()
        ),
    };
    port(said!("http port", "HTTP 端口"), http, node, &elsewhere, &mut checks);
    if let (Some(file), Some(genesis), Some(key)) = (&file, &genesis, &key) {
        port(said!("peers' port", "节点间端口"), file.listen, node, &elsewhere, &mut checks);
        peers(&file.others(genesis, key), genesis, key, &mut checks);
    }
    show(&checks.0, &context)
}

fn folder(data: &Path, checks: &mut Checks) -> Option<Genesis> {
    match read_genesis(data) {
        Err(failure) => {
            checks.advise(
                genesis_document(),
                Verdict::Bad,
                failure.what().clone(),
                said!(
                    "take it in: utilidor network install --help; or begin a chain of one: utilidor node init --help",
                    "放入创世文件：utilidor network install --help；或建立单成员链：utilidor node init --help"
                ),
            );
            None
        }
        Ok(genesis) => {
            match genesis.check() {
                Ok(()) => {
                    checks.say(genesis_document(), Verdict::Good, said!("chain {}", "链 {}", genesis.chain()));
                }
                Err(refused) => checks.advise(
                    genesis_document(),
                    Verdict::Bad,
                    told(&refused),
                    said!(
                        "ask the coordinator for another document: no chain can begin with this one",
                        "请协调方另给文件：任何链都不能以此文件开始"
                    ),
                ),
            }
            Some(genesis)
        }
    }
}

fn genesis_document() -> Said {
    said!("genesis document", "创世文件")
}

fn node_toml() -> Said {
    said!("node.toml", "node.toml")
}

fn node_file(data: &Path, checks: &mut Checks) -> Option<NodeFile> {
    match NodeFile::of_folder(data) {
        Ok(Some(file)) => {
            checks.say(
                node_toml(),
                Verdict::Good,
                said!("listens for peers at {}, HTTP at {}", "监听其他节点于 {}，HTTP 于 {}", file.listen, file.http),
            );
            Some(file)
        }
        Ok(None) => {
            checks.say(
                node_toml(),
                Verdict::Good,
                said!("none: a node of a chain of one needs none", "无：单成员链的节点不需要"),
            );
            None
        }
        Err(failure) => {
            checks.advise(
                node_toml(),
                Verdict::Bad,
                failure.what().clone(),
                said!(
                    "mend the file: utilidor node run --help says what it holds",
                    "请修正该文件：其内容见 utilidor node run --help"
                ),
            );
            None
        }
    }
}

fn keys(data: &Path, genesis: Option<&Genesis>, checks: &mut Checks) -> Option<PublicKey> {
    let make = || {
        said!(
            "take {0}/keys from a copy, or make new ones: utilidor network join --data {0}",
            "从副本取回 {0}/keys，或新建密钥：utilidor network join --data {0}",
            data.display()
        )
    };
    let keystore = Keystore::of_folder(data.join("keys"));
    let key: PublicKey = match keystore.info(VALIDATOR).map(|info| info.public.parse()) {
        Ok(Ok(key)) => key,
        Ok(Err(_)) | Err(_) => {
            let found = said!("there is no key {VALIDATOR:?} that can be read", "没有可读取的密钥 {VALIDATOR:?}");
            checks.advise(said!("keys", "密钥"), Verdict::Bad, found, make());
            return None;
        }
    };
    let role = match genesis.map(|genesis| genesis.has_validator(&key)) {
        Some(true) => said!("a founding member's: it votes", "属于创始成员：参与投票"),
        Some(false) => said!(
            "of no founding member: it follows, or votes if the council has appointed it since",
            "不属于创始成员：只跟随；若理事会后来任命了它，则参与投票"
        ),
        None => said!("of a chain that is not known here", "属于本处未知的链"),
    };
    checks.say(said!("keys", "密钥"), Verdict::Good, said!("{key}, {role}", "{key}，{role}"));
    let guard = guard_path(data).with_extension("votes.1");
    if genesis.is_some_and(|genesis| genesis.validators.len() > 1 && genesis.has_validator(&key)) && !guard.exists() {
        checks.advise(
            said!("vote guard", "投票护卫文件"),
            Verdict::Warning,
            said!("{} is missing", "缺少 {}", guard.display()),
            said!(
                "nothing: the node follows first and votes again by itself; never take a guard from a copy",
                "无需处理：节点先跟随，之后会自行恢复投票；切勿从副本取用投票护卫文件"
            ),
        );
    }
    let permissions = said!("key file's permissions", "密钥文件的权限");
    match keystore.exposed(VALIDATOR) {
        Some(path) => checks.advise(
            permissions,
            Verdict::Warning,
            said!("other users may read it, which only its passphrase protects", "其他用户可以读取它，它只受口令保护"),
            said!("chmod 600 {}", "chmod 600 {}", path.display()),
        ),
        None => checks.say(permissions, Verdict::Good, said!("only its owner reads it", "只有其所有者可读取")),
    }
    Some(key)
}

#[cfg(unix)]
fn disk(data: &Path, checks: &mut Checks) {
    let disk = said!("disk", "磁盘");
    if !data.exists() {
        return checks.say(disk, Verdict::Unknown, said!("there is no folder {}", "没有文件夹 {}", data.display()));
    }
    let Ok(space) = rustix::fs::statvfs(data) else {
        return checks.say(
            disk,
            Verdict::Unknown,
            said!("the system does not tell how much is free", "系统未告知剩余空间"),
        );
    };
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    let found = said!("{} MiB free", "剩余 {} MiB", free >> 20);
    match free {
        free if free < KEEP_FREE_BYTES => checks.advise(
            disk,
            Verdict::Bad,
            found,
            said!(
                "make room: with less than {} MiB the node does not start",
                "请腾出空间：不足 {} MiB 时节点不启动",
                KEEP_FREE_BYTES >> 20
            ),
        ),
        free if free < LITTLE_FREE => checks.advise(
            disk,
            Verdict::Warning,
            found,
            said!("make room before it is used up", "请在用尽之前腾出空间"),
        ),
        _ => checks.say(disk, Verdict::Good, found),
    }
}

#[cfg(not(unix))]
fn disk(_: &Path, checks: &mut Checks) {
    let found = said!("this system does not tell how much is free", "本系统不告知剩余空间");
    checks.say(said!("disk", "磁盘"), Verdict::Unknown, found);
}

#[cfg(unix)]
fn descriptors(checks: &mut Checks) {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let check = said!("open files", "可打开文件数");
    let allowed = |most: u64| said!("{most} may be open at once", "可同时打开 {most} 个");
    match limit.maximum.or(limit.current) {
        Some(most) if most < ENOUGH_FILES => checks.advise(
            check,
            Verdict::Warning,
            allowed(most),
            said!("raise the limit: ulimit -Hn {ENOUGH_FILES}", "提高上限：ulimit -Hn {ENOUGH_FILES}"),
        ),
        most => checks.say(check, Verdict::Good, most.map_or_else(|| said!("no limit", "没有上限"), allowed)),
    }
}

#[cfg(not(unix))]
fn descriptors(checks: &mut Checks) {
    let found = said!("this system does not tell how many may be open", "本系统不告知可打开的文件数");
    checks.say(said!("open files", "可打开文件数"), Verdict::Unknown, found);
}

/// The node of this folder's chain at an address, if it answers.
async fn own_node(http: SocketAddr, genesis: Option<&Genesis>) -> Option<NodeStatus> {
    let client = Client::new(&format!("http://{http}")).ok()?;
    let status = tokio::time::timeout(ANSWER_TIME, client.status()).await.ok()?.ok()?;
    genesis.is_some_and(|genesis| genesis.chain() == status.chain).then_some(status)
}

fn running(status: &NodeStatus, checks: &mut Checks) {
    let found = said!(
        "runs: block {} of {}, read model at {}",
        "正在运行：区块 {}（{}），读取模型位于 {}",
        status.height,
        status.time_ms,
        status.indexed_height
    );
    checks.say(said!("node", "节点"), Verdict::Good, found);
    if status.misconduct > 0 {
        checks.advise(
            said!("misconduct", "违规"),
            Verdict::Bad,
            said!(
                "validators have signed contradicting votes, {} times since the node started",
                "自节点启动以来，验证方签署了互相矛盾的投票 {} 次",
                status.misconduct
            ),
            said!(
                "the node's log holds the votes, which prove it: show them to the council, which can dismiss the validator",
                "节点日志中的投票就是证据：请提交理事会，理事会可解任该验证方"
            ),
        );
    }
    if status.version != env!("CARGO_PKG_VERSION") {
        checks.advise(
            said!("version", "版本"),
            Verdict::Warning,
            said!("the node that runs is {}", "正在运行的节点版本为 {}", status.version),
            said!("start it again to run this release", "重新启动节点以运行本版本"),
        );
    }
    let clock = said!("clock", "时钟");
    if status.kind == ChainKind::Development {
        return checks.say(
            clock,
            Verdict::Good,
            said!("a development chain's time is its operator's", "开发链的时间由其运营方决定"),
        );
    }
    let now = super::offer::now();
    match status.time_ms.0.checked_sub(now.0) {
        Some(ahead) if ahead > CLOCK_BEHIND_MS => checks.advise(
            clock,
            Verdict::Bad,
            said!(
                "this machine's clock is {ahead} ms behind the chain's last block",
                "本机时钟比链上最后一个区块慢 {ahead} 毫秒"
            ),
            said!(
                "set the clock, and keep it by NTP (chrony, systemd-timesyncd): the others refuse blocks of a wrong time",
                "请校准时钟，并用 NTP（chrony、systemd-timesyncd）保持：其他节点拒绝时间不对的区块"
            ),
        ),
        _ => checks.say(
            clock,
            Verdict::Good,
            said!("not behind the chain's last block", "不慢于链上最后一个区块"),
        ),
    }
    let age = now.0.saturating_sub(status.time_ms.0);
    let blocks = said!("blocks", "区块");
    if age > OLD_BLOCK_MS {
        checks.advise(
            blocks,
            Verdict::Bad,
            said!(
                "the last one is {} s old: the chain stands, or this node is left behind",
                "最后一个区块在 {} 秒之前：链停滞，或本节点落后",
                age / 1_000
            ),
            said!(
                "see what it waits for: utilidor status; compare the height with another member's node",
                "查看它在等待什么：utilidor status；并与其他成员的节点比较高度"
            ),
        );
    } else {
        checks.say(blocks, Verdict::Good, said!("the last one is {age} ms old", "最后一个区块在 {age} 毫秒之前"));
    }
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
                said!("peer", "其他节点"),
                Verdict::Warning,
                said!("{} is not reached: {}", "无法连接 {}：{}", other.address, system(&error)),
                said!(
                    "ask its organisation whether it runs, and whether a firewall lets this machine through",
                    "请询问其所属组织：节点是否运行，防火墙是否放行本机"
                ),
            ),
        }
    }
    let members = genesis.validators.len();
    let (there, needed) = (reached + usize::from(genesis.has_validator(own)), quorum(members));
    let found = said!(
        "{there} of {members} founding members' nodes are reached, this one included; {needed} make blocks",
        "{members} 个创始成员的节点中可连接 {there} 个（含本节点）；出块需 {needed} 个"
    );
    let check = said!("peers", "各节点");
    match there < needed {
        true => checks.advise(
            check,
            Verdict::Bad,
            found,
            said!(
                "the chain stands until enough are reached; it goes on by itself",
                "可连接的节点足够之前链会停滞；之后自行继续"
            ),
        ),
        false => checks.say(check, Verdict::Good, found),
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
        return Err(Failure::new(
            "doctor/bad",
            said!("{bad} of {} checks are bad", "{0} 项检查中有 {bad} 项异常", checks.len()),
        ));
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
        assert!(checks.0[0].found.to_string().starts_with("there is no folder"), "{:?}", checks.0);
    }
}
