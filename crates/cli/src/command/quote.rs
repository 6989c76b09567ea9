//! `utilidor quote`: confidential answers to offers.

use super::account::short;
use super::{offer, show_done};
use crate::context::Context;
use crate::failure::{Failure, read};
use crate::ids::Given;
use crate::output::or_dash;
use crate::sentence::Said;
use crate::vocabulary::spoken;
use crate::{said, t, units};
use clap::Subcommand;
use serde_json::json;
use utilidor_sdk::ClientError;
use utilidor_sdk::http::quotes::{OpenQuotesError, OpenedQuotes};
use utilidor_types::quote::QuoteLine;
use utilidor_types::{AccountId, Lot, MeterId, Money, OfferId, Quantity};
use utilidor_view::MeterView;

/// What is asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Submit a sealed quote, or replace the one before
    #[command(after_help = "\
One --line for each lot of the offer, in its order: QUANTITY@PRICE, then @METER where the lot is measured at the user's
meter. The price is per the unit of the lot's asking price. `-` is no interest in the lot. The offer's bond is reserved with the quote,
and is lost only if the quote is awarded and cannot be funded.

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
            let record = account.client().offer(offer).await?;
            let lots = &record.offer.lots;
            if lines.len() != lots.len() {
                return Err(Failure::usage(said!(
                    "the offer has {} lots, {} lines are given",
                    "要约有 {} 个标的，给出了 {} 行",
                    lots.len(),
                    lines.len()
                ))
                .next(said!("see the lots: utilidor offer show {offer}", "查看标的：utilidor offer show {offer}")));
            }
            let mut quoted = Vec::with_capacity(lines.len());
            for (lot, line) in lots.iter().zip(&lines) {
                let line = quote_line(lot, line, &context).await?;
                let meter = match lot.user_metered && line.quantity > Quantity::ZERO {
                    true => Some(account.client().meter(line.user_meter).await.map_err(|error| unseen(&line, error))?),
                    false => None,
                };
                check_line(lot, &line, meter.as_ref(), account.id())?;
                quoted.push(line);
            }
            let quote = account.seal_quote(record.owner, &record.offer, quoted, binding)?;
            let done = account.submit_quotes(vec![quote]).await?;
            show_done(context.out, &done, json!({ "offer": offer, "bidder": account.id() }));
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
                        out.say(quote.status),
                        out.say(quote.quote.binding),
                        quote.quote.commitment.to_string(),
                        or_dash(quote.agreement),
                        or_dash(quote.refusal.as_ref().map(|refusal| refusal.code())),
                    ]
                });
                let headings =
                    [t!("bidder"), t!("status"), t!("binding"), t!("commitment"), t!("agreement"), t!("refusal")];
                out.table(headings, rows.collect())
            });
        }
        Command::Open { offer, seal_key } => {
            let offer = context.id(&offer).await?;
            let opened = open(&context, offer, &seal_key).await?;
            let value: Vec<_> = opened
                .quotes
                .iter()
                .map(|opened| match &opened.opening {
                    Ok(opening) => json!({ "bidder": opened.quote.bidder, "opening": opening }),
                    Err(error) => json!({ "bidder": opened.quote.bidder, "error": error.to_string() }),
                })
                .collect();
            context.out.show(&value, |out| {
                let rows =
                    opened.quotes.iter().filter_map(|quote| Some((quote.quote.bidder, quote.opening.as_ref().ok()?)));
                let rows = rows.flat_map(|(bidder, opening)| {
                    let lots = opened.offer.offer.lots.iter().zip(&opening.lines);
                    lots.map(move |(lot, line)| {
                        [
                            short(bidder),
                            out.say(lot.carrier),
                            units::quantity(line.quantity, lot.carrier),
                            line.price.to_string(),
                            line.user_meter.to_string(),
                        ]
                    })
                });
                let headings = [t!("bidder"), t!("carrier"), t!("quantity"), t!("price"), t!("meter")];
                let mut text = out.table(headings, rows.collect());
                for quote in &opened.quotes {
                    if let Err(error) = &quote.opening {
                        text.push_str(&format!("\n{} {}: {error}", quote.quote.bidder, out.word(t!("unreadable"))));
                    }
                }
                text
            });
        }
    }
    Ok(())
}

/// The standing quotes on an offer, opened.
pub async fn open(context: &Context, offer: OfferId, seal_key: &str) -> Result<OpenedQuotes, Failure> {
    let seal_key = context.seal_key(seal_key)?;
    context.client()?.open_quotes(offer, &seal_key).await.map_err(|error| match error {
        OpenQuotesError::Client(error) => error.into(),
        OpenQuotesError::OtherKey { seal, .. } => {
            Failure::usage(said!("this is not the seal key of the offer", "这不是要约的密封密钥")).next(said!(
                "the offer's is {}; list your keys: utilidor keys list",
                "要约的密封公钥是 {}；列出自己的密钥：utilidor keys list",
                offer::seal_text(&seal)
            ))
        }
    })
}

/// Why the meter of a line cannot be read: a node shows a meter to its holder, and says of another's that there is none.
fn unseen(line: &QuoteLine, error: ClientError) -> Failure {
    match error.is_not_found() {
        true => {
            let meter = line.user_meter;
            not_to_be_quoted(said!(
                "meter {meter} is another account's, or none at all",
                "表计 {meter} 属于另一账户，或不存在"
            ))
        }
        false => error.into(),
    }
}

