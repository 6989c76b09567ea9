//! The guide to a contract of one's own, docs/guide/own-contract.md, as it is written: every command of it in its order.

mod common;

use common::Desk;
use serde_json::Value;

const GUIDE: &str = include_str!("../../../docs/guide/own-contract.md");

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// The commands of the guide's shell blocks; long ones that are shown for reading only stand in other blocks.
fn commands() -> Vec<&'static str> {
    let blocks = GUIDE.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.flat_map(str::lines).map(|line| line.strip_prefix("utilidor ").unwrap_or_else(|| panic!("{line}"))).collect()
}

/// What the commands before have made, which later ones name in capitals.
#[derive(Default)]
struct Made {
    meter: String,
    program: String,
    agreement: String,
    fuel: u64,
}

impl Made {
    fn fill_in(&self, command: &str) -> String {
        let word = |word: &str| match word {
            "METER" => self.meter.clone(),
            "ID" => self.program.clone(),
            "AGREEMENT" => self.agreement.clone(),
            other => other.to_owned(),
        };
        command.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
    }
}

/// The sheet of the new project for these parties and this meter.
fn fill_in_sheet(desk: &Desk, made: &Made) {
    let path = desk.path().join("my-contract/sheet.json");
    let mut sheet: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    // By the names of their keys.
    sheet["parties"] = Value::from(vec!["plant", "shop"]);
    sheet["meters"][0]["meter"] = Value::from(made.meter.clone());
    std::fs::write(&path, sheet.to_string()).unwrap();
}

/// Cargo's own environment, which a desk does not have.
fn cargo_environment() -> Vec<(&'static str, String)> {
    let home = std::env::var("HOME").unwrap_or_default();
    let or_home = |name: &'static str, folder: &str| (name, std::env::var(name).unwrap_or(format!("{home}/{folder}")));
    let mut environment = vec![or_home("CARGO_HOME", ".cargo"), or_home("RUSTUP_HOME", ".rustup")];
    let more = ["PATH", "RUSTUP_TOOLCHAIN"];
    environment.extend(more.into_iter().filter_map(|name| Some((name, std::env::var(name).ok()?))));
    environment
}

/// What the guide asks for before it begins. Whoever has Rust without rustup has the target, or is told by `program build`.
fn add_target() {
    let target = "wasm32-unknown-unknown";
    assert!(GUIDE.contains(&format!("`rustup target add {target}`")));
    match std::process::Command::new("rustup").args(["target", "add", target]).status() {
        Ok(status) => assert!(status.success(), "rustup target add {target}"),
        Err(error) => eprintln!("rustup target add {target}: {error}"),
    }
}

#[test]
fn the_guide_leads_from_nothing_to_a_bill_that_is_checked_offline() {
    add_target();
    let mut desk = Desk::new();
    let mut made = Made::default();
    let mut node = None;
    let environment = cargo_environment();
    for command in commands() {
        let (command, file) =
            command.split_once(" > ").map_or((command, None), |(command, file)| (command, Some(file)));
        if command.starts_with("program terms") {
            fill_in_sheet(&desk, &made);
        }
        let filled = made.fill_in(command);
        let answers_json = file.is_none() && !command.starts_with("node init") && !command.starts_with("keys new");
        let filled = if answers_json { format!("{filled} --json") } else { filled };
        let variables: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let variables = if command.starts_with("program build") { &variables[..] } else { &[] };
        let out = desk.run_with(&filled, variables).ok();
        if let Some(file) = file {
            desk.file(file, &out);
        }
        let answer: Value = if answers_json { serde_json::from_str(&out).unwrap() } else { Value::Null };
        match command {
            _ if command.starts_with("node init") => node = Some(desk.start_node()),
            _ if command.starts_with("program build") => {
                tells_no_machine(&desk, &environment);
                made.fuel = answer["fuel"].as_u64().expect("it is measured on the project's own past");
            }
            _ if command.starts_with("program check") => assert_eq!(answer["fuel"], made.fuel),
            _ if command.starts_with("meter register") => made.meter = text(&answer["meter"]).into(),
            _ if command.starts_with("program publish") => made.program = text(&answer["program"]).into(),
            _ if command.starts_with("agreement propose") => made.agreement = text(&answer["agreement"]).into(),
            _ if command.starts_with("program simulate") => {
                let statements = answer["played"]["statements"].as_array().unwrap();
                let paid: Vec<&str> = statements.iter().map(|statement| text(&statement["paid"])).collect();
                assert_eq!(paid, ["9.000000", "6.000000", "12.600000"], "15, at least 10, and 21 kWh at 0.60");
                assert_eq!(answer["nothing_happens"]["ended"], "settled");
                let most = ["played", "nothing_happens"].map(|play| answer[play]["most_fuel"].as_u64().unwrap());
                assert_eq!(most.into_iter().max(), Some(made.fuel), "what the manifest says");
            }
            _ if command.starts_with("statement list") => assert_eq!(answer.as_array().unwrap().len(), 1),
            _ if command.starts_with("verify") => assert_eq!(answer["holds"], true, "{answer}"),
            _ => {}
        }
    }
    let shown = desk.run(&format!("agreement show {}", made.agreement)).ok();
    for parameter in ["price: 0.600000/kWh", "least: 10.000 kWh", "period: 1d", "periods: 3"] {
        assert!(shown.contains(parameter), "{parameter} is missing:\n{shown}");
    }
    let shown = desk.run(&format!("program show {} --lang zh", made.program)).ok();
    assert!(shown.contains("用量"), "{shown}");
    assert!(node.is_some());
    what_others_wrote_or_nobody_could_sign_is_refused_by_name(&desk, &made, &environment);
    tampered_bills_are_refused_by_name(&desk);
}

