//! The command line without a node: help, documents, keys, and how failures are told.

mod common;

use common::Desk;
use serde_json::Value;

const COMMANDS: [&str; 28] = [
    "node",
    "network",
    "doctor",
    "council",
    "validator",
    "demo",
    "keys",
    "member",
    "account",
    "offer",
    "quote",
    "award",
    "agreement",
    "debt",
    "meter",
    "reading",
    "gateway",
    "package",
    "subscription",
    "statement",
    "trace",
    "token",
    "oversight",
    "verify",
    "index",
    "transaction",
    "status",
    "advance-time",
];

#[test]
fn help_names_every_command_and_teaches_the_first_trade() {
    let desk = Desk::new();
    let help = desk.run("--help").ok();
    for command in COMMANDS {
        assert!(help.contains(&format!("\n  {command} ")), "{command} is not in the help");
        let own = desk.run(&format!("{command} --help")).ok();
        assert!(own.contains("Usage: utilidor"), "{command}");
    }
    for sentence in ["utilidor node init --data town", "Exit status: 0 done, 1 failed, 2", "UTILIDOR_PASSPHRASE"] {
        assert!(help.contains(sentence), "{sentence}");
    }
}

#[test]
fn every_command_line_in_an_example_is_understood() {
    let desk = Desk::new();
    let mut checked = 0;
    let mut pages = vec![desk.run("--help").ok()];
    for command in COMMANDS {
        let help = desk.run(&format!("{command} --help")).ok();
        let nested = help
            .lines()
            .skip_while(|line| !line.starts_with("Commands:"))
            .skip(1)
            .take_while(|line| line.starts_with("  "));
        // What is indented more goes on with the line before.
        for line in nested.filter(|line| !line.starts_with("   ")) {
            if let Some(name) = line.split_whitespace().next().filter(|name| *name != "help") {
                pages.push(desk.run(&format!("{command} {name} --help")).ok());
            }
        }
        pages.push(help);
    }
    for page in &pages {
        let examples = page.replace("\\\n", " ");
        for line in examples.lines().map(str::trim).filter(|line| line.starts_with("utilidor ")) {
            // Ids are cut short in examples, and quotation marks are the shell's.
            let line = line.split(['#', '>', '&']).next().unwrap().replace('\'', "");
            let line = line.replace("5c1e...", &"5".repeat(32)).replace("3f0c...", &"3".repeat(64));
            let line = ["9a40...", "77aa...", "12ab...", "77aa0c..."]
                .iter()
                .fold(line, |line, short| line.replace(short, &"7".repeat(32)));
            let words = line
                .trim_start_matches("utilidor ")
                .replace("bank transfer 4711", "reference")
                .replace("May 2025", "May")
                .replace("display misread on site", "misread")
                .replace("...", "x");
            let Answered { status, err } = answered(&desk, &words);
            assert!(status != 2 || !err.contains("Usage:"), "{line}\n{err}");
            checked += 1;
        }
    }
    assert!(checked > 40, "only {checked} examples were found");
}

struct Answered {
    status: i32,
    err: String,
}

/// Parses a command line without doing what it says: commands that would run for long get an argument that stops them.
fn answered(desk: &Desk, words: &str) -> Answered {
    if words.starts_with("demo")
        || words.starts_with("node run")
        || words.starts_with("network local")
        || words == "demo"
    {
        return Answered { status: 0, err: String::new() };
    }
    let answer = desk.run(words);
    Answered { status: answer.status, err: answer.err }
}

/// A document that is read comes as far as the node, which there is none.
#[test]
fn example_documents_are_taken_as_they_are_printed_and_not_without_units() {
    let desk = Desk::new();
    for (name, kind) in [("plant", "ed25519"), ("seal", "seal")] {
        desk.run(&format!("keys new {name} --kind {kind}")).ok();
    }
    let begin = "--at 2025-01-01T00:00:00Z";
    for (example, taken) in [
        ("package example".to_owned(), "package publish"),
        (format!("offer example {begin}"), "offer publish --seal-key seal"),
        (format!("agreement example {begin}"), "agreement propose"),
    ] {
        let printed = desk.run(&example).ok();
        let file = desk.file("example.json", &printed);
        let error = desk.run(&format!("{taken} {file} --as plant")).failed(1);
        assert!(error.contains("no answer from the node"), "{taken}: {error}");
        let bare = printed.replace(" kWh\"", "\"").replace(".000\"", "\"");
        assert_ne!(printed, bare, "it names quantities");
        let file = desk.file("bare.json", &bare);
        let error = desk.run(&format!("{taken} {file} --as plant")).failed(2);
        assert!(error.contains("has no unit"), "{taken}: {error}");
    }
}

