//! `utilidor council`: what the members decide together, and their votes.

use super::show_done;
use crate::causes::too_long;
use crate::context::Context;
use crate::failure::Failure;
use crate::ids::Given;
use crate::output::{Output, Word, note};
use crate::sentence::Said;
use crate::{chinese, label, said, say, t, units};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use utilidor_sdk::ClientError;
use utilidor_types::council::{DEFAULT_OPEN_MS, MAX_MOTION_REASON_BYTES};
use utilidor_types::time::DAY_MS;
use utilidor_types::{Decision, Motion, MotionId, Text, Validator};
use utilidor_view::{AppointedView, CouncilView, MotionFilter, MotionStatus, MotionView};

/// What is asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show who decides, and whose nodes take part in consensus
    Show,
    /// List the motions
    Motions {
        /// open, carried, rejected, lapsed or failed
        #[arg(long, value_parser = status)]
        status: Option<MotionStatus>,
    },
    /// Show a motion with all votes on it
    Motion {
        /// The motion
        motion: Given<MotionId>,
    },
    /// Vote on a motion, or change a vote; for council members
    #[command(after_help = "\
A motion is carried with the vote that reaches the council's threshold, and takes effect at once. Look at it before you vote:
what is signed is the digest of what the node shows.

Example:
  utilidor council motion 77aa
  utilidor council vote 77aa --for --as north")]
    Vote {
        /// The motion
        motion: Given<MotionId>,
        /// How
        #[command(flatten)]
        word: VoteArguments,
    },
}

/// For or against.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct VoteArguments {
    /// In favour
    #[arg(long = "for")]
    in_favour: bool,
    /// Against
    #[arg(long)]
    against: bool,
}

/// What every motion can say.
#[derive(Debug, Args)]
pub struct MotionArguments {
    /// Why, for all to read
    #[arg(long, default_value = "")]
    reason: String,
    /// How many days the council has to decide
    #[arg(long, value_name = "DAYS", default_value_t = DEFAULT_OPEN_MS / DAY_MS)]
    open: u64,
}

fn status(text: &str) -> Result<MotionStatus, Said> {
    let found = MotionStatus::ALL.iter().copied().find(|status| status.name() == text);
    found.ok_or_else(|| {
        said!(
            "a motion is open, carried, rejected, lapsed or failed",
            "议案状态有：open、carried、rejected、lapsed、failed"
        )
    })
}

/// Does it.
pub async fn run(command: Command, context: Context) -> Result<(), Failure> {
    match command {
        Command::Show => {
            let council = context.client()?.council().await?;
            context.out.show(&council, |out| council_text(out, &council));
        }
        Command::Motions { status } => {
            let motions = context.client()?.motions(&MotionFilter { status }).await?;
            context.out.show(&motions, |out| {
                let rows = motions.iter().map(|motion| {
                    let (in_favour, against) = counted(motion);
                    let (what, until) = (decision_text(&motion.decision), motion.closes_ms.to_string());
                    [
                        motion.motion.to_string(),
                        what,
                        status_text(out, motion.status),
                        format!("{in_favour} : {against}"),
                        until,
                    ]
                });
                out.table([t!("motion"), t!("decision"), t!("status"), t!("votes"), t!("closes")], rows.collect())
            });
        }
        Command::Motion { motion } => {
            let motion = seen(context.client()?.motion(context.id(&motion).await?).await)?;
            context.out.show(&motion, |out| motion_text(out, &motion));
        }
        Command::Vote { motion, word } => {
            let motion = seen(context.client()?.motion(context.id(&motion).await?).await)?;
            let in_favour = word.in_favour && !word.against;
            let done = context.account().await?.vote(motion.motion, motion.digest, in_favour).await?;
            show_done(
                context.out,
                &done,
                json!({ "motion": motion.motion, "decision": decision_text(&motion.decision) }),
            );
        }
    }
    Ok(())
}

/// A motion, or why it is not shown.
fn seen(asked: Result<MotionView, ClientError>) -> Result<MotionView, Failure> {
    asked.map_err(|error| match error.is_not_found() {
        true => Failure::from(error).next(said!(
            "members see the motions: utilidor council motions --as NAME; \
             whoever votes has a seat: utilidor council show",
            "成员可查看议案：utilidor council motions --as NAME；有席位者才能表决：\
             utilidor council show"
        )),
        false => error.into(),
    })
}

/// Moves for a decision. `made`: what it makes, if it is carried.
pub async fn propose(
    decision: Decision,
    arguments: MotionArguments,
    made: Value,
    context: &Context,
) -> Result<(), Failure> {
    let reason: Text<MAX_MOTION_REASON_BYTES> = Text::new(arguments.reason)
        .map_err(|error| Failure::usage(said!("the reason is too long: {}", "理由过长：{}", too_long(&error))))?;
    let open_ms = arguments.open.saturating_mul(DAY_MS);
    let motion = Motion { label: label::or_random(None)?, decision, reason, open_ms };
    let moved = context.account().await?.propose(motion).await?;
    let mut shown = json!({ "motion": moved.motion, "carried": moved.carried });
    if let (Value::Object(shown), Value::Object(made)) = (&mut shown, made) {
        shown.extend(made);
    }
    show_done(context.out, &moved.done, shown);
    if !moved.carried && !context.out.json {
        note(&said!(
            "it takes effect when enough of the council vote for it: utilidor council vote {} --for",
            "理事会中有足够成员赞成后生效：utilidor council vote {} --for",
            moved.motion
        ));
    }
    Ok(())
}

/// Votes for and against.
fn counted(motion: &MotionView) -> (usize, usize) {
    let in_favour = motion.votes.iter().filter(|vote| vote.in_favour).count();
    (in_favour, motion.votes.len() - in_favour)
}

