//! `utilidor status` and `utilidor advance-time`: where the chain stands, and the time of a development chain.

use super::plain;
use crate::context::Context;
use crate::failure::Failure;
use crate::{said, t, units};
use clap::Args;
use serde_json::json;
use utilidor_sdk::{Client, ClientError};
use utilidor_types::{ChainId, PrivateKey, Timestamp};
use utilidor_view::Code;

/// Where the time is to be moved.
#[derive(Debug, Args)]
#[command(after_help = "\
Only a development chain's time can be moved, only forward, and only by who operates it: with the key that votes (validator) or
the founder's. All that falls due on the way is executed.

Examples:
  utilidor advance-time 2025-02-01T00:00:00+08:00 --as founder
  utilidor advance-time --by 36h --as founder")]
pub struct AdvanceTime {
    /// To this time
    #[arg(value_parser = units::time, required_unless_present = "by", conflicts_with = "by")]
    to: Option<Timestamp>,
    /// By this much, such as 90m, 36h or 7d
    #[arg(long, value_parser = units::duration_ms)]
    by: Option<u64>,
}

/// Shows where the node stands.
pub async fn run(context: Context) -> Result<(), Failure> {
    let client = context.client()?;
    let status = client.status().await?;
    // Totals are for members.
    let summary = match client.summary().await {
        Err(ClientError::Problem(problem)) if problem.is(Code::NotSignedIn) => None,
        summary => Some(summary?),
    };
    context.out.show(&json!({ "node": status, "totals": summary }), |out| {
        let mut facts = vec![
            (t!("chain"), status.chain.to_string()),
            (t!("kind"), plain(&json!(status.kind))),
            (t!("height"), status.height.to_string()),
            (t!("time"), out.time(status.time_ms)),
            (t!("pool"), status.pool.to_string()),
            (t!("indexed"), status.indexed_height.to_string()),
            (t!("version"), status.version.clone()),
        ];
        let Some(summary) = &summary else { return out.facts(facts) };
        let agreements: Vec<_> = summary
            .agreements
            .iter()
            .map(|of| format!("{} {} {}", of.count, out.say(of.kind), out.say(of.status)))
            .collect();
        let refused: Vec<_> = summary
            .refused
            .iter()
            .map(|count| format!("{} {}", count.transactions + count.readings, count.code))
            .collect();
        facts.extend([
            (t!("blocks"), summary.blocks.to_string()),
            (t!("transactions"), summary.transactions.to_string()),
            (t!("readings"), summary.certificates.to_string()),
            (t!("statements"), summary.statements.to_string()),
            (t!("agreements"), agreements.join("\n")),
            (t!("refused"), refused.join("\n")),
            (t!("issued"), summary.money.issued.to_string()),
            (t!("redeemed"), summary.money.redeemed.to_string()),
            (t!("circulation"), summary.money.circulating.to_string()),
            (t!("free"), summary.money.free.to_string()),
            (t!("reserved"), summary.money.reserved.to_string()),
            (t!("conserved"), out.say(summary.money.conserved)),
        ]);
        out.facts(facts)
    });
    Ok(())
}

/// The chain of the node.
pub async fn chain(client: &Client) -> Result<ChainId, Failure> {
    Ok(client.status().await?.chain)
}

/// Moves the time of a development chain.
pub async fn advance_time(arguments: AdvanceTime, context: Context) -> Result<(), Failure> {
    let client = context.client()?;
    let to = match (arguments.to, arguments.by) {
        (Some(to), _) => to,
        (None, Some(by)) => {
            let now = client.status().await?.time_ms;
            now.checked_add_ms(by).ok_or_else(|| Failure::usage(said!("the time is too far ahead", "时间过于靠后")))?
        }
        (None, None) => return Err(Failure::usage(said!("to which time?", "推进到什么时间？"))),
    };
    let chain = chain(&client).await?;
    // The demonstration's key protects nothing and is in no keystore.
    let key = if chain == utilidor_park::genesis().chain() {
        PrivateKey::ed25519(utilidor_park::validator_secret())
    } else {
        context.operator_key()?
    };
    let time = client.advance_time(chain, to, &key).await?;
    context.out.show(&json!({ "time_ms": time }), |out| format!("{}: {time}", out.word(t!("time"))));
    Ok(())
}
