//! Programs that others wrote, on the other end of the line. They are installed and started by `counterparts/run.sh`; without it these
//! tests are listed as ignored.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use utilidor_gateway::clock::{SetClock, Watch};
use utilidor_gateway::config::Config;
use utilidor_gateway::journal::{Filter, Journal};
use utilidor_gateway::kept::{Registrations, Shared, begin_stretch};
use utilidor_gateway::mqtt::Subscriber;
use utilidor_gateway::poller::{Poller, Turn};
use utilidor_gateway::run::line_to;
use utilidor_gateway::simulate::Simulator;
use utilidor_gateway::writer::Writer;
use utilidor_types::MeterId;

const BEGIN: u64 = 1_800_000_000_000;
const KWH: u64 = 3_600_000;
const M3: u64 = 1_000_000;

/// A program that ends with its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn counterparts() -> PathBuf {
    std::env::var_os("COUNTERPARTS").expect("run these tests with crates/gateway/tests/counterparts/run.sh").into()
}

fn python() -> PathBuf {
    counterparts().join("bin/python")
}

/// Runs a script that says `ready` on its standard output once it answers.
fn serve(script: &str) -> Running {
    let mut child =
        Command::new(python()).args(["-c", script]).stdout(Stdio::piped()).spawn().expect("the counterparts are there");
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let is_ready = lines.map_while(Result::ok).any(|line| line == "ready");
    let running = Running(child);
    assert!(is_ready, "the program ended before it was ready");
    running
}

struct Site {
    _folder: tempfile::TempDir,
    config: Config,
    clock: SetClock,
    shared: Shared,
}

