//! `utilidor offer`: energy for sale.

use super::{permille, show_done};
use crate::context::Context;
use crate::document;
use crate::failure::Failure;
use crate::ids::Given;
use crate::output::{Output, or_dash};
use crate::sentence::Said;
use crate::{label, said, say, t, units};
use clap::Subcommand;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use utilidor_types::agreement::Substitute;
use utilidor_types::genesis::ChainKind;
use utilidor_types::offer::{AwardRule, Seal};
use utilidor_types::time::HOUR_MS;
use utilidor_types::{Carrier, Label, Lot, Money, Offer, OfferId, OfferTerms, Price, Quantity, Timestamp, Window};
use utilidor_view::{OfferFilter, OfferStatus, OfferView};

/// How long a node may take to say its time to an example.
const ANSWER_TIME: Duration = Duration::from_secs(1);

/// What is asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print a valid document to begin with
    #[command(after_help = "\
Quantities are in joules (millilitres for water and gas) and times in Unix milliseconds; in their places may also stand
\"100kWh\", \"12m3\", \"2025-01-01T08:00:00+08:00\" or, for a duration, \"90m\".

Examples:
  utilidor offer example > offer.json                        # times from the node's chain, else from this machine's clock
  utilidor offer example --at 2025-01-01T00:00:00+08:00      # times from another")]
    Example {
        /// The time from which the document's times are counted [default: the chain's, if it is a development chain, else now]
        #[arg(long, value_parser = units::time)]
        at: Option<Timestamp>,
    },
    /// Publish an offer, or a list of them under one signature
    #[command(after_help = "\
The document is an offer, or a list of up to 32: a day's hours are published together, all or none. An offer's \"label\" is any
text that its owner calls it by, or left out; published again under the same label, it is the same offer, and without one it is
refused while its like is open. \"seal\" may be left
out as well: the key of --seal-key is taken.

Example:
  utilidor keys new plant-seal --kind seal
  utilidor offer publish offer.json --seal-key plant-seal --as plant")]
    Publish {
        /// The document; `-` is standard input
        file: PathBuf,
        /// Name of the seal key that will open the quotes
        #[arg(long)]
        seal_key: Option<String>,
    },
    /// Withdraw an offer whose gate is open
    Withdraw {
        /// The offer
        offer: Given<OfferId>,
    },
    /// List offers
    List {
        /// open, awarding, closed, withdrawn
        #[arg(long, value_parser = status)]
        status: Option<OfferStatus>,
        /// Whose: an id, or the name of a key
        #[arg(long)]
        owner: Option<String>,
    },
    /// Show an offer
    Show {
        /// The offer
        offer: Given<OfferId>,
    },
}

/// The public half of a seal key in the key store.
fn public_seal_key(context: &Context, name: &str) -> Result<String, Failure> {
    let info = context.keystore()?.info(name)?;
    let public = info.public.strip_prefix("x25519:").ok_or_else(|| {
        Failure::usage(said!(
            "key {name:?} is of kind {}, a seal key is needed",
            "密钥 {name:?} 的类型为 {}，需要密封密钥",
            info.kind
        ))
        .next(said!("make one: utilidor keys new NAME --kind seal", "新建密封密钥：utilidor keys new NAME --kind seal"))
    })?;
    Ok(public.into())
}

fn status(text: &str) -> Result<OfferStatus, Said> {
    let known = OfferStatus::ALL.into_iter().find(|status| status.name() == text);
    known.ok_or_else(|| said!("a status is {}", "状态有：{}", OfferStatus::ALL.map(OfferStatus::name).join(", ")))
}

/// Completes an offer's document.
fn offer_of(mut document: Value, seal_key: Option<&str>, file: &Path) -> Result<Offer, Failure> {
    if let Value::Object(fields) = &mut document {
        if let Some(key) = seal_key {
            fields.insert("seal".into(), json!({ "owner": key }));
        }
        if !fields.contains_key("seal") {
            return Err(Failure::usage(said!(
                "the offer has no seal key: nobody could open its quotes",
                "要约没有密封公钥：无人能开启其报价"
            ))
            .next(said!(
                "name one with --seal-key; make it: utilidor keys new NAME --kind seal",
                "用 --seal-key 指定；新建：utilidor keys new NAME --kind seal"
            )));
        }
        label::complete(fields)?;
    }
    document::of_people(document, file, said!("offer", "要约文件"), "offer example")
}

