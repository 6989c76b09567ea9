//! From a meter to certified readings by hand, as the guide says: the commands of docs/guide/meters.md against a simulated
//! bus and a real node.

mod common;

use common::Desk;
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout};
use utilidor_gateway::journal::{Event, Journal};
use utilidor_gateway::reason::Sentence;

/// A meter that no ledger has.
const UNKNOWN: &str = "9a400000000000000000000000000001";

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

#[test]
fn a_chain_in_which_nothing_happens_is_no_reason_to_warn_of_the_clock() {
    let pause = utilidor_chain::LONGEST_PAUSE.as_millis();
    assert!(
        2 * pause <= u128::from(utilidor_gateway::clock::WARN_AHEAD_MS),
        "{pause} ms lie between two of its blocks"
    );
}

/// A process that is killed when nobody needs it any more.
struct Running {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Running {
    fn start(desk: &Desk, arguments: &str) -> Self {
        let mut child = desk.spawn(arguments);
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output }
    }

    /// The next document that it prints.
    fn document(&mut self) -> Value {
        let mut text = String::new();
        loop {
            assert_ne!(self.output.read_line(&mut text).unwrap(), 0, "it ended: {text}");
            if let Ok(value) = serde_json::from_str(&text) {
                return value;
            }
        }
    }

