//! `utilidor network local`: a whole consortium on this machine, to try things out. Each node is a process of its own.
//!
//! ```text
//! <data>/network.json     the nodes: what the table shows
//! <data>/network.lock     held while the network runs
//! <data>/passphrase       opens all their keys; they protect nothing but this trial
//! <data>/member-1/ ...    a node's folder, as everywhere, with its log in node.log
//! ```
//!
//! A node that ends by itself is started again, unless it does so at once.

use super::founding::{DEFAULT_EPOCH_LENGTH, genesis_of, keys_of, write_json};
use crate::command::node::serve_signal;
use crate::command::offer::now;
use crate::context::Context;
use crate::document;
use crate::failure::Failure;
use crate::node_file::{NodeFile, PeerNode};
use crate::output::{note, warn};
use crate::sentence::Said;
use crate::{said, t};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fs::{File, TryLockError};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};
use utilidor_chain::write_durably;
use utilidor_sdk::{Client, Passphrase, WorkFactor};
use utilidor_types::council::Threshold;
use utilidor_types::founding::FounderCard;
use utilidor_types::genesis::ChainKind;
use utilidor_types::{AccountId, PublicKey, Role, Roles};

/// Most nodes on one machine.
const MAX_NODES: u16 = 32;
/// The first node's HTTP port, unless another one is asked for.
const DEFAULT_PORT: u16 = 4_680;
/// How long the nodes may take until all have a block.
const READY_TIME: Duration = Duration::from_secs(120);
/// How long a node may take to stop cleanly.
const STOP_TIME: Duration = Duration::from_secs(20);
/// A node that ends sooner may be one that can never run.
const SHORT_LIFE: Duration = Duration::from_secs(5);
/// After so many short lives in a row a node is not started again.
const SHORT_LIVES: u8 = 3;
/// Between two looks at the nodes.
const PAUSE: Duration = Duration::from_millis(100);
/// Lines of a node's log that are shown when it ends.
const LOG_LINES: usize = 5;

/// What is to run.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Member organisations, each with a node that votes
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=16))]
    members: u16,
    /// Nodes that follow without a vote
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(0..=16))]
    followers: u16,
    /// The folder of all; created
    #[arg(long, value_name = "FOLDER", default_value = "utilidor-network")]
    data: PathBuf,
    /// The first node's HTTP port; the others' follow, and then those by which the nodes reach each other. 0: any free ones
    /// [default: 4680]
    #[arg(long)]
    port: Option<u16>,
}

/// A node of the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalNode {
    /// What it is called here.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Whether it votes.
    pub is_member: bool,
    /// Its HTTP interface.
    pub http: SocketAddr,
    /// Where the other nodes reach it.
    pub listen: SocketAddr,
    /// Its key.
    pub key: PublicKey,
    /// Its organisation's first account; a follower has none.
    pub account: Option<AccountId>,
}

impl LocalNode {
    /// The address of its HTTP interface.
    pub fn url(&self) -> String {
        format!("http://{}", self.http)
    }

    fn log(&self) -> PathBuf {
        self.folder.join("node.log")
    }

    /// The last lines of its log.
    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }
}

/// Runs the network until it is interrupted.
pub async fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    let began = Instant::now();
    let stop = serve_signal()?;
    tokio::pin!(stop);
    let file = arguments.data.join("network.json");
    let _held = hold(&arguments.data)?;
    let nodes: Vec<LocalNode> = if file.exists() {
        let nodes: Vec<LocalNode> = document::read(&file, said!("local network", "本机网络"), "network local --help")?;
        let members = nodes.iter().filter(|node| node.is_member).count();
        if (members, nodes.len() - members) != (usize::from(arguments.members), usize::from(arguments.followers)) {
            warn(&said!(
                "{} holds a network of {members} members and {} followers: it goes on",
                "{} 中已有 {members} 个成员、{} 个跟随节点的网络：继续运行",
                file.display(),
                nodes.len() - members
            ));
        }
        if let Some(first) =
            nodes.first().filter(|first| arguments.port.is_some_and(|port| ![0, first.http.port()].contains(&port)))
        {
            warn(&said!(
                "{} was begun at port {}: it stays there",
                "{} 的网络始于端口 {}：保持不变",
                file.display(),
                first.http.port()
            ));
        }
        nodes
    } else {
        found(&arguments, &file)?
    };
    let mut running = Vec::new();
    for node in nodes {
        running.push(Running::start(node, &arguments.data)?);
    }
    let ready = tokio::select! {
        ready = wait_until_ready(&mut running) => ready,
        () = &mut stop => Err(Failure::new(
            "network/interrupted",
            said!("the network was interrupted before it was ready", "网络在就绪之前被中断"),
        )),
    };
    if ready.is_ok() {
        show(&running, &arguments.data, began.elapsed(), context);
        tokio::select! {
            () = keep_running(&mut running, &arguments.data) => {}
            () = &mut stop => {}
        }
    }
    let stopped = stop_all(running).await;
    ready.and(stopped)?;
    context.out.show(&json!({ "stopped": true }), |out| out.word(t!("stopped")).into());
    Ok(())
}

