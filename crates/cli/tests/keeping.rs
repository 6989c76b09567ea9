//! Keeping a node's folder: a copy and what is taken from it, damage and what is said about it, a folder of an earlier release.

mod common;

use common::Desk;
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What an account may spend, as the running node says.
fn free(desk: &Desk, account: &str) -> Value {
    desk.json(&format!("account show {account} --as founder"))["free"].clone()
}

/// A desk with a stopped node in `town`, on whose chain money was issued. Gives the founder's account as well.
fn played() -> (Desk, String) {
    let mut desk = Desk::new();
    let account = desk.json("node init --data town")["account"].as_str().unwrap().to_owned();
    let node = desk.start_node();
    desk.run(&format!("account issue {account} 7 --as founder")).ok();
    assert_eq!(node.stop(), 0);
    (desk, account)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    files(folder).into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn copy_folder(from: &Path, to: &Path) {
    for path in files(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(path, target).unwrap();
    }
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// The verdict on a part, and what was found.
fn part<'a>(report: &'a Value, what: &str) -> (&'a str, &'a str) {
    let parts = report["parts"].as_array().unwrap();
    let part = parts.iter().find(|part| part["what"] == what).unwrap_or_else(|| panic!("{what} in {report:#}"));
    (part["verdict"].as_str().unwrap(), part["found"].as_str().unwrap_or_default())
}

/// A scrub that finds damage: what it says.
fn scrubbed(desk: &Desk, arguments: &str) -> Value {
    let answer = desk.run(&format!("node scrub --data town --json {arguments}"));
    assert_eq!(answer.status, 1, "{}\n{}", answer.out, answer.err);
    assert!(answer.err.contains("scrub/damaged"), "{}", answer.err);
    serde_json::from_str(&answer.out).unwrap()
}

#[test]
fn a_copy_becomes_a_node_s_folder_again_with_the_keys_that_stayed() {
    let (mut desk, account) = played();
    let before = desk.path().join("town");
    let made = desk.json("node backup --data town --to copy");
    assert!(made["height"].as_u64().unwrap() >= 2, "{made:#}");
    let copied = files(&desk.path().join("copy"));
    assert!(!copied.iter().any(|path| path.iter().any(|part| part == "keys")), "no key is copied: {copied:?}");
    assert!(copied.iter().any(|path| path.ends_with("index.sqlite")), "{copied:?}");
    assert!(desk.run("node backup --data town --to copy").failed(1).contains("is there already"));

    let node = desk.start_node();
    let money = free(&desk, &account);
    assert!(desk.run("node scrub --data town").failed(1).contains("stop the node first"));
    assert_eq!(node.stop(), 0);

    assert!(desk.run("node restore --from copy --data town").failed(1).contains("is there already"));
    fs::rename(&before, desk.path().join("lost")).unwrap();
    copy_folder(&desk.path().join("lost/keys"), &before.join("keys"));
    let keys = contents(&before.join("keys"));
    let restored = desk.json("node restore --from copy --data town");
    assert_eq!(restored["state_root"], made["state_root"]);
    assert_eq!(contents(&before.join("keys")), keys, "keys and guard stay as they are");
    assert!(!before.join("restore.unfinished").exists());
    let node = desk.start_node();
    assert_eq!(free(&desk, &account), money, "what was final is there");
    desk.run(&format!("account issue {account} 1 --as founder")).ok();
    assert_eq!(node.stop(), 0);
}

#[test]
fn a_copy_of_a_running_node_is_sound_and_has_all_that_was_final_before() {
    let (mut desk, account) = played();
    let node = desk.start_node();
    let is_over = AtomicBool::new(false);
    let copies = std::thread::scope(|scope| {
        let busy = scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                desk.run(&format!("account issue {account} 1 --as founder")).ok();
            }
        });
        // What fails is told once the client has stopped.
        let copy = |number| {
            (desk.run("status --json"), desk.run(&format!("node backup --data town --to copy-{number} --json")))
        };
        let copies: Vec<_> = (0..3).map(copy).collect();
        is_over.store(true, Ordering::Relaxed);
        busy.join().unwrap();
        copies
    });
    assert_eq!(node.stop(), 0);
    for (number, (status, made)) in copies.into_iter().enumerate() {
        let [status, made] = [status, made].map(|answer| serde_json::from_str::<Value>(&answer.ok()).unwrap());
        assert!(made["height"].as_u64() >= status["height"].as_u64(), "{made:#}");
        desk.run(&format!("node restore --from copy-{number} --data back-{number}")).ok();
        desk.run(&format!("node scrub --data back-{number}")).ok();
    }
    fs::rename(desk.path().join("town"), desk.path().join("lost")).unwrap();
    fs::rename(desk.path().join("back-2"), desk.path().join("town")).unwrap();
    copy_folder(&desk.path().join("lost/keys"), &desk.path().join("town/keys"));
    let node = desk.start_node();
    desk.run(&format!("account issue {account} 1 --as founder")).ok();
    assert_eq!(node.stop(), 0);
}

