//! `utilidor agreement`: contracts between an owner and a user.

use super::account::short;
use super::{offer, permille, show_done};
use crate::context::Context;
use crate::document;
use crate::failure::Failure;
use crate::ids::{Given, whole};
use crate::output::{Output, or_dash};
use crate::{t, units};
use clap::Subcommand;
use serde_json::json;
use std::path::PathBuf;
use utilidor_sdk::client::AgreementFilter;
use utilidor_sdk::model::AgreementRecord;
use utilidor_sdk::trade::new_id;
use utilidor_types::agreement::{Metering, Status, Substitute};
use utilidor_types::{
    AccountId, AgreementId, AgreementTerms, Carrier, Digest, MeterId, OfferId, Program, PurchaseLot, PurchaseTerms,
    Timestamp,
};

/// What is asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List agreements
    List {
        /// A party: an id, or the name of a key
        #[arg(long)]
        account: Option<String>,
        /// proposed, active, settled, defaulted, terminated, declined, expired
        #[arg(long, value_parser = status)]
        status: Option<Status>,
        /// purchase or subscription
        #[arg(long)]
        kind: Option<String>,
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
        /// The time from which the document's times are counted [default: now]
        #[arg(long, value_parser = units::time)]
        at: Option<Timestamp>,
    },
    /// Propose an agreement without an offer; this side signs with it
    #[command(after_help = "\
Example:
  utilidor agreement example > terms.json      # then fill in owner, user and meter
  utilidor agreement propose terms.json --signing 2h --as plant")]
    Propose {
        /// The terms; `-` is standard input
        file: PathBuf,
        /// How long the other side may take to sign, such as 30m
        #[arg(long, default_value = "1h", value_parser = units::duration_ms)]
        signing: u64,
        /// The agreement's id: 32 hex digits [default: random]
        #[arg(long, value_parser = whole::<AgreementId>)]
        id: Option<AgreementId>,
    },
    /// Sign an agreement that waits for this side [M12]
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
The document holds the program that replaces the present one: the \"program\" of 'utilidor agreement show ID --json'.

Example:
  utilidor agreement amend 77aa... program.json --as plant
  utilidor agreement amendment 77aa...                    # the other side reads it
  utilidor agreement sign-amendment 77aa... --as shop     # and signs")]
    Amend {
        /// The agreement
        agreement: Given<AgreementId>,
        /// The program; `-` is standard input
        file: PathBuf,
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
        /// Sign only if the resulting terms have this digest
        #[arg(long)]
        terms: Option<Digest>,
    },
    /// Agree to end an active agreement early
    Terminate {
        /// The agreement
        agreement: Given<AgreementId>,
    },
}

fn status(text: &str) -> Result<Status, String> {
    serde_json::from_value(json!(text))
        .map_err(|_| "a status is proposed, active, settled, defaulted, terminated, declined or expired".into())
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
                        record.kind.clone(),
                        record.status.to_string(),
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
            context.out.show(&record, |out| agreement_text(out, &record));
        }
        Command::Example { at } => context.out.document(&example(at.unwrap_or_else(offer::now))),
        Command::Propose { file, signing, id } => {
            let terms: AgreementTerms = document::read(&file, "document of terms", "agreement example")?;
            let signing = u32::try_from(signing).map_err(|_| Failure::usage("the signing time is too long"))?;
            let id = id.map_or_else(|| new_id().map(AgreementId), Ok)?;
            let digest = terms.digest();
            let done = context.account().await?.propose_agreement(id, terms, signing).await?;
            show_done(context.out, &done, json!({ "agreement": id, "terms": digest }));
        }
        Command::Sign { agreement, terms } => {
            let agreement = context.id(&agreement).await?;
            let account = context.account().await?;
            let digest = account.client().agreement(agreement).await?.terms.digest();
            expect_terms(terms, digest)?;
            let done = account.sign_agreement(agreement, digest).await?;
            show_done(context.out, &done, json!({ "agreement": agreement, "terms": digest }));
        }
        Command::Decline { agreement } => {
            let agreement = context.id(&agreement).await?;
            let done = context.account().await?.decline_agreement(agreement).await?;
            show_done(context.out, &done, json!({ "agreement": agreement }));
        }
        Command::Amend { agreement, file } => {
            let agreement = context.id(&agreement).await?;
            let program: Program = document::read(&file, "program", "agreement show AGREEMENT --json")?;
            let done = context.account().await?.propose_amendment(agreement, program).await?;
            show_done(context.out, &done, json!({ "agreement": agreement }));
        }
        Command::Amendment { agreement } => {
            let agreement = context.id(&agreement).await?;
            let account = context.account().await?;
            let terms = amendment(&account, agreement).await?;
            context.out.document(&json!({ "agreement": agreement, "terms": terms, "terms_digest": terms.digest() }));
        }
        Command::SignAmendment { agreement, terms } => {
            let agreement = context.id(&agreement).await?;
            let account = context.account().await?;
            let digest = amendment(&account, agreement).await?.digest();
            expect_terms(terms, digest)?;
            let done = account.sign_amendment(agreement, digest).await?;
            show_done(context.out, &done, json!({ "agreement": agreement, "terms": digest }));
        }
        Command::Terminate { agreement } => {
            let agreement = context.id(&agreement).await?;
            let done = context.account().await?.terminate(agreement).await?;
            show_done(context.out, &done, json!({ "agreement": agreement }));
        }
    }
    Ok(())
}

