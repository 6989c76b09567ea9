//! `utilidor statement`: what was delivered, what it cost, and the proof of it.

use super::plain;
use crate::context::Context;
use crate::failure::Failure;
use crate::ids::Given;
use crate::output::{Output, yes};
use crate::{t, units};
use clap::Subcommand;
use serde_json::json;
use utilidor_sdk::client::StatementFilter;
use utilidor_sdk::model::StatementRecord;
use utilidor_types::statement::StatementLine;
use utilidor_types::{AgreementId, Timestamp};

/// What is asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List statements
    List {
        /// A party: an id, or the name of a key
        #[arg(long, conflicts_with = "agreement")]
        account: Option<String>,
        /// The agreement
        #[arg(long, conflicts_with_all = ["from", "to"])]
        agreement: Option<Given<AgreementId>>,
        /// About a time that ends after this
        #[arg(long, value_parser = units::time)]
        from: Option<Timestamp>,
        /// About a time that begins before this
        #[arg(long, value_parser = units::time)]
        to: Option<Timestamp>,
    },
    /// Show a statement with its lines
    Show {
        /// The agreement
        agreement: Given<AgreementId>,
        /// The statement's number
        number: u32,
    },
    /// Print a statement's bill proof, which 'utilidor verify' checks offline
    #[command(after_help = "Example:\n  utilidor statement proof 77aa... 1 > bill.json && utilidor verify bill.json")]
    Proof {
        /// The agreement
        agreement: Given<AgreementId>,
        /// The statement's number
        number: u32,
    },
}

/// Does it.
pub async fn run(command: Command, context: Context) -> Result<(), Failure> {
    let client = context.client()?;
    match command {
        Command::List { account, agreement, from, to } => {
            let agreement = context.id_or_none(agreement.as_ref()).await?;
            let account = context.account_or_none(account.as_deref()).await?;
            let statements = match agreement {
                Some(agreement) => client.agreement_statements(agreement).await?,
                None => client.statements(&StatementFilter { account, from_ms: from, to_ms: to }).await?,
            };
            context.out.show(&statements, |out| {
                let rows = statements.iter().map(|record| {
                    let statement = &record.statement;
                    [
                        statement.agreement.to_string(),
                        statement.number.to_string(),
                        record.kind.clone(),
                        statement.period.from.to_string(),
                        statement.period.to.to_string(),
                        statement.paid.to_string(),
                        statement.unpaid.to_string(),
                    ]
                });
                let headings =
                    [t!("agreement"), t!("number"), t!("kind"), t!("from"), t!("to"), t!("paid"), t!("unpaid")];
                out.table(headings, rows.collect())
            });
        }
        Command::Show { agreement, number } => {
            let agreement = context.id(&agreement).await?;
            let record = client.statement(agreement, number).await?;
            context.out.show(&record, |out| statement_text(out, &record));
        }
        Command::Proof { agreement, number } => {
            let agreement = context.id(&agreement).await?;
            context.out.document(&client.bill_proof(agreement, number).await?);
        }
    }
    Ok(())
}

/// A statement for people.
pub fn statement_text(out: &Output, record: &StatementRecord) -> String {
    let statement = &record.statement;
    let facts = out.facts(vec![
        (t!("statement"), format!("{} / {}", statement.agreement, statement.number)),
        (t!("owner"), record.owner.to_string()),
        (t!("user"), record.user.to_string()),
        (t!("period"), format!("{} - {}", statement.period.from, statement.period.to)),
        (t!("time"), statement.issued.to_string()),
        (t!("paid"), statement.paid.to_string()),
        (t!("unpaid"), statement.unpaid.to_string()),
        (t!("substituted"), yes(statement.substituted)),
    ]);
    let lines = out
        .table([t!("line"), t!("carrier"), t!("detail"), t!("amount")], statement.lines.iter().map(line_row).collect());
    format!("{facts}\n{lines}")
}

fn line_row(line: &StatementLine) -> [String; 4] {
    use StatementLine as Line;
    match *line {
        Line::Delivery { carrier, contracted, available, delivered, substituted, price, amount } => {
            let quantity = |quantity| units::quantity(quantity, carrier);
            let detail = format!(
                "delivered {} of {} (available {}, substituted {}) at {}",
                quantity(delivered),
                quantity(contracted),
                quantity(available),
                quantity(substituted),
                units::price(price)
            );
            ["delivery".into(), carrier.to_string(), detail, amount.to_string()]
        }
        Line::Forfeit { carrier, by, shortfall, contracted, deposit, amount } => {
            let detail = format!(
                "{} missing of {}; deposit {deposit} of the {}",
                units::quantity(shortfall, carrier),
                units::quantity(contracted, carrier),
                plain(&json!(by))
            );
            ["forfeit".into(), carrier.to_string(), detail, amount.to_string()]
        }
        Line::Usage { carrier, band, factor_permille, quantity } => {
            let detail = format!(
                "{} in band {} x{}.{:03}",
                units::quantity(quantity, carrier),
                band.name(),
                factor_permille / 1_000,
                factor_permille % 1_000
            );
            ["usage".into(), carrier.to_string(), detail, "-".into()]
        }
        Line::Charge { carrier, tranche, price, weight, weight_before: _, amount } => {
            let detail = format!(
                "tranche {tranche}: weight {weight} at {} less {}",
                units::price(price.price),
                super::permille(price.discount_permille)
            );
            ["charge".into(), carrier.to_string(), detail, amount.to_string()]
        }
        Line::Owed { carrier, weight } => {
            ["owed".into(), carrier.to_string(), format!("weight {weight}, carried to the next prepayment"), "-".into()]
        }
        Line::OwedCharge { carrier, price, weight, amount } => {
            let detail = format!("weight {weight} beyond all prepayments at {}", units::price(price));
            ["owed charge".into(), carrier.to_string(), detail, amount.to_string()]
        }
        Line::FloorArea { carrier, tranche, days_passed, days, amount } => {
            let detail = format!("tranche {tranche}: {days_passed} of {days} days of the season have passed");
            ["floor area".into(), carrier.to_string(), detail, amount.to_string()]
        }
        Line::Refund { carrier, tranche, amount, withheld } => {
            let detail = format!("tranche {tranche}: goes back to the user, {withheld} withheld");
            ["refund".into(), carrier.to_string(), detail, amount.to_string()]
        }
    }
}
