//! `utilidor account`: balances and movements of money.

use super::council::{MotionArguments, propose};
use super::show_done;
use crate::context::Context;
use crate::document;
use crate::failure::Failure;
use crate::ids::Given;
use crate::output::{Output, or_dash};
use crate::units::Amount;
use crate::{said, t};
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::PathBuf;
use utilidor_types::action::NewAccount;
use utilidor_types::{Carrier, ChainId, Decision, MemberId, Money};

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
    /// Print the document by which the key that acts agrees to be an account
    #[command(after_help = "\
Without --member it is the first account of a new member, which a validator admits; with it, a further account of that member.
The document says nothing secret, and serves nobody else.

Examples:
  utilidor account sign-up --as plant > plant.json                      # for: utilidor member admit --file plant.json
  utilidor account sign-up --member 12ab... --as plant-2 > second.json  # for: utilidor account open --file second.json")]
    SignUp {
        /// The member that the account is to belong to [default: a new one]
        #[arg(long)]
        member: Option<Given<MemberId>>,
        /// The chain [default: that of the node]
        #[arg(long)]
        chain: Option<ChainId>,
    },
    /// Open a further account for the member of the key that acts
    #[command(after_help = "Example:\n  utilidor account open --account plant-2 --as plant")]
    Open {
        /// The account
        #[command(flatten)]
        account: NewAccountOf,
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
    /// Move that an owner's capacity be declared: the most that it can supply of a carrier in an hour
    #[command(after_help = "Example:\n  utilidor account capacity plant electricity 500kWh --as founder")]
    Capacity {
        /// An id, or the name of a key
        owner: String,
        /// electricity, heating, cooling, hot_water, gas, water
        carrier: Carrier,
        /// Such as 500kWh or 20m3
        per_hour: Amount,
        /// The motion
        #[command(flatten)]
        motion: MotionArguments,
    },
}

/// Where the agreement of a new account's key comes from.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct NewAccountOf {
    /// The name of its key in the keystore
    #[arg(long)]
    account: Option<String>,
    /// The document that 'utilidor account sign-up' has printed; `-` is standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

impl NewAccountOf {
    /// The first account of a new member.
    pub fn first(&self, context: &Context, chain: ChainId) -> Result<NewAccount, Failure> {
        self.signed(context, |key| NewAccount::first(chain, key))
    }

    /// A further account of a member.
    fn further(&self, context: &Context, chain: ChainId, member: MemberId) -> Result<NewAccount, Failure> {
        self.signed(context, |key| NewAccount::sign(chain, member, key))
    }

    fn signed(
        &self,
        context: &Context,
        sign: impl Fn(&utilidor_types::PrivateKey) -> NewAccount,
    ) -> Result<NewAccount, Failure> {
        match (&self.account, &self.file) {
            (_, Some(file)) => document::read(file, said!("signed account", "已签署的账户文件"), "account sign-up"),
            (Some(name), None) => Ok(sign(&context.signing_key(name)?)),
            (None, None) => Err(Failure::usage(said!("which account?", "哪个账户？"))
                .next(said!("say so with --account or --file", "用 --account 或 --file 说明"))),
        }
    }
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
                    [account.account.to_string(), out.say_all(account.roles.iter()), free, reserved]
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
                    (t!("roles"), out.say_all(account.roles.iter())),
                    (t!("free"), account.free.to_string()),
                    (t!("reserved"), account.reserved.to_string()),
                    (t!("nonce"), account.nonce.to_string()),
                ])
            });
        }
        Command::Movements { account } => {
            let account = or_acting(account).await?;
            let movements = context.client()?.movements(account).await?;
            context.out.show(&movements, |out| {
                out.table(MOVEMENT_HEADINGS, movements.iter().map(|movement| movement_row(out, movement)).collect())
            });
        }
        Command::SignUp { member, chain } => {
            let chain = match chain {
                Some(chain) => chain,
                None => context.client()?.status().await?.chain,
            };
            let member = context.id_or_none(member.as_ref()).await?;
            let key = context.acting_signing_key()?;
            let account = match member {
                Some(member) => NewAccount::sign(chain, member, &key),
                None => NewAccount::first(chain, &key),
            };
            context.out.document(&account);
        }
        Command::Open { account } => {
            let acting = context.account().await?;
            let member = acting.record().await?.member;
            let account = account.further(&context, acting.chain(), member)?;
            let done = acting.open_account(account).await?;
            show_done(context.out, &done, json!({ "account": account.account() }));
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
        Command::Capacity { owner, carrier, per_hour, motion } => {
            let owner = context.account_id(&owner).await?;
            let per_hour = per_hour.of(carrier).map_err(Failure::usage)?;
            let made =
                json!({ "owner": owner, "carrier": carrier, "per_hour": context.out.quantity(per_hour, carrier) });
            propose(Decision::DeclareCapacity { owner, carrier, per_hour }, motion, made, &context).await?;
        }
    }
    Ok(())
}

/// Headings of a table of movements.
pub const MOVEMENT_HEADINGS: [crate::output::Word; 8] =
    [t!("time"), t!("movement"), t!("amount"), t!("purpose"), t!("from"), t!("to"), t!("agreement"), t!("reference")];

/// A row of a table of movements.
pub fn movement_row(out: &Output, movement: &utilidor_view::MovementView) -> [String; 8] {
    let held = movement.held.map(|held| super::plain(&json!(held)));
    let source = movement.source.map(|source| super::plain(&json!(source)));
    [
        out.time(movement.cause.time_ms),
        out.say(movement.kind),
        movement.amount.to_string(),
        or_dash(held.or(source)),
        or_dash(movement.from.map(short)),
        or_dash(movement.to.map(short)),
        or_dash(movement.agreement.map(|id| id.to_string()).or(movement.offer.map(|id| id.to_string()))),
        or_dash(movement.reference.clone()),
    ]
}

/// The beginning of an account's id: enough to tell the parties of a table apart.
pub fn short(account: utilidor_types::AccountId) -> String {
    let mut text = account.to_string();
    text.truncate(12);
    text
}