#[test]
fn keys_are_made_listed_and_moved_without_showing_a_secret() {
    let desk = Desk::new();
    for (name, kind) in [("plant", "ed25519"), ("meter-7", "p256"), ("plant-seal", "seal")] {
        let key = desk.json(&format!("keys new {name} --kind {kind}"));
        assert_eq!(key["kind"], kind);
        assert_eq!(desk.json(&format!("keys show {name}")), key);
    }
    let keys = desk.json("keys list");
    let names: Vec<_> = keys.as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["meter-7", "plant", "plant-seal"]);
    assert_eq!(keys[2]["account"], Value::Null);
    let table = desk.run("keys list").ok();
    assert!(table.contains("public key") && table.contains("meter-7"), "{table}");
    let exported = desk.file("exported.json", &desk.run("keys export plant").ok());
    assert_eq!(desk.json(&format!("keys import copy {exported}"))["public"], keys[1]["public"]);
}

#[test]
fn a_failure_says_what_why_and_what_to_do_next() {
    let desk = Desk::new();
    desk.run("keys new plant").ok();
    let error = desk.run("keys new plant").failed(1);
    assert!(error.contains("a key called \"plant\" exists") && error.contains("next: choose another name"), "{error}");
    let error = desk.run_with("keys export ../plant", &[]).failed(2);
    assert!(error.contains("cannot name a key"), "{error}");
    let error = desk.run("keys show nobody").failed(1);
    assert!(error.contains("next: ") && error.contains("utilidor keys new"), "{error}");
    let error = desk.run("status").failed(1);
    assert!(error.contains("no answer from the node") && error.contains("utilidor node run"), "{error}");
    let error = desk.run("status --node https://elsewhere").failed(2);
    assert!(error.contains("is not the address of a node"), "{error}");
    desk.run("no-such-command").failed(2);
    desk.run("account issue plant 12,5").failed(2);
    desk.run("account capacity plant electricity 5stone").failed(2);
}

#[test]
fn a_wrong_passphrase_is_told_as_such() {
    let desk = Desk::new();
    desk.run("keys new plant").ok();
    let error = desk.run_with("account redeem 1 --as plant", &[("UTILIDOR_PASSPHRASE", "wrong")]).failed(1);
    assert!(error.contains("the passphrase does not open key \"plant\""), "{error}");
    let file = desk.file("passphrase", "for tests only\n");
    let error = desk
        .run_with(&format!("account redeem 1 --as plant --passphrase-file {file}"), &[("UTILIDOR_PASSPHRASE", "wrong")])
        .failed(1);
    assert!(error.contains("no answer from the node"), "the file's passphrase opens the key: {error}");
}

#[test]
fn failures_are_json_for_programs() {
    let desk = Desk::new();
    let error = desk.run("status --json").failed(1);
    let error: Value = serde_json::from_str(&error).unwrap();
    assert_eq!(error["error"]["code"], "node/unreachable");
    assert!(error["error"]["message"].as_str().unwrap().contains("no answer"));
    assert!(error["error"]["next"].as_str().unwrap().contains("node run"));
}

#[test]
fn people_read_headings_in_their_language() {
    let desk = Desk::new();
    desk.run("keys new plant").ok();
    assert!(desk.run_with("keys list", &[("LANG", "zh_CN.UTF-8")]).ok().contains("公钥"));
    assert!(desk.run("keys list --lang zh").ok().contains("公钥"));
    assert!(desk.run_with("keys list --lang en", &[("LANG", "zh_CN.UTF-8")]).ok().contains("public key"));
    let english = desk.json("keys list");
    assert_eq!(desk.json("keys list --lang zh"), english, "programs read the same in any language");
}

#[test]
fn what_went_wrong_and_what_to_do_next_is_said_in_the_language_of_people_and_in_english_to_programs() {
    let desk = Desk::new();
    let told = |command: &str| -> (String, String) {
        let error = desk.run(&format!("{command} --lang zh")).err;
        let told = error.strip_prefix("错误：").and_then(|told| told.split_once("\n  下一步："));
        let (what, next) = told.unwrap_or_else(|| panic!("{command}: {error}"));
        (what.into(), next.into())
    };
    let is_chinese = |text: &str| text.contains(|letter| matches!(letter, '\u{4e00}'..='\u{9fff}'));
    for command in [
        "keys show nobody",
        "account redeem 1",
        "status",
        "node run --data nowhere",
        "node scrub --data nowhere",
        "node upgrade --data nowhere",
        "verify nowhere.json",
        "program new Bad_Name",
        "program check nowhere",
    ] {
        let (what, next) = told(command);
        assert!(is_chinese(&what) && is_chinese(&next), "{command}: {what}: {next}");
        let error = desk.run(&format!("{command} --lang zh --json")).err;
        let error: Value = serde_json::from_str(&error).unwrap_or_else(|reason| panic!("{command}: {reason}: {error}"));
        for part in ["message", "next"] {
            let english = error["error"][part].as_str().unwrap_or_else(|| panic!("{command}: {error}"));
            assert!(!is_chinese(english), "{command}: {english}");
        }
    }
    // What a sentence takes from the caller stands in both.
    assert!(told("node run --data nowhere").1.contains("utilidor node init --data nowhere"));
    // What the parser of the command line says, too.
    let error = desk.run("meter register --carrier gas --lang zh").failed(2);
    assert!(error.starts_with("错误：缺少必需的参数：") && error.contains("--capacity"), "{error}");
}