fn what_others_wrote_or_nobody_could_sign_is_refused_by_name(
    desk: &Desk,
    made: &Made,
    environment: &[(&'static str, String)],
) {
    let told = |place: &str, changed: &dyn Fn(&mut Value), command: &str, code: &str| {
        let path = desk.path().join(place);
        let before = std::fs::read_to_string(&path).unwrap();
        let mut document: Value = serde_json::from_str(&before).unwrap();
        changed(&mut document);
        std::fs::write(&path, document.to_string()).unwrap();
        let variables: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let error = desk.run_with(&format!("{command} --json"), &variables).failed(3);
        std::fs::write(&path, before).unwrap();
        assert!(error.contains(&format!("\"{code}\"")), "{error}");
        error
    };
    let verify = format!("program verify {} my-contract", made.program);
    let error = told(
        "my-contract/manifest.json",
        &|manifest| manifest["clauses"][0]["en"] = "I owe".into(),
        &verify,
        "program/other-texts",
    );
    assert!(error.contains("clauses"), "{error}");
    let error = told(
        "my-contract/manifest.json",
        &|manifest| manifest["fuel"] = 4_000_000.into(),
        &verify,
        "program/other-texts",
    );
    assert!(error.contains("fuel"), "{error}");
    let simulate = "program simulate my-contract --readings my-contract/past.csv";
    told(
        "my-contract/sheet.json",
        &|sheet| sheet["parameters"]["period"] = "1h".into(),
        simulate,
        "program/cannot-begin",
    );
    let propose = "agreement propose terms.json --as plant";
    told("terms.json", &|terms| terms["parties"][0] = "0".repeat(64).into(), propose, "agreement/not-party");
}

/// Needs npm, as the guide says; where there is none, the build says so and nothing is compared.
#[test]
fn a_project_in_assemblyscript_builds_passes_its_tests_and_gives_the_same_bytes_anywhere() {
    let desk = Desk::new();
    let mut environment = cargo_environment();
    environment.push(("HOME", std::env::var("HOME").unwrap_or_default()));
    let variables: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let npm = |folder: &str, arguments: &[&str]| {
        let folder = desk.path().join(folder);
        std::process::Command::new("npm").args(arguments).current_dir(folder).status()
    };
    if npm("", &["--version"]).is_err() {
        return;
    }
    for folder in ["here", "elsewhere"] {
        desk.run(&format!("program new my-contract --folder {folder} --language assemblyscript")).ok();
        desk.run_with(&format!("program build {folder}"), &variables).ok();
        desk.run(&format!("program check {folder}")).ok();
    }
    let built = |folder: &str| std::fs::read(desk.path().join(folder).join("out/contract.wasm")).unwrap();
    assert_eq!(built("here"), built("elsewhere"));
    assert!(npm("here", &["test"]).unwrap().success());
    let out = desk.run("program simulate here --readings here/past.csv --json").ok();
    let answer: Value = serde_json::from_str(&out).unwrap();
    let statements = answer["played"]["statements"].as_array().unwrap();
    let paid: Vec<&str> = statements.iter().map(|statement| text(&statement["paid"])).collect();
    assert_eq!(paid, ["9.000000", "6.000000", "12.600000"], "what the same contract in Rust comes to");
}

/// Others get the same bytes only if no folder of this machine stands in them.
fn tells_no_machine(desk: &Desk, environment: &[(&str, String)]) {
    let module = std::fs::read(desk.path().join("my-contract/out/contract.wasm")).unwrap();
    let module = String::from_utf8_lossy(&module);
    let homes = environment.iter().filter(|(name, _)| name.ends_with("_HOME")).map(|(_, home)| home.as_str());
    for folder in homes.chain([desk.path().to_str().unwrap()]) {
        assert!(!module.contains(folder), "{folder} stands in the module");
    }
}

/// One digit of the code, of what was held before, of a reading or of the statement: each is found, and told where.
fn tampered_bills_are_refused_by_name(desk: &Desk) {
    let bill = std::fs::read_to_string(desk.path().join("bill.json")).unwrap();
    let proof: Value = serde_json::from_str(&bill).unwrap();
    let mut tampered = 0;
    for (name, told) in [
        ("code", "the transaction is not under the transactions root"),
        ("state", "what was held before"),
        ("register", "the certified run is not under"),
        ("quantity", "not under"),
        ("paid", "not under"),
    ] {
        let mut places = Vec::new();
        texts_named(name, &proof, String::new(), &mut places);
        assert!(!places.is_empty(), "{name}");
        for place in places {
            let mut changed = proof.clone();
            let Some(Value::String(text)) = changed.pointer_mut(&place) else { unreachable!() };
            let last = if text.ends_with('0') { "1" } else { "0" };
            text.replace_range(text.len() - 1.., last);
            let file = desk.file("changed.json", &changed.to_string());
            let error = desk.run(&format!("verify {file}")).failed(1);
            assert!(error.contains(told), "{place}: {error}");
            tampered += 1;
        }
    }
    assert!(tampered >= 5);
}

/// Where in a document fields of a name hold a text.
fn texts_named(name: &str, within: &Value, place: String, found: &mut Vec<String>) {
    let parts: Vec<(String, &Value)> = match within {
        Value::Object(fields) => fields.iter().map(|(field, value)| (field.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(number, value)| (number.to_string(), value)).collect(),
        _ => return,
    };
    for (field, value) in parts {
        let place = format!("{place}/{field}");
        if field == name && value.as_str().is_some_and(|text| !text.is_empty()) {
            found.push(place.clone());
        }
        texts_named(name, value, place, found);
    }
}
