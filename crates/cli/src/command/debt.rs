//! `utilidor debt`: what statements could not take, and paying it.

use super::account::short;
use super::{Offsets, party_text, show_done, status_text};
use crate::context::Context;
use crate::failure::Failure;
use crate::ids::Given;
use crate::{said, t};
use clap::Subcommand;
use serde_json::json;
use utilidor_types::{AgreementId, Money};
use utilidor_view::AgreementFilter;

/// What is asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List what is owed under agreements
    List {
        /// Under agreements of this party: an id, or the name of a key [default: the key that acts]
        account: Option<String>,
    },
    /// Pay what the key that acts owes under an agreement, or a part of it
    #[command(after_help = "\
A debt is what a statement could not take from what is prepaid or from the allowance. It can be paid at any time, after the end
of the agreement as well.

Examples:
  utilidor debt pay 77aa... --as shop          # all of it
  utilidor debt pay 77aa... 40 --as shop")]
    Pay {
        /// The agreement
        agreement: Given<AgreementId>,
        /// How much [default: all that is owed]
        amount: Option<Money>,
    },
}

/// Does it.
pub async fn run(command: Command, context: Context) -> Result<(), Failure> {
    match command {
        Command::List { account } => {
            let account = match account {
                Some(account) => context.account_id(&account).await?,
                None => context.acting_account()?,
            };
            let filter = AgreementFilter { account: Some(account), ..AgreementFilter::default() };
            let client = context.client()?;
            let mut agreements = client.agreements(&filter).await?;
            agreements.retain(|agreement| !agreement.debts.is_empty());
            let mut offsets = Offsets::default();
            for of in agreements.iter().filter(|_| !context.out.json) {
                offsets.ask(&client, of.agreement).await;
            }
            let debts: Vec<_> = agreements.iter().flat_map(|of| of.debts.iter().map(move |debt| (of, debt))).collect();
            let value: Vec<_> = debts
                .iter()
                .map(|(of, debt)| json!({ "agreement": of.agreement, "status": of.status, "debt": debt }))
                .collect();
            context.out.show(&value, |out| {
                let rows = debts.iter().map(|(of, debt)| {
                    [
                        of.agreement.to_string(),
                        status_text(out, of.status),
                        party_text(out, debt.party),
                        short(debt.account),
                        debt.owes.to_string(),
                        offsets.at(out, of.agreement).time(debt.cause.time_ms),
                    ]
                });
                let headings =
                    [t!("agreement"), t!("status"), t!("party"), t!("account"), t!("debt"), t!("since_change")];
                out.table(headings, rows.collect())
            });
        }
        Command::Pay { agreement, amount } => {
            let agreement = context.id(&agreement).await?;
            let account = context.account().await?;
            let amount = match amount {
                Some(amount) => amount,
                None => {
                    let debts = account.client().agreement(agreement).await?.debts;
                    let owes = debts.iter().find(|debt| debt.account == account.id()).map(|debt| debt.owes);
                    owes.ok_or_else(|| {
                        let what = said!(
                            "account {} owes nothing under agreement {agreement}",
                            "账户 {} 在合约 {agreement} 下没有欠款",
                            account.id()
                        );
                        Failure::new("debt/none", what)
                    })?
                }
            };
            let done = account.pay_debt(agreement, amount).await?;
            show_done(context.out, &done, json!({ "agreement": agreement, "amount": amount }));
        }
    }
    Ok(())
}
