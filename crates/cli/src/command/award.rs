//! `utilidor award`: the owner's choice among the quotes.

use super::{quote, show_done};
use crate::context::Context;
use crate::failure::Failure;
use crate::ids::Given;
use clap::Args;
use serde_json::json;
use utilidor_sdk::trade::new_id;
use utilidor_types::action::AwardedQuote;
use utilidor_types::{AgreementId, OfferId};

/// What is asked.
#[derive(Debug, Args)]
#[command(after_help = "\
The gate must have closed. Quotes that are not awarded stay sealed for ever.

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
    let (_, opened) = quote::open(&context, offer, &seal_key).await?;
    let mut awards = Vec::new();
    for bidder in winners {
        let Some((_, opening)) = opened.iter().find(|(quoted, _)| *quoted == bidder) else {
            return Err(Failure::new(
                "quote/unknown",
                format!("account {bidder} has no quote on this offer that opens"),
            )
            .next(format!("see the quotes: utilidor quote list {offer}")));
        };
        awards.push(AwardedQuote { offer, bidder, agreement: AgreementId(new_id()?), opening: opening.clone() });
    }
    let agreements: Vec<_> = awards.iter().map(|award| award.agreement).collect();
    let done = context.account().await?.award(awards).await?;
    show_done(context.out, &done, json!({ "offer": offer, "agreements": agreements }));
    Ok(())
}
