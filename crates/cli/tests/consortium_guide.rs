//! Runs every command of docs/guide/consortium.md, in the order in which they stand there.

mod common;

use common::Desk;
use std::path::Path;

/// The lines of the page's blocks of commands.
fn commands() -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/consortium.md");
    let page = std::fs::read_to_string(page).unwrap();
    let mut commands = Vec::new();
    let mut is_inside = false;
    for line in page.lines() {
        match line {
            "```sh" => is_inside = true,
            "```" => is_inside = false,
            line if is_inside => commands.push(line.to_owned()),
            _ => {}
        }
    }
    commands
}

/// What ends the nodes that were started, however the test ends.
struct Nodes(Vec<std::process::Child>);

impl Nodes {
    /// Asks one to stop, and waits until it has.
    fn stop(&mut self, place: usize) {
        let pid = self.0[place].id().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert!(self.0[place].wait().unwrap().success());
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for node in &mut self.0 {
            let _ = node.kill();
            let _ = node.wait();
        }
    }
}

#[test]
fn the_guide_s_commands_found_a_consortium_that_decides_together() {
    let desk = Desk::new();
    let mut nodes = Nodes(Vec::new());
    let mut motion = String::new();
    let commands = commands();
    assert!(commands.len() >= 18, "{commands:#?}");
    for line in commands {
        // The ports of `network local` are its own; its test is another.
        if line.contains("network local") {
            continue;
        }
        let line = line.replace("MOTION", &motion);
        if let Some(command) = line.strip_suffix(" &") {
            nodes.0.push(desk.shell(&format!("exec {command} 2>/dev/null")).spawn().unwrap());
            continue;
        }
        if line.contains("node backup") {
            nodes.stop(2);
        }
        if line.contains("doctor") {
            wait_for_blocks(&desk);
        }
        let output = desk.shell(&line).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{line}\n{out}\n{err}");
        if line.contains("member admit") {
            motion = out.lines().find_map(|line| line.trim().strip_prefix("motion: ")).expect("it says so").into();
            assert!(out.contains("carried: false"), "{out}");
        }
        if line.contains("council vote") {
            assert!(out.contains("is carried"), "{out}");
        }
        if line.contains("member list") {
            assert_eq!(out.matches("user").count(), 1, "the retailer is a member on every node: {out}");
        }
    }
    assert!(!motion.is_empty() && nodes.0.len() == 4);
}

/// Waits until all three nodes have a block.
fn wait_for_blocks(desk: &Desk) {
    for port in [47201, 47202, 47203] {
        let reached = (0..600).any(|_| {
            let status = desk.run(&format!("status --json --node http://127.0.0.1:{port}"));
            let height = serde_json::from_str::<serde_json::Value>(&status.out).ok();
            let height = height.and_then(|status| status["node"]["height"].as_u64());
            let is_there = height.is_some_and(|height| height > 0);
            if !is_there {
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
            is_there
        });
        assert!(reached, "the node at {port} has no block after a minute");
    }
}
