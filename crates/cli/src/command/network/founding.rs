//! Founding a consortium: cards in, one genesis document out, signed by all.
//!
//! ```text
//! each:         network join     keys of its own, and a card with their public halves
//! coordinator:  network create   the genesis document, from all cards
//! each:         network sign     checks that the document says of it what its card says, shows the rest, signs
//! each:         network install  checks that all have signed and that it is among them, and takes the document into its folder
//! ```

use crate::causes::{causes, told};
use crate::command::keys::work_factor;
use crate::command::node::{FOUNDER, VALIDATOR};
use crate::command::offer::now;
use crate::context::Context;
use crate::document;
use crate::failure::Failure;
use crate::node_file::{NodeFile, listen_address, make_guard};
use crate::output::or_dash;
use crate::sentence::Said;
use crate::{said, say, t, units};
use clap::Args;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use utilidor_chain::write_durably;
use utilidor_sdk::{KeyKind, Keystore, Passphrase, WorkFactor};
use utilidor_types::council::Threshold;
use utilidor_types::founding::{FounderCard, FoundingRefused, GenesisSignature};
use utilidor_types::genesis::{ChainKind, Limits};
use utilidor_types::{ChainId, Genesis, NodeAddress, PrivateKey, Role, Roles, Timestamp, Validator};

/// The whole course, for the help of each step.
pub const HELP: &str = "\
Founding a consortium of three, each command on the machine of who runs it:
  utilidor network join --data north --address node.north.example:4700 > north.json    # each; cards go to the coordinator
  utilidor network create north.json east.json south.json > genesis.json               # the coordinator; goes to all
  utilidor network sign genesis.json --data north > north.signature.json               # each; goes to all
  utilidor network install genesis.json *.signature.json --data north                  # each
  utilidor node run --data north                                                       # each";

/// Name of the card in a node's folder.
pub const CARD_FILE: &str = "card.json";
/// Blocks of an epoch unless said otherwise: at a block a second, five minutes.
pub const DEFAULT_EPOCH_LENGTH: u64 = 300;

/// An organisation joins.
#[derive(Debug, Args)]
pub struct Join {
    /// The node's folder; created
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// Where the other members' nodes reach the node; without it, the organisation has no seat in the council
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<NodeAddress>,
    /// Where the node listens for the others [default: the port of --address on every interface]
    #[arg(long, value_name = "ADDRESS", value_parser = listen_address)]
    listen: Option<SocketAddr>,
    /// Where the node's HTTP interface listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4680", value_parser = listen_address)]
    http: SocketAddr,
    /// What the organisation wants to do, besides its seat in the council
    #[arg(long, value_delimiter = ',', default_value = "owner,user,meter_operator")]
    roles: Vec<Role>,
    /// Work that a passphrase guess costs: scrypt with N = 2 to this power, 8 (for tests only) to 20
    #[arg(long, env = "UTILIDOR_KEY_WORK", value_name = "LOG2_N", default_value_t = 17)]
    work: u8,
}

/// The coordinator puts the document together.
#[derive(Debug, Args)]
pub struct Create {
    /// The founders' cards
    #[arg(required = true, value_name = "CARD")]
    cards: Vec<PathBuf>,
    /// The time before the first block [default: now]
    #[arg(long, value_parser = units::time)]
    time: Option<Timestamp>,
    /// Blocks of an epoch: nodes come and go between two of them
    #[arg(long, value_name = "BLOCKS", default_value_t = DEFAULT_EPOCH_LENGTH)]
    epoch_length: u64,
    /// How much of the council must be in favour of a motion
    #[arg(long, value_name = "VOTES/OF", default_value = "2/3", value_parser = threshold)]
    threshold: Threshold,
}

/// An organisation signs.
#[derive(Debug, Args)]
pub struct Sign {
    /// The genesis document
    genesis: PathBuf,
    /// The node's folder
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
}

/// An organisation takes the document in.
#[derive(Debug, Args)]
pub struct Install {
    /// The genesis document
    genesis: PathBuf,
    /// The founders' signatures
    #[arg(required = true, value_name = "SIGNATURE")]
    signatures: Vec<PathBuf>,
    /// The node's folder
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// The id of the chain, from a source that you trust; for an organisation that was no founder
    #[arg(long)]
    chain: Option<ChainId>,
}

fn threshold(text: &str) -> Result<Threshold, Said> {
    let read = text
        .split_once('/')
        .and_then(|(votes, of)| Some(Threshold { votes: votes.parse().ok()?, of: of.parse().ok()? }));
    read.filter(|threshold| threshold.is_sound()).ok_or_else(|| {
        said!("a threshold is more than a half and at most all, such as 2/3", "门槛须超过半数且不超过全部，如 2/3")
    })
}

