//! Runs the binary as a person or a script would.

// Each test file uses a part of this.
#![allow(dead_code)]

use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// A folder with keys, and the node that commands are for.
pub struct Desk {
    folder: tempfile::TempDir,
    pub node: String,
}

/// What a command answered.
#[derive(Debug)]
pub struct Answer {
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl Answer {
    fn of(output: Output) -> Self {
        Self {
            status: output.status.code().expect("the command was not killed"),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The answer of a command that did what was asked.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.status, 0, "{}\n{}", self.out, self.err);
        self.out
    }

    /// The failure of a command that exited with `status`.
    #[track_caller]
    pub fn failed(self, status: i32) -> String {
        assert_eq!(self.status, status, "{}\n{}", self.out, self.err);
        self.err
    }
}

impl Desk {
    pub fn new() -> Self {
        // Nobody listens on the port: the node's address is set once it runs.
        Self { folder: tempfile::tempdir().unwrap(), node: "http://127.0.0.1:9".into() }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn file(&self, name: &str, content: &str) -> String {
        let path = self.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().into()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_utilidor"));
        command
            .args(arguments)
            .env_clear()
            .current_dir(self.path())
            .env("HOME", self.path())
            .env("UTILIDOR_KEYS", self.path().join("town/keys"))
            .env("UTILIDOR_PASSPHRASE", "for tests only")
            .env("UTILIDOR_KEY_WORK", "8")
            .env("UTILIDOR_NODE", &self.node)
            .stdin(Stdio::null());
        command
    }

    /// Runs `utilidor` with arguments that are separated by spaces.
    pub fn run(&self, arguments: &str) -> Answer {
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        Answer::of(self.command(&arguments).output().unwrap())
    }

    /// The same with variables of the environment set.
    pub fn run_with(&self, arguments: &str, variables: &[(&str, &str)]) -> Answer {
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        Answer::of(self.command(&arguments).envs(variables.iter().copied()).output().unwrap())
    }

    /// A line of a shell, in which `utilidor` is the binary.
    pub fn shell(&self, line: &str) -> Command {
        let binary = Path::new(env!("CARGO_BIN_EXE_utilidor"));
        let folder = binary.parent().expect("the binary is in a folder");
        let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("sh");
        command
            .args(["-c", line])
            .env_clear()
            .current_dir(self.path())
            .env("PATH", path)
            .env("HOME", self.path())
            .env("UTILIDOR_PASSPHRASE", "for tests only")
            .env("UTILIDOR_KEY_WORK", "8")
            .stdin(Stdio::null());
        command
    }

    /// Runs `utilidor` for a reader that goes away before it has read anything.
    pub fn run_unread(&self, arguments: &str) -> Answer {
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        let mut command = self.command(&arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        Answer::of(child.wait_with_output().unwrap())
    }

    /// Runs `utilidor --json` and reads the answer.
    #[track_caller]
    pub fn json(&self, arguments: &str) -> Value {
        let out = self.run(&format!("{arguments} --json")).ok();
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{arguments}: {error}: {out}"))
    }

    /// Starts `utilidor`, to talk with while it runs.
    pub fn spawn(&self, arguments: &str) -> Child {
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        self.command(&arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
    }

    /// Starts the node of the folder `town` and waits until it listens.
    pub fn start_node(&mut self) -> Node {
        let mut child = self
            .command(&["node", "run", "--data", "town", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        self.node = line.trim().strip_prefix("listening on ").expect("the node says where it listens").into();
        Node { child }
    }
}

/// A running node. Dropping it kills it.
pub struct Node {
    child: Child,
}

impl Node {
    /// Asks it to stop, as a service manager would, and waits for that.
    pub fn stop(mut self) -> i32 {
        let killed = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        self.child.wait().unwrap().code().expect("it ended by itself")
    }

    /// Ends it as a power failure would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