/// Holds the network's folder, so that it runs once. Held for as long as the file lives.
fn hold(data: &Path) -> Result<File, Failure> {
    let path = data.join("network.lock");
    let failed = |error: std::io::Error| {
        Failure::from_error("file", said!("could not lock {}", "无法锁定 {}", path.display()), &error)
    };
    std::fs::create_dir_all(data).map_err(failed)?;
    let lock = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            let what = said!("the network in {} runs already", "{} 中的网络已在运行", data.display());
            Err(Failure::new("network/running", what)
                .next(said!("stop it, or choose another folder with --data", "将其停止，或用 --data 另选一个文件夹")))
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// A free port for each, all different.
pub fn free_ports(count: usize) -> Result<Vec<u16>, Failure> {
    let failed = |error| Failure::from_error("network/ports", said!("no free port was found", "没有空闲端口"), &error);
    // All are held until all are known, so that none is given twice.
    let listeners: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>().map_err(failed)?;
    listeners.iter().map(|listener| listener.local_addr().map(|address| address.port()).map_err(failed)).collect()
}

/// Makes keys, folders and the genesis document. The list of nodes is written last: what was cut off before is made anew.
fn found(arguments: &Arguments, file: &Path) -> Result<Vec<LocalNode>, Failure> {
    let failed = |path: &Path| {
        let what = said!("could not write {}", "无法写入 {}", path.display());
        move |error: std::io::Error| Failure::from_error("file", what, &error)
    };
    let data = &arguments.data;
    let count = arguments.members + arguments.followers;
    if count > MAX_NODES {
        return Err(Failure::usage(said!(
            "at most {MAX_NODES} nodes run on one machine",
            "一台机器上最多运行 {MAX_NODES} 个节点"
        )));
    }
    let ports = match arguments.port.unwrap_or(DEFAULT_PORT) {
        0 => free_ports(2 * usize::from(count))?,
        first => (0..2 * count).map(|number| first.checked_add(number)).collect::<Option<_>>().ok_or_else(|| {
            Failure::usage(said!("there are not {} ports from {first} on", "自 {first} 起没有 {} 个端口", 2 * count))
        })?,
    };
    // Nothing is written for places that are taken: they would be kept.
    if let Some(taken) = ports.iter().find(|port| TcpListener::bind(("127.0.0.1", **port)).is_err()) {
        let what = said!("port {taken} of this machine is in use", "本机端口 {taken} 已被占用");
        return Err(Failure::new("network/ports", what).next(said!(
            "choose {} other ports in a row with --port, or any free ones with --port 0; \
             who has it: utilidor doctor",
            "用 --port 另选 {} 个相连的端口，或用 --port 0 取任意空闲端口；查看端口被谁占用：\
             utilidor doctor",
            ports.len()
        )));
    }
    std::fs::create_dir_all(data).map_err(failed(data))?;
    let passphrase = passphrase(data)?;
    let (http, listen) = ports.split_at(usize::from(count));
    let mut nodes = Vec::new();
    let mut cards = Vec::new();
    for number in 0..count {
        let is_member = number < arguments.members;
        let name = if is_member {
            format!("member-{}", number + 1)
        } else {
            format!("follower-{}", number - arguments.members + 1)
        };
        let folder = data.join(&name);
        let (node, founder) = keys_of(&folder, &passphrase, WorkFactor::LIGHT)?;
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let (http, listen) = (at(http[usize::from(number)]), at(listen[usize::from(number)]));
        if is_member {
            let roles = [Role::Validator, Role::Owner, Role::User, Role::MeterOperator, Role::Issuer];
            // One issuer will do.
            let roles = Roles::of(&roles[..if number == 0 { 5 } else { 4 }]);
            cards.push(FounderCard::sign(&founder, roles, Some((&node, listen.into()))));
        }
        let account = is_member.then(|| AccountId::of(&founder.public_key()));
        nodes.push(LocalNode { name, folder, is_member, http, listen, key: node.public_key(), account });
    }
    let genesis = genesis_of(&cards, ChainKind::Production, now(), DEFAULT_EPOCH_LENGTH, Threshold::TWO_THIRDS)?;
    for node in &nodes {
        let others = nodes.iter().filter(|other| !other.is_member && other.name != node.name);
        let peers = others.map(|other| PeerNode { key: other.key, address: other.listen.into() }).collect();
        NodeFile {
            listen: node.listen,
            http: node.http,
            allow_hosts: Vec::new(),
            traces: None,
            follower: !node.is_member,
            peers,
        }
        .write(&node.folder)?;
        write_json(&node.folder.join("genesis.json"), &genesis)?;
    }
    write_json(file, &nodes)?;
    Ok(nodes)
}

/// What opens the keys of all nodes: chosen once, and kept where only this user may read it.
fn passphrase(data: &Path) -> Result<Passphrase, Failure> {
    let path = data.join("passphrase");
    let failed = |error: std::io::Error| {
        Failure::from_error("file", said!("could not write {}", "无法写入 {}", path.display()), &error)
    };
    if !path.exists() {
        let label = crate::label::or_random(None)?;
        write_durably(&path, label.to_string().as_bytes()).map_err(failed)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
        }
    }
    std::fs::read_to_string(&path).map(Passphrase::new).map_err(failed)
}

