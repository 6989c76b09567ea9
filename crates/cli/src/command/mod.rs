//! One file per noun. Each reads its arguments, makes its calls and shows the answer.

pub mod account;
pub mod agreement;
pub mod award;
pub mod bench;
pub mod council;
pub mod debt;
pub mod demo;
pub mod doctor;
pub mod gateway;
pub mod index;
pub mod keys;
pub mod member;
pub mod meter;
pub mod network;
pub mod node;
pub mod offer;
pub mod package;
pub mod program;
pub mod quote;
pub mod reading;
pub mod statement;
pub mod status;
pub mod subscription;
pub mod trace;
pub mod transaction;
pub mod validator;
pub mod verify;

use crate::arguments::{Arguments, Command};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Output, Word};
use crate::{t, units};
use clap::CommandFactory as _;
use serde_json::{Value, json};
use utilidor_sdk::Done;
use utilidor_types::agreement::{Party, Status};
use utilidor_types::event::BondMovement;
use utilidor_types::{Bands, Carrier, Event};

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
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "utilidor", &mut script);
            crate::output::print(String::from_utf8_lossy(&script).trim_end());
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
            "statement {} of agreement {}: paid {}, unpaid {}, debt {}",
            statement.number, statement.agreement, statement.paid, statement.unpaid, statement.debt
        ),
        Event::Segment(segment) => format!(
            "meter {} has passed {}: {} base units since {}",
            segment.meter,
            segment.interval.to,
            segment.passed().and_then(|bands| bands.total()).map_or_else(|| "-".into(), |total| total.to_string()),
            segment.interval.from
        ),
        Event::Returned { agreement, interval, bands, .. } => {
            format!("{} goes back to supply {agreement} from {} to {}", total(bands), interval.from, interval.to)
        }
        Event::LevelReached { agreement, bands, .. } => {
            format!("supply {agreement} has brought {} since its last segment", total(bands))
        }
        Event::Adjusted { agreement, interval, more, less, .. } => format!(
            "supply {agreement} is corrected from {} to {}: {} more, {} less",
            interval.from,
            interval.to,
            total(more),
            total(less)
        ),
        Event::Unsupplied { meter, interval, quantity } => format!(
            "{quantity} base units of meter {meter} from {} to {} are on nobody's bill",
            interval.from, interval.to
        ),
        Event::Corrected { meter, interval, certified, right, reason } => format!(
            "meter {meter} corrected from {} to {}: {right} base units instead of {certified} ({reason})",
            interval.from, interval.to
        ),
        Event::Prepaid { carrier, tranche, paid, .. } => {
            format!("tranche {tranche} for {carrier}: {paid} paid, in force once the meter has passed this time")
        }
        Event::TrancheOpened { carrier, tranche, debt_paid, paid, discount_permille, .. } => format!(
            "tranche {tranche} for {carrier}: {debt_paid} paid for earlier use, {paid} left, discount {}",
            permille(*discount_permille)
        ),
        Event::ProgramFailed { agreement, code, failures } => {
            format!("the program of agreement {agreement} failed with code {code}, {failures} in a row")
        }
        Event::ProgramRan { agreement, fuel, .. } => {
            format!("the program of agreement {agreement} has acted with {fuel} of fuel")
        }
        Event::Debt { agreement, party, owes } => format!("the {party} owes {owes} under agreement {agreement}"),
        Event::Ending { agreement, at } => format!("agreement {agreement} ends at {at}"),
        Event::Bond { offer, bidder, movement, amount } => {
            let how = match movement {
                BondMovement::Reserved => "reserved",
                BondMovement::Released => "released",
                BondMovement::Forfeited => "forfeited to the owner",
            };
            format!("bond of {amount} for the quote of {bidder} on offer {offer} {how}")
        }
        Event::AwardRefused { offer, bidder, refusal } => {
            format!("award to {bidder} on offer {offer} refused ({}): {refusal}", refusal.code())
        }
        Event::MotionOpened { motion, closes, .. } => format!("motion {motion} is open until {closes}"),
        Event::Voted { motion, member, in_favour } => {
            format!("member {member} votes {} motion {motion}", if *in_favour { "for" } else { "against" })
        }
        Event::Decided { motion, decision } => {
            format!("motion {motion} is carried: {}", council::decision_text(decision))
        }
        Event::MotionEnded { motion, end } => format!("motion {motion} is over: {}", plain(&json!(end))),
        Event::ValidatorReady { member, epoch } => {
            format!("the node of member {member} is ready to take part from epoch {} on", epoch.saturating_add(1))
        }
        Event::ValidatorsChanged { epoch, set } => {
            format!("{} nodes take part in consensus from epoch {epoch} on", set.validators.len())
        }
        Event::ValidatorsKept { epoch, live, needed } => format!(
            "the same nodes take part in epoch {epoch}: of those that are to, {live} are known to be there, {needed} must be"
        ),
        Event::OfferLapsed { offer } => format!("offer {offer} has lapsed"),
        Event::ReadingsMissing { agreement, meter, at } => {
            format!("readings of meter {meter} are missing: agreement {agreement} is settled without them at {at}")
        }
        Event::LowBalance { subscription, carrier } => {
            format!("little {carrier} is left in subscription {subscription}")
        }
        Event::Exhausted { subscription, carrier } => format!("no {carrier} is left in subscription {subscription}"),
    }
}

/// All bands together in base units: an event of a meter does not say what the meter measures.
fn total(bands: &Bands) -> String {
    bands.total().map_or_else(|| "-".into(), |total| format!("{total} base units"))
}

/// Quantities by band; bands without any are left out.
fn bands_text(bands: &Bands, carrier: Carrier) -> String {
    let band =
        |(band, quantity): (utilidor_types::Band, _)| format!("{} {}", band.name(), units::quantity(quantity, carrier));
    bands.iter().map(band).collect::<Vec<_>>().join(", ")
}

/// An agreement's status in the output's language.
fn status_text(out: &Output, status: Status) -> String {
    let word: Word = match status {
        Status::Proposed => t!("status_proposed"),
        Status::Active => t!("status_active"),
        Status::Stalled => t!("status_stalled"),
        Status::Settled => t!("status_settled"),
        Status::Defaulted => t!("status_defaulted"),
        Status::Terminated => t!("status_terminated"),
        Status::Declined => t!("status_declined"),
        Status::Expired => t!("status_expired"),
    };
    out.word(word).into()
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