async fn amendment(account: &utilidor_sdk::Account, agreement: AgreementId) -> Result<AgreementTerms, Failure> {
    account.proposed_amendment(agreement).await?.ok_or_else(|| {
        Failure::new("agreement/no-amendment", format!("no amendment of agreement {agreement} waits for a signature"))
            .next(format!("see the agreement: utilidor agreement show {agreement}"))
    })
}

fn expect_terms(expected: Option<Digest>, found: Digest) -> Result<(), Failure> {
    match expected {
        Some(expected) if expected != found => Err(Failure::new(
            "agreement/wrong-terms",
            format!("the terms have digest {found}, not {expected}: nothing is signed"),
        )),
        _ => Ok(()),
    }
}

/// An agreement for people.
pub fn agreement_text(out: &Output, record: &AgreementRecord) -> String {
    let mut facts = vec![
        (t!("agreement"), record.agreement.to_string()),
        (t!("kind"), record.kind.clone()),
        (t!("status"), record.status.to_string()),
        (t!("owner"), record.owner.to_string()),
        (t!("user"), record.user.to_string()),
        (t!("sign_by"), record.sign_by_ms.to_string()),
        (t!("terms"), record.terms_digest.to_string()),
        (t!("statements"), record.statements.to_string()),
    ];
    let terms = match &record.terms.program {
        Program::Purchase(terms) => {
            facts.push((t!("window"), format!("{} - {}", terms.window.from, terms.window.to)));
            let rows = terms.lots.iter().map(|lot| {
                [
                    lot.carrier.to_string(),
                    units::quantity(lot.quantity, lot.carrier),
                    units::price(lot.price),
                    or_dash(lot.metering.delivery),
                    or_dash(lot.metering.take),
                ]
            });
            let headings = [t!("carrier"), t!("quantity"), t!("price"), t!("from"), t!("to")];
            let conditions = format!(
                "deposit {}, guarantee {}, tolerance {}",
                permille(terms.deposit_permille),
                permille(terms.guarantee_permille),
                permille(terms.tolerance_permille)
            );
            format!("{}\n{conditions}", out.table(headings, rows.collect()))
        }
        Program::Subscription(terms) => {
            facts.push((t!("package"), terms.package.to_string()));
            facts.push((t!("version"), terms.version.to_string()));
            let rows = terms.services.iter().map(|service| {
                [
                    service.carrier.to_string(),
                    service.option.to_string(),
                    or_dash(service.meter),
                    service.floor_area_m2.to_string(),
                ]
            });
            let headings = [t!("carrier"), t!("option"), t!("meter"), t!("quantity")];
            out.table(headings, rows.collect())
        }
    };
    let steps = record.steps.iter().map(|step| {
        [
            step.cause.time_ms.to_string(),
            step.step.clone(),
            or_dash(step.account.map(short)),
            or_dash(step.cause.transaction),
        ]
    });
    let steps = out.table([t!("time"), t!("step"), t!("account"), t!("transaction")], steps.collect());
    format!("{}\n{terms}\n{steps}", out.facts(facts))
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
    AgreementTerms { owner: AccountId::default(), user: AccountId([1; 32]), program: Program::Purchase(terms) }
}