impl Site {
    async fn new(text: &str) -> Self {
        let config = Config::read(&format!("[site]\nkey = \"g\"\n{text}"), Path::new("")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let clock = SetClock::at(BEGIN);
        let watch = Watch::new(Arc::new(clock.clone()));
        let (writer, _) = Writer::start(Journal::open(&folder.path().join("journal.sqlite")).unwrap());
        begin_stretch(&watch, &writer).await.unwrap();
        let (registrations, metrics) = (Registrations::default(), Default::default());
        let shared = Shared { watch, writer, registrations, interval_ms: 900_000, metrics };
        Self { _folder: folder, config, clock, shared }
    }

    async fn read(&self) -> Vec<Turn> {
        let bus = &self.config.buses[0];
        let mut poller = Poller::new(bus.clone(), self.config.meters.clone(), line_to(bus), self.shared.clone());
        poller.round().await.unwrap().into_iter().map(|(_, turn)| turn).collect()
    }

    /// The registers of the first meter, once there are so many.
    async fn registers(&self, count: usize) -> Vec<u64> {
        for _ in 0..600 {
            let entries = self.shared.writer.call(|journal| journal.entries(&Filter::default(), 100)).await.unwrap();
            if entries.len() >= count {
                return entries.into_iter().map(|entry| entry.reading.register).collect();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("there are not {count} readings after half a minute")
    }
}

fn bus(protocol: &str, port: u16) -> String {
    format!(
        "[[bus]]\nname = \"b\"\nprotocol = \"{protocol}\"\naddress = \"127.0.0.1:{port}\"\ntimeout = \"10s\"\nretries = 0\n"
    )
}

fn meter(number: u8, unit: &str, profile: &str, carrier: &str) -> String {
    let id = MeterId([number; 16]);
    format!(
        "[[meter]]\nid = \"{id}\"\nbus = \"b\"\nunit = \"{unit}\"\nprofile = \"{profile}\"\ncarrier = \"{carrier}\"\n"
    )
}

#[tokio::test]
#[ignore = "needs pymodbus: crates/gateway/tests/counterparts/run.sh"]
async fn pymodbus_s_registers_are_read_in_every_order_over_tcp_and_rtu() {
    for (protocol, framer) in [("modbus-tcp", "SOCKET"), ("modbus-rtu", "RTU")] {
        let port = free_port();
        // 1234.5 kWh in steps of 0.1, high word first at 0 and low word first at 10; absent at 20.
        let _server = serve(&format!(
            "import asyncio\n\
             from pymodbus import FramerType\n\
             from pymodbus.server import ModbusTcpServer\n\
             from pymodbus.simulator import SimData, SimDevice, DataType\n\
             words = [0] * 40\n\
             words[0:2] = [0, 12345]\n\
             words[10:12] = [12345, 0]\n\
             words[20:22] = [0x7fff, 0xffff]\n\
             async def main():\n\
             \x20   block = [SimData(0, values=words, datatype=DataType.REGISTERS)]\n\
             \x20   server = ModbusTcpServer(SimDevice(1, simdata=block), address=('127.0.0.1', {port}), framer=FramerType.{framer})\n\
             \x20   task = asyncio.create_task(server.serve_forever())\n\
             \x20   await asyncio.sleep(1)\n\
             \x20   print('ready', flush=True)\n\
             \x20   await task\n\
             asyncio.run(main())\n"
        ));
        let profile = |name: &str, address: u16, words: &str| {
            format!(
                "[[profile]]\nname = \"{name}\"\ncarrier = \"electricity\"\nregister = {{ address = {address}, function = 3, type = \
                 \"i32\", words = \"{words}\", step = \"0.1kWh\", absent = [\"0x7fffffff\"] }}\n"
            )
        };
        let text = [
            bus(protocol, port),
            meter(1, "1", "high", "electricity"),
            meter(2, "1", "low", "electricity"),
            meter(3, "1", "absent", "electricity"),
            meter(4, "1", "nowhere", "electricity"),
            profile("high", 0, "high-first"),
            profile("low", 10, "low-first"),
            profile("absent", 20, "high-first"),
            profile("nowhere", 9_000, "high-first"),
        ];
        let turns = Site::new(&text.concat()).await.read().await;
        for turn in &turns[..2] {
            assert!(matches!(turn, Turn::Recorded { register, .. } if *register == 12_345 * KWH / 10), "{turns:?}");
        }
        assert_eq!(turns[2], Turn::Failed("register/absent"), "{protocol}");
        assert!(matches!(turns[3], Turn::Failed(code) if code.starts_with("frame/")), "an exception: {turns:?}");
    }
}

#[tokio::test]
#[ignore = "needs dlt645 of PyPI: crates/gateway/tests/counterparts/run.sh"]
async fn the_register_of_another_s_dlt645_server_is_read() {
    let port = free_port();
    let _server = serve(&format!(
        "import time\n\
         from dlt645 import MeterServerService\n\
         server = MeterServerService.new_tcp_server('127.0.0.1', {port}, 30)\n\
         server.set_address(bytes.fromhex('610100000000'))\n\
         server.set_00(0x00010000, 123456.78)\n\
         server.start()\n\
         time.sleep(1)\n\
         print('ready', flush=True)\n\
         time.sleep(600)\n"
    ));
    let text = [bus("dlt645", port), meter(1, "161", "dlt645-2007", "electricity")];
    let turns = Site::new(&text.concat()).await.read().await;
    assert!(matches!(turns[0], Turn::Recorded { register, .. } if register == 12_345_678 * KWH / 100), "{turns:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs mbpoll: crates/gateway/tests/counterparts/run.sh"]
async fn mbpoll_reads_a_simulated_device() {
    let text = [bus("modbus-tcp", 1), meter(1, "7", "schneider-iem3000", "electricity")];
    let site = Site::new(&text.concat()).await;
    // 64 bits of watt-hours from register 0x0c83 (3203) on; mbpoll counts from 1.
    let simulator = Simulator::new(&site.config, Arc::new(site.clock.clone()), 70_000 * KWH, 0);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let bus = site.config.buses[0].clone();
    tokio::spawn(async move { simulator.serve(&bus, listener).await });
    let asked = tokio::task::spawn_blocking(move || {
        Command::new("mbpoll")
            .args(["-m", "tcp", "-p", &port, "-a", "7", "-t", "4", "-r", "3204", "-c", "4", "-1", "127.0.0.1"])
            .output()
            .unwrap()
    });
    let answer = asked.await.unwrap();
    let text = String::from_utf8_lossy(&answer.stdout).into_owned();
    assert!(answer.status.success(), "{text}{}", String::from_utf8_lossy(&answer.stderr));
    // 70,000,000 Wh are 0x042c1d80.
    for (register, value) in [("3204", "0"), ("3205", "0"), ("3206", "1068"), ("3207", "7552")] {
        let line =
            text.lines().find(|line| line.contains(&format!("[{register}]"))).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(line.split_whitespace().nth(1), Some(value), "{text}");
    }
}

/// A broker that keeps nothing of its clients when it ends.
fn broker(folder: &Path, port: u16) -> Running {
    let file = folder.join("mosquitto.conf");
    let text = format!("listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n");
    std::fs::write(&file, text).unwrap();
    let child = Command::new("mosquitto").arg("-c").arg(&file).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let running = Running(child.expect("mosquitto is there"));
    for _ in 0..200 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return running;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("the broker does not listen after ten seconds")
}

fn publish(port: u16, retain: bool, message: &str) {
    let mut command = Command::new("mosquitto_pub");
    command.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-q", "1", "-t", "site/water-1", "-s"]);
    if retain {
        command.arg("-r");
    }
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(message.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs mosquitto: crates/gateway/tests/counterparts/run.sh"]
async fn mosquitto_s_messages_are_taken_also_after_it_was_restarted_without_sessions() {
    let port = free_port();
    let text = [
        bus("mqtt", port),
        meter(1, "site/water-1", "lora", "water"),
        "[[profile]]\nname = \"lora\"\nprotocol = \"json\"\njson = { value = \"/volume\", time = \"/ts\", step = \"1m3\" }\n".into(),
    ];
    let site = Site::new(&text.concat()).await;
    site.clock.advance_to(BEGIN + 3_600_000);
    let folder = tempfile::tempdir().unwrap();
    let message = |volume: u64, minutes: u64| format!("{{\"volume\":{volume},\"ts\":{}}}", BEGIN + minutes * 60_000);

    let first = broker(folder.path(), port);
    // Retained before anybody subscribed: nobody knows how old it is.
    publish(port, true, &message(90, 1));
    let subscriber = Subscriber::new(site.config.buses[0].clone(), site.config.meters.clone(), site.shared.clone());
    let running = tokio::spawn(subscriber.run());
    // The first two confirm each other.
    let mut minute = 1;
    let mut publish_until = async |count: usize| {
        for _ in 0..60 {
            minute += 1;
            publish(port, false, &message(100 + minute, minute));
            tokio::time::sleep(Duration::from_millis(300)).await;
            let (backlog, _) = site.shared.writer.call(|journal| journal.backlog()).await.unwrap();
            if backlog as usize >= count {
                return;
            }
        }
        panic!("nothing arrives");
    };
    publish_until(1).await;
    drop(first);
    let _second = broker(folder.path(), port);
    let before = site.registers(1).await.len();
    publish_until(before + 1).await;
    let registers = site.registers(before + 1).await;
    assert!(registers.is_sorted() && !registers.contains(&(90 * M3)), "{registers:?}");
    running.abort();
}

#[test]
#[ignore = "needs pyocmf and @road-labs/ocmf: crates/gateway/tests/counterparts/run.sh"]
fn public_verifiers_agree_about_records_that_we_take_and_refuse() {
    use utilidor_types::{OcmfRecord, PublicKey};
    let python = |script: &str, arguments: &[&str]| {
        let answer = Command::new(python()).arg("-c").arg(script).args(arguments).output().unwrap();
        assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
        String::from_utf8_lossy(&answer.stdout).trim().to_owned()
    };
    // A device that signs with a library of its own.
    let signed = python(
        "from cryptography.hazmat.primitives import hashes, serialization\n\
         from cryptography.hazmat.primitives.asymmetric import ec\n\
         key = ec.generate_private_key(ec.SECP256R1())\n\
         kind = serialization.PublicFormat.SubjectPublicKeyInfo\n\
         print(key.public_key().public_bytes(serialization.Encoding.DER, kind).hex())\n\
         payload = '{\"FV\":\"1.0\",\"GI\":\"plant\",\"GS\":\"1\",\"PG\":\"F1\",\"MS\":\"A7\",\"IS\":false,\"IT\":\"NONE\",\"RD\":[{\"TM\":'\n\
         payload += '\"2025-01-01T03:00:00,000+0800 S\",\"RV\":15.00,\"RI\":\"1-b:1.8.0\",\"RU\":\"kWh\",\"RT\":\"AC\",'\n\
         payload += '\"EF\":\"\",\"ST\":\"G\"}]}'\n\
         print('OCMF|' + payload + '|{\"SD\":\"' + key.sign(payload.encode(), ec.ECDSA(hashes.SHA256())).hex() + '\"}')\n",
        &[],
    );
    let (key, good) = signed.split_once('\n').unwrap();
    for (record, holds) in [(good.to_owned(), true), (good.replace("15.00", "15.01"), false)] {
        let ours = OcmfRecord::new(record.as_str()).unwrap();
        assert_eq!(ours.verify(&PublicKey::of_device(key).unwrap()).is_ok(), holds);
        let script =
            "import sys\nfrom pyocmf import OCMF\nprint(OCMF.from_string(sys.argv[1]).verify_signature(sys.argv[2]))";
        let expected = if holds { "True" } else { "False" };
        assert_eq!(python(script, &[&record, key]), expected, "pyocmf");
        let answer = Command::new("node").arg(counterparts().join("ocmf/verify.cjs")).args([&record, key]).output();
        let answer = answer.unwrap();
        assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
        assert_eq!(String::from_utf8_lossy(&answer.stdout).trim(), expected, "@road-labs/ocmf");
    }
}