/// What a node's folder has of a file while its copy was made: how often it was written, by the last number in it.
fn written(copy: &Path, name: &str) -> u64 {
    let bytes = fs::read(copy.join("chain/storage/large").join(name)).unwrap();
    u64::from_be_bytes(*bytes.last_chunk().unwrap())
}

#[test]
fn a_file_that_grows_all_the_time_is_copied_on_from_where_its_copy_ended() {
    let (desk, _) = played();
    let folder = desk.path().join("town/chain/storage/large");
    fs::create_dir(&folder).unwrap();
    let grown = |name: &str, bytes: u64| {
        let mut file = fs::File::options().create_new(true).write(true).open(folder.join(name)).unwrap();
        file.set_len(bytes).unwrap();
        file.seek(SeekFrom::End(0)).unwrap();
        file
    };
    // One that takes longer to copy than the writer is still; one that changes at its beginning too; one that shows the moment.
    let (mut long, mut within, mut short) = (grown("long", 400 << 20), grown("within", 1 << 20), grown("short", 0));
    let is_over = AtomicBool::new(false);
    let made = std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 1_u64.. {
                let number = number.to_be_bytes();
                [&mut long, &mut within, &mut short].into_iter().for_each(|file| file.write_all(&number).unwrap());
                within.write_all_at(&number, 0).unwrap();
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(250));
            }
        });
        let made = desk.run("node backup --data town --to copy");
        is_over.store(true, Ordering::Relaxed);
        made
    });
    made.ok();
    let copy = desk.path().join("copy");
    let number = written(&copy, "long");
    assert!(number > 1, "it grew meanwhile");
    assert_eq!(written(&copy, "short"), number, "all are as of one moment");
    assert_eq!(written(&copy, "within"), number);
    let within = fs::read(copy.join("chain/storage/large/within")).unwrap();
    assert_eq!(u64::from_be_bytes(*within.first_chunk().unwrap()), number, "what changed within is copied again");
    // The digests are those of what is there.
    desk.run("node restore --from copy --data back").ok();
}

#[test]
fn what_cannot_be_written_is_not_the_read_model_s_damage() {
    let (desk, _) = played();
    // Less than the read model needs: the disk of the copy is full.
    let limited = "ulimit -f 64; trap '' XFSZ; utilidor node backup --data town --to copy";
    let full = desk.shell(limited).output().unwrap();
    let said = String::from_utf8(full.stderr).unwrap();
    assert_eq!(full.status.code(), Some(1), "{said}");
    assert!(said.contains("could not copy the read model") && !said.contains("left out"), "{said}");
    assert!(!desk.path().join("copy").exists() && !desk.path().join("copy.unfinished").exists(), "half a copy is none");

    let said = desk.run("node backup --data town --to nowhere/copy").failed(1);
    assert!(!said.contains("cut off"), "there is nothing to remove: {said}");
}

#[test]
fn a_path_need_not_be_utf_8() {
    let (desk, _) = played();
    // As an older machine writes a Chinese name.
    let copy = OsStr::from_bytes(b"\xb1\xb8\xb7\xdd");
    for json in [None, Some("--json")] {
        let _ = fs::remove_dir_all(desk.path().join(copy));
        let mut command = desk.command(&["node", "backup", "--data", "town", "--to"]);
        let made = command.arg(copy).args(json).output().unwrap();
        let said = String::from_utf8_lossy(&made.stderr);
        assert_eq!(made.status.code(), Some(0), "{said}");
        assert!(desk.path().join(copy).join("index.sqlite").exists(), "{said}");
    }

    let refused = desk.command(&["status", "--lang", "zh"]).arg(copy).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("错误："), "{said}");
}