/// The node's and the founder's key of a node's folder, unlocked. They are made if they are not there, and the vote guard with
/// them: a run that was cut off is simply repeated.
pub fn keys_of(data: &Path, passphrase: &Passphrase, work: WorkFactor) -> Result<(PrivateKey, PrivateKey), Failure> {
    let keystore = Keystore::of_folder(data.join("keys"));
    for name in [VALIDATOR, FOUNDER] {
        if keystore.info(name).is_err() {
            keystore.create(name, KeyKind::Ed25519, passphrase, work)?;
        }
    }
    let (node, founder) = (keystore.signing_key(VALIDATOR, passphrase)?, keystore.signing_key(FOUNDER, passphrase)?);
    make_guard(data, &node.public_key())?;
    Ok((node, founder))
}

/// Makes the keys, writes the node's file, prints the card.
pub fn join(arguments: Join, context: &Context) -> Result<(), Failure> {
    let Join { data, address, listen, http, roles, work } = arguments;
    refuse_chain(&data)?;
    let work = work_factor(work)?;
    let (node, founder) = keys_of(&data, &context.new_passphrase()?, work)?;
    let card = match &address {
        None => FounderCard::sign(&founder, Roles::of(&roles), None),
        Some(address) => {
            let roles: Vec<Role> = roles.into_iter().chain([Role::Validator]).collect();
            FounderCard::sign(&founder, Roles::of(&roles), Some((&node, address.clone())))
        }
    };
    let port = address.as_ref().map_or(0, |address| address.parts().1);
    let listen = listen.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], port)));
    NodeFile { listen, http, allow_hosts: Vec::new(), traces: None, follower: false, peers: Vec::new() }
        .write(&data)?;
    write_json(&data.join(CARD_FILE), &card)?;
    context.out.document(&card);
    Ok(())
}

/// Puts the document together and prints it.
pub fn create(arguments: Create, context: &Context) -> Result<(), Failure> {
    let mut cards: Vec<FounderCard> = Vec::new();
    for path in &arguments.cards {
        let card: FounderCard = document::read(path, said!("founder's card", "创始方名片"), "network join --help")?;
        card.check().map_err(|refused| founding_failure(&refused).within(&path.display().to_string()))?;
        cards.push(card);
    }
    let genesis = genesis_of(
        &cards,
        ChainKind::Production,
        arguments.time.unwrap_or_else(now),
        arguments.epoch_length,
        arguments.threshold,
    )?;
    context.out.document(&genesis);
    Ok(())
}

/// The genesis document of these founders.
pub fn genesis_of(
    cards: &[FounderCard],
    kind: ChainKind,
    time: Timestamp,
    epoch_length: u64,
    threshold: Threshold,
) -> Result<Genesis, Failure> {
    let too_many = |_| {
        Failure::usage(said!("there are more founders than a genesis document holds", "创始方多于创世文件所能容纳"))
    };
    let genesis = Genesis {
        kind,
        time,
        validators: cards.iter().filter_map(FounderCard::validator).collect::<Vec<_>>().try_into().map_err(too_many)?,
        epoch_length,
        threshold,
        members: cards.iter().map(FounderCard::member).collect::<Vec<_>>().try_into().map_err(too_many)?,
        limits: Limits::DEFAULT,
    };
    genesis.check().map_err(|refused| {
        Failure::usage(said!("no chain can begin so: {}", "链不能这样开始：{}", causes(&refused)))
    })?;
    Ok(genesis)
}

/// Checks the document, shows on standard error what is signed, prints the signature.
pub fn sign(arguments: Sign, context: &Context) -> Result<(), Failure> {
    let genesis = read_document(&arguments.genesis)?;
    let card: FounderCard =
        document::read(&arguments.data.join(CARD_FILE), said!("founder's card", "创始方名片"), "network join --help")?;
    card.check_in(&genesis).map_err(|refused| {
        founding_failure(&refused).next(said!(
            "do not sign it: ask the coordinator for a document made from your card",
            "不要签署：请协调方给出由本方名片汇编的文件"
        ))
    })?;
    let text = document_text(&genesis, context);
    crate::output::note(&said!("{text}", "{text}"));
    let keystore = Keystore::of_folder(arguments.data.join("keys"));
    let founder = keystore.signing_key(FOUNDER, &context.passphrase()?)?;
    context.out.document(&GenesisSignature::sign(&genesis, &founder));
    Ok(())
}

/// Checks all signatures and takes the document into the folder.
pub fn install(arguments: Install, context: &Context) -> Result<(), Failure> {
    let Install { genesis: path, signatures: files, data, chain } = arguments;
    refuse_chain(&data)?;
    let genesis = read_document(&path)?;
    check_own(&genesis, chain, &data.join(CARD_FILE))?;
    let mut signatures: Vec<GenesisSignature> = Vec::new();
    for file in &files {
        signatures.push(document::read(
            file,
            said!("signature on a genesis document", "创世文件的签名"),
            "network sign --help",
        )?);
    }
    GenesisSignature::check_all(&signatures, &genesis).map_err(|refused| {
        founding_failure(&refused).next(said!(
            "ask whose signature is missing or bad to run: utilidor network sign",
            "请签名缺失或有误的一方运行：utilidor network sign"
        ))
    })?;
    std::fs::create_dir_all(&data).map_err(|error| {
        Failure::from_error("file", said!("could not create {}", "无法建立 {}", data.display()), &error)
    })?;
    write_json(&data.join("signatures.json"), &signatures)?;
    write_json(&data.join("genesis.json"), &genesis)?;
    let chain = genesis.chain();
    context.out.show(&json!({ "chain": chain, "signatures": signatures.len() }), |out| {
        say!(
            out,
            "{}\n\nrun the node: utilidor node run --data {}",
            "{}\n\n运行节点：utilidor node run --data {}",
            out.facts(vec![(t!("chain"), chain.to_string()), (t!("signatures"), signatures.len().to_string())]),
            data.display()
        )
    });
    Ok(())
}

