//! The demonstration's other members: their nodes are processes of their own, as those of `utilidor network local`.
//!
//! ```text
//! <data>/                 the station's node, which this process runs itself: it is the one that is played on
//! <data>/network.json     all nodes, that of who joins too
//! <data>/passphrase       opens their keys, which protect nothing
//! <data>/grid-company/... a node's folder, as everywhere, with its log in node.log
//! <data>/alone/           the run with one member, if that is compared with
//! ```

use super::{PASSPHRASE, keep_key};
use crate::command::network::founding::write_json;
use crate::command::network::local::{LocalNode, Running, free_ports, stop_all};
use crate::command::node::{FOUNDER, VALIDATOR};
use crate::document;
use crate::failure::Failure;
use crate::node_file::{NodeFile, PeerNode, guard_path, make_guard};
use crate::said;
use crate::sentence::Said;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use utilidor_chain::write_durably;
use utilidor_chain::{Config, Peer};
use utilidor_park::Report;
use utilidor_park::cast::{STATION, account_id, secret};
use utilidor_park::consortium::{
    FEWEST_DAYS, FEWEST_MEMBERS, HOSTS, JOINS, MOST_MEMBERS, Machines, genesis_of, node_secret, organisations,
};
use utilidor_park::platform::PlatformError;
use utilidor_types::{Genesis, NodeAddress, PrivateKey, PublicKey};

/// The list of nodes.
const NETWORK_FILE: &str = "network.json";
/// What opens the keys.
const PASSPHRASE_FILE: &str = "passphrase";
/// The folder of the run with one member.
const ALONE: &str = "alone";

/// Reads a number of members.
pub fn count(text: &str) -> Result<usize, Said> {
    let read = text.parse().ok().filter(|members| *members == 1 || (FEWEST_MEMBERS..=MOST_MEMBERS).contains(members));
    read.ok_or_else(|| {
        said!(
            "the demonstration has 1 member, or {FEWEST_MEMBERS} to {MOST_MEMBERS}, so that one of them can be killed",
            "演示有 1 个成员，或 {FEWEST_MEMBERS} 至 {MOST_MEMBERS} 个，以便其中一个可以被强行终止"
        )
    })
}

/// Checks what belongs together.
pub fn check(members: usize, days: usize, compare: bool) -> Result<(), Failure> {
    if members > 1 && days < FEWEST_DAYS {
        return Err(Failure::usage(said!(
            "on several members the demonstration takes at least {FEWEST_DAYS} days, so that who joins finds time; not {days}",
            "有多个成员时演示至少 {FEWEST_DAYS} 天，以便加入者来得及加入，而不是 {days} 天"
        )));
    }
    if members == 1 && compare {
        return Err(Failure::usage(said!(
            "--compare compares several members with one: give --members",
            "--compare 将多个成员与一个成员比较：请写 --members"
        )));
    }
    Ok(())
}

/// Folders of an earlier run.
pub fn folders() -> impl Iterator<Item = String> {
    HOSTS.into_iter().chain([JOINS, ALONE]).map(Into::into)
}

/// Files of an earlier run. The vote guard goes with the chain: votes of a chain that is gone bind nobody.
pub fn files() -> impl Iterator<Item = &'static str> {
    [NETWORK_FILE, PASSPHRASE_FILE, "keys/validator.votes.1", "keys/validator.votes.2"].into_iter()
}

/// Whether a folder's list of nodes is that of a network which people began.
pub fn is_other_network(data: &Path) -> Result<bool, Failure> {
    let file = data.join(NETWORK_FILE);
    Ok(file.exists() && !known_nodes(&file)?.iter().any(|node| node.name == STATION))
}

fn known_nodes(file: &Path) -> Result<Vec<LocalNode>, Failure> {
    document::read(file, said!("demonstration's network", "演示网络"), "demo --help")
}

/// The other members, and who joins.
pub struct Others {
    data: PathBuf,
    members: usize,
    nodes: BTreeMap<String, LocalNode>,
    running: RefCell<BTreeMap<String, Running>>,
}

impl Others {
    /// Those of a folder, which are made if there are none.
    pub fn of(data: &Path, members: usize, http: SocketAddr) -> Result<Self, Failure> {
        let file = data.join(NETWORK_FILE);
        let known: Vec<LocalNode> = match file.exists() {
            true => known_nodes(&file)?,
            false => Vec::new(),
        };
        let begun = known.iter().filter(|node| node.is_member).count();
        if !known.is_empty() && begun != members {
            let what = said!(
                "{} holds a demonstration on {begun} members, not {members}",
                "{} 中的演示有 {begun} 个成员，而不是 {members} 个",
                data.display()
            );
            return Err(Failure::new("demo/other-chain", what).next(said!(
                "go on with --members {begun}, start over with --fresh, or choose another folder \
                 with --data",
                "以 --members {begun} 继续，用 --fresh 重新开始，或用 --data 另选一个文件夹"
            )));
        }
        let nodes = if known.is_empty() { found(data, members, http)? } else { known };
        let nodes = nodes.into_iter().map(|node| (node.name.clone(), node)).collect();
        let others = Self { data: data.into(), members, nodes, running: RefCell::default() };
        // Written each time: a run that was cut off before is simply repeated.
        others.write_folders()?;
        Ok(others)
    }

    /// The chain's genesis document.
    pub fn genesis(&self) -> Genesis {
        genesis_of(self.members, |who| self.address(who))
    }

