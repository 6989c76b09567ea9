//! `utilidor agreement`: contracts between an owner and a user.

mod changes;
mod shown;

pub use shown::agreement_text;

use super::account::short;
use super::{clauses, offer, offset_of, party_text, permille, show_done, status_text};
use crate::context::Context;
use crate::document;
use crate::failure::Failure;
use crate::ids::Given;
use crate::output::{Output, Word, or_dash};
use crate::sentence::Said;
use crate::{label, said, say, sheet, t, units};
use clap::Subcommand;
use serde_json::json;
use std::path::PathBuf;
use utilidor_types::agreement::{
    CodedTerms, Fallback, HardEnd, Metering, Party, ProgramCode, Service, Status, Substitute,
};
use utilidor_types::program::{CLAUSES, CodedMeter, Grant, Manifest, Metered};
use utilidor_types::{
    AccountId, AgreementId, AgreementTerms, Carrier, Digest, MeterId, OfferId, Program, PurchaseLot, PurchaseTerms,
    SubscriptionTerms, Timestamp,
};
use utilidor_view::{AgreementFilter, AgreementView, AmendmentView, Kind};

/// What is asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List agreements
    List {
        /// A party: an id, or the name of a key
        #[arg(long)]
        account: Option<String>,
        /// proposed, active, stalled, settled, defaulted, terminated, declined, expired
        #[arg(long, value_parser = status)]
        status: Option<Status>,
        /// purchase, subscription or coded
        #[arg(long, value_parser = kind)]
        kind: Option<Kind>,
        /// Awarded on this offer
        #[arg(long)]
        offer: Option<Given<OfferId>>,
    },
    /// Show an agreement
    Show {
        /// The agreement
        agreement: Given<AgreementId>,
    },
    /// Print a valid document of terms to begin with
    Example {
        /// The time from which the document's times are counted [default: the chain's, if it is a development chain, else now]
        #[arg(long, value_parser = units::time)]
        at: Option<Timestamp>,
    },
    /// Propose an agreement without an offer; this side signs with it
    #[command(after_help = "\
Example:
  utilidor agreement example > terms.json      # then fill in the parties, owner first, and the meter
  utilidor agreement propose terms.json --signing 2h --label 'May 2025' --as plant")]
    Propose {
        /// The terms; `-` is standard input
        file: PathBuf,
        /// How long the other side may take to sign, such as 30m
        #[arg(long, default_value = "1h", value_parser = units::duration_ms)]
        signing: u64,
        /// What this side calls it; proposed again under the same label, it is the same agreement [default: random]
        #[arg(long)]
        label: Option<String>,
    },
    /// Sign an agreement that waits for this side
    Sign {
        /// The agreement
        agreement: Given<AgreementId>,
        /// Sign only if its terms have this digest
        #[arg(long)]
        terms: Option<Digest>,
    },
    /// Decline to sign
    Decline {
        /// The agreement
        agreement: Given<AgreementId>,
    },
    /// Propose other terms for an active agreement
    #[command(after_help = "\
The document holds terms as 'utilidor program terms' writes them, of the same parties and with the same hard end, or the program
alone that replaces the present one: the \"program\" of 'utilidor agreement show ID --json'. What flows before the amendment's time
is charged by the terms before.

Example:
  utilidor agreement amend 77aa... terms.json --from 2025-03-01T00:00:00+08:00 --as plant
  utilidor agreement amendment 77aa...                    # the other side reads it
  utilidor agreement sign-amendment 77aa... --as shop     # and signs")]
    Amend {
        /// The agreement
        agreement: Given<AgreementId>,
        /// The terms or the program; `-` is standard input
        file: PathBuf,
        /// From when on it counts; once signed, at once if this is past [default: the chain's time]
        #[arg(long, value_parser = units::time)]
        from: Option<Timestamp>,
    },
    /// Show the amendment that waits for a signature
    Amendment {
        /// The agreement
        agreement: Given<AgreementId>,
    },
    /// Sign the amendment that waits
    SignAmendment {
        /// The agreement
        agreement: Given<AgreementId>,
        /// Sign only if the resulting terms and their time have this digest
        #[arg(long)]
        terms: Option<Digest>,
    },
    /// Agree to end an active agreement early
    #[command(after_help = "\
A purchase ends when both sides agree. A subscription ends at once when its user says so, and after its package's notice when its
owner, or the operator of one of its meters, does.

