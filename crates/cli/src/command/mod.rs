//! One file per noun. Each reads its arguments, makes its calls and shows the answer.

pub mod account;
pub mod agreement;
pub mod award;
pub mod bench;
pub mod clauses;
pub mod council;
pub mod debt;
pub mod demo;
pub mod doctor;
pub mod event;
pub mod gateway;
pub mod index;
pub mod keys;
pub mod member;
pub mod meter;
pub mod network;
pub mod node;
pub mod offer;
pub mod oversight;
pub mod package;
pub mod price_index;
pub mod program;
pub mod quote;
pub mod reading;
pub mod statement;
pub mod status;
pub mod subscription;
pub mod token;
pub mod trace;
pub mod transaction;
pub mod validator;
pub mod verify;

use crate::arguments::{Arguments, Command};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::Output;
use crate::{say, t, units};
use clap::CommandFactory as _;
use serde_json::{Value, json};
use std::collections::{BTreeMap, btree_map::Entry};
use utilidor_sdk::{Client, Done};
use utilidor_types::agreement::{Party, Status};
use utilidor_types::{AgreementId, Bands, Carrier, Program};

/// Runs a command.
pub async fn run(command: Command, context: Context) -> Result<(), Failure> {
    match command {
        Command::Node(command) => node::run(command, context).await,
        Command::Network(command) => network::run(command, context).await,
        Command::Doctor(arguments) => doctor::run(arguments, context).await,
        Command::Demo(arguments) => demo::run(arguments, context).await,
        Command::Keys(command) => keys::run(command, &context),
        Command::Council(command) => council::run(command, context).await,
        Command::Validator(command) => validator::run(command, context).await,
        Command::Member(command) => member::run(command, context).await,
        Command::Account(command) => account::run(command, context).await,
        Command::Offer(command) => offer::run(command, context).await,
        Command::Quote(command) => quote::run(command, context).await,
        Command::Award(arguments) => award::run(arguments, context).await,
        Command::Agreement(command) => agreement::run(command, context).await,
        Command::Debt(command) => debt::run(command, context).await,
        Command::Meter(command) => meter::run(command, context).await,
        Command::Reading(command) => reading::run(command, context).await,
        Command::Gateway(command) => gateway::run(command, context).await,
        Command::Package(command) => package::run(command, context).await,
        Command::Program(command) => program::run(command, context).await,
        Command::PriceIndex(command) => price_index::run(command, context).await,
        Command::Subscription(command) => subscription::run(command, context).await,
        Command::Statement(command) => statement::run(command, context).await,
        Command::Trace(arguments) => trace::run(arguments, context).await,
        Command::Token(command) => token::run(command, context).await,
        Command::Oversight(command) => oversight::run(command, context).await,
        Command::Verify(arguments) => verify::run(arguments, &context),
        Command::Index(command) => index::run(command, context).await,
        Command::Bench(arguments) => bench::run(arguments, context).await,
        Command::Transaction(arguments) => transaction::run(arguments, context).await,
        Command::Status => status::run(context).await,
        Command::AdvanceTime(arguments) => status::advance_time(arguments, context).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "utilidor", &mut script);
            crate::output::print(String::from_utf8_lossy(&script).trim_end());
            Ok(())
        }
    }
}

/// Shows what an action did: its transaction, the receipt, and the ids that it made (`made`, an object).
fn show_done(out: Output, done: &Done, made: Value) {
    show_done_of(out, done, made, &event::Measured::default());
}

/// The same, where it is known what the meters measure.
fn show_done_of(out: Output, done: &Done, made: Value, measured: &event::Measured) {
    let mut value = json!({ "transaction": done.hash, "height": done.height, "receipt": done.receipt });
    if let (Value::Object(value), Value::Object(made)) = (&mut value, made.clone()) {
        value.extend(made);
    }
    out.show(&value, |out| {
        let mut lines = vec![done_line(out, done)];
        for (name, value) in made.as_object().into_iter().flatten() {
            let value = value.as_str().map_or_else(|| value.to_string(), Into::into);
            lines.push(format!("  {name}: {value}"));
        }
        lines.extend(done.events().iter().map(|event| format!("  {}", event::line_of(out, event, measured))));
        lines.join("\n")
    });
}

/// Where what was done stands.
fn done_line(out: &Output, done: &Done) -> String {
    let (height, hash) = (done.height, done.hash);
    say!(out, "done: block {height}, transaction {hash}", "完成：区块 {height}，交易 {hash}")
}

/// Quantities by band; bands without any are left out.
fn bands_text(out: &Output, bands: &Bands, carrier: Carrier) -> String {
    let band = |(band, quantity): (utilidor_types::Band, _)| {
        format!("{} {}", out.say(band), units::quantity(quantity, carrier))
    };
    bands.iter().map(band).collect::<Vec<_>>().join(", ")
}

/// An agreement's status in the output's language.
fn status_text(out: &Output, status: Status) -> String {
    out.say(status)
}

/// A party of an agreement in the output's language.
fn party_text(out: &Output, party: Party) -> String {
    match party {
        Party::OWNER => out.word(t!("party_owner")).into(),
        Party::USER => out.word(t!("party_user")).into(),
        Party(number) => format!("{} {number}", out.word(t!("party"))),
    }
}

/// A small JSON value as words: `{"reserve":{"party":1}}` becomes `reserve party=1`.
pub fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => text.clone(),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| match value {
                Value::Object(_) => format!("{name} {}", plain(value)),
                _ => format!("{name}={}", plain(value)),
            };
            fields.iter().map(field).collect::<Vec<_>>().join(" ")
        }
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// Thousandths as per cent: 125 is `12.5 %`.
fn permille(permille: u16) -> String {
    format!("{}.{} %", permille / 10, permille % 10)
}

/// The fixed offset by which an agreement's bills are read, if it can be known.
async fn tariff_offset(client: &Client, agreement: AgreementId) -> Option<i16> {
    offset_of(client, &client.agreement(agreement).await.ok()?.terms.program).await
}

/// The fixed offset that a program charges by: of a subscription its package's, of a clause sheet its own.
async fn offset_of(client: &Client, program: &Program) -> Option<i16> {
    if let Program::Coded(terms) = program {
        return clauses::signed(terms).map(|sheet| sheet.periods.offset_minutes);
    }
    let (package, version) = program.package()?;
    Some(client.package(package, version).await.ok()?.package.terms.offset_minutes)
}

/// The offsets of many agreements, each asked for once.
#[derive(Default)]
struct Offsets(BTreeMap<AgreementId, Option<i16>>);

impl Offsets {
    /// Asks for an agreement's.
    async fn ask(&mut self, client: &Client, agreement: AgreementId) {
        if let Entry::Vacant(unknown) = self.0.entry(agreement) {
            unknown.insert(tariff_offset(client, agreement).await);
        }
    }

    /// An answer's output, where times are read by an agreement's offset.
    fn at(&self, out: &Output, agreement: AgreementId) -> Output {
        out.at(self.0.get(&agreement).copied().flatten())
    }
}