/// A node's process. Dropping it kills it.
pub struct Running {
    /// The node.
    pub node: LocalNode,
    child: Child,
    since: Instant,
    /// How often in a row it was started and ended at once.
    short_lives: u8,
    /// Whether it has ended for good.
    has_ended: bool,
}

impl Running {
    /// Starts the node. `data` is the folder of all, where the passphrase lies.
    pub fn start(node: LocalNode, data: &Path) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| {
            Failure::from_error(
                "network/start",
                said!("node {} could not be started", "无法启动节点 {}", node.name),
                &error,
            )
        };
        let log = std::fs::OpenOptions::new().create(true).append(true).open(node.log()).map_err(failed)?;
        let child = Command::new(std::env::current_exe().map_err(failed)?)
            .args(["node", "run", "--data"])
            .arg(&node.folder)
            .arg("--passphrase-file")
            .arg(data.join("passphrase"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(failed)?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        Ok(Self { node, child, since: Instant::now(), short_lives: 0, has_ended: false })
    }

    /// Whether the process is over.
    fn is_over(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Whether the node answers and has a block.
    async fn is_ready(&self) -> bool {
        let Ok(client) = Client::new(&self.node.url()) else { return false };
        matches!(tokio::time::timeout(Duration::from_secs(2), client.status()).await, Ok(Ok(status)) if status.height > 0)
    }

    /// Ends the process as a power cut would.
    pub async fn kill(mut self) -> std::io::Result<()> {
        self.child.kill().await
    }

    /// Asks the process to stop, and waits for it.
    async fn stop(mut self) -> Result<(), Failure> {
        if !stop(&mut self.child).await {
            warn(&said!(
                "node {} did not stop in {} s and is ended; nothing final is lost",
                "节点 {} 在 {} 秒内没有停止，已被终止；最终确定的内容不会丢失",
                self.node.name,
                STOP_TIME.as_secs()
            ));
        }
        Ok(())
    }
}

/// Asks a process to stop and waits for it; whether it did. One that takes too long is ended.
pub async fn stop(child: &mut Child) -> bool {
    #[cfg(unix)]
    if let Some(pid) = child.id().and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed())) {
        // One that is over cannot be asked.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
    let has_stopped = tokio::time::timeout(STOP_TIME, child.wait()).await.is_ok();
    if !has_stopped {
        let _ = child.kill().await;
    }
    has_stopped
}

async fn wait_until_ready(running: &mut [Running]) -> Result<(), Failure> {
    let began = Instant::now();
    for place in 0..running.len() {
        loop {
            let is_ready = running[place].is_ready().await;
            // What answers at the node's address may be another process: only where all that were started live, is it theirs.
            if let Some(ended) = running.iter_mut().find_map(|one| one.is_over().then_some(&one.node)) {
                let what = said!("node {} ended: {}", "节点 {} 已终止：{}", ended.name, ended.last_words());
                return Err(Failure::new("network/node-ended", what).next(advice(ended)));
            }
            if is_ready {
                break;
            }
            if began.elapsed() > READY_TIME {
                let node = &running[place].node;
                let what = said!(
                    "node {} has no block after {} s",
                    "节点 {} 在 {} 秒后仍没有区块",
                    node.name,
                    READY_TIME.as_secs()
                );
                return Err(Failure::new("network/not-ready", what).next(advice(node)));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(())
}

fn advice(node: &LocalNode) -> Said {
    said!(
        "utilidor doctor --data {}; its log: {}",
        "utilidor doctor --data {}；其日志：{}",
        node.folder.display(),
        node.log().display()
    )
}

/// Starts nodes again that end by themselves. Returns when none is left.
async fn keep_running(running: &mut [Running], data: &Path) {
    while running.iter().any(|one| !one.has_ended) {
        for one in running.iter_mut().filter(|one| !one.has_ended) {
            if !one.is_over() {
                continue;
            }
            let (name, log) = (one.node.name.clone(), one.node.log());
            let short_lives = if one.since.elapsed() < SHORT_LIFE { one.short_lives + 1 } else { 0 };
            if short_lives == SHORT_LIVES {
                warn(&said!(
                    "node {name} ends at once, again and again, and is not started again; its log: {}",
                    "节点 {name} 一再立即终止，不再启动；其日志：{}",
                    log.display()
                ));
                one.has_ended = true;
                continue;
            }
            warn(&said!(
                "node {name} has ended and is started again; its log: {}",
                "节点 {name} 已终止，正在重新启动；其日志：{}",
                log.display()
            ));
            match Running::start(one.node.clone(), data) {
                Ok(again) => *one = Running { short_lives, ..again },
                Err(failure) => {
                    failure.report(false);
                    one.has_ended = true;
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Stops all nodes.
pub async fn stop_all(running: Vec<Running>) -> Result<(), Failure> {
    // All are asked at once: the last ones could not make blocks alone.
    let stopping: Vec<_> = running.into_iter().map(|one| tokio::spawn(one.stop())).collect();
    for one in stopping {
        one.await.map_err(|error| {
            Failure::from_error("network/stop", said!("a node could not be stopped", "无法停止一个节点"), &error)
        })??;
    }
    Ok(())
}

fn show(running: &[Running], data: &Path, took: Duration, context: &Context) {
    let nodes: Vec<_> = running.iter().map(|one| (&one.node, one.child.id())).collect();
    let shown: Vec<_> = nodes
        .iter()
        .map(|(node, pid)| {
            json!({
                "name": node.name, "is_member": node.is_member, "node": node.url(), "listen": node.listen, "key": node.key,
                "account": node.account, "folder": node.folder, "pid": pid
            })
        })
        .collect();
    context.out.show(&json!({ "nodes": shown, "ready_ms": took.as_millis() as u64 }), |out| {
        let rows = nodes.iter().map(|(node, pid)| {
            let role = if node.is_member { t!("member") } else { t!("follower") };
            [
                node.name.clone(),
                out.word(role).into(),
                node.url(),
                node.listen.to_string(),
                node.key.to_string(),
                crate::output::or_dash(*pid),
            ]
        });
        let headings = [t!("name"), t!("role"), t!("node"), t!("address"), t!("public"), t!("process")];
        out.table(headings, rows.collect())
    });
    if let (Some((first, _)), false) = (nodes.first(), context.out.json) {
        note(&said!(
            "ready after {:.1} s; to act as the first member:\n  export UTILIDOR_NODE={} UTILIDOR_KEYS={} UTILIDOR_AS=founder \
             UTILIDOR_PASSPHRASE=$(cat {})",
            "{:.1} 秒后就绪；以第一个成员操作：\n  export UTILIDOR_NODE={} UTILIDOR_KEYS={} UTILIDOR_AS=founder \
             UTILIDOR_PASSPHRASE=$(cat {})",
            took.as_secs_f64(),
            first.url(),
            first.folder.join("keys").display(),
            data.join("passphrase").display()
        ));
    }
}