Example:
  utilidor agreement terminate 77aa... --as shop")]
    Terminate {
        /// The agreement
        agreement: Given<AgreementId>,
    },
    /// Take back the wish to end an agreement, as long as it has had no effect
    WithdrawTermination {
        /// The agreement
        agreement: Given<AgreementId>,
    },
    /// Tell an agreement's program something in the program's own words
    Command {
        /// The agreement
        agreement: Given<AgreementId>,
        /// The words, in hex
        words: String,
    },
}

fn status(text: &str) -> Result<Status, Said> {
    let known = Status::ALL.into_iter().find(|status| status.name() == text);
    known.ok_or_else(|| said!("a status is {}", "状态有：{}", Status::ALL.map(Status::name).join(", ")))
}

fn kind(text: &str) -> Result<Kind, Said> {
    let known = Kind::ALL.into_iter().find(|kind| kind.name() == text);
    known.ok_or_else(|| said!("a kind is {}", "类型有：{}", Kind::ALL.map(Kind::name).join(", ")))
}

/// Does it.
pub async fn run(command: Command, context: Context) -> Result<(), Failure> {
    match command {
        Command::List { account, status, kind, offer } => {
            let offer = context.id_or_none(offer.as_ref()).await?;
            let account = context.account_or_none(account.as_deref()).await?;
            let agreements = context.client()?.agreements(&AgreementFilter { account, status, kind, offer }).await?;
            context.out.show(&agreements, |out| {
                let rows = agreements.iter().map(|record| {
                    [
                        record.agreement.to_string(),
                        out.say(record.kind),
                        status_text(out, record.status),
                        short(record.owner),
                        short(record.user),
                        record.statements.to_string(),
                    ]
                });
                let headings = [t!("agreement"), t!("kind"), t!("status"), t!("owner"), t!("user"), t!("statements")];
                out.table(headings, rows.collect())
            });
        }
        Command::Show { agreement } => {
            let agreement = context.id(&agreement).await?;
            let record = context.client()?.agreement(agreement).await?;
            let client = context.client()?;
            let manifest = clauses::manifest_of(&client, &record.terms.program, &context.out).await;
            let out = context.out.at(offset_of(&client, &record.terms.program).await);
            out.show(&record, |out| agreement_text(out, &record, manifest.as_ref()));
        }
        Command::Example { at } => {
            context.out.document(&document::for_people(&example(offer::example_time(at, &context).await?)));
        }
        Command::Propose { file, signing, label } => {
            let terms: AgreementTerms =
                document::read_of_people(&file, said!("document of terms", "条款文件"), "agreement example")?;
            let signing = u32::try_from(signing)
                .map_err(|_| Failure::usage(said!("the signing time is too long", "签署期限过长")))?;
            let label = label::or_random(label.as_deref())?;
            let digest = terms.digest();
            let account = context.account().await?;
            // The ledger would name an agreement that there is not yet.
            if !terms.parties.contains(&account.id()) {
                let file = document::named(&file);
                let what = said!("{} is none of the parties in {file}", "{} 不是{file}中的当事方", account.id());
                return Err(Failure::refused("agreement/not-party", what).next(said!(
                    "fill in the parties, owner first, and sign as one of them: --as NAME",
                    "请填写当事方（先供能方），并以其中一方签署：--as NAME"
                )));
            }
            clauses::check_indices(account.client(), &terms.program).await?;
            let made = account.propose_agreement(label, terms, signing).await?;
            show_done(context.out, &made.done, json!({ "agreement": made.id, "terms": digest }));
        }
        Command::Sign { agreement, terms } => {
            let agreement = context.id(&agreement).await?;
            let account = context.account().await?;
            let record = account.client().agreement(agreement).await?;
            can_be_signed(&record)?;
            clauses::check_indices(account.client(), &record.terms.program).await?;
            let digest = record.terms.digest();
            expect_terms(terms, digest)?;
            let done = account.sign_agreement(agreement, digest).await?;
            show_done(context.out, &done, json!({ "agreement": agreement, "terms": digest }));
        }
        Command::Decline { agreement } => {
            let agreement = context.id(&agreement).await?;
            let done = context.account().await?.decline_agreement(agreement).await?;
            show_done(context.out, &done, json!({ "agreement": agreement }));
        }
        Command::Amend { agreement, file, from } => {
            let agreement = context.id(&agreement).await?;
            let mut document = document::read_value(&file, said!("program", "程序"), PRESENT)?;
            // All of what the command that is named shows.
            if let Some(terms) = document.get_mut("terms").filter(|terms| terms.is_object()) {
                document = terms.take();
            }
            let account = context.account().await?;
            let present = account.client().agreement(agreement).await?.terms;
            can_be_amended(&present.program)?;
            let program = match document.get("program") {
                None => document::of_value(document, &file, said!("program", "程序"), PRESENT)?,
                Some(_) => {
                    let terms = document::of_value(document, &file, said!("document of terms", "条款文件"), PRESENT)?;
                    program_of(terms, &present)?
                }
            };
            let from = match from {
                Some(from) => from,
                None => account.client().status().await?.time_ms,
            };
            let done = account.propose_amendment(agreement, program, from).await?;
            show_done(context.out, &done, json!({ "agreement": agreement, "from_ms": from }));
        }
        Command::Amendment { agreement } => {
            let agreement = context.id(&agreement).await?;
            show_amendment(&context, agreement).await?;
        }
        Command::SignAmendment { agreement, terms } => {
            let agreement = context.id(&agreement).await?;
            let account = context.account().await?;
            let amendment = amendment_of(account.client().agreement(agreement).await?)?;
            let digest = amendment.terms.amendment_digest(amendment.from_ms);
            expect_terms(terms, digest)?;
            let done = account.sign_amendment(agreement, digest).await?;
            show_done(context.out, &done, json!({ "agreement": agreement, "terms": digest }));
        }
        Command::Terminate { agreement } => {
            let agreement = context.id(&agreement).await?;
            let done = context.account().await?.terminate(agreement).await?;
            show_done(context.out, &done, json!({ "agreement": agreement }));
        }
        Command::WithdrawTermination { agreement } => {
            let agreement = context.id(&agreement).await?;
            let done = context.account().await?.withdraw_termination(agreement).await?;
            show_done(context.out, &done, json!({ "agreement": agreement }));
        }
        Command::Command { agreement, words } => {
            let agreement = context.id(&agreement).await?;
            let words = hex::decode(&words).map_err(|error| {
                Failure::usage(said!(
                    "{words:?} are no words to a program: {error}",
                    "{words:?} 不是给程序的指令：须为十六进制"
                ))
            })?;
            let done = context.account().await?.command(agreement, words).await?;
            show_done(context.out, &done, json!({ "agreement": agreement }));
        }
    }
    Ok(())
}

