//! What can be written on the command line. Each noun's own arguments stand with its command.

use crate::command::{
    account, agreement, award, bench, council, debt, demo, doctor, gateway, index, keys, member, meter, network, node,
    offer, oversight, package, price_index, program, quote, reading, statement, status, subscription, token, trace,
    transaction, validator, verify,
};
use crate::text::Lang;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

const EXAMPLES: &str = "\
A first trade on a development chain of one member:
  export UTILIDOR_KEYS=town/keys UTILIDOR_PASSPHRASE=...   # where keys are, what opens them
  utilidor node init --data town                           # genesis document and the founder's keys
  utilidor node run --data town &                          # the node, with its HTTP interface
  utilidor keys new plant && utilidor keys new shop
  utilidor member admit --as founder --account plant --roles owner
  utilidor member admit --as founder --account shop --roles user
  utilidor account issue shop 1000 --as founder
  utilidor offer example                                   # a document to begin with

Or see a whole year of a business park: utilidor demo

Exit status: 0 done, 1 failed, 2 the command line is wrong, 3 the ledger refused.";

/// Trade energy on a consortium ledger: offers, sealed quotes, agreements that execute and pay by themselves.
#[derive(Debug, Parser)]
#[command(name = "utilidor", version, after_help = EXAMPLES, max_term_width = 120)]
pub struct Arguments {
    /// Options of all commands.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of all commands.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of all commands")]
pub struct Global {
    /// Address of the node
    #[arg(
        long,
        global = true,
        env = "UTILIDOR_NODE",
        hide_env_values = true,
        value_name = "URL",
        default_value = "http://127.0.0.1:4680"
    )]
    pub node: String,
    /// Folder of the encrypted keys [default: utilidor/keys in the user's data folder]
    #[arg(long, global = true, env = "UTILIDOR_KEYS", value_name = "FOLDER")]
    pub keys: Option<PathBuf>,
    /// Name of the key that acts; needed if there are several
    #[arg(long = "as", global = true, env = "UTILIDOR_AS", value_name = "KEY")]
    pub acting: Option<String>,
    /// File that holds the keys' passphrase; else UTILIDOR_PASSPHRASE, else it is asked for
    #[arg(long, global = true, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Language of headings and messages [default: from the locale]
    #[arg(long, global = true, value_name = "LANGUAGE")]
    pub lang: Option<Lang>,
    /// Offset from UTC of the times that are shown, such as +08:00 [default: the tariff's, where there is one]
    #[arg(long, global = true, env = "UTILIDOR_OFFSET", value_name = "OFFSET", value_parser = crate::units::offset,
        allow_hyphen_values = true)]
    pub offset: Option<i16>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a chain, run its node
    #[command(subcommand)]
    Node(node::Command),
    /// Found a consortium with others, or run one on this machine
    #[command(subcommand)]
    Network(network::Command),
    /// Find out what keeps a node from its work, and what to do
    Doctor(doctor::Arguments),
    /// Play a year of the Huadian business park on an embedded chain
    Demo(demo::Arguments),
    /// Make and list keys
    #[command(subcommand)]
    Keys(keys::Command),
    /// See what the members decide together, vote
    #[command(subcommand)]
    Council(council::Command),
    /// Say whose nodes take part in consensus
    #[command(subcommand)]
    Validator(validator::Command),
    /// Admit members and give them roles, by decision of the council
    #[command(subcommand)]
    Member(member::Command),
    /// Look into accounts, move money
    #[command(subcommand)]
    Account(account::Command),
    /// Publish energy for sale
    #[command(subcommand)]
    Offer(offer::Command),
    /// Answer an offer with a sealed quote
    #[command(subcommand)]
    Quote(quote::Command),
    /// Choose quotes after the gate has closed
    Award(award::Arguments),
    /// Sign, change and end agreements
    #[command(subcommand)]
    Agreement(agreement::Command),
    /// See what is owed, pay it
    #[command(subcommand)]
    Debt(debt::Command),
    /// Register meters and keep them
    #[command(subcommand)]
    Meter(meter::Command),
    /// Record readings, see what is certified
    #[command(subcommand)]
    Reading(reading::Command),
    /// Read real devices and send their readings
    #[command(subcommand)]
    Gateway(gateway::Command),
    /// Publish Energy Packages
    #[command(subcommand)]
    Package(package::Command),
    /// Write, check and publish contracts of your own
    #[command(subcommand)]
    Program(program::Command),
    /// Publish values that contracts follow, look at them
    #[command(subcommand)]
    PriceIndex(price_index::Command),
    /// Subscribe to a package, pay ahead
    #[command(subcommand)]
    Subscription(subscription::Command),
    /// See statements, get their proofs
    #[command(subcommand)]
    Statement(statement::Command),
    /// Show all that led to an agreement and followed from it
    Trace(trace::Arguments),
    /// See who one is to the node, make read tokens for programs
    #[command(subcommand)]
    Token(token::Command),
    /// See what supervisors look at; look as one, with a reason
    #[command(subcommand)]
    Oversight(oversight::Command),
    /// Check a proof offline
    Verify(verify::Arguments),
    /// Rebuild or check a node's read model
    #[command(subcommand)]
    Index(index::Command),
    /// Measure how fast this platform is on this machine
    Bench(bench::Arguments),
    /// Show a transaction and its receipt
    Transaction(transaction::Arguments),
    /// Show where the node stands
    Status,
    /// Move the time of a development chain
    AdvanceTime(status::AdvanceTime),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

impl Command {
    /// Whether a node may run in this process.
    pub const fn runs_a_node(&self) -> bool {
        matches!(self, Self::Node(_) | Self::Demo(_) | Self::Bench(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