/// Refuses offers without a label that stand already: under a label chosen at random each would be opened a second time.
fn refuse_again(offers: &[&Offer], standing: &[OfferView]) -> Result<(), Failure> {
    let again = |offer: &Offer| {
        standing.iter().find(|record| record.offer == Offer { label: record.offer.label, ..offer.clone() })
    };
    match offers.iter().find_map(|offer| again(offer)) {
        Some(record) => Err(Failure::new(
            "offer/again",
            said!("the same offer is open already: {}", "同样的要约已在报价中：{}", record.id),
        )
        .next(said!(
            "to offer as much once more, give the offer a \"label\" of its own in the document",
            "若要再次发布同样的要约，请在文档中给它自己的 \"label\"（标签）"
        ))),
        None => Ok(()),
    }
}

/// Does it.
pub async fn run(command: Command, context: Context) -> Result<(), Failure> {
    match command {
        Command::Example { at } => {
            let offer = example(example_time(at, &context).await?);
            let mut document = document::for_people(&offer);
            if let Value::Object(fields) = &mut document {
                // Both are filled in when the document is published.
                fields.remove("label");
                fields.remove("seal");
            }
            context.out.document(&document);
        }
        Command::Publish { file, seal_key } => {
            let document = document::read_value(&file, said!("offer", "要约文件"), "offer example")?;
            let seal_key = seal_key.map(|name| public_seal_key(&context, &name)).transpose()?;
            let (one, documents) = match document {
                Value::Array(documents) => (false, documents),
                document => (true, vec![document]),
            };
            let labelled: Vec<bool> = documents.iter().map(|document| document["label"].is_string()).collect();
            let offers = documents.into_iter().map(|document| offer_of(document, seal_key.as_deref(), &file));
            let offers = offers.collect::<Result<Vec<_>, _>>()?;
            let account = context.account().await?;
            let unlabelled: Vec<_> =
                offers.iter().zip(labelled).filter_map(|(offer, labelled)| (!labelled).then_some(offer)).collect();
            if !unlabelled.is_empty() {
                let filter = OfferFilter { status: Some(OfferStatus::Open), owner: Some(account.id()) };
                refuse_again(&unlabelled, &account.client().offers(&filter).await?)?;
            }
            let made = account.publish_offers(offers).await?;
            let ids = if one { json!({ "offer": made.id[0] }) } else { json!({ "offers": made.id }) };
            show_done(context.out, &made.done, ids);
        }
        Command::Withdraw { offer } => {
            let offer = context.id(&offer).await?;
            let done = context.account().await?.withdraw_offer(offer).await?;
            show_done(context.out, &done, json!({ "offer": offer }));
        }
        Command::List { status, owner } => {
            let owner = context.account_or_none(owner.as_deref()).await?;
            let offers = context.client()?.offers(&OfferFilter { status, owner }).await?;
            context.out.show(&offers, |out| {
                let rows = offers.iter().map(|record| {
                    let carriers = out.say_all(record.offer.lots.iter().map(|lot| lot.carrier));
                    [
                        record.id.to_string(),
                        out.say(record.status),
                        carriers,
                        out.time(record.offer.window.from),
                        out.time(record.offer.window.to),
                        out.time(record.offer.gate_closes),
                        record.quotes.to_string(),
                    ]
                });
                let headings =
                    [t!("offer"), t!("status"), t!("carrier"), t!("from"), t!("to"), t!("gate"), t!("quotes")];
                out.table(headings, rows.collect())
            });
        }
        Command::Show { offer } => {
            let offer = context.id(&offer).await?;
            let record = context.client()?.offer(offer).await?;
            context.out.show(&record, |out| {
                let offer = &record.offer;
                let facts = out.facts(vec![
                    (t!("offer"), record.id.to_string()),
                    (t!("status"), out.say(record.status)),
                    (t!("owner"), record.owner.to_string()),
                    (t!("window"), out.window(offer.window)),
                    (t!("gate"), out.time(offer.gate_closes)),
                    (t!("lapses"), out.time(offer.lapses)),
                    (t!("seal_key"), seal_text(&offer.seal)),
                    (t!("quotes"), record.quotes.to_string()),
                    (t!("bond"), offer.terms.bond.to_string()),
                    (t!("rule"), super::plain(&json!(offer.terms.award_rule))),
                    (t!("terms"), terms_text(out, &offer.terms)),
                    (t!("notice"), offer.notice.to_string()),
                ]);
                let rows = offer.lots.iter().enumerate().map(|(place, lot)| {
                    [
                        out.say(lot.carrier),
                        units::quantity(lot.quantity, lot.carrier),
                        or_dash(record.awarded.get(place).map(|awarded| units::quantity(*awarded, lot.carrier))),
                        units::price(lot.asking_price),
                        or_dash(lot.delivery_meter),
                        out.say(lot.user_metered),
                    ]
                });
                let headings =
                    [t!("carrier"), t!("quantity"), t!("awarded"), t!("asking_price"), t!("meter"), t!("user")];
                format!("{facts}\n{}", out.table(headings, rows.collect()))
            });
        }
    }
    Ok(())
}

