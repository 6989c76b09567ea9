//! `utilidor oversight`: what supervisors look at, and the log of it.

use super::status::chain;
use crate::context::Context;
use crate::failure::Failure;
use crate::ids::Given;
use crate::output::{note, or_dash};
use crate::{said, t};
use clap::Subcommand;
use utilidor_types::session::{Category, Subject};
use utilidor_types::{AgreementId, MeterId};

/// What is asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List what supervisors have looked at
    List,
    /// As a supervisor, say what is to be seen and why; prints a token that shows it for a quarter of an hour
    #[command(after_help = "\
The signed reason stands in the node's log before anything is shown. Members see who looked at which kind and when; whom it
concerns sees at what, and why.

Example:
  export UTILIDOR_TOKEN=$(utilidor oversight request meters --meter 12ab... --reason 'complaint 7' --as inspector)
  utilidor reading list 12ab...

A token is for one kind. That for trade shows a trace without the meters' readings:
  export UTILIDOR_TOKEN=$(utilidor oversight request trade --agreement 77aa... --reason 'complaint 7' --as inspector)
  utilidor trace 77aa...")]
    Request {
        /// Which kind: accounts, trade, meters
        category: Category,
        /// Of this account
        #[arg(long, conflicts_with_all = ["agreement", "meter"])]
        account: Option<String>,
        /// Of this agreement
        #[arg(long, conflicts_with = "meter")]
        agreement: Option<Given<AgreementId>>,
        /// Of this meter
        #[arg(long)]
        meter: Option<Given<MeterId>>,
        /// Why
        #[arg(long)]
        reason: String,
    },
}

/// Does it.
pub async fn run(command: Command, context: Context) -> Result<(), Failure> {
    let client = context.client()?;
    match command {
        Command::List => {
            let log = client.oversight().await?;
            context.out.show(&log, |out| {
                let rows = log.iter().map(|entry| {
                    [
                        entry.number.to_string(),
                        out.time(entry.at_ms),
                        entry.supervisor.to_string(),
                        entry.category.name().into(),
                        entry.subject.map_or_else(|| "-".into(), said),
                        or_dash(entry.reason.clone()),
                    ]
                });
                let headings =
                    [t!("number"), t!("time"), t!("supervisor"), t!("category"), t!("subject"), t!("refusal")];
                out.table(headings, rows.collect())
            });
        }
        Command::Request { category, account, agreement, meter, reason } => {
            let subject = match (account, agreement, meter) {
                (Some(account), ..) => Subject::Account(context.account_id(&account).await?),
                (_, Some(agreement), _) => Subject::Agreement(context.id(&agreement).await?),
                (.., Some(meter)) => Subject::Meter(context.id(&meter).await?),
                _ => Subject::Everything,
            };
            let key = context.acting_signing_key()?;
            let reason = crate::failure::read(said!("reason", "理由"), &reason)?;
            let given = client.oversee(chain(&client).await?, (category, subject), reason, &key).await?;
            context.out.show(&given, |_| given.token.clone());
            if !context.out.json {
                let next = shows(category, subject);
                note(&said!(
                    "it shows this for a quarter of an hour where it stands in UTILIDOR_TOKEN: UTILIDOR_TOKEN=... {next}",
                    "令牌一刻钟内有效，用时放入 UTILIDOR_TOKEN：UTILIDOR_TOKEN=... {next}"
                ));
            }
        }
    }
    Ok(())
}

/// A command that shows what a token is for.
fn shows(category: Category, subject: Subject) -> String {
    match (category, subject) {
        (Category::Trade, Subject::Agreement(agreement)) => format!("utilidor trace {agreement}"),
        (Category::Trade, Subject::Account(account)) => format!("utilidor agreement list --account {account}"),
        (Category::Trade, _) => "utilidor agreement list".into(),
        (Category::Meters, Subject::Meter(meter)) => format!("utilidor reading list {meter}"),
        (Category::Meters, Subject::Account(account)) => format!("utilidor meter list --holder {account}"),
        (Category::Meters, _) => "utilidor meter list".into(),
        (Category::Accounts, Subject::Account(account)) => format!("utilidor account movements {account}"),
        (Category::Accounts, _) => "utilidor account list".into(),
    }
}

fn said(subject: Subject) -> String {
    match subject {
        Subject::Everything => "*".into(),
        Subject::Account(account) => account.to_string(),
        Subject::Agreement(agreement) => agreement.to_string(),
        Subject::Meter(meter) => meter.to_string(),
    }
}
