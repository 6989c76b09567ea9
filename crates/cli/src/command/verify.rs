//! `utilidor verify`: checks a proof from a file, offline.

use crate::context::{Context, read_file};
use crate::document;
use crate::failure::Failure;
use crate::t;
use clap::Args;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::error::Error;
use std::path::PathBuf;
use utilidor_sdk::Checker;
use utilidor_sdk::check::{CertificatesProof, TransactionProof};
use utilidor_types::bill::BillProof;
use utilidor_types::{ChainId, Genesis};

/// What is asked.
#[derive(Debug, Args)]
#[command(after_help = "\
Asks no node. What is trusted is the chain: its id or its genesis document, taken from where you trust it, not from who gave
the proof. A bill proof brings a genesis document along; without --chain or --genesis it is checked against that one, and you
compare the chain's id that is shown.

Examples:
  utilidor statement proof 77aa... 1 > bill.json
  utilidor verify bill.json --genesis town/genesis.json
  utilidor verify bill.json --chain 12ab...
  utilidor transaction 77aa... --proof > payment.json
  utilidor verify payment.json --genesis town/genesis.json   # proofs of transactions and readings need the document")]
pub struct Arguments {
    /// The proof; `-` is standard input
    file: PathBuf,
    /// The genesis document of the chain that is trusted
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// The id of the chain that is trusted
    #[arg(long, conflicts_with = "genesis")]
    chain: Option<ChainId>,
}

/// What held.
struct Checked {
    kind: &'static str,
    chain: ChainId,
    height: u64,
    steps: Vec<String>,
    statement: Value,
}

/// Does it.
pub fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    let genesis: Option<Genesis> =
        arguments.genesis.map(|path| document::read(&path, "genesis document", "node init --help")).transpose()?;
    let checked = check(&read_file(&arguments.file)?, genesis.as_ref(), arguments.chain)?;
    let value = json!({
        "holds": true, "kind": checked.kind, "chain": checked.chain, "height": checked.height,
        "checked": checked.steps, "statement": checked.statement
    });
    context.out.show(&value, |out| {
        let mut facts = vec![
            (t!("kind"), checked.kind.into()),
            (t!("chain"), checked.chain.to_string()),
            (t!("block"), checked.height.to_string()),
        ];
        facts.extend(checked.steps.into_iter().map(|step| (t!("checked"), step)));
        format!("{}\n{}", out.word(t!("verified")), out.facts(facts))
    });
    Ok(())
}

fn check(bytes: &[u8], genesis: Option<&Genesis>, chain: Option<ChainId>) -> Result<Checked, Failure> {
    let trusted = chain.or_else(|| genesis.map(Genesis::chain));
    if bytes.first() != Some(&b'{') {
        let proof = BillProof::from_bytes(bytes).map_err(|error| refused(&error))?;
        return bill(&proof, trusted);
    }
    let value: Value = serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
    let has = |field| value.get(field).is_some();
    if has("statement") && has("steps") {
        return bill(&exactly(bytes)?, trusted);
    }
    let checker = || match genesis {
        Some(genesis) => Checker::new(genesis).map_err(|error| refused(&error)),
        None => Err(Failure::usage("this proof brings no genesis document along")
            .next("name the chain's with --genesis; a node's is in its folder")),
    };
    if has("runs") && has("block") {
        let (proof, checker) = (exactly::<CertificatesProof>(bytes)?, checker()?);
        let header = checker.certificates(&proof).map_err(|error| refused(&error))?;
        let certified: usize = proof.runs.iter().map(|(run, _)| run.readings.len()).sum();
        let counted = format!("{certified} certified readings are in the certification log as of that block");
        return Ok(Checked {
            kind: "certificates",
            chain: checker.chain(),
            height: header.height,
            steps: vec![final_block(header.height), counted],
            statement: Value::Null,
        });
    }
    if has("transaction") && has("receipt") {
        let (proof, checker) = (exactly::<TransactionProof>(bytes)?, checker()?);
        let header = checker.transaction(&proof).map_err(|error| refused(&error))?;
        return Ok(Checked {
            kind: "transaction",
            chain: checker.chain(),
            height: header.height,
            steps: vec![
                final_block(header.height),
                format!("transaction {} is in that block", proof.transaction),
                "the receipt is that block's answer to it".into(),
            ],
            statement: Value::Null,
        });
    }
    Err(Failure::new("verify/unknown", "the file is no proof that this release knows")
        .next("get one: utilidor statement proof AGREEMENT NUMBER > bill.json"))
}

fn bill(proof: &BillProof, trusted: Option<ChainId>) -> Result<Checked, Failure> {
    let bill = proof.verify(trusted).map_err(|error| refused(&error))?;
    let statement = &bill.statement;
    let mut steps = vec![
        match trusted {
            Some(_) => "the chain is the one that is trusted".into(),
            None => "no chain was named as trusted: compare the chain's id above with one that you trust".into(),
        },
        format!(
            "{} headers are final by the signatures of the chain's {} members",
            proof.headers.len(),
            bill.validators
        ),
        format!(
            "statement {} of agreement {} was issued in block {}",
            statement.number, statement.agreement, bill.height
        ),
        format!("{} transactions made the agreement, its terms and its prepayments", proof.steps.len()),
        format!("{} certified readings are in the certification log", bill.certificates),
        format!("{} lines follow from terms, readings and prepayments, to the last millionth", statement.lines.len()),
        format!("they add up to what was paid: {}", statement.paid),
    ];
    if statement.substituted {
        steps.push("a substitute rule of the terms stood in for missing readings".into());
    }
    Ok(Checked { kind: "bill", chain: bill.chain, height: bill.height, steps, statement: json!(statement) })
}

/// Reads a document that stands exactly as it is written by 'utilidor': no byte may differ, be it a space.
fn exactly<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Result<T, Failure> {
    let proof: T = serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
    let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let same = |written: serde_json::Result<Vec<u8>>| written.is_ok_and(|written| written == text);
    if !same(serde_json::to_vec_pretty(&proof)) && !same(serde_json::to_vec(&proof)) {
        return Err(Failure::new(
            "verify/altered",
            "the proof does not hold: the document was altered after it was written",
        )
        .next("get it again: utilidor statement proof AGREEMENT NUMBER > bill.json"));
    }
    Ok(proof)
}

fn malformed(error: &serde_json::Error) -> Failure {
    Failure::new("verify/malformed", format!("the proof does not hold: the document is malformed: {error}"))
}

fn final_block(height: u64) -> String {
    format!("the members of the chain have made block {height} final")
}

fn refused(error: &dyn Error) -> Failure {
    Failure::from_error("verify/refused", "the proof does not hold", error)
}
