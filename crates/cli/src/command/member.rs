//! `utilidor member`: who belongs to the consortium, and what each may do.

use super::account::NewAccountOf;
use super::show_done;
use crate::context::Context;
use crate::failure::Failure;
use crate::ids::Given;
use crate::t;
use clap::Subcommand;
use serde_json::json;
use utilidor_types::{MemberId, Role, Roles};

/// What is asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Admit a member with its first account; for validators
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
    },
    /// Change what a member may do; for validators
    Roles {
        /// The member
        member: Given<MemberId>,
        /// All its roles from now on
        #[arg(long, value_delimiter = ',', required = true)]
        roles: Vec<Role>,
    },
    /// List the members
    List,
}

/// Does it.
pub async fn run(command: Command, context: Context) -> Result<(), Failure> {
    match command {
        Command::Admit { account, roles } => {
            let acting = context.account().await?;
            let account = account.first(&context, acting.chain())?;
            let made = acting.admit_member(account, Roles::of(&roles)).await?;
            show_done(context.out, &made.done, json!({ "member": made.id, "account": account.account() }));
        }
        Command::Roles { member, roles } => {
            let member = context.id(&member).await?;
            let done = context.account().await?.change_roles(member, Roles::of(&roles)).await?;
            show_done(context.out, &done, json!({ "member": member }));
        }
        Command::List => {
            let members = context.client()?.members().await?;
            context.out.show(&members, |out| {
                let rows = members.iter().map(|member| {
                    let accounts: Vec<_> = member.accounts.iter().map(ToString::to_string).collect();
                    [member.member.to_string(), role_names(member.roles), accounts.join("\n")]
                });
                out.table([t!("member"), t!("roles"), t!("account")], rows.collect())
            });
        }
    }
    Ok(())
}

/// Roles as they are written on the command line.
pub fn role_names(roles: Roles) -> String {
    roles.iter().map(Role::name).collect::<Vec<_>>().join(",")
}