/// Checks that a document is this organisation's own chain: strangers' signatures under a document of strangers are good as well.
/// A founder is in it as its card says, and so among those who have to have signed; anybody else knows the chain's id.
fn check_own(genesis: &Genesis, expected: Option<ChainId>, card: &Path) -> Result<(), Failure> {
    let chain = genesis.chain();
    match expected {
        Some(expected) if expected == chain => return Ok(()),
        Some(expected) => {
            return Err(Failure::new(
                "network/other-chain",
                said!("the document begins chain {chain}, not {expected}", "该文件属于链 {chain}，而不是 {expected}"),
            )
            .next(said!("ask for the genesis document of that chain", "请索取该链的创世文件")));
        }
        None => {}
    }
    if !card.exists() {
        return Err(Failure::usage(said!(
            "nothing tells whether this is the document of your consortium: the folder has no card",
            "无法判断这是否为本方联盟的文件：文件夹中没有名片"
        ))
        .next(said!(
            "name the chain's id with --chain, from a source that you trust",
            "用 --chain 写明链的标识，须取自可信的来源"
        )));
    }
    let card: FounderCard = document::read(card, said!("founder's card", "创始方名片"), "network join --help")?;
    card.check_in(genesis).map_err(|refused| {
        founding_failure(&refused).next(said!(
            "ask for the document that you have signed; who joins later names the chain's id \
             with --chain",
            "请索取本方签署过的文件；以后加入者用 --chain 写明链的标识"
        ))
    })
}

/// A genesis document that a chain can begin with.
fn read_document(path: &Path) -> Result<Genesis, Failure> {
    let genesis: Genesis = document::read(path, said!("genesis document", "创世文件"), "network create --help")?;
    genesis.check().map_err(|refused| {
        let path = path.display();
        Failure::usage(said!("no chain can begin with {path}: {}", "链不能以 {path} 开始：{}", causes(&refused)))
    })?;
    Ok(genesis)
}

fn refuse_chain(data: &Path) -> Result<(), Failure> {
    if data.join("genesis.json").exists() {
        return Err(Failure::new("node/exists", said!("{} holds a chain already", "{} 中已有一条链", data.display()))
            .next(said!("run it: utilidor node run --data {}", "运行：utilidor node run --data {}", data.display())));
    }
    Ok(())
}

fn founding_failure(refused: &FoundingRefused) -> Failure {
    Failure::new("network/founding", told(refused))
}

/// Writes a document that is wholly there after a crash, or not at all.
pub fn write_json<T: serde::Serialize>(path: &Path, document: &T) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(document).expect("documents are plain data");
    write_durably(path, text.as_bytes()).map_err(|error| {
        Failure::from_error("file", said!("could not write {}", "无法写入 {}", path.display()), &error)
    })
}

/// What a genesis document says, for who signs it.
fn document_text(genesis: &Genesis, context: &Context) -> String {
    let out = context.out;
    let facts = out.facts(vec![
        (t!("chain"), genesis.chain().to_string()),
        (t!("kind"), crate::command::plain(&json!(genesis.kind))),
        (t!("time"), genesis.time.to_string()),
        (t!("threshold"), genesis.threshold.to_string()),
        (t!("epoch_length"), genesis.epoch_length.to_string()),
        (t!("limits"), limits_text(&genesis.limits)),
    ]);
    let rows = genesis.members.iter().map(|first| {
        let validator = genesis.validators.iter().find(|validator| validator.member == first.member());
        [
            first.account.to_string(),
            out.say_all(first.roles.iter()),
            or_dash(validator.map(|validator: &Validator| validator.key)),
            or_dash(validator.and_then(|validator| validator.address.as_ref())),
        ]
    });
    let table = out.table([t!("account"), t!("roles"), t!("public"), t!("address")], rows.collect());
    format!("{facts}\n{table}")
}

/// What one member can ask of the others, each limit by the name that `member limits` takes.
fn limits_text(limits: &Limits) -> String {
    let Value::Object(fields) = json!(limits) else { unreachable!("limits are a record") };
    fields.iter().map(|(name, limit)| format!("{name}={limit}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_signs_sees_every_limit_of_the_document() {
        let changed = Limits { meters: 7, daily_fuel: utilidor_types::program::Fuel(8), ..Limits::DEFAULT };
        let text = limits_text(&changed);
        assert!(text.contains("meters=7") && text.contains("daily_fuel="), "{text}");
        assert_eq!(text.split(' ').count(), 12, "{text}");
    }
}
