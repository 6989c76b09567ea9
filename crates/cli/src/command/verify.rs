//! `utilidor verify`: checks a proof from a file, offline.

use crate::action;
use crate::context::{Context, read_file};
use crate::document;
use crate::failure::Failure;
use crate::said;
use crate::sentence::Said;
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
    let genesis: Option<Genesis> = arguments
        .genesis
        .map(|path| document::read(&path, said!("genesis document", "创世文件"), "node init --help"))
        .transpose()?;
    let trust = match (&genesis, arguments.chain) {
        (Some(genesis), _) => Trust::Genesis(genesis),
        (None, Some(chain)) => Trust::Chain(chain),
        (None, None) => Trust::Nothing,
    };
    let document = read(&read_file(&arguments.file)?)?;
    let checked = check(&document, trust).map_err(|error| match error {
        CheckError::NeedsGenesis => {
            Failure::usage(said!("this proof brings no genesis document along", "此证明未附创世文件")).next(said!(
                "name the chain's with --genesis; a node's is in its folder",
                "用 --genesis 指定链的创世文件；节点的创世文件在其文件夹中"
            ))
        }
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
        facts.extend(steps.iter().map(|step| (t!("checked"), step.text(out.lang).to_owned())));
        format!("{}\n{}", out.word(t!("verified")), out.facts(facts))
    });
    Ok(())
}

/// Reads a proof. What this release does not know of it could be anything, so it is refused; white space says nothing.
fn read(bytes: &[u8]) -> Result<ProofDocument, Failure> {
    let malformed = |error: serde_json::Error| {
        let what =
            said!("the proof does not hold: the document is malformed: {error}", "证明不成立：文件格式错误：{error}");
        Failure::new("verify/malformed", what).next(said!(
            "get it again: utilidor statement proof AGREEMENT NUMBER > bill.json",
            "重新取得：utilidor statement proof AGREEMENT NUMBER > bill.json"
        ))
    };
    let value: Value = serde_json::from_slice(bytes).map_err(malformed)?;
    let document: ProofDocument = serde_json::from_slice(bytes).map_err(malformed)?;
    if json!(document) != value {
        let what = said!(
            "the proof does not hold: the document says more, or something else, than a proof does",
            "证明不成立：文件内容多于或不同于一份证明"
        );
        return Err(Failure::new("verify/altered", what).next(said!(
            "get it again: utilidor statement proof AGREEMENT NUMBER > bill.json",
            "重新取得：utilidor statement proof AGREEMENT NUMBER > bill.json"
        )));
    }
    Ok(document)
}

/// What was checked, in sentences.
fn steps(document: &ProofDocument, checked: &Checked, trust: Trust<'_>) -> Vec<Said> {
    let final_block = |height: &u64| {
        said!("the members of the chain have made block {height} final", "链的成员已最终确定区块 {height}")
    };
    match checked {
        Checked::Bill(bill) => bill_steps(document, bill, trust),
        Checked::Transaction { height, transaction, account, said, .. } => vec![
            final_block(height),
            said!("transaction {transaction} is in that block", "交易 {transaction} 在该区块中"),
            said!(
                "account {account} asks in it for {}, with nonce {}",
                "账户 {account} 在其中提出 {}，序号为 {}",
                action::name(&said.action),
                said.nonce
            ),
            said!("the receipt is that block's answer to it", "回执是该区块对它的应答"),
        ],
        Checked::Certificates { height, certificates, by_device, .. } => {
            let mut steps = vec![
                final_block(height),
                said!(
                    "{} certified readings are in the certification log as of that block",
                    "截至该区块，{} 个已认证读数在认证日志中",
                    certificates.len()
                ),
            ];
            if !by_device.is_empty() {
                steps.push(said!(
                    "the devices have signed {} of them by themselves (OCMF)",
                    "其中 {} 个由设备自行签署（OCMF）",
                    by_device.len()
                ));
            }
            steps
        }
    }
}

fn bill_steps(document: &ProofDocument, bill: &VerifiedBill, trust: Trust<'_>) -> Vec<Said> {
    let utilidor_proof::document::Proof::Bill(proof) = &document.proof else { return Vec::new() };
    let statement = &bill.statement;
    let mut steps = vec![
        match trust {
            Trust::Nothing => said!(
                "no chain was named as trusted: compare the chain's id above with one that you trust",
                "没有指定所信任的链：请将上面的链标识与所信任的相比较"
            ),
            _ => said!("the chain is the one that is trusted", "该链即所信任的链"),
        },
        said!(
            "{} headers are final by the signatures of the chain's {} members",
            "{} 个区块头由链的 {} 个成员签名最终确定",
            proof.headers.len(),
            bill.validators
        ),
        said!(
            "statement {} of agreement {} was issued in block {}",
            "合约 {1} 的第 {0} 张账单在区块 {2} 中开出",
            statement.number,
            statement.agreement,
            bill.height
        ),
        said!("{} receipts made the agreement and its terms", "{} 份回执形成了合约及其条款", proof.made.len()),
        said!(
            "{} receipts tell what its program was told since the statement before",
            "{} 份回执说明自上一张账单以来其程序得知的内容",
            proof.told.len()
        ),
    ];
    match bill.readings {
        Some(readings) => steps.push(said!(
            "the segments follow from {readings} certified readings",
            "计量区段由 {readings} 个已认证读数得出"
        )),
        None => steps.push(said!(
            "the proof is a short one: it takes the segments as the members have worked them out",
            "这是简短的证明：计量区段采用成员得出的结果"
        )),
    }
    if bill.device_records > 0 {
        steps.push(said!(
            "{} records hold in which devices have signed such readings by themselves (OCMF)",
            "设备自行签署这些读数的 {} 条记录成立（OCMF）",
            bill.device_records
        ));
    }
    steps.push(said!(
        "the program, run again, gives the {} lines of the statement, to the last millionth",
        "重新运行程序，得到账单的 {} 行，精确到百万分之一",
        statement.lines.len()
    ));
    steps.push(said!(
        "paid {}, unpaid {}, owed in all {}",
        "已付 {}，未付 {}，欠款合计 {}",
        statement.paid,
        statement.unpaid,
        statement.debt
    ));
    if statement.substituted {
        steps.push(said!(
            "a substitute rule of the terms stood in for missing readings",
            "缺失的读数按条款的替代规则补足"
        ));
    }
    steps
}

fn refused(error: &CheckError) -> Failure {
    let failure = Failure::from_error("verify/refused", said!("the proof does not hold", "证明不成立"), error);
    let is_other_chain = matches!(
        error,
        CheckError::Bill(BillError::OtherChain { .. }) | CheckError::Proof(ProofError::WrongChain { .. })
    );
    match is_other_chain {
        true => failure.next(said!(
            "it is another chain's: if you trust that chain, name its genesis document with \
             --genesis",
            "它属于另一条链：若信任该链，请用 --genesis 指定其创世文件"
        )),
        false => failure,
    }
}