/// What prints the terms that are amended.
const PRESENT: &str = "agreement show AGREEMENT --json";

/// What was declined, or not signed in time, the ledger does not know any more.
fn can_be_signed(record: &AgreementView) -> Result<(), Failure> {
    let agreement = record.agreement;
    let what = match record.status {
        Status::Declined => said!("agreement {agreement} was declined", "合约 {agreement} 已被拒签"),
        Status::Expired => said!("agreement {agreement} was not signed in time", "合约 {agreement} 未按时签署"),
        _ => return Ok(()),
    };
    Err(Failure::refused("agreement/wrong-status", what)
        .next(said!("let it be proposed again: utilidor agreement propose", "请重新提出：utilidor agreement propose")))
}

/// A clause sheet stays as it was signed (docs/adr/0027).
fn can_be_amended(present: &Program) -> Result<(), Failure> {
    let is_sheet = matches!(present, Program::Coded(CodedTerms { code: ProgramCode::Native(CLAUSES), .. }));
    if !is_sheet {
        return Ok(());
    }
    let what = said!("a clause sheet cannot be amended", "条款单不能变更");
    Err(Failure::refused("agreement/amendment-kind", what).next(said!(
        "end it by both sides, utilidor agreement terminate AGREEMENT, and propose another sheet for the time from then on",
        "由双方终止：utilidor agreement terminate AGREEMENT，再就其后的时间另提条款单"
    )))
}

/// The program of terms for an agreement, of which an amendment changes nothing else.
fn program_of(terms: AgreementTerms, present: &AgreementTerms) -> Result<Program, Failure> {
    let other = match (terms.parties == present.parties, terms.hard_end == present.hard_end) {
        (false, _) => said!("other parties", "其他当事方"),
        (_, false) => said!("another hard end", "另一最迟终止"),
        (true, true) => return Ok(terms.program),
    };
    let what =
        said!("the document has {other}: an amendment changes the program alone", "文件写有{other}：变更只能改程序");
    Err(Failure::usage(what).next(said!(
        "see what was signed: utilidor {PRESENT}; anything else is another agreement",
        "查看已签署的条款：utilidor {PRESENT}；其余变动须另立合约"
    )))
}