    /// How the station's node is set up.
    pub fn own_config(&self, data: &Path) -> Result<Config, Failure> {
        make_guard(data, &PrivateKey::ed25519(node_secret(STATION)).public_key())?;
        let mut config = Config::member(data.join("chain"), self.genesis(), node_secret(STATION), guard_path(data));
        config.listen = self.nodes[STATION].listen;
        if let PublicKey::Ed25519(key) = self.nodes[JOINS].key {
            config.peers = vec![Peer { key, address: Some(self.address(JOINS)) }];
        }
        Ok(config)
    }

    /// Starts the nodes of those who begin the chain.
    pub fn start_all(&self) -> Result<(), Failure> {
        organisations(self.members).filter(|who| *who != STATION).try_for_each(|who| self.start_one(who))
    }

    /// Stops all nodes that run.
    pub async fn stop(self) -> Result<(), Failure> {
        stop_all(self.running.into_inner().into_values().collect()).await
    }

    fn start_one(&self, who: &str) -> Result<(), Failure> {
        if let Entry::Vacant(place) = self.running.borrow_mut().entry(who.into()) {
            place.insert(Running::start(self.nodes[who].clone(), &self.data)?);
        }
        Ok(())
    }

    /// Keys, configuration and genesis document of each node.
    fn write_folders(&self) -> Result<(), Failure> {
        let passphrase = self.data.join(PASSPHRASE_FILE);
        write_durably(&passphrase, PASSPHRASE.as_bytes()).map_err(|error| {
            Failure::from_error("file", said!("could not write {}", "无法写入 {}", passphrase.display()), &error)
        })?;
        let joins = PeerNode { key: self.nodes[JOINS].key, address: self.address(JOINS) };
        for (who, node) in self.nodes.iter().filter(|(who, _)| *who != STATION) {
            keep_key(&node.folder, VALIDATOR, &node_secret(who))?;
            keep_key(&node.folder, FOUNDER, &secret("account", who))?;
            make_guard(&node.folder, &node.key)?;
            let peers = if node.is_member { vec![joins.clone()] } else { Vec::new() };
            NodeFile {
                listen: node.listen,
                http: node.http,
                allow_hosts: Vec::new(),
                traces: None,
                follower: false,
                peers,
            }
            .write(&node.folder)?;
            write_json(&node.folder.join("genesis.json"), &self.genesis())?;
        }
        Ok(())
    }
}

impl Machines for Others {
    fn start(&self, who: &str) -> Result<(), PlatformError> {
        self.start_one(who).map_err(|failure| PlatformError(failure.what().clone().into()))
    }

    async fn kill(&self, who: &str) -> Result<(), PlatformError> {
        let running = self.running.borrow_mut().remove(who);
        match running {
            Some(running) => running.kill().await.map_err(|error| PlatformError(error.into())),
            None => Ok(()),
        }
    }

    fn api(&self, who: &str) -> String {
        self.nodes[who].url()
    }

    fn address(&self, who: &str) -> NodeAddress {
        self.nodes[who].listen.into()
    }
}

/// Gives each node its places, and keeps the list.
fn found(data: &Path, members: usize, http: SocketAddr) -> Result<Vec<LocalNode>, Failure> {
    if data.join("genesis.json").exists() {
        return Err(Failure::new(
            "demo/other-chain",
            said!("{} holds another chain", "{} 中有另一条链", data.display()),
        )
        .next(said!(
            "start over with --fresh, or choose another folder with --data",
            "用 --fresh 重新开始，或用 --data 另选一个文件夹"
        )));
    }
    std::fs::create_dir_all(data).map_err(|error| {
        Failure::from_error("file", said!("could not write {}", "无法写入 {}", data.display()), &error)
    })?;
    let all: Vec<&str> = organisations(members).chain([JOINS]).collect();
    let ports = free_ports(2 * all.len())?;
    let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let nodes: Vec<LocalNode> = all
        .iter()
        .zip(ports.chunks_exact(2))
        .map(|(who, ports)| LocalNode {
            name: (*who).into(),
            folder: if *who == STATION { data.into() } else { data.join(who) },
            is_member: *who != JOINS,
            http: if *who == STATION { http } else { at(ports[0]) },
            listen: at(ports[1]),
            key: PrivateKey::ed25519(node_secret(who)).public_key(),
            account: Some(account_id(who)),
        })
        .collect();
    write_json(&data.join(NETWORK_FILE), &nodes)?;
    Ok(nodes)
}

/// Plays the same days on one member, in a process and a folder of its own: its report.
pub async fn on_one_member(data: &Path, days: u16) -> Result<Report, Failure> {
    let folder = data.join(ALONE);
    let failed = |error: std::io::Error| {
        Failure::from_error("demo", said!("the run with one member did not start", "单成员的运行没有启动"), &error)
    };
    let ended = tokio::process::Command::new(std::env::current_exe().map_err(failed)?)
        .args(["demo", "--exit", "--wire-days", "0", "--days", &days.to_string(), "--listen", "127.0.0.1:0", "--data"])
        .arg(&folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await
        .map_err(failed)?;
    if !ended.success() {
        return Err(Failure::new(
            "demo/alone",
            said!("the run with one member ended with {ended}", "单成员的运行以 {ended} 结束"),
        )
        .next(said!(
            "see why: utilidor demo --exit --days {days} --data {}",
            "查看原因：utilidor demo --exit --days {days} --data {}",
            folder.display()
        )));
    }
    document::read(&folder.join(utilidor_park::REPORT_FILE), said!("report", "报告"), "demo --help")
}