/// What quotes are sealed to.
pub fn seal_text(seal: &Seal) -> String {
    match seal {
        Seal::Owner(key) => format!("x25519:{}", hex::encode(key)),
    }
}

/// The conditions of an offer in one line.
fn terms_text(out: &Output, terms: &OfferTerms) -> String {
    say!(
        out,
        "deposit {}, guarantee {}, tolerance {}, grace {} s, substitute {}, signing {} s",
        "保证金 {}，付款担保 {}，容差 {}，宽限 {} 秒，替代值 {}，签署期限 {} 秒",
        permille(terms.deposit_permille),
        permille(terms.guarantee_permille),
        permille(terms.tolerance_permille),
        terms.grace_ms / 1_000,
        super::plain(&json!(terms.substitute)),
        terms.signing_ms / 1_000
    )
}

/// The time that was given, else that of the node's chain, if it is a development chain that answers: its time is moved. Else
/// this machine's.
pub async fn example_time(given: Option<Timestamp>, context: &Context) -> Result<Timestamp, Failure> {
    if let Some(given) = given {
        return Ok(given);
    }
    let client = context.client()?;
    Ok(match tokio::time::timeout(ANSWER_TIME, client.status()).await {
        Ok(Ok(status)) if status.kind == ChainKind::Development => status.time_ms,
        _ => now(),
    })
}

/// This machine's time.
pub fn now() -> Timestamp {
    Timestamp(u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default())
}

/// The first full hour after a time.
pub fn next_hour(time: Timestamp) -> Timestamp {
    Timestamp((time.0 / HOUR_MS + 1) * HOUR_MS)
}

/// An offer of 100 kWh for the hours after next, counted from `at`.
pub fn example(at: Timestamp) -> Offer {
    let hour = next_hour(at);
    let lot = Lot {
        carrier: Carrier::Electricity,
        quantity: Quantity(100 * 3_600_000),
        asking_price: Price::micro_per_kwh(620_000),
        delivery_meter: None,
        user_metered: true,
    };
    Offer {
        label: Label::default(),
        lots: vec![lot].try_into().expect("one lot is within the bound"),
        window: Window { from: Timestamp(hour.0 + 2 * HOUR_MS), to: Timestamp(hour.0 + 6 * HOUR_MS) },
        gate_closes: Timestamp(hour.0 + HOUR_MS),
        lapses: Timestamp(hour.0 + 2 * HOUR_MS),
        seal: Seal::Owner([0; 32]),
        terms: OfferTerms {
            deposit_permille: 100,
            guarantee_permille: 1_000,
            tolerance_permille: 50,
            grace_ms: 3_600_000,
            substitute: Substitute::Nothing,
            signing_ms: 1_800_000,
            bond: Money::units(5),
            award_rule: AwardRule::Free,
        },
        notice: "PV electricity, by the user's meter".parse().expect("the notice is short"),
    }
}