#[test]
fn a_damaged_or_foreign_copy_is_refused_before_anything_is_written() {
    let (desk, _) = played();
    desk.run("node backup --data town --to copy").ok();
    let copy = desk.path().join("copy");
    let refused = |from: &str, expected: &str| {
        let error = desk.run(&format!("node restore --from {from} --data empty")).failed(1);
        assert!(error.contains(expected), "{error}");
        let empty = desk.path().join("empty");
        assert!(!empty.exists() || files(&empty).is_empty(), "nothing was written");
    };
    let altered = |name: &str, alter: &dyn Fn(&Path)| {
        let folder = desk.path().join(name);
        copy_folder(&copy, &folder);
        alter(&folder);
        name.to_owned()
    };

    refused("town", "manifest.json");
    for path in files(&copy) {
        let below = path.strip_prefix(&copy).unwrap().to_path_buf();
        if below.ends_with("manifest.json") || fs::metadata(&path).unwrap().len() == 0 {
            continue;
        }
        let changed = altered("changed", &|folder| flip(&folder.join(&below), 0));
        refused(&changed, below.to_str().unwrap());
        fs::remove_dir_all(desk.path().join("changed")).unwrap();
    }
    let gone = altered("gone", &|folder| fs::remove_file(folder.join("chain/format")).unwrap());
    refused(&gone, "chain/format is missing");
    let manifest = |from: &'static str, to: &'static str| {
        move |folder: &Path| {
            let path = folder.join("manifest.json");
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.contains(from), "{text}");
            fs::write(path, text.replacen(from, to, 1)).unwrap();
        }
    };
    refused(&altered("later", &manifest("\"backup\": 1", "\"backup\": 2")), "version 2");
    refused(&altered("newer", &manifest("\"format\": ", "\"format\": 9")), "data format 9");
    refused(&altered("outside", &manifest("\"chain/format\"", "\"../format\"")), "no copy holds");
    refused(&altered("key", &manifest("\"chain/format\"", "\"keys/validator.votes.1\"")), "no copy holds");

    desk.run("node init --data village --time 2026-01-01T00:00:00Z").ok();
    let error = desk.run("node restore --from copy --data village").failed(1);
    assert!(error.contains("restore/other-chain") || error.contains("is of chain"), "{error}");
}

#[test]
fn a_scrub_names_what_is_damaged_and_changes_nothing() {
    let (desk, _) = played();
    let storage = desk.path().join("town/chain/storage");
    let report = desk.json("node scrub --data town");
    for part in report["parts"].as_array().unwrap() {
        assert_eq!(part["verdict"], "good", "{part:#}");
    }
    assert_eq!(part(&report, "blocks and state").0, "good");
    assert_eq!(part(&report, "index.sqlite").0, "good");
    for name in ["scrub.json", "scrub.sqlite"] {
        assert!(!desk.path().join("town").join(name).exists(), "{name} is removed at the end");
    }

    let healthy = desk.path().join("healthy");
    copy_folder(&desk.path().join("town"), &healthy);
    let heal = |path: &Path| {
        let below = path.strip_prefix(desk.path().join("town")).unwrap();
        fs::copy(healthy.join(below), path).unwrap();
    };
    for damaged in files(&storage) {
        if damaged
            .parent()
            .unwrap()
            .to_str()
            .is_some_and(|store| store.ends_with("-values") || store.ends_with("-value"))
        {
            continue;
        }
        let bytes = fs::read(&damaged).unwrap();
        // The first byte behind the header, where something was written at all.
        let Some(at) = (4_096..bytes.len()).find(|at| bytes[*at] != 0) else { continue };
        flip(&damaged, at);
        let before = contents(&storage);
        let report = scrubbed(&desk, "");
        let name = damaged.strip_prefix(desk.path().join("town")).unwrap().to_str().unwrap();
        let found = part(&report, name);
        assert_eq!(found.0, "damaged", "{name}: {report:#}");
        assert!(found.1.starts_with("byte 4096: "), "{name}: {}", found.1);
        assert_eq!(contents(&storage), before, "what is damaged is not cut back");
        heal(&damaged);
    }
    // Blocks themselves have no checksums that the file alone tells: they are asked for one by one.
    let blocks = storage.join("chain-blocks-values/0000000000000000");
    flip(&blocks, 4_100);
    let report = scrubbed(&desk, "");
    let (verdict, found) = part(&report, "blocks and state");
    assert_eq!(verdict, "damaged", "{found}");
    fs::remove_dir_all(&storage).unwrap();
    copy_folder(&healthy.join("chain/storage"), &storage);
    desk.run("node scrub --data town").ok();

    // A chain of one has nobody to fetch from: nothing of it is put aside.
    flip(&storage.join("chain-state-operations-blobs/0000000000000000"), 4_096);
    let report = scrubbed(&desk, "--repair");
    assert_eq!(report["repaired"], serde_json::json!([]));
    assert!(storage.exists());
    // A node among several fetches it anew: the damaged one gets another name.
    desk.file("town/node.toml", "listen = \"127.0.0.1:0\"\n");
    let report = desk.json("node scrub --data town --repair");
    assert_eq!(report["repaired"].as_array().unwrap().len(), 1, "{report:#}");
    assert!(!storage.exists() && desk.path().join("town/chain.damaged-1/storage").exists());
}