#[test]
fn several_keys_need_one_to_be_named() {
    let desk = Desk::new();
    let error = desk.run("account redeem 1").failed(1);
    assert!(error.contains("there is no key to act with"), "{error}");
    desk.run("keys new plant").ok();
    desk.run("keys new shop").ok();
    let error = desk.run("account redeem 1").failed(2);
    assert!(error.contains("which one acts?") && error.contains("--as NAME"), "{error}");
}

#[test]
fn completions_know_the_commands() {
    let desk = Desk::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(desk.run(&format!("completions {shell}")).ok().contains("advance-time"), "{shell}");
    }
}

#[test]
fn a_folder_without_a_chain_is_not_run() {
    let desk = Desk::new();
    let error = desk.run("node run --data nowhere").failed(1);
    assert!(error.contains("holds no chain") && error.contains("utilidor node init --data nowhere"), "{error}");
}

#[test]
fn a_newcomer_signs_up_without_a_node() {
    let desk = Desk::new();
    let key = desk.json("keys new plant");
    let chain = "07".repeat(16);
    let document = desk.run(&format!("account sign-up --chain {chain} --as plant")).ok();
    let signed: utilidor_types::action::NewAccount = serde_json::from_str(&document).unwrap();
    assert_eq!(key["account"], signed.account().to_string());
    assert_eq!(signed.member, utilidor_types::MemberId::of(signed.account()), "the first account of a new member");
    let member = "12".repeat(16);
    let further = desk.json(&format!("account sign-up --chain {chain} --member {member} --as plant"));
    assert_eq!(further["member"], member);
}

#[test]
fn a_proof_says_what_it_is_and_nothing_else_is_taken_for_one() {
    let desk = Desk::new();
    for (document, reason) in [
        ("{}", "missing field"),
        ("{\"version\": 1, \"kind\": \"receipt\"}", "is no kind of proof"),
        ("not a document", "malformed"),
    ] {
        let file = desk.file("proof.json", document);
        let error = desk.run(&format!("verify {file}")).failed(1);
        assert!(error.contains("does not hold") && error.contains(reason), "{error}");
    }
}

#[test]
fn beginning_a_chain_twice_changes_nothing() {
    let desk = Desk::new();
    let first = desk.json("node init --data town --time 2025-01-01T00:00:00+08:00");
    assert_eq!(first["kind"], "development");
    let error = desk.run("node init --data town").failed(1);
    assert!(error.contains("holds a chain already"), "{error}");
    let genesis: utilidor_types::Genesis =
        serde_json::from_str(&std::fs::read_to_string(desk.path().join("town/genesis.json")).unwrap()).unwrap();
    assert_eq!(first["chain"], genesis.chain().to_string());
    assert_eq!(genesis.time.0, 1_735_660_800_000);
}

#[test]
fn a_reader_that_goes_away_ends_a_command_without_a_word() {
    let answer = Desk::new().run_unread("completions bash");
    assert_eq!(answer.err, "");
    answer.ok();
}

#[test]
fn a_quantity_without_a_unit_is_refused() {
    let desk = Desk::new();
    desk.run("keys new plant").ok();
    let error = desk.run("account capacity plant electricity 500").failed(2);
    assert!(error.contains("\"500\" has no unit: write for example 500kWh"), "{error}");
}

#[test]
fn an_id_that_is_none_is_told_what_one_looks_like() {
    let desk = Desk::new();
    desk.run("keys new plant").ok();
    for (command, shape) in [
        ("agreement show hello", "the id of an agreement has 32 hex digits; its first 4 or more will do"),
        ("account show nobody", "neither an account nor a key of yours: the id of an account has 64 hex digits"),
        ("transaction 77", "the id of a transaction has 64 hex digits"),
        ("member roles 77 --roles user", "the id of a member has 32 hex digits"),
    ] {
        let error = desk.run(command).failed(2);
        assert!(error.contains(shape), "{command}: {error}");
    }
}

