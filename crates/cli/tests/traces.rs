//! Traces by OpenTelemetry: a collector that is told to a node hears of requests, submissions and blocks, and of nothing secret.

mod common;

use common::Desk;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Reads one request over HTTP and answers that all is well. Gives its first line and its body.
fn heard(mut stream: TcpStream) -> std::io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        let head = bytes.windows(4).position(|end| end == b"\r\n\r\n");
        if let Some(head) = head {
            let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            if bytes.len() >= head + 4 + length.unwrap_or(0usize) {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
                return Ok((text.lines().next().unwrap_or_default().into(), bytes.split_off(head + 4)));
            }
        }
        match stream.read(&mut buffer)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => bytes.extend(&buffer[..read]),
        }
    }
}

/// A collector: the address that nodes are told, and what it hears.
fn collector() -> (String, mpsc::Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if let Ok(request) = heard(stream)
                && sender.send(request).is_err()
            {
                return;
            }
        }
    });
    (address, receiver)
}

#[test]
fn a_collector_hears_of_requests_submissions_and_blocks() {
    let mut desk = Desk::new();
    let account = desk.json("node init --data town")["account"].as_str().unwrap().to_owned();
    let (address, traces) = collector();
    let mut child = desk
        .command(&["node", "run", "--data", "town", "--listen", "127.0.0.1:0", "--traces", &address])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.as_mut().unwrap()), &mut line).unwrap();
    desk.node = line.trim().strip_prefix("listening on ").expect("the node says where it listens").into();
    desk.run(&format!("account issue {account} 7 --reference between-us --as founder")).ok();
    // What is left is sent when the node stops.
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert!(child.wait().unwrap().success());

    let mut told = Vec::new();
    while let Ok((line, body)) = traces.recv_timeout(Duration::from_secs(2)) {
        assert_eq!(line, "post /v1/traces http/1.1");
        told.extend(body);
    }
    let has = |text: &str| told.windows(text.len()).any(|found| found == text.as_bytes());
    for span in ["utilidor", "request", "/v1/transactions", "submission", "admission", "finality", "block", "height"] {
        assert!(has(span), "no trace of {span}");
    }
    for secret in ["for tests only", "between-us"] {
        assert!(!has(secret), "{secret} is told to the collector");
    }
}

#[test]
fn a_node_runs_without_a_collector_and_refuses_what_is_none() {
    let desk = Desk::new();
    desk.run("node init --data town").ok();
    assert!(desk.run("node run --data town --listen 127.0.0.1:0 --traces collector").failed(2).contains("/v1/traces"));
    let mut child = desk
        .command(&["node", "run", "--data", "town", "--listen", "127.0.0.1:0"])
        // Nobody listens there.
        .env("UTILIDOR_TRACES", "http://127.0.0.1:9/v1/traces")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.as_mut().unwrap()), &mut line).unwrap();
    assert!(line.starts_with("listening on "), "{line}");
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
}
