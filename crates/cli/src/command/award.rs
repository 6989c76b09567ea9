//! `utilidor award`: the owner's choice among the quotes.

use super::account::short;
use super::{quote, show_done};
use crate::context::Context;
use crate::failure::Failure;
use crate::ids::Given;
use crate::sentence::Said;
use crate::{chinese, said};
use clap::Args;
use serde_json::json;
use utilidor_sdk::core::create::award_label;
use utilidor_types::action::{AwardBasis, AwardedQuote};
use utilidor_types::{AccountId, OfferId};

/// What is asked.
#[derive(Debug, Args)]
#[command(after_help = "\
The gate must have closed, and the offer not have lapsed. Each award stands or falls alone: what is refused is told with its
reason, and the others are concluded. Each is a transaction of its own, so that no winner learns what another pays. Quotes that
are not awarded stay sealed for ever.

Example:
  utilidor quote open 5c1e... --seal-key plant-seal --as plant
  utilidor award 5c1e... --seal-key plant-seal --to shop --to hotel --as plant")]
pub struct Arguments {
    /// The offer
    offer: Given<OfferId>,
    /// Name of its seal key
    #[arg(long)]
    seal_key: String,
    /// Whose quote is chosen: an id, or the name of a key; once for each winner
    #[arg(long, required = true)]
    to: Vec<String>,
}

/// Does it.
pub async fn run(arguments: Arguments, context: Context) -> Result<(), Failure> {
    let Arguments { offer, seal_key, to } = arguments;
    let offer = context.id(&offer).await?;
    let mut winners = Vec::with_capacity(to.len());
    for winner in &to {
        winners.push(context.account_id(winner).await?);
    }
    let opened = quote::open(&context, offer, &seal_key).await?.quotes;
    let mut awards = Vec::new();
    for bidder in winners {
        let see = said!("see the quotes: utilidor quote list {offer}", "查看报价：utilidor quote list {offer}");
        let Some(quote) = opened.iter().find(|quote| quote.quote.bidder == bidder) else {
            let what =
                said!("account {bidder} has no standing quote on this offer", "账户 {bidder} 对此要约没有有效报价");
            return Err(Failure::new("quote/unknown", what).next(see));
        };
        let opening = quote.opening.clone().map_err(|error| {
            let what = said!("the quote of account {bidder} cannot be awarded", "账户 {bidder} 的报价不能授标");
            Failure::from_error("quote/unreadable", what, &error).next(see)
        })?;
        awards.push(AwardedQuote {
            offer,
            bidder,
            label: award_label(offer, quote.quote.quote.offered, bidder),
            opening,
            basis: AwardBasis::Choice,
        });
    }
    let bidders: Vec<_> = awards.iter().map(|award| award.bidder).collect();
    // Each in a transaction of its own: no winner learns what another one pays (ADR 0023).
    let (account, mut dones, mut outcomes) = (context.account().await?, Vec::new(), Vec::new());
    for award in awards {
        let awarded = account.award(vec![award]).await?;
        dones.push(awarded.done);
        outcomes.extend(awarded.outcomes);
    }
    let agreements: Vec<_> = outcomes.iter().flatten().collect();
    let refused: Vec<(&AccountId, &str, Said)> = bidders
        .iter()
        .zip(&outcomes)
        .filter_map(|(bidder, outcome)| Some((bidder, outcome.as_ref().err()?.as_ref())))
        .map(|(bidder, refusal)| match refusal {
            Some(refusal) => (bidder, refusal.code(), chinese::refusal(refusal)),
            None => (bidder, "award/refused", said!("the node does not say why", "节点未说明原因")),
        })
        .collect();
    let mut made = json!({ "offer": offer, "agreements": agreements });
    if context.out.json {
        // For people, the events and the failure say it.
        let refusal = |(bidder, code, message): &_| json!({ "bidder": bidder, "code": code, "message": message });
        made["refused"] = refused.iter().map(refusal).collect();
        made["transactions"] = dones.iter().map(|done| json!(done.hash)).collect();
    }
    let last = dones.pop();
    for done in dones.iter().filter(|_| !context.out.json) {
        show_done(context.out, done, json!({}));
    }
    if let Some(done) = last {
        show_done(context.out, &done, made);
    }
    let Some((_, first, _)) = refused.first() else { return Ok(()) };
    let mut what =
        said!("{} of {} awards were refused:", "{1} 项授标中有 {0} 项被拒绝：", refused.len(), bidders.len());
    for (bidder, code, message) in &refused {
        what = said!("{what}\n  {}: {message} ({code})", "{what}\n  {}：{message}（{code}）", short(**bidder));
    }
    Err(Failure::refused(first, what))
}
