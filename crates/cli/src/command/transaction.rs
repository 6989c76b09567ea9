//! `utilidor transaction`: what became of a transaction.

use super::{event, plain};
use crate::context::Context;
use crate::failure::Failure;
use crate::ids::Given;
use crate::{action, chinese, say, t};
use clap::Args;
use serde_json::json;
use utilidor_types::TransactionHash;

/// What is asked.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Its hash
    hash: Given<TransactionHash>,
    /// Print the proof that it is in a final block instead
    #[arg(long)]
    proof: bool,
}

/// Does it.
pub async fn run(arguments: Arguments, context: Context) -> Result<(), Failure> {
    let client = context.client()?;
    let hash = context.id(&arguments.hash).await?;
    if arguments.proof {
        context.out.document(&client.transaction_proof(hash).await?);
        return Ok(());
    }
    let record = client.transaction(hash, 0).await?;
    let measured = match context.out.json {
        true => event::Measured::default(),
        false => event::Measured::in_events(&client, record.receipt.events()).await,
    };
    context.out.show(&record, |out| {
        let mut facts = vec![
            (t!("transaction"), record.hash.to_string()),
            (t!("block"), record.height.to_string()),
            (t!("time"), out.time(record.time_ms)),
            (t!("account"), record.account.to_string()),
            (t!("actions"), action::name(&record.action).text(out.lang).into()),
        ];
        if let Some(refusal) = record.receipt.refusal() {
            facts.push((t!("refused"), say!(out, "{}: {}", "{}：{}", refusal.code(), chinese::refusal(refusal))));
        }
        facts.extend(record.receipt.events().iter().map(|event| (t!("event"), event::line_of(out, event, &measured))));
        facts.push((t!("detail"), plain(&json!(record.action))));
        out.facts(facts)
    });
    Ok(())
}