fn not_to_be_quoted(why: Said) -> Failure {
    Failure::usage(why).next(said!(
        "name a meter of yours: utilidor meter list --holder ACCOUNT",
        "指定自己的表计：utilidor meter list --holder ACCOUNT"
    ))
}

/// Refuses a line that could not be awarded. The ledger cannot: it sees the line only when the gate has closed and nothing can be
/// quoted any more.
fn check_line(lot: &Lot, line: &QuoteLine, meter: Option<&MeterView>, bidder: AccountId) -> Result<(), Failure> {
    if line.quantity > lot.quantity {
        let shown = |quantity| units::quantity(quantity, lot.carrier);
        let (wanted, most) = (shown(line.quantity), shown(lot.quantity));
        let carrier = spoken(lot.carrier);
        let what =
            said!("{wanted} of {carrier} are quoted, the lot has {most}", "报价 {carrier} {wanted}，标的只有 {most}");
        return Err(Failure::usage(what).next(said!("quote {most} or less", "报价不得高于 {most}")));
    }
    let Some(meter) = meter else { return Ok(()) };
    let id = meter.meter;
    let why = if meter.carrier != lot.carrier {
        let [measured, wanted] = [meter.carrier, lot.carrier].map(spoken);
        said!("meter {id} measures {measured}, the lot is of {wanted}", "表计 {id} 计量{measured}，标的是{wanted}")
    } else if meter.holder != bidder {
        said!("meter {id} is another account's", "表计 {id} 属于另一账户")
    } else if meter.retired {
        said!("meter {id} is out of service", "表计 {id} 已停用")
    } else {
        return Ok(());
    };
    Err(not_to_be_quoted(why))
}

async fn quote_line(lot: &Lot, text: &str, context: &Context) -> Result<QuoteLine, Failure> {
    let no_meter = MeterId::default();
    if text == "-" {
        return Ok(QuoteLine { quantity: Quantity::ZERO, price: Money::ZERO, user_meter: no_meter });
    }
    let mut parts = text.split('@');
    let (Some(quantity), Some(price), meter, None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(Failure::usage(said!(
            "{text:?} is no line of a quote: write QUANTITY@PRICE or QUANTITY@PRICE@METER",
            "{text:?} 不是报价行：请写 QUANTITY@PRICE（数量@单价）或 QUANTITY@PRICE@METER（数量@单价@表计）"
        )));
    };
    let quantity =
        read::<units::Amount>(said!("quantity", "数量"), quantity)?.of(lot.carrier).map_err(Failure::usage)?;
    let price = read(said!("price", "单价"), price)?;
    let user_meter = match meter {
        Some(meter) => context.read_id(meter).await?,
        None if lot.user_metered => {
            return Err(Failure::usage(said!(
                "the lot of {0} is measured at the user's meter: which one?",
                "{0}标的在用能方的表计处计量：哪块表计？",
                spoken(lot.carrier)
            ))
            .next(said!(
                "write QUANTITY@PRICE@METER; list your meters: utilidor meter list",
                "请写 QUANTITY@PRICE@METER（数量@单价@表计）；列出自己的表计：utilidor meter list"
            )));
        }
        None => no_meter,
    };
    Ok(QuoteLine { quantity, price, user_meter })
}

#[cfg(test)]
mod tests {
    use super::*;
    use utilidor_types::{Carrier, Timestamp};

    #[test]
    fn a_line_that_could_not_be_awarded_is_refused_before_it_is_sealed() {
        let lot = offer::example(Timestamp(0)).lots[0].clone();
        let (bidder, other) = (AccountId([1; 32]), AccountId([2; 32]));
        let meter = || MeterView {
            meter: MeterId([3; 16]),
            operator: other,
            carrier: lot.carrier,
            holder: bidder,
            authority: utilidor_types::meter::MeterAuthority::Gateway(other),
            register_modulus: Quantity(u64::MAX),
            capacity_per_hour: Quantity(1),
            register: Quantity::ZERO,
            read_ms: Timestamp(0),
            since_ms: Timestamp(0),
            devices: 1,
            certificates: 0,
            gaps: 0,
            corrections: 0,
            retired: false,
        };
        let refused = |quantity, meter: MeterView| {
            let line = QuoteLine { quantity, price: Money::ZERO, user_meter: meter.meter };
            check_line(&lot, &line, Some(&meter), bidder).err().map(|failure| failure.what().to_string())
        };
        assert_eq!(refused(lot.quantity, meter()), None);
        let above = Quantity(lot.quantity.0 * 3 / 2);
        assert_eq!(refused(above, meter()).unwrap(), "150.000 kWh of electricity are quoted, the lot has 100.000 kWh");
        for (at_fault, why) in [
            (MeterView { carrier: Carrier::Gas, ..meter() }, "measures gas, the lot is of electricity"),
            (MeterView { holder: other, ..meter() }, "is another account's"),
            (MeterView { retired: true, ..meter() }, "is out of service"),
        ] {
            assert!(refused(lot.quantity, at_fault).unwrap().ends_with(why), "{why}");
        }
    }
}
