//! `utilidor member`: who belongs to the consortium, and what each may do.

use super::show_done;
use crate::context::Context;
use crate::failure::Failure;
use crate::ids::{Given, whole};
use crate::t;
use clap::Subcommand;
use serde_json::json;
use utilidor_sdk::trade::new_id;
use utilidor_types::{MemberId, Role, Roles};

/// What is asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Admit a member with its first account; for validators
    #[command(after_help = "\
Examples:
  utilidor member admit --as founder --account plant --roles owner
  utilidor member admit --as founder --account 3f0c... --roles owner,user,meter_operator")]
    Admit {
        /// Its first account: an id, or the name of a key
        #[arg(long)]
        account: String,
        /// owner, user, meter_operator, issuer, supervisor, validator
        #[arg(long, value_delimiter = ',', required = true)]
        roles: Vec<Role>,
        /// The member's id: 32 hex digits [default: random]
        #[arg(long, value_parser = whole::<MemberId>)]
        id: Option<MemberId>,
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
        Command::Admit { account, roles, id } => {
            let account = context.account_id(&account).await?;
            let member = id.map_or_else(|| new_id().map(MemberId), Ok)?;
            let done = context.account().await?.admit_member(member, account, Roles::of(&roles)).await?;
            show_done(context.out, &done, json!({ "member": member, "account": account }));
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
