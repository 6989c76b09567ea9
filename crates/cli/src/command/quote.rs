//! `utilidor quote`: confidential answers to offers.

use super::account::short;
use super::show_done;
use crate::context::Context;
use crate::failure::{Failure, read};
use crate::ids::Given;
use crate::output::{or_dash, yes};
use crate::{t, units};
use clap::Subcommand;
use serde_json::json;
use utilidor_sdk::model::OfferRecord;
use utilidor_types::quote::QuoteLine;
use utilidor_types::{AccountId, Lot, MeterId, Money, OfferId, Quantity, QuoteContent};

/// What is asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Submit a sealed quote, or replace the one before [M11]
    #[command(after_help = "\
One --line for each lot of the offer, in its order: QUANTITY@PRICE, then @METER where the lot is measured at the user's
meter. The price is per the unit of the lot's asking price. `-` is no interest in the lot.

Examples:
  utilidor quote submit 5c1e... --line 60kWh@0.58@9a40... --as shop
  utilidor quote submit 5c1e... --line 60kWh@0.58@9a40... --line - --binding --as shop")]
    Submit {
        /// The offer
        offer: Given<OfferId>,
        /// QUANTITY@PRICE[@METER], or `-`
        #[arg(long = "line", required = true, allow_hyphen_values = true)]
        lines: Vec<String>,
        /// An award alone concludes the agreement; without it, this side signs afterwards
        #[arg(long)]
        binding: bool,
    },
    /// Withdraw a quote before the gate closes
    Withdraw {
        /// The offer
        offer: Given<OfferId>,
    },
    /// List the quotes on an offer: commitments, and the content of awarded ones
    List {
        /// The offer
        offer: Given<OfferId>,
    },
    /// Open the quotes on an offer; for its owner
    Open {
        /// The offer
        offer: Given<OfferId>,
        /// Name of its seal key
        #[arg(long)]
        seal_key: String,
    },
}

/// Does it.
pub async fn run(command: Command, context: Context) -> Result<(), Failure> {
    match command {
        Command::Submit { offer, lines, binding } => {
            let offer = context.id(&offer).await?;
            let account = context.account().await?;
            let offer = account.client().offer(offer).await?.offer;
            if lines.len() != offer.lots.len() {
                return Err(Failure::usage(format!(
                    "the offer has {} lots, {} lines are given",
                    offer.lots.len(),
                    lines.len()
                ))
                .next(format!("see the lots: utilidor offer show {}", offer.id)));
            }
            let mut quoted = Vec::with_capacity(lines.len());
            for (lot, line) in offer.lots.iter().zip(&lines) {
                quoted.push(quote_line(lot, line, &context).await?);
            }
            let done = account.submit_quotes(vec![account.seal_quote(&offer, quoted, binding)?]).await?;
            show_done(context.out, &done, json!({ "offer": offer.id, "bidder": account.id() }));
        }
        Command::Withdraw { offer } => {
            let offer = context.id(&offer).await?;
            let done = context.account().await?.withdraw_quote(offer).await?;
            show_done(context.out, &done, json!({ "offer": offer }));
        }
        Command::List { offer } => {
            let offer = context.id(&offer).await?;
            let quotes = context.client()?.quotes(offer).await?;
            context.out.show(&quotes, |out| {
                let rows = quotes.iter().map(|quote| {
                    [
                        quote.bidder.to_string(),
                        quote.status.clone(),
                        yes(quote.quote.binding),
                        quote.quote.commitment.to_string(),
                        or_dash(quote.agreement),
                    ]
                });
                let headings = [t!("bidder"), t!("status"), t!("binding"), t!("commitment"), t!("agreement")];
                out.table(headings, rows.collect())
            });
        }
        Command::Open { offer, seal_key } => {
            let offer = context.id(&offer).await?;
            let (record, opened) = open(&context, offer, &seal_key).await?;
            let value: Vec<_> =
                opened.iter().map(|(bidder, content)| json!({ "bidder": bidder, "content": content })).collect();
            context.out.show(&value, |out| {
                let rows = opened.iter().flat_map(|(bidder, content)| {
                    let lots = record.offer.lots.iter().zip(&content.lines);
                    lots.map(|(lot, line)| {
                        [
                            short(*bidder),
                            lot.carrier.to_string(),
                            units::quantity(line.quantity, lot.carrier),
                            line.price.to_string(),
                            line.user_meter.to_string(),
                        ]
                    })
                });
                let headings = [t!("bidder"), t!("carrier"), t!("quantity"), t!("price"), t!("meter")];
                out.table(headings, rows.collect())
            });
        }
    }
    Ok(())
}

/// The standing quotes on an offer, opened.
pub async fn open(
    context: &Context,
    offer: OfferId,
    seal_key: &str,
) -> Result<(OfferRecord, Vec<(AccountId, QuoteContent)>), Failure> {
    let seal_key = context.seal_key(seal_key)?;
    let client = context.client()?;
    let record = client.offer(offer).await?;
    if record.offer.seal_key != seal_key.public_key() {
        return Err(Failure::usage("this is not the seal key of the offer").next(format!(
            "the offer's is x25519:{}; list your keys: utilidor keys list",
            hex::encode(record.offer.seal_key)
        )));
    }
    let chain = client.status().await?.chain;
    let quotes = client.quotes(offer).await?;
    let standing = quotes.iter().filter(|quote| quote.stands());
    let opened = standing
        .filter_map(|quote| Some((quote.bidder, seal_key.open_quote(&quote.quote, chain, quote.bidder).ok()?)))
        .collect();
    Ok((record, opened))
}

async fn quote_line(lot: &Lot, text: &str, context: &Context) -> Result<QuoteLine, Failure> {
    let no_meter = MeterId::default();
    if text == "-" {
        return Ok(QuoteLine { quantity: Quantity::ZERO, price: Money::ZERO, user_meter: no_meter });
    }
    let mut parts = text.split('@');
    let (Some(quantity), Some(price), meter, None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(Failure::usage(format!(
            "{text:?} is no line of a quote: write QUANTITY@PRICE or QUANTITY@PRICE@METER"
        )));
    };
    let quantity = read::<units::Amount>("quantity", quantity)?.of(lot.carrier).map_err(Failure::usage)?;
    let price = read("price", price)?;
    let user_meter = match meter {
        Some(meter) => context.read_id(meter).await?,
        None if lot.user_metered => {
            return Err(Failure::usage(format!(
                "the lot of {} is measured at the user's meter: which one?",
                lot.carrier
            ))
            .next("write QUANTITY@PRICE@METER; list your meters: utilidor meter list"));
        }
        None => no_meter,
    };
    Ok(QuoteLine { quantity, price, user_meter })
}