#[test]
fn documents_are_read_strictly_and_as_people_write() {
    let desk = Desk::new();
    desk.run("keys new plant").ok();
    desk.run("keys new plant-seal --kind seal").ok();
    let example: Value = serde_json::from_str(&desk.run("offer example --at 2025-01-01T00:00:00Z").ok()).unwrap();
    let publish = |change: &dyn Fn(&mut Value), status| {
        let mut document = example.clone();
        change(&mut document);
        let file = desk.file("offer.json", &document.to_string());
        desk.run(&format!("offer publish {file} --seal-key plant-seal --as plant")).failed(status)
    };

    let error = publish(&|offer| offer["lots"][0]["prize"] = 1.into(), 2);
    assert!(error.contains("offer.json is no offer: field lots[0].prize is unknown"), "{error}");
    assert!(error.contains("next: see a valid one: utilidor offer example"), "{error}");
    let error = publish(&|offer| offer["window"]["from"] = "soon".into(), 2);
    assert!(error.contains("window.from: invalid type: string \"soon\""), "{error}");
    let error = publish(&|offer| offer["lots"][0]["quantity"] = "5 m3".into(), 2);
    assert!(error.contains("lots[0].quantity: electricity is measured in kWh, GJ or J, not in m3"), "{error}");
    let good = |offer: &mut Value| {
        offer["lots"][0]["quantity"] = "1200 kWh".into();
        offer["gate_closes"] = "2025-01-01T01:30:00Z".into();
        offer["terms"]["grace_ms"] = "90m".into();
    };
    let error = publish(&good, 1);
    assert!(error.contains("no answer from the node"), "the document is good: {error}");
}

#[test]
fn what_protects_keys_badly_is_refused_or_said() {
    let desk = Desk::new();
    let error = desk.run_with("keys new plant", &[("UTILIDOR_PASSPHRASE", "x")]).failed(1);
    assert!(error.contains("the passphrase has 1 characters, one for a key has 8 or more"), "{error}");
    let error = desk.run("keys new plant --work 1").failed(2);
    assert!(error.contains("a work factor is 8 (for tests only) to 20, not 1"), "{error}");
    let made = desk.run("keys new plant --work 8");
    assert!(made.err.contains("warning: with a work factor of 8"), "{}", made.err);
    made.ok();

    let file = desk.file("passphrase", "for tests only\n");
    let readable = |path: &std::path::Path, mode| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let key = desk.path().join("town/keys/plant.key");
    for (mode, said) in [(0o600, false), (0o644, true)] {
        readable(file.as_ref(), mode);
        readable(&key, mode);
        let error = desk.run(&format!("account redeem 1 --passphrase-file {file}")).failed(1);
        assert_eq!(error.contains("other users may read the passphrase in"), said, "{error}");
        assert_eq!(error.contains("other users may read the key file"), said, "{error}");
    }
}

#[test]
fn a_clause_sheet_is_no_project_and_what_comes_next_works() {
    let desk = Desk::new();
    let id = "07".repeat(32);
    for command in ["build x.clauses", "publish x.clauses", &format!("verify {id} x.clauses")] {
        let error = desk.run(&format!("program {command}")).failed(2);
        assert!(error.contains("next: check it: utilidor program check x.clauses; agree on it"), "{command}: {error}");
    }
}

#[test]
fn a_build_that_fails_leaves_nothing_of_an_earlier_one() {
    let desk = Desk::new();
    desk.run("program new heat").ok();
    let out = desk.path().join("heat/out");
    std::fs::create_dir(&out).unwrap();
    std::fs::write(out.join("contract.wasm"), "old").unwrap();
    std::fs::write(desk.path().join("heat/manifest.json"), "{").unwrap();
    desk.run("program build heat").failed(2);
    let error = desk.run("program check heat").failed(1);
    assert!(
        error.contains("the project in heat is not built") && error.contains("utilidor program build heat"),
        "{error}"
    );
}

#[test]
fn what_was_built_of_other_sources_is_not_taken_for_what_stands_there() {
    let desk = Desk::new();
    desk.run("program new heat").ok();
    let project = desk.path().join("heat");
    std::fs::create_dir(project.join("out")).unwrap();
    std::fs::write(project.join("out/contract.wasm"), "old").unwrap();
    std::fs::copy(project.join("manifest.json"), project.join("out/manifest.json")).unwrap();
    for command in ["check heat", "simulate heat", "publish heat"] {
        let error = desk.run(&format!("program {command}")).failed(1);
        assert!(error.contains("has changed since it was built"), "{command}: {error}");
    }
}
