//! One file per noun. Each reads its arguments, makes its calls and shows the answer.

pub mod account;
pub mod agreement;
pub mod award;
pub mod bench;
pub mod demo;
pub mod gateway;
pub mod index;
pub mod keys;
pub mod member;
pub mod meter;
pub mod node;
pub mod offer;
pub mod package;
pub mod quote;
pub mod reading;
pub mod statement;
pub mod status;
pub mod subscription;
pub mod trace;
pub mod transaction;
pub mod verify;

use crate::arguments::{Arguments, Command};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::Output;
use crate::t;
use clap::CommandFactory as _;
use serde_json::{Value, json};
use utilidor_sdk::Done;
use utilidor_types::Event;

/// Runs a command.
pub async fn run(command: Command, context: Context) -> Result<(), Failure> {
    match command {
        Command::Node(command) => node::run(command, context).await,
        Command::Demo(arguments) => demo::run(arguments, context).await,
        Command::Keys(command) => keys::run(command, &context),
        Command::Member(command) => member::run(command, context).await,
        Command::Account(command) => account::run(command, context).await,
        Command::Offer(command) => offer::run(command, context).await,
        Command::Quote(command) => quote::run(command, context).await,
        Command::Award(arguments) => award::run(arguments, context).await,
        Command::Agreement(command) => agreement::run(command, context).await,
        Command::Meter(command) => meter::run(command, context).await,
        Command::Reading(command) => reading::run(command, context).await,
        Command::Gateway(command) => gateway::run(command, context).await,
        Command::Package(command) => package::run(command, context).await,
        Command::Subscription(command) => subscription::run(command, context).await,
        Command::Statement(command) => statement::run(command, context).await,
        Command::Trace(arguments) => trace::run(arguments, context).await,
        Command::Verify(arguments) => verify::run(arguments, &context),
        Command::Index(command) => index::run(command, context).await,
        Command::Bench(arguments) => bench::run(arguments, context).await,
        Command::Transaction(arguments) => transaction::run(arguments, context).await,
        Command::Status => status::run(context).await,
        Command::AdvanceTime(arguments) => status::advance_time(arguments, context).await,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "utilidor", &mut std::io::stdout());
            Ok(())
        }
    }
}

/// Shows what an action did: its transaction, the receipt, and the ids that it made (`made`, an object).
fn show_done(out: Output, done: &Done, made: Value) {
    let mut value = json!({ "transaction": done.hash, "height": done.height, "receipt": done.receipt });
    if let (Value::Object(value), Value::Object(made)) = (&mut value, made.clone()) {
        value.extend(made);
    }
    out.show(&value, |out| {
        let mut lines = vec![format!(
            "{}: {} {}, {} {}",
            out.word(t!("done")),
            out.word(t!("block")),
            done.height,
            out.word(t!("transaction")),
            done.hash
        )];
        for (name, value) in made.as_object().into_iter().flatten() {
            let value = value.as_str().map_or_else(|| value.to_string(), Into::into);
            lines.push(format!("  {name}: {value}"));
        }
        lines.extend(done.events().iter().map(|event| format!("  {}", event_line(event))));
        lines.join("\n")
    });
}

/// A consequence in one line.
fn event_line(event: &Event) -> String {
    match event {
        Event::Moved { agreement, movement, amount } => {
            format!("moved {amount} for agreement {agreement}: {}", plain(&json!(movement)))
        }
        Event::AgreementProposed { agreement, terms, sign_by, .. } => {
            format!("agreement {agreement} proposed, terms {terms}, to be signed before {sign_by}")
        }
        Event::AgreementStatus { agreement, status } => format!("agreement {agreement} is {status}"),
        Event::AgreementAmended { agreement, terms } => format!("agreement {agreement} amended, terms {terms}"),
        Event::Certified { first, count, refused } => {
            let mut line = format!("{count} readings certified from certificate {first} on, {} refused", refused.len());
            for reading in refused {
                line.push_str(&format!(
                    "\n    reading {} of meter {} refused ({}): {}",
                    reading.index,
                    reading.meter,
                    reading.refusal.code(),
                    reading.refusal
                ));
            }
            line
        }
        Event::Gap { meter, interval } => {
            format!("readings of meter {meter} are missing from {} to {}", interval.from, interval.to)
        }
        Event::StatementIssued(statement) => format!(
            "statement {} of agreement {}: paid {}, unpaid {}",
            statement.number, statement.agreement, statement.paid, statement.unpaid
        ),
        Event::TrancheOpened { carrier, tranche, paid, discount_permille, .. } => {
            format!("tranche {tranche} for {carrier}: {paid} paid, discount {}", permille(*discount_permille))
        }
        Event::LowBalance { subscription, carrier } => {
            format!("little {carrier} is left in subscription {subscription}")
        }
        Event::Exhausted { subscription, carrier } => format!("no {carrier} is left in subscription {subscription}"),
    }
}

/// A small JSON value as words: `{"reserve":{"side":"user"}}` becomes `reserve side=user`.
fn plain(value: &Value) -> String {
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
