//! `utilidor account`: balances and movements of money.

use super::member::role_names;
use super::show_done;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::or_dash;
use crate::t;
use crate::units::Amount;
use clap::Subcommand;
use serde_json::json;
use utilidor_types::{Carrier, Money};

/// What is asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the accounts
    List,
    /// Show an account
    Show {
        /// An id, or the name of a key [default: the key that acts]
        account: Option<String>,
    },
    /// List the movements of an account's money
    Movements {
        /// An id, or the name of a key [default: the key that acts]
        account: Option<String>,
    },
    /// Open a further account for the member of the key that acts
    Open {
        /// An id, or the name of a key
        account: String,
    },
    /// Issue money; for issuers
    #[command(
        after_help = "Example:\n  utilidor account issue shop 1000 --reference 'bank transfer 4711' --as founder"
    )]
    Issue {
        /// Who gets it: an id, or the name of a key
        to: String,
        /// How much, such as 12.50
        amount: Money,
        /// What was received for it
        #[arg(long, default_value = "")]
        reference: String,
    },
    /// Take money of the key that acts out of circulation; for issuers
    Redeem {
        /// How much
        amount: Money,
        /// What was paid out for it
        #[arg(long, default_value = "")]
        reference: String,
    },
    /// Pay
    Transfer {
        /// Who gets it: an id, or the name of a key
        to: String,
        /// How much, such as 12.50
        amount: Money,
        /// What it is for
        #[arg(long, default_value = "")]
        reference: String,
    },
    /// Declare the most that an owner can supply of a carrier in an hour; for validators
    #[command(after_help = "Example:\n  utilidor account capacity plant electricity 500kWh --as founder")]
    Capacity {
        /// An id, or the name of a key
        owner: String,
        /// electricity, heating, cooling, hot_water, gas, water
        carrier: Carrier,
        /// Such as 500kWh or 20m3
        per_hour: Amount,
    },
}

/// Does it.
pub async fn run(command: Command, context: Context) -> Result<(), Failure> {
    let or_acting = async |account: Option<String>| match account {
        Some(account) => context.account_id(&account).await,
        None => context.acting_account(),
    };
    match command {
        Command::List => {
            let accounts = context.client()?.accounts().await?;
            context.out.show(&accounts, |out| {
                let rows = accounts.iter().map(|account| {
                    let (free, reserved) = (account.free.to_string(), account.reserved.to_string());
                    [account.account.to_string(), role_names(account.roles), free, reserved]
                });
                out.table([t!("account"), t!("roles"), t!("free"), t!("reserved")], rows.collect())
            });
        }
        Command::Show { account } => {
            let account = context.client()?.account(or_acting(account).await?).await?;
            context.out.show(&account, |out| {
                out.facts(vec![
                    (t!("account"), account.account.to_string()),
                    (t!("member"), account.member.to_string()),
                    (t!("roles"), role_names(account.roles)),
                    (t!("free"), account.free.to_string()),
                    (t!("reserved"), account.reserved.to_string()),
                    (t!("nonce"), account.nonce.to_string()),
                ])
            });
        }
        Command::Movements { account } => {
            let account = or_acting(account).await?;
            let movements = context.client()?.movements(account).await?;
            context
                .out
                .show(&movements, |out| out.table(MOVEMENT_HEADINGS, movements.iter().map(movement_row).collect()));
        }
        Command::Open { account } => {
            let opened = context.account_id(&account).await?;
            let done = context.account().await?.open_account(opened).await?;
            show_done(context.out, &done, json!({ "account": opened }));
        }
        Command::Issue { to, amount, reference } => {
            let to = context.account_id(&to).await?;
            let done = context.account().await?.issue(to, amount, &reference).await?;
            show_done(context.out, &done, json!({ "to": to, "amount": amount }));
        }
        Command::Redeem { amount, reference } => {
            let done = context.account().await?.redeem(amount, &reference).await?;
            show_done(context.out, &done, json!({ "amount": amount }));
        }
        Command::Transfer { to, amount, reference } => {
            let to = context.account_id(&to).await?;
            let done = context.account().await?.transfer(to, amount, &reference).await?;
            show_done(context.out, &done, json!({ "to": to, "amount": amount }));
        }
        Command::Capacity { owner, carrier, per_hour } => {
            let owner = context.account_id(&owner).await?;
            let per_hour = per_hour.of(carrier).map_err(Failure::usage)?;
            let done = context.account().await?.declare_capacity(owner, carrier, per_hour).await?;
            show_done(context.out, &done, json!({ "owner": owner, "carrier": carrier, "per_hour": per_hour }));
        }
    }
    Ok(())
}

/// Headings of a table of movements.
pub const MOVEMENT_HEADINGS: [crate::output::Word; 8] =
    [t!("time"), t!("movement"), t!("amount"), t!("purpose"), t!("from"), t!("to"), t!("agreement"), t!("reference")];

/// A row of a table of movements.
pub fn movement_row(movement: &utilidor_sdk::model::MovementRecord) -> [String; 8] {
    let purpose = movement.purpose.map(|purpose| super::plain(&json!(purpose)));
    [
        movement.cause.time_ms.to_string(),
        movement.kind.clone(),
        movement.amount.to_string(),
        or_dash(purpose),
        or_dash(movement.from.map(short)),
        or_dash(movement.to.map(short)),
        or_dash(movement.agreement),
        or_dash(movement.reference.clone()),
    ]
}

/// The beginning of an account's id: enough to tell the parties of a table apart.
pub fn short(account: utilidor_types::AccountId) -> String {
    let mut text = account.to_string();
    text.truncate(12);
    text
}