#[test]
fn a_damaged_read_model_is_found_removed_on_request_and_built_again() {
    let (mut desk, account) = played();
    let index = desk.path().join("town/index.sqlite");
    let bytes = fs::read(&index).unwrap();
    let id = hex::decode(&account).unwrap();
    let place = bytes.windows(id.len()).position(|found| found == id).expect("the account has a row");
    flip(&index, place);
    let report = scrubbed(&desk, "");
    assert_eq!(part(&report, "blocks and state").0, "good");
    assert_eq!(part(&report, "index.sqlite").0, "damaged");
    assert_ne!(fs::read(&index).unwrap(), bytes, "it is only removed on request");

    let report = desk.json("node scrub --data town --repair");
    assert!(report["repaired"][0].as_str().unwrap().starts_with("index.sqlite"), "{report:#}");
    assert!(!index.exists());
    let node = desk.start_node();
    assert_ne!(free(&desk, &account), Value::Null);
    assert_eq!(node.stop(), 0);
    desk.run("node scrub --data town").ok();
}

#[test]
fn damaged_tokens_and_a_damaged_log_of_oversight_are_found_and_a_lost_genesis_document_is_pointed_to() {
    let (desk, _) = played();
    for (name, text) in [("tokens.json", "[{"), ("oversight.jsonl", "{}\n")] {
        let path = desk.path().join("town").join(name);
        fs::write(&path, text).unwrap();
        let report = scrubbed(&desk, "");
        assert_eq!(part(&report, name).0, "damaged");
        assert_eq!(part(&report, "blocks and state").0, "good");
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "it is the operator's to put aside");
        fs::remove_file(path).unwrap();
    }
    desk.run("node scrub --data town").ok();

    let document = desk.path().join("town/genesis.json");
    fs::remove_file(&document).unwrap();
    let error = desk.run("node scrub --data town").failed(1);
    assert!(error.contains("cp town/chain/genesis.json town/genesis.json"), "{error}");
    fs::copy(desk.path().join("town/chain/genesis.json"), &document).unwrap();
    desk.run("node scrub --data town").ok();
}

#[test]
fn a_folder_of_another_release_is_refused_with_the_way_on() {
    let (desk, _) = played();
    let same = desk.json("node upgrade --data town");
    assert_eq!(same["from"], same["to"]);
    let format = desk.path().join("town/chain/format");
    fs::write(&format, "6\n").unwrap();
    assert!(desk.run("node run --data town --listen 127.0.0.1:0").failed(1).contains("utilidor node upgrade"));
    let too_old = desk.run("node upgrade --data town").failed(1);
    assert!(
        too_old.contains("data format 6 cannot be carried over") && too_old.contains("keep it with the release"),
        "{too_old}"
    );
    assert!(desk.run("node scrub --data town").failed(1).contains("data format 6"));
    assert_eq!(fs::read_to_string(&format).unwrap(), "6\n", "it is left as it is");
    fs::write(&format, "999\n").unwrap();
    assert!(desk.run("node upgrade --data town").failed(1).contains("take the release that wrote it"));
}
