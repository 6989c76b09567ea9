//! Runs `utilidor demo` as a child process.

// Each test file uses a part of this.
#![allow(dead_code)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use utilidor_park::Report;
use utilidor_sdk::Client;
use utilidor_types::PrivateKey;

/// A demonstration that runs.
pub struct Demonstration {
    child: Child,
    /// Address of its interface.
    pub api: String,
    log: Arc<Mutex<Vec<u8>>>,
}

/// Begins, or takes up again, the demonstration in a folder.
pub fn begin(data: &Path, days: usize, options: &[&str], environment: &[(&str, &str)]) -> Demonstration {
    let mut child = Command::new(env!("CARGO_BIN_EXE_utilidor"))
        .args(["demo", "--days", &days.to_string(), "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        // From the files, which is quicker; `demo_wire` goes over the wire.
        .args(if options.contains(&"--wire-days") { &[][..] } else { &["--wire-days", "0"] })
        .args(options)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let log = Arc::new(Mutex::new(Vec::new()));
    let mut line = String::new();
    let api = loop {
        line.clear();
        assert!(err.read_line(&mut line).unwrap() > 0, "it ended before it listened");
        log.lock().unwrap().extend_from_slice(line.as_bytes());
        if let Some(start) = line.find("http://") {
            break line[start..].split([',', ' ', '\n']).next().unwrap().to_owned();
        }
    };
    // What it says is read on, so that it never waits for a reader.
    let rest = Arc::clone(&log);
    std::thread::spawn(move || {
        let mut piece = [0; 4_096];
        while let Ok(count @ 1..) = err.read(&mut piece) {
            rest.lock().unwrap().extend_from_slice(&piece[..count]);
        }
    });
    Demonstration { child, api, log }
}

impl Demonstration {
    /// A client of its interface that sees what who runs the node does.
    pub fn client(&self) -> Client {
        let operator = PrivateKey::ed25519(utilidor_park::cast::validator_secret());
        Client::new(&self.api).unwrap().acting_as(operator)
    }

    /// Reads what it writes until the report is complete.
    pub fn until_report(&mut self) {
        let mut out = BufReader::new(self.child.stdout.take().unwrap());
        let mut line = String::new();
        while out.read_line(&mut line).unwrap() > 0 {
            if line.contains(utilidor_park::REPORT_FILE) {
                return;
            }
            line.clear();
        }
        panic!("it ended without a report: {}", String::from_utf8_lossy(&self.log.lock().unwrap()));
    }

    /// Waits until it ends.
    pub fn ends(mut self) -> ExitStatus {
        let mut out = self.child.stdout.take().unwrap();
        let mut text = String::new();
        out.read_to_string(&mut text).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{text}\n{}", String::from_utf8_lossy(&self.log.lock().unwrap()));
        status
    }

    /// Kills it at once, as a power cut would, and gives what it had logged.
    pub fn kill(mut self) -> Vec<u8> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.log.lock().unwrap().clone()
    }
}

/// The report in a folder.
pub fn report(data: &Path) -> Report {
    let json = std::fs::read(data.join(utilidor_park::REPORT_FILE)).unwrap();
    serde_json::from_slice(&json).unwrap()
}

/// A report without what may differ from run to run.
pub fn comparable(report: Report) -> Report {
    Report { run: utilidor_park::report::Run::default(), ..report }
}

/// Plays a demonstration to its end.
pub fn play(data: &Path, days: usize, environment: &[(&str, &str)]) -> Report {
    begin(data, days, &["--exit"], environment).ends();
    report(data)
}

/// Runs a future.
pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
