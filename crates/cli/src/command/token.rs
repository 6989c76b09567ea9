//! `utilidor token`: who one is to the node, and read tokens for programs.

use crate::context::Context;
use crate::failure::Failure;
use crate::output::or_dash;
use crate::{t, units};
use clap::Subcommand;
use utilidor_types::session::Category;
use utilidor_types::{Digest, Timestamp};
use utilidor_view::{SessionView, TokenWish};

/// What is asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show who one is to the node, and what one may see
    Show,
    /// Make a read token for a program
    #[command(after_help = "\
The program sends it as 'Authorization: Bearer TOKEN', or has it in UTILIDOR_TOKEN. It is told once.

Example:
  utilidor token new dashboard --for meters --until 2027-01-01T00:00:00+08:00 --as shop")]
    New {
        /// What it is called
        name: String,
        /// What it may read: accounts, trade, meters
        #[arg(long = "for", value_delimiter = ',', required = true)]
        categories: Vec<Category>,
        /// When it ends, at most 400 days from now
        #[arg(long, value_parser = units::time)]
        until: Timestamp,
        /// Only what is of the account that makes it, and not of its member's others
        #[arg(long)]
        this_account_only: bool,
    },
    /// List the read tokens of the member
    List,
    /// Revoke a read token at once
    Revoke {
        /// Its id, as it is listed
        id: Digest,
    },
}

/// Does it.
pub async fn run(command: Command, context: Context) -> Result<(), Failure> {
    let client = context.client()?;
    match command {
        Command::Show => {
            let session = client.session().await?;
            context.out.show(&session, |out| {
                let SessionView { account, member, roles, sees_everything, categories, ends_ms, .. } = &session;
                let categories: Vec<_> = categories.iter().map(|category| category.name()).collect();
                let sees = if *sees_everything { out.word(t!("everything")).into() } else { categories.join(", ") };
                out.facts(vec![
                    (t!("account"), account.to_string()),
                    (t!("member"), or_dash(*member)),
                    (t!("roles"), out.say_all(roles.iter())),
                    (t!("sees"), sees),
                    (t!("ends"), out.time(*ends_ms)),
                ])
            });
        }
        Command::New { name, categories, until, this_account_only } => {
            let wish = TokenWish { name, categories, this_account_only, ends_ms: until };
            let made = client.make_token(&wish).await?;
            context.out.show(&made, |_| made.token.clone());
        }
        Command::List => {
            let tokens = client.tokens().await?;
            context.out.show(&tokens, |out| {
                let rows = tokens.iter().map(|token| {
                    let categories: Vec<_> = token.categories.iter().map(|category| category.name()).collect();
                    [token.name.clone(), categories.join(", "), out.time(token.ends_ms), token.id.to_string()]
                });
                out.table([t!("name"), t!("sees"), t!("ends"), t!("token")], rows.collect())
            });
        }
        Command::Revoke { id } => {
            client.revoke_token(id).await?;
            context.out.show(&serde_json::json!({ "revoked": id }), |out| out.word(t!("done")).into());
        }
    }
    Ok(())
}