    fn command(&mut self, line: &str) -> String {
        writeln!(self.input, "{line}").unwrap();
        let mut answer = String::new();
        self.output.read_line(&mut answer).unwrap();
        answer
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A configuration with one meter.
fn site(meter: &str, address: &str, node: &str) -> String {
    format!(
        "[site]\nnode = \"{node}\"\nkey = \"gateway\"\ninterval = \"15min\"\n\
         [[bus]]\nname = \"hall-3\"\nprotocol = \"dlt645\"\naddress = \"{address}\"\ntimeout = \"20s\"\n\
         [[meter]]\nid = \"{meter}\"\nbus = \"hall-3\"\nunit = \"000000000161\"\ncarrier = \"electricity\"\n\
         profile = \"dlt645-2007\"\nratio = {{ ct = 40, pt = 1 }}\n"
    )
}

#[test]
fn a_frame_says_what_it_says_or_is_refused() {
    let desk = Desk::new();
    let frame = desk.json("gateway decode dlt645 6861010000000068910833333433593333338a16");
    assert_eq!((text(&frame["value"]), text(&frame["unit"]), text(&frame["carrier"])), ("0.26", "kWh", "electricity"));
    assert_eq!((text(&frame["address"]), text(&frame["quantity"])), ("000000000161", "936000"));
    let people = desk.run("gateway decode dlt645 6861010000000068910833333433593333338a16").ok();
    assert!(people.contains("forward_active_energy*") && people.contains("0.26"), "{people}");

    let heat = "682032413140000000812e901f0108020000000802000000170000000035000000002c341000003525006625000000005300121007152000003116";
    let frame = desk.json(&format!("gateway decode cjt188 {heat}"));
    assert_eq!((text(&frame["value"]), text(&frame["unit"]), text(&frame["carrier"])), ("0.02", "MWh", "heating"));
    let frame = desk.json("gateway decode modbus 01040486a00001132e --profile carlo-gavazzi-em340");
    assert_eq!(
        (text(&frame["value"]), text(&frame["unit"]), text(&frame["carrier"])),
        ("10000.0", "kWh", "electricity")
    );

    for (arguments, code) in [
        ("dlt645 6861010000000068910833333433593333338b16", "frame/checksum"),
        ("dlt645 68610100000000689108", "frame/truncated"),
        ("dlt645 xyz", "frame/not-hex"),
        ("dlt645 681806360400916891083333343333334133f916", "frame/not-decimal"),
        ("mbus 68030368080170", "frame/truncated"),
        ("modbus 0183020000", "frame/checksum"),
    ] {
        let error = desk.run(&format!("gateway decode {arguments} --json")).failed(1);
        let error: Value = serde_json::from_str(&error).unwrap();
        assert_eq!(text(&error["error"]["code"]), code, "{arguments}");
    }
    assert!(people.contains("* the register: what can be certified"), "{people}");
    let chinese = desk.run("gateway profiles --lang zh").ok();
    assert!(["出处", "正向有功电能", "DL/T 645-2007 附录 A"].iter().all(|word| chinese.contains(word)), "{chinese}");
    let error = desk.run("gateway probe --protocol modbus-tcp --address h:1 --unit 0 --lang zh").failed(2);
    assert!(error.contains("同时呼叫") && error.contains("1 至 247"), "{error}");
    let error = desk.run("gateway probe --protocol modbus-tcp --address h:1").failed(2);
    assert!(error.contains("cannot be asked for its address") && error.contains("--unit 1"), "{error}");
    let error = desk.run("gateway probe --protocol dlt645").failed(2);
    assert!(error.contains("--address 10.0.3.7:4001") && error.contains("--serial /dev/ttyUSB0"), "{error}");
    assert!(desk.run("gateway decode knx 00").failed(2).contains("dlt645, cjt188, mbus"));
    assert!(desk.run("gateway decode mbus e5 --profile nobody").failed(2).contains("gateway profiles"));
    // Whoever tells by itself is not asked, whatever profile is named.
    for (protocol, profile) in [("mqtt", "lora"), ("ocpp", "ocpp")] {
        let probe = format!("gateway probe --protocol {protocol} --address 127.0.0.1:1 --unit a/1 --profile {profile}");
        let error = desk.run(&probe).failed(2);
        assert!(error.contains("tell by themselves and are not asked"), "{error}");
    }
    for command in ["probe --protocol mbus --address 127.0.0.1:1 --unit 1", "decode mbus e5"] {
        let error = desk.run(&format!("gateway {command} --profile dlt645-2007")).failed(2);
        assert!(error.contains("profile dlt645-2007 is for dlt645, not for mbus"), "{error}");
        assert!(error.contains("utilidor gateway profiles"), "{error}");
    }
    assert!(desk.json("gateway profiles").as_array().unwrap().len() >= 16);
}

#[test]
fn old_m_bus_meters_sunspec_models_and_virtual_meters_say_what_they_say() {
    let desk = Desk::new();
    // libmbus, sen_pollusonic_2: the fixed structure.
    let frame = desk.json("gateway decode mbus 68131368080173939291901000056931650000690000003f16");
    assert_eq!((text(&frame["carrier"]), text(&frame["quantity"])), ("heating", "23511600000"));
    let own =
        "[site]\nkey = \"g\"\n[[profile]]\nname = \"flow\"\nprotocol = \"mbus\"\nmbus = { record = \"volume\" }\n";
    let file = desk.file("own.toml", own);
    let volume = desk.run(&format!(
        "gateway decode mbus 68131368080173939291901000056931650000690000003f16 --profile flow --config {file}"
    ));
    assert!(
        volume.failed(1).contains("mL does not measure heating"),
        "a profile can choose a record that is no reading"
    );

    // Model 101 of a SolarEdge inverter (crates/gateway/tests/data), as its answer over TCP.
    let model = ["0065", "0032"].into_iter().chain(["8000"; 22]).chain(["0002", "ab36", "0000"]).chain(["8000"; 25]);
    let model: String = model.collect();
    let frame = format!("00010000006b010368{model}");
    let frame = desk.json(&format!("gateway decode modbus {frame} --profile sunspec-inverter"));
    assert_eq!((text(&frame["value"]), text(&frame["unit"])), ("174902", "Wh"));

    let part = r#"{"sign":"+","meter":"01010101010101010101010101010101","before":{"time_ms":1,"register":"5"},"now":{"time_ms":2,"register":"9"}}"#;
    let document = |sum: u8| {
        format!(
            r#"{{"carrier":"gas","before":{{"time_ms":1,"register":"7"}},"parts":[{part}],"now":{{"time_ms":2,"register":"{sum}"}}}}"#
        )
    };
    let computed = desk.json(&format!("gateway decode virtual {}", document(11)));
    assert_eq!((text(&computed["carrier"]), text(&computed["quantity"])), ("gas", "11"));
    assert!(desk.run(&format!("gateway decode virtual {}", document(12))).failed(1).contains("add up to 11"));
}

#[test]
fn devices_by_their_printed_number_and_by_sunspec_are_played_and_probed() {
    let desk = Desk::new();
    let site = |bus: &str, meter: &str| {
        format!(
            "[site]\nkey = \"g\"\n[[bus]]\nname = \"b\"\n{bus}\naddress = \"127.0.0.1:0\"\n[[meter]]\nid = \"{UNKNOWN}\"\nbus = \
             \"b\"\n{meter}\n[[virtual]]\nid = \"9a400000000000000000000000000009\"\nplus = [\"{UNKNOWN}\"]\n"
        )
    };
    for (name, bus, meter, arguments, register) in [
        (
            "mbus.toml",
            "protocol = \"mbus\"",
            "unit = \"12345678\"\ncarrier = \"heating\"\nprofile = \"mbus\"",
            "--protocol mbus --unit 12345678",
            "1000.000kWh",
        ),
        (
            "sunspec.toml",
            "protocol = \"modbus-tcp\"",
            "unit = \"1\"\nprofile = \"sunspec-inverter\"",
            "--protocol modbus-tcp --unit 1 --profile sunspec-inverter",
            "1000.000kWh",
        ),
    ] {
        let file = desk.file(name, &site(bus, meter));
        let mut devices = Running::start(&desk, &format!("gateway simulate --config {file} --json"));
        let address = text(&devices.document()[0]["address"]).to_string();
        let unit = if name == "mbus.toml" { "12345678" } else { "1" };
        for command in [format!("rate b/{unit} 0kWh"), format!("set b/{unit} 1000kWh")] {
            assert!(devices.command(&command).starts_with("done"), "{command}");
        }
        let probed = desk.json(&format!("gateway probe {arguments} --address {address} --timeout-ms 20000"));
        assert_eq!((text(&probed["unit"]), text(&probed["looks"][1])), (unit, register));
    }
}

#[test]
fn all_devices_of_an_m_bus_are_found_by_their_printed_numbers() {
    let desk = Desk::new();
    let meters: String = ["12345678", "22345678", "92345678"]
        .iter()
        .enumerate()
        .map(|(place, unit)| {
            format!(
                "[[meter]]\nid = \"9a40000000000000000000000000000{place}\"\nbus = \"b\"\nunit = \"{unit}\"\ncarrier = \
                 \"heating\"\nprofile = \"mbus\"\n"
            )
        })
        .collect();
    let site = "[site]\nkey = \"g\"\n[[bus]]\nname = \"b\"\nprotocol = \"mbus\"\naddress = \"127.0.0.1:0\"\n";
    let file = desk.file("mbus.toml", &format!("{site}{meters}"));
    let mut devices = Running::start(&desk, &format!("gateway simulate --config {file} --json"));
    let address = text(&devices.document()[0]["address"]).to_string();
    let probe = format!("gateway probe --protocol mbus --address {address}");
    // Whoever asks for the only device is told that there are several.
    let answer = desk.run(&format!("{probe} --timeout-ms 1000"));
    assert!(answer.out.contains("--search"), "{}", answer.out);
    answer.failed(1);
    let found = desk.json(&format!("{probe} --search --timeout-ms 1000"));
    let units: Vec<&str> = found["devices"].as_array().unwrap().iter().map(|device| text(&device["unit"])).collect();
    assert_eq!(units.iter().map(|unit| &unit[..8]).collect::<Vec<_>>(), ["12345678", "22345678", "92345678"]);
    assert!(text(&found["devices"][0]["meter"]).contains(&format!("unit = \"{}\"", units[0])));
    let people = desk.run(&format!("{probe} --search --timeout-ms 1000")).ok();
    assert!(people.contains("heating") && people.contains(" Wh"), "{people}");
    // Each is then probed by what was found.
    let probed = desk.json(&format!("{probe} --unit {} --timeout-ms 20000", units[1]));
    assert_eq!(text(&probed["unit"]), units[1]);
    assert!(desk.run("gateway probe --protocol dlt645 --address h:1 --search").failed(2).contains("M-Bus"));
}

#[test]
fn a_frame_whose_register_gives_no_reading_is_shown_and_fails() {
    let desk = Desk::new();
    // Forward energy of FF, a negative volume in decimal digits, and one that is none; then a settlement alone that is not kept.
    for (frame, code) in [
        ("dlt645 6861010000000068910833333433323232326016", "register/absent"),
        ("mbus 681515680801727856341224400107550000000c13050000f06416", "register/negative"),
        ("mbus 681515680801727856341224400107550000000c130500a0001416", "register/invalid"),
    ] {
        let error = desk.run(&format!("gateway decode {frame} --json")).failed(1);
        assert!(error.contains(code), "{frame}: {error}");
    }
    let frame = "6810454110051533788116901faa005959002cffffffff2cffffffffffffff0000c216";
    assert_eq!(text(&desk.json(&format!("gateway decode cjt188 {frame}"))["value"]), "5959.00");
}

/// The frames of published examples and captured meters, with what each is known to say.
const FRAMES: &str = include_str!("../../gateway/tests/data/frames.tsv");

#[test]
fn every_published_frame_gives_its_value_or_its_refusal() {
    let desk = Desk::new();
    let mut frames = 0;
    for line in FRAMES.lines().skip(1) {
        let row: Vec<&str> = line.split('\t').collect();
        let (frame, what, expected) = (row[1], row[2], row[3]);
        let protocol = if row[0] == "CJ/T 188" { "cjt188" } else { "dlt645" };
        let command = format!("gateway decode {protocol} {frame}");
        frames += 1;
        if expected.starts_with("refuse") {
            let error = desk.run(&format!("{command} --json")).failed(1);
            let code = if expected.contains("checksum") { "frame/checksum" } else { "frame/not-decimal" };
            assert!(error.contains(code), "{frame}: {error}");
            continue;
        }
        let says = desk.json(&command);
        let (value, unit, carrier) = match what {
            "heat" => ("0.02", "MWh", "heating"),
            "water" => (expected.split(' ').next().unwrap(), "m3", "water"),
            _ => (expected, what.rsplit(", ").next().unwrap(), "electricity"),
        };
        let main = (text(&says["value"]), text(&says["unit"]), text(&says["carrier"]));
        assert_eq!(main, (value, unit, carrier), "{frame}");
        assert!(desk.run(&command).ok().contains(value), "{frame}, for people");
        // In Chinese no name of a value, which are written with underscores, is left as programs have it.
        let chinese = desk.run(&format!("{command} --lang zh")).ok();
        assert!(chinese.contains(value) && chinese.contains("应答") && !chinese.contains('_'), "{chinese}");
    }
    assert_eq!(frames, 22);
    // Published with another checksum than its bytes have.
    let frame = "68104433221100337881161f9000007766552c007766552c3101221105152021840816";
    assert!(desk.run(&format!("gateway decode cjt188 {frame} --json")).failed(1).contains("frame/checksum"));
}

#[test]
fn a_meter_at_a_serial_port_is_probed() {
    let desk = Desk::new();
    let site = site(UNKNOWN, "", "http://127.0.0.1:9").replace("address = \"\"", "serial = \"/dev/ttyUSB0,2400,8E1\"");
    let file = desk.file("serial.toml", &site);
    let mut devices = Running::start(&desk, &format!("gateway simulate --config {file} --json"));
    let port = text(&devices.document()[0]["address"]).to_string();
    assert!(port.starts_with("/dev/") && port.ends_with(",2400,8E1"), "{port}");
    let probed = desk.json(&format!("gateway probe --protocol dlt645 --serial {port} --timeout-ms 20000"));
    assert_eq!((text(&probed["unit"]), text(&probed["looks"][0])), ("000000000161", "25.000kWh"));
    let error = desk.run("gateway probe --protocol dlt645 --serial /dev/null").failed(2);
    assert!(error.contains("a device, a speed and a format"), "{error}");
    let error = desk.run("gateway probe --protocol modbus-tcp --serial /dev/null,9600,8N1").failed(2);
    assert!(error.contains("--serial") && error.contains("modbus-tcp"), "{error}");
}

#[test]
fn a_configuration_that_cannot_be_meant_is_refused_with_its_place() {
    let desk = Desk::new();
    assert!(desk.run("gateway status").failed(2).contains("gateway.toml"));
    let file = desk.file(
        "bad.toml",
        &site(UNKNOWN, "127.0.0.1:1", "http://127.0.0.1:9").replace("hall-3\"\nunit", "hall-4\"\nunit"),
    );
    let error = desk.run(&format!("gateway status --config {file}")).failed(2);
    assert!(error.contains("meter[0].bus") && error.contains("hall-3"), "{error}");
    let file = desk.file("good.toml", &site(UNKNOWN, "127.0.0.1:1", "http://127.0.0.1:9"));
    let error = desk.run(&format!("gateway backlog --config {file}")).failed(1);
    assert!(error.contains("there is no journal"), "{error}");
}

#[test]
fn what_an_operator_should_see_is_told_in_the_language_that_is_spoken_and_to_programs_in_english() {
    let desk = Desk::new();
    let config = desk.file("gateway.toml", &site(UNKNOWN, "127.0.0.1:1", "http://127.0.0.1:1"));
    let (meter, mut journal) = (UNKNOWN.parse().unwrap(), Journal::open(&desk.path().join("gateway.sqlite")).unwrap());
    let told = Sentence { en: "no reading since noon".into(), zh: "自正午起没有读数".into() };
    let stopped = Sentence { en: "another device answers".into(), zh: "应答的是另一设备".into() };
    let event = Event { time_ms: 9, meter: Some(meter), code: "meter/silent".into(), detail: told, answer: None };
    journal.note(&event).unwrap();
    journal.stop_meter(meter, &stopped).unwrap();
    drop(journal);

    let status = |lang: &str| desk.run(&format!("gateway status --config {config} --lang {lang}")).ok();
    let [english, chinese] = ["en", "zh"].map(status);
    for told in ["no reading since noon", "another device answers", "meter/silent: go and look"] {
        assert!(english.contains(told) && !chinese.contains(told), "{told}: {english}{chinese}");
    }
    for told in ["自正午起没有读数", "应答的是另一设备", "meter/silent：请到现场查看"] {
        assert!(chinese.contains(told) && !english.contains(told), "{told}: {english}{chinese}");
    }
    let document = desk.json(&format!("gateway status --config {config} --lang zh"));
    assert_eq!(text(&document["events"][0]["detail"]), "no reading since noon");
    assert_eq!(text(&document["stopped"][0]["reason"]), "another device answers");
}

#[test]
fn a_configuration_that_is_no_file_is_refused_by_name_and_not_waited_for() {
    let desk = Desk::new();
    let pipe = desk.path().join("pipe.toml");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let folder = desk.path().display().to_string();
    for (lang, said) in [("en", "it is no file"), ("zh", "不是普通文件")] {
        for named in [pipe.display().to_string(), folder.clone()] {
            let error = desk.run(&format!("gateway check --config {named} --lang {lang}")).failed(2);
            assert!(error.contains(&named) && error.contains(said), "{error}");
        }
    }
}

#[test]
fn a_meter_is_probed_registered_read_and_certified() {
    let mut desk = Desk::new();
    desk.run("node init --data town --time 2025-01-01T00:00:00+08:00").ok();
    let _node = desk.start_node();
    for key in ["operator", "gateway", "shop"] {
        desk.run(&format!("keys new {key}")).ok();
    }
    desk.json("member admit --as founder --account operator --roles meter_operator");
    desk.json("member admit --as founder --account shop --roles user");

    let played = desk.file("played.toml", &site(UNKNOWN, "127.0.0.1:0", &desk.node));
    let mut devices = Running::start(&desk, &format!("gateway simulate --config {played} --json"));
    let address = text(&devices.document()[0]["address"]).to_string();
    assert!(devices.command("rate hall-3/000000000161 0kWh").starts_with("done"));
    assert!(devices.command("explode hall-3").starts_with("error"));

    // Taking it into service: found, read twice, the lines to write down.
    let probed = desk.json(&format!("gateway probe --protocol dlt645 --address {address} --bus hall-3 --ct 40"));
    assert_eq!((text(&probed["unit"]), text(&probed["looks"][1])), ("000000000161", "1000.000kWh"));
    assert!(text(&probed["meter"]).contains("ratio = { ct = 40, pt = 1 }"), "{probed}");
    for part in ["--label hall-3-000000000161 ", "--modulus 40000000.000kWh ", "--register 1000.000kWh "] {
        assert!(text(&probed["register"]).contains(part), "{part}: {probed}");
    }
    assert!(text(&probed["clock"]).contains('T'), "{probed}");
    assert!(!probed["findings"].to_string().contains("clock"), "{probed}");
    let error = desk.run(&format!("gateway check --config {played}")).failed(2);
    assert!(error.contains("has port 0") && error.contains("1 to 65535"), "{error}");
    let config = desk.file("gateway.toml", &site(UNKNOWN, &address, &desk.node));
    let error = desk.run(&format!("gateway check --config {config}")).failed(1);
    assert!(error.contains("account open --account gateway"), "{error}");
    desk.json("account open --account gateway --as operator");
    let error = desk.run(&format!("gateway check --config {config}"));
    assert!(error.out.contains("meter/unknown"), "{}", error.out);
    error.failed(1);
    let registered = desk.json(
        "meter register --label hall-3 --carrier electricity --holder shop --gateway gateway --modulus 40000000kWh \
         --capacity 500kWh --register 1000kWh --as operator",
    );
    let meter = text(&registered["meter"]);
    let config = desk.file("gateway.toml", &site(meter, &address, &desk.node));
    desk.run(&format!("gateway check --config {config}")).ok();

    // The gateway reads when the chain's time passes a quarter that it has waited for, and the ledger certifies. Where the time has passed
    // before the gateway waited, it is the next one.
    let start = |desk: &Desk| {
        let mut gateway = Running::start(desk, &format!("gateway run --config {config} --json"));
        gateway.document();
        gateway
    };
    let mut quarters = 0;
    let mut registers = |desk: &Desk, last_kwh: u64| {
        let last = (last_kwh * 3_600_000).to_string();
        for asked in 0..400 {
            if asked % 100 == 0 {
                quarters += 1;
                let (hour, minute) = (quarters / 4, quarters % 4 * 15 + 5);
                desk.json(&format!("advance-time 2025-01-01T{hour:02}:{minute:02}:00+08:00"));
            }
            let list = desk.json(&format!("reading list {meter}"));
            let registers =
                list.as_array().unwrap().iter().map(|view| text(&view["certificate"]["register"]).to_owned());
            let registers: Vec<String> = registers.collect();
            if registers.last() == Some(&last) {
                return registers;
            }
        }
        panic!("{}", desk.run(&format!("gateway status --config {config}")).out);
    };
    let gateway = start(&desk);
    assert!(devices.command("set hall-3/000000000161 1010kWh").starts_with("done"));
    registers(&desk, 1_010);

    // Killed in the middle of its work, it goes on where it was.
    drop(gateway);
    assert!(devices.command("set hall-3/000000000161 1020kWh").starts_with("done"));
    let _gateway = start(&desk);
    assert_eq!(registers(&desk, 1_020)[0], (1_010 * 3_600_000_u64).to_string());

    // What was read is there byte for byte, and all of it becomes final: a quarter more may have been read by then.
    let gateway_has = |command: &str| desk.json(&format!("gateway {command} --config {config}"));
    let in_step = || {
        let evidence = gateway_has(&format!("evidence {}", &meter[..8]));
        let certified = desk.json(&format!("reading list {meter}")).as_array().unwrap().len();
        let all_final =
            gateway_has("backlog") == Value::Array(Vec::new()) && gateway_has("status")["final"] == certified;
        (all_final && evidence.as_array().unwrap().len() == certified).then_some(evidence)
    };
    let evidence = (0..400).find_map(|_| in_step()).expect("journal and ledger know the same readings");
    let again = desk.json(&format!("gateway decode dlt645 {}", text(&evidence[0]["answer"])));
    assert_eq!(text(&again["value"]), "25.25", "behind transformers of 40 to 1");
    let error = desk.run(&format!("gateway accept {meter} --config {config}")).failed(1);
    assert!(error.contains("another gateway's"), "{error}");
}