/// Shows the amendment that waits: what it changes, or in JSON the terms that result.
async fn show_amendment(context: &Context, agreement: AgreementId) -> Result<(), Failure> {
    let client = context.client()?;
    let record = client.agreement(agreement).await?;
    let present = record.terms.program.clone();
    let amendment = amendment_of(record)?;
    let value = json!({
        "agreement": agreement, "terms": amendment.terms, "from_ms": amendment.from_ms,
        "terms_digest": amendment.terms.amendment_digest(amendment.from_ms)
    });
    let [before, after] = [&present, &amendment.terms.program];
    let manifests = [
        clauses::manifest_of(&client, before, &context.out).await,
        clauses::manifest_of(&client, after, &context.out).await,
    ];
    let out = context.out.at(offset_of(&client, before).await);
    let [of_present, of_amended] = manifests.each_ref().map(Option::as_ref);
    out.show(&value, |out| changes::amendment_text(out, agreement, (before, of_present), &amendment, of_amended));
    Ok(())
}

fn amendment_of(record: AgreementView) -> Result<AmendmentView, Failure> {
    let agreement = record.agreement;
    record.amendment.ok_or_else(|| {
        let what =
            said!("no amendment of agreement {agreement} waits for a signature", "合约 {agreement} 没有待签署的变更");
        Failure::new("agreement/no-amendment", what).next(said!(
            "see the agreement: utilidor agreement show {agreement}",
            "查看合约：utilidor agreement show {agreement}"
        ))
    })
}

fn expect_terms(expected: Option<Digest>, found: Digest) -> Result<(), Failure> {
    match expected {
        Some(expected) if expected != found => Err(Failure::new(
            "agreement/wrong-terms",
            said!(
                "the terms have digest {found}, not {expected}: nothing is signed",
                "条款的摘要是 {found}，而不是 {expected}：未签署任何内容"
            ),
        )),
        _ => Ok(()),
    }
}

/// Terms to begin with: their parties and meter are to be filled in.
fn example(at: Timestamp) -> AgreementTerms {
    let offer = offer::example(at);
    let lot = PurchaseLot {
        carrier: Carrier::Electricity,
        quantity: offer.lots[0].quantity,
        price: offer.lots[0].asking_price,
        metering: Metering { delivery: None, take: Some(MeterId::default()) },
    };
    let terms = PurchaseTerms {
        lots: vec![lot].try_into().expect("one lot is within the bound"),
        window: offer.window,
        deposit_permille: 100,
        guarantee_permille: 1_000,
        tolerance_permille: 50,
        grace_ms: 3_600_000,
        substitute: Substitute::Nothing,
    };
    let hard_end = offer.window.to.checked_add_ms(30 * utilidor_types::time::DAY_MS);
    let hard_end = hard_end.map(|at| HardEnd { at, fallback: Fallback::GiveBack });
    let between = AgreementTerms::between(AccountId::default(), AccountId([1; 32]), Program::Purchase(terms));
    AgreementTerms { hard_end, ..between }
}

#[cfg(test)]
mod tests {
    use super::*;
    use utilidor_types::{Bounded, ProgramId};

    #[test]
    fn a_clause_sheet_is_not_amended_and_code_is() {
        let of = |code| {
            let (grants, meters, parameters) = (Bounded::empty(), Bounded::empty(), Bounded::empty());
            can_be_amended(&Program::Coded(CodedTerms { code, grants, meters, parameters }))
        };
        let failure = of(ProgramCode::Native(CLAUSES)).unwrap_err();
        assert!(format!("{failure:?}").contains("cannot be amended"), "{failure:?}");
        assert!(of(ProgramCode::Published(ProgramId::default())).is_ok());
    }

    #[test]
    fn an_amendment_takes_whole_terms_if_nothing_but_their_program_is_another() {
        let present = example(Timestamp(1_735_660_800_000));
        assert_eq!(program_of(present.clone(), &present).unwrap(), present.program);
        let end = HardEnd { at: Timestamp(1_800_000_000_000), fallback: Fallback::GiveBack };
        let other_end = AgreementTerms { hard_end: Some(end), ..present.clone() };
        let mut other_parties = present.clone();
        other_parties.parties.as_mut_slice()[1] = AccountId([9; 32]);
        for (terms, what) in [(other_end, "another hard end"), (other_parties, "other parties")] {
            let failure = program_of(terms, &present).unwrap_err();
            assert!(format!("{failure:?}").contains(what), "{failure:?}");
        }
    }
}