/// A decision in one line.
pub fn decision_text(decision: &Decision) -> String {
    let mut value = json!(decision);
    if let Decision::DeclareCapacity { carrier, per_hour, .. } = decision {
        value["declare_capacity"]["per_hour"] = units::quantity(*per_hour, *carrier).into();
    }
    super::plain(&value)
}

fn status_text(out: &Output, status: MotionStatus) -> String {
    let word: Word = match status {
        MotionStatus::Open => t!("motion_open"),
        MotionStatus::Carried => t!("motion_carried"),
        MotionStatus::Rejected => t!("motion_rejected"),
        MotionStatus::Lapsed => t!("motion_lapsed"),
        MotionStatus::Failed => t!("motion_failed"),
    };
    out.word(word).into()
}

fn motion_text(out: &Output, motion: &MotionView) -> String {
    let mut status = status_text(out, motion.status);
    if let Some(refusal) = &motion.refusal {
        let (code, why) = (refusal.code(), chinese::refusal(refusal));
        status.push_str(&say!(out, " ({code}): {why}", "（{code}）：{why}"));
    }
    let facts = out.facts(vec![
        (t!("motion"), motion.motion.to_string()),
        (t!("decision"), decision_text(&motion.decision)),
        (t!("reason"), motion.reason.clone()),
        (t!("proposer"), motion.proposer.to_string()),
        (t!("status"), status),
        (t!("closes"), motion.closes_ms.to_string()),
        (t!("digest"), motion.digest.to_string()),
    ]);
    let rows = motion.votes.iter().map(|vote| {
        let word = out.word(if vote.in_favour { t!("in_favour") } else { t!("against") });
        [vote.member.to_string(), word.into(), vote.cause.time_ms.to_string(), vote.cause.height.to_string()]
    });
    let votes = out.table([t!("member"), t!("vote"), t!("time"), t!("block")], rows.collect());
    format!("{facts}\n{votes}")
}

fn council_text(out: &Output, council: &CouncilView) -> String {
    let seats: Vec<String> = council.seats.iter().map(ToString::to_string).collect();
    let mut facts =
        vec![(t!("seats"), seats.join("\n")), (t!("threshold"), format!("{} ({})", council.needed, council.threshold))];
    if let Some(epoch) = &council.epoch {
        facts.push((t!("epoch"), format!("{} ({} {})", epoch.number, out.word(t!("until_block")), epoch.last)));
    }
    let headings = [t!("member"), t!("public"), t!("address"), t!("in_force"), t!("appointed"), t!("ready_epoch")];
    format!("{}\n{}", out.facts(facts), out.table(headings, nodes(out, council)))
}

/// The nodes that take part, wanted by the council or not, and after them those that it wants and that do not take part yet.
fn nodes(out: &Output, council: &CouncilView) -> Vec<[String; 6]> {
    let row = |validator: &Validator, in_force, appointed: Option<&AppointedView>| {
        let wanted = appointed.and_then(|appointed| appointed.validator.address.as_ref());
        let address = match (&validator.address, wanted) {
            (Some(now), Some(wanted)) if now != wanted => format!("{now} -> {wanted}"),
            (now, wanted) => crate::output::or_dash(now.as_ref().or(wanted)),
        };
        [
            validator.member.to_string(),
            validator.key.to_string(),
            address,
            out.say(in_force),
            out.say(appointed.is_some()),
            crate::output::or_dash(appointed.and_then(|appointed| appointed.ready_epoch)),
        ]
    };
    let taking_part = council.validators.validators.iter().map(|validator| {
        row(validator, true, council.appointed.iter().find(|appointed| appointed.validator.key == validator.key))
    });
    let waiting = council.appointed.iter().filter(|appointed| !appointed.in_force);
    taking_part.chain(waiting.map(|appointed| row(&appointed.validator, false, Some(appointed)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use utilidor_types::council::Threshold;
    use utilidor_types::{MemberId, Roster};

    #[test]
    fn a_dismissed_node_that_still_votes_is_shown_and_one_that_is_to_move_stands_there_once() {
        let validator = |byte: u8, address: &str| Validator {
            key: utilidor_types::PrivateKey::ed25519([byte; 32]).public_key(),
            member: MemberId([byte; 16]),
            address: address.parse().ok(),
        };
        let wanted = |validator, in_force| AppointedView { validator, ready_epoch: None, in_force };
        let in_set = [validator(1, "gone.example:1"), validator(2, "old.example:1")];
        let council = CouncilView {
            seats: Vec::new(),
            threshold: Threshold::TWO_THIRDS,
            needed: 1,
            epoch: None,
            validators: Roster::new(0, in_set.to_vec().try_into().unwrap()),
            appointed: vec![
                wanted(validator(2, "new.example:1"), true),
                wanted(validator(3, "third.example:1"), false),
            ],
        };
        let out = Output { json: false, lang: crate::text::Lang::En, offset_minutes: None };
        let shown = nodes(&out, &council);
        let of = |byte: u8| {
            let member = MemberId([byte; 16]).to_string();
            let mut rows = shown.iter().filter(|row| row[0] == member);
            let row = rows.next().unwrap();
            assert!(rows.next().is_none());
            (row[2].as_str(), row[3].as_str(), row[4].as_str())
        };
        let (yes, no) = (out.say(true), out.say(false));
        assert_eq!(of(1), ("gone.example:1", &*yes, &*no));
        assert_eq!(of(2), ("old.example:1 -> new.example:1", &*yes, &*yes));
        assert_eq!(of(3), ("third.example:1", &*no, &*yes));
    }
}
