//! `utilidor verify`: checks a proof from a file, offline.

use crate::context::{Context, read_file};
use crate::document;
use crate::failure::Failure;
use crate::next;
use crate::t;
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;
use utilidor_proof::{BillError, ProofDocument, ProofError, VerifiedBill};
use utilidor_sdk::core::check::{CheckError, Checked, Trust, check};
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

/// Does it.
pub fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    let genesis: Option<Genesis> =
        arguments.genesis.map(|path| document::read(&path, "genesis document", "node init --help")).transpose()?;
    let trust = match (&genesis, arguments.chain) {
        (Some(genesis), _) => Trust::Genesis(genesis),
        (None, Some(chain)) => Trust::Chain(chain),
        (None, None) => Trust::Nothing,
    };
    let document = read(&read_file(&arguments.file)?)?;
    let checked = check(&document, trust).map_err(|error| match error {
        CheckError::NeedsGenesis => Failure::usage("this proof brings no genesis document along").next(next!(
            "name the chain's with --genesis; a node's is in its folder",
            "用 --genesis 指定链的创世文件；节点的创世文件在其文件夹中"
        )),
        error => refused(&error),
    })?;
    let steps = steps(&document, &checked, trust);
    let (chain, height) = match &checked {
        Checked::Bill(bill) => (bill.chain, bill.height),
        Checked::Transaction { chain, height, .. } | Checked::Certificates { chain, height, .. } => (*chain, *height),
    };
    let statement = match &checked {
        Checked::Bill(bill) => json!(bill.statement),
        _ => Value::Null,
    };
    let kind = document.proof.name();
    let value = json!({
        "holds": true, "kind": kind, "chain": chain, "height": height, "checked": steps, "statement": statement
    });
    context.out.show(&value, |out| {
        let mut facts =
            vec![(t!("kind"), kind.into()), (t!("chain"), chain.to_string()), (t!("block"), height.to_string())];
        facts.extend(steps.into_iter().map(|step| (t!("checked"), step)));
        format!("{}\n{}", out.word(t!("verified")), out.facts(facts))
    });
    Ok(())
}

/// Reads a proof. What this release does not know of it could be anything, so it is refused; white space says nothing.
fn read(bytes: &[u8]) -> Result<ProofDocument, Failure> {
    let malformed = |error: serde_json::Error| {
        let what = format!("the proof does not hold: the document is malformed: {error}");
        Failure::new("verify/malformed", what).next(next!(
            "get it again: utilidor statement proof AGREEMENT NUMBER > bill.json",
            "重新取得：utilidor statement proof AGREEMENT NUMBER > bill.json"
        ))
    };
    let value: Value = serde_json::from_slice(bytes).map_err(malformed)?;
    let document: ProofDocument = serde_json::from_slice(bytes).map_err(malformed)?;
    if json!(document) != value {
        let what = "the proof does not hold: the document says more, or something else, than a proof does";
        return Err(Failure::new("verify/altered", what).next(next!(
            "get it again: utilidor statement proof AGREEMENT NUMBER > bill.json",
            "重新取得：utilidor statement proof AGREEMENT NUMBER > bill.json"
        )));
    }
    Ok(document)
}

/// What was checked, in sentences.
fn steps(document: &ProofDocument, checked: &Checked, trust: Trust<'_>) -> Vec<String> {
    let final_block = |height: &u64| format!("the members of the chain have made block {height} final");
    match checked {
        Checked::Bill(bill) => bill_steps(document, bill, trust),
        Checked::Transaction { height, transaction, .. } => vec![
            final_block(height),
            format!("transaction {transaction} is in that block"),
            "the receipt is that block's answer to it".into(),
        ],
        Checked::Certificates { height, readings, .. } => vec![
            final_block(height),
            format!("{readings} certified readings are in the certification log as of that block"),
        ],
    }
}

fn bill_steps(document: &ProofDocument, bill: &VerifiedBill, trust: Trust<'_>) -> Vec<String> {
    let utilidor_proof::document::Proof::Bill(proof) = &document.proof else { return Vec::new() };
    let statement = &bill.statement;
    let mut steps = vec![
        match trust {
            Trust::Nothing => {
                "no chain was named as trusted: compare the chain's id above with one that you trust".into()
            }
            _ => "the chain is the one that is trusted".into(),
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
        format!("{} receipts made the agreement and its terms", proof.made.len()),
        format!("{} receipts tell what its program was told since the statement before", proof.told.len()),
    ];
    match bill.certificates {
        Some(certificates) => steps.push(format!("the segments follow from {certificates} certified readings")),
        None => {
            steps.push("the proof is a short one: it takes the segments as the members have worked them out".into())
        }
    }
    if bill.device_records > 0 {
        steps.push(format!(
            "{} records hold in which devices have signed such readings by themselves (OCMF)",
            bill.device_records
        ));
    }
    steps.push(format!(
        "the program, run again, gives the {} lines of the statement, to the last millionth",
        statement.lines.len()
    ));
    steps.push(format!("paid {}, unpaid {}, owed in all {}", statement.paid, statement.unpaid, statement.debt));
    if statement.substituted {
        steps.push("a substitute rule of the terms stood in for missing readings".into());
    }
    steps
}

fn refused(error: &CheckError) -> Failure {
    let failure = Failure::from_error("verify/refused", "the proof does not hold", error);
    let is_other_chain = matches!(
        error,
        CheckError::Bill(BillError::OtherChain { .. }) | CheckError::Proof(ProofError::WrongChain { .. })
    );
    match is_other_chain {
        true => failure.next(next!(
            "it is another chain's: if you trust that chain, name its genesis document with \
             --genesis",
            "它属于另一条链：若信任该链，请用 --genesis 指定其创世文件"
        )),
        false => failure,
    }
}
