//! `utilidor network`: several organisations' nodes together.
//!
//! | file | answers |
//! |---|---|
//! | [`founding`] | how organisations begin a chain together, each with keys of its own |
//! | [`local`] | a consortium on this machine, in processes of its own, to try things out |

pub mod founding;
pub mod local;

use crate::context::Context;
use crate::failure::Failure;
use clap::Subcommand;

/// What is asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make an organisation's keys, and print its card: what the others need to know of it
    #[command(after_help = founding::HELP)]
    Join(founding::Join),
    /// Put the genesis document together from the founders' cards; for the coordinator
    #[command(after_help = founding::HELP)]
    Create(founding::Create),
    /// Check a genesis document against the own card, and sign it
    #[command(after_help = founding::HELP)]
    Sign(founding::Sign),
    /// Take a genesis document that all founders have signed into the own folder
    #[command(after_help = founding::HELP)]
    Install(founding::Install),
    /// Run a whole consortium on this machine until it is interrupted
    #[command(after_help = "\
Each node is a process of its own, with its own folder, keys and log. Run again on the same folder, the same chain goes on.

Example:
  utilidor network local --members 4 --followers 1")]
    Local(local::Arguments),
}

/// Does it.
pub async fn run(command: Command, context: Context) -> Result<(), Failure> {
    match command {
        Command::Join(arguments) => founding::join(arguments, &context),
        Command::Create(arguments) => founding::create(arguments, &context),
        Command::Sign(arguments) => founding::sign(arguments, &context),
        Command::Install(arguments) => founding::install(arguments, &context),
        Command::Local(arguments) => local::run(arguments, &context).await,
    }
}
