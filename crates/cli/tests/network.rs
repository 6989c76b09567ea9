//! A consortium of processes on this machine: it comes up, outlives the loss of a member, and stops cleanly.

mod common;

use common::Desk;
use serde_json::Value;
use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// `utilidor network local`, killed with all its nodes when the test ends.
struct Network {
    child: Child,
    nodes: Value,
}

impl Network {
    /// Starts it and waits until it says that it is ready.
    fn start(desk: &Desk) -> Self {
        let mut command =
            desk.command(&["--json", "network", "local", "--members", "4", "--followers", "1", "--port", "0"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut out = child.stdout.take().unwrap();
        let mut text = String::new();
        let mut byte = [0];
        // The answer is one JSON document; it is whole when it can be read.
        let nodes = loop {
            assert_eq!(out.read(&mut byte).unwrap(), 1, "it ended before it was ready: {text}");
            text.push(byte[0] as char);
            if byte[0] == b'\n'
                && let Ok(document) = serde_json::from_str::<Value>(&text)
            {
                break document;
            }
        };
        child.stdout = Some(out);
        Self { child, nodes }
    }

    fn node(&self, place: usize, field: &str) -> String {
        let value = &self.nodes["nodes"][place][field];
        value.as_str().map_or_else(|| value.to_string(), Into::into)
    }

    fn signal(pid: &str, signal: &str) {
        assert!(Command::new("kill").args([signal, pid]).status().unwrap().success());
    }

    /// Asks it to stop, and waits until it and all its nodes have.
    fn stop(mut self) {
        Self::signal(&self.child.id().to_string(), "-TERM");
        assert!(self.child.wait().unwrap().success());
        for node in self.nodes["nodes"].as_array().unwrap() {
            let pid = node["pid"].to_string();
            let is_there = Command::new("kill").args(["-0", &pid]).stderr(Stdio::null()).status().unwrap().success();
            assert!(!is_there, "process {pid} still runs");
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for node in self.nodes["nodes"].as_array().into_iter().flatten() {
            let _ = Command::new("kill").args(["-KILL", &node["pid"].to_string()]).stderr(Stdio::null()).status();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn height(desk: &Desk, url: &str) -> Option<u64> {
    let status = desk.run(&format!("status --json --node {url}"));
    serde_json::from_str::<Value>(&status.out).ok()?["node"]["height"].as_u64()
}

/// Waits until a node has come to a height.
fn reach(desk: &Desk, url: &str, wanted: u64) {
    let began = Instant::now();
    while height(desk, url).is_none_or(|height| height < wanted) {
        assert!(began.elapsed() < Duration::from_secs(90), "{url} has not come to block {wanted}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn four_members_and_a_follower_come_up_outlive_the_loss_of_one_and_stop_cleanly() {
    let desk = Desk::new();
    let network = Network::start(&desk);
    let url = |place| network.node(place, "node");
    let passphrase = desk.path().join("utilidor-network/passphrase");
    let as_founder = |place: usize, arguments: &str| {
        let (keys, node) = (network.node(place, "folder") + "/keys", url(place));
        let passphrase = passphrase.to_str().unwrap();
        desk.run(&format!("{arguments} --keys {keys} --as founder --passphrase-file {passphrase} --node {node}"))
    };

    // A motion of the first member is carried by the votes of two others, given at their own nodes.
    let second = network.node(1, "account");
    let members: Value = serde_json::from_str(&as_founder(0, "member list --json").ok()).unwrap();
    let member = members.as_array().unwrap().iter().find(|member| member["accounts"][0] == second.as_str()).unwrap();
    let roles = format!("member roles {} --roles validator,owner,issuer --json", member["member"].as_str().unwrap());
    let moved: Value = serde_json::from_str(&as_founder(0, &roles).ok()).unwrap();
    assert_eq!(moved["carried"], false, "no validator alone makes anybody issuer");
    let issue = format!("account issue {second} 5");
    assert!(as_founder(1, &issue).failed(3).contains("issuer"));
    for place in [1, 2] {
        reach(&desk, &url(place), moved["height"].as_u64().unwrap());
        as_founder(place, &format!("council vote {} --for", moved["motion"].as_str().unwrap())).ok();
    }
    let issued: Value = serde_json::from_str(&as_founder(1, &format!("{issue} --json")).ok()).unwrap();

    // One is killed: the others go on, and it is started again and catches up. What was final stays.
    Network::signal(&network.node(3, "pid"), "-KILL");
    let paid = as_founder(1, &format!("account transfer {} 2 --json", network.node(0, "account"))).ok();
    let paid: Value = serde_json::from_str(&paid).unwrap();
    reach(&desk, &url(3), paid["height"].as_u64().unwrap());
    // One stands still for a while, which is worse than being away: its connections stay open.
    Network::signal(&network.node(2, "pid"), "-STOP");
    let again = as_founder(1, &format!("account transfer {} 1 --json", network.node(0, "account"))).ok();
    Network::signal(&network.node(2, "pid"), "-CONT");
    let again: Value = serde_json::from_str(&again).unwrap();
    for place in 0..5 {
        reach(&desk, &url(place), again["height"].as_u64().unwrap());
        for done in [&issued, &paid, &again] {
            let hash = done["transaction"].as_str().unwrap();
            let there = desk.json(&format!("transaction {hash} --node {}", url(place)));
            assert_eq!(there["height"], done["height"], "node {place} has what was said to be final");
        }
    }

    // Prometheus reads how each node is.
    let metrics = reqwest_text(&format!("{}/metrics", url(4)));
    for name in
        ["utilidor_height ", "utilidor_index_lag_blocks ", "utilidor_block_age_seconds ", "utilidor_disk_free_bytes "]
    {
        assert!(metrics.contains(name), "{name} is missing in {metrics}");
    }

    // The same network is not started a second time beside itself.
    let second = desk.run("network local --members 4 --followers 1 --port 0").failed(1);
    assert!(second.contains("runs already") && second.contains("--data"), "{second}");

    let before = height(&desk, &url(0)).unwrap();
    network.stop();
    let again = Network::start(&desk);
    reach(&desk, &again.node(0, "node"), before + 1);
    again.stop();
}

#[test]
fn a_folder_takes_in_no_document_of_strangers() {
    let desk = Desk::new();
    let join = |who: &str, port: u16| {
        let address = format!("--address 127.0.0.1:{port} --http 127.0.0.1:{}", port + 100);
        let card = desk.run(&format!("network join --data {who} {address} --work 8")).ok();
        desk.file(&format!("{who}.json"), &card);
    };
    let found = |founders: &[&str], name: &str| {
        let cards: String = founders.iter().map(|who| format!(" {who}.json")).collect();
        desk.file(name, &desk.run(&format!("network create{cards}")).ok());
        for who in founders {
            let signature = desk.run(&format!("network sign {name} --data {who}")).ok();
            desk.file(&format!("{who}.signature.json"), &signature);
        }
    };
    for (who, port) in [("north", 47_501), ("east", 47_502), ("stranger", 47_503), ("other", 47_504)] {
        join(who, port);
    }
    found(&["north", "east"], "genesis.json");
    found(&["stranger", "other"], "strangers.json");

    // Who has joined takes the document in: it begins no chain of its own.
    for command in ["node run", "node init"] {
        let told = desk.run(&format!("{command} --data north")).failed(1);
        assert!(told.contains("utilidor network install") && !told.contains("node init"), "{told}");
    }

    // Everybody whom the document names has signed it; north is not among them.
    let strangers = "network install strangers.json stranger.signature.json other.signature.json";
    assert!(desk.run(&format!("{strangers} --data north")).failed(1).contains("it is no member"));
    // Without a card nothing tells whose consortium it is, but the chain's id.
    assert!(desk.run(&format!("{strangers} --data empty")).failed(2).contains("--chain"));
    let wrong = format!("{strangers} --data empty --chain {}", "00".repeat(16));
    assert!(desk.run(&wrong).failed(1).contains("not 0000"));
    assert!(!desk.path().join("north/genesis.json").exists() && !desk.path().join("empty/genesis.json").exists());

    let own = "network install genesis.json north.signature.json east.signature.json";
    let taken = desk.json(&format!("{own} --data north"));
    desk.run(&format!("{own} --data empty --chain {}", taken["chain"].as_str().unwrap())).ok();
}

/// The body of an answer over HTTP.
fn reqwest_text(url: &str) -> String {
    use std::io::Write as _;
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}
