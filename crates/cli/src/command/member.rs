//! `utilidor member`: who belongs to the consortium, and what each may do.

use super::account::NewAccountOf;
use super::council::{MotionArguments, propose};
use crate::context::Context;
use crate::failure::Failure;
use crate::ids::Given;
use crate::{said, t};
use clap::Subcommand;
use serde_json::json;
use utilidor_types::genesis::Limits;
use utilidor_types::{Decision, MemberId, Role, Roles};

/// What is asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Move that a member be admitted with its first account
    #[command(after_help = "\
The account's own key agrees to be the first of a new member: it is in the keystore here, or its holder sends the document that
'utilidor account sign-up' prints.

Examples:
  utilidor member admit --as founder --account plant --roles owner
  utilidor member admit --as founder --file plant.json --roles owner,user,meter_operator")]
    Admit {
        /// Its first account
        #[command(flatten)]
        account: NewAccountOf,
        /// owner, user, meter_operator, issuer, supervisor, validator
        #[arg(long, value_delimiter = ',', required = true)]
        roles: Vec<Role>,
        /// The motion
        #[command(flatten)]
        motion: MotionArguments,
    },
    /// Move that a member may do other things
    Roles {
        /// The member
        member: Given<MemberId>,
        /// All its roles from now on
        #[arg(long, value_delimiter = ',', required = true)]
        roles: Vec<Role>,
        /// The motion
        #[command(flatten)]
        motion: MotionArguments,
    },
    /// Move that a member be removed: it keeps its money, and its agreements run to their end
    Remove {
        /// The member
        member: Given<MemberId>,
        /// The motion
        #[command(flatten)]
        motion: MotionArguments,
    },
    /// Move that a member have other quotas than those of the genesis document
    #[command(after_help = "\
Quotas: accounts, offers, quotes, proposals, meters, packages, subscriptions, programs, daily_fuel, pooled, motions,
written_agreements.

Example:
  utilidor member limits 77aa --set meters=500000,offers=4096 --as north")]
    Limits {
        /// The member
        member: Given<MemberId>,
        /// QUOTA=NUMBER, once for each; the others stay as they are
        #[arg(long = "set", value_name = "QUOTA=NUMBER", value_delimiter = ',', required_unless_present = "usual")]
        limits: Vec<String>,
        /// Those of the genesis document again
        #[arg(long, conflicts_with = "limits")]
        usual: bool,
        /// The motion
        #[command(flatten)]
        motion: MotionArguments,
    },
    /// List the members
    List,
}

/// Does it.
pub async fn run(command: Command, context: Context) -> Result<(), Failure> {
    match command {
        Command::Admit { account, roles, motion } => {
            let account = account.first(&context, context.client()?.status().await?.chain)?;
            let member = account.member;
            let made = json!({ "member": account.member, "account": account.account() });
            let decision = Decision::AdmitMember { account, roles: Roles::of(&roles) };
            propose(decision, motion, made, &context).await.map_err(|failure| match failure.code() {
                // The motion's own label is new each time: what is taken is the member.
                "id/taken" => failure.next(said!(
                    "the account is a member already; it may do other things by: \
                     utilidor member roles {member} --roles {}",
                    "该账户已是成员；要改变其角色：utilidor member roles {member} --roles {}",
                    roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(",")
                )),
                _ => failure,
            })?;
        }
        Command::Roles { member, roles, motion } => {
            let member = context.id(&member).await?;
            let decision = Decision::ChangeRoles { member, roles: Roles::of(&roles) };
            propose(decision, motion, json!({ "member": member }), &context).await?;
        }
        Command::Remove { member, motion } => {
            let member = context.id(&member).await?;
            propose(Decision::RemoveMember { member }, motion, json!({ "member": member }), &context).await?;
        }
        Command::Limits { member, limits, usual, motion } => {
            let member = context.id(&member).await?;
            let limits = if usual { None } else { Some(changed(&limits, member, &context).await?) };
            let decision = Decision::ChangeLimits { member, limits };
            propose(decision, motion, json!({ "member": member, "limits": limits }), &context).await?;
        }
        Command::List => {
            let members = context.client()?.members().await?;
            context.out.show(&members, |out| {
                let rows = members.iter().map(|member| {
                    let accounts: Vec<_> = member.accounts.iter().map(ToString::to_string).collect();
                    [member.member.to_string(), out.say_all(member.roles.iter()), accounts.join("\n")]
                });
                out.table([t!("member"), t!("roles"), t!("account")], rows.collect())
            });
        }
    }
    Ok(())
}

/// A member's limits with some of them changed.
async fn changed(changes: &[String], member: MemberId, context: &Context) -> Result<Limits, Failure> {
    let client = context.client()?;
    let members = client.members().await?;
    let present = members.into_iter().find(|one| one.member == member).and_then(|one| one.limits);
    let present = match present {
        Some(limits) => limits,
        None => client.genesis().await?.limits,
    };
    let mut fields = json!(present);
    for change in changes {
        let read = change.split_once('=').and_then(|(name, number)| Some((name, number.parse::<u64>().ok()?)));
        let (name, number) = read.ok_or_else(|| {
            Failure::usage(said!("{change:?} is not QUOTA=NUMBER", "{change:?} 不是 QUOTA=NUMBER（限额=数值）"))
        })?;
        let field = fields
            .get_mut(name)
            .ok_or_else(|| Failure::usage(said!("no quota is called {name:?}", "没有名为 {name:?} 的限额")))?;
        // Fuel is a text: it can be more than a number of JSON is read exactly for.
        *field = if field.is_string() { number.to_string().into() } else { number.into() };
    }
    serde_json::from_value(fields)
        .map_err(|error| Failure::usage(said!("no such limits: {error}", "限额无效：{error}")))
}
