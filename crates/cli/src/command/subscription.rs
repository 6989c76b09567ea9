//! `utilidor subscription`: a user's choice from a package, and what it pays ahead.

use super::agreement::agreement_text;
use super::{event, permille, show_done};
use crate::causes::too_many;
use crate::context::Context;
use crate::document;
use crate::failure::{Failure, missing, read};
use crate::ids::Given;
use crate::output::{Output, or_dash, warn};
use crate::sentence::Said;
use crate::vocabulary::spoken;
use crate::{label, said, t, units};
use clap::{Subcommand, ValueEnum};
use serde_json::json;
use std::path::PathBuf;
use utilidor_sdk::http::top_up::{Decision, TopUp};
use utilidor_sdk::{Client, Done};
use utilidor_types::action::Prepayment;
use utilidor_types::agreement::{Program, Service, Status};
use utilidor_types::package::Tariff;
use utilidor_types::{AgreementId, Area, Carrier, MeterId, Money, PackageId, Quantity, SubscriptionTerms, package};
use utilidor_view::{Kind, SubscriptionView, TrancheView};

/// What is asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Subscribe to a published package
    #[command(after_help = "\
A service is CARRIER:OPTION, then :METER, then :AREA in m2; the options of a carrier are counted from 0. The allowance is the most
that statements may take from the free balance within 30 days, beyond what is prepaid; what is due beyond it becomes a debt.

Examples:
  utilidor subscription new 12ab... 1 --allowance 500 --service electricity:0:9a40... --service heating:0::84.25 --as shop
  utilidor subscription new --file terms.json --as shop")]
    New {
        /// The package
        #[arg(required_unless_present = "file")]
        package: Option<Given<PackageId>>,
        /// Its version
        #[arg(required_unless_present = "file")]
        version: Option<u32>,
        /// CARRIER:OPTION[:METER[:AREA]], once for each; needed, unless --file is given
        #[arg(long = "service", required_unless_present = "file")]
        services: Vec<String>,
        /// The most that statements may take from the free balance within 30 days; needed, unless --file is given
        #[arg(long, required_unless_present = "file")]
        allowance: Option<Money>,
        /// A document of subscription terms instead; `-` is standard input
        #[arg(long, conflicts_with_all = ["package", "version", "services", "allowance"])]
        file: Option<PathBuf>,
        /// What this side calls it; subscribed again under the same label, it is the same subscription [default: random]
        #[arg(long)]
        label: Option<String>,
    },
    /// Show a subscription and what is prepaid
    Show {
        /// The subscription
        subscription: Given<AgreementId>,
    },
    /// Pay ahead for a service
    #[command(after_help = "\
Examples:
  utilidor subscription prepay 77aa... electricity --amount 5000 --as shop
  utilidor subscription prepay 77aa... heating --period year --at-most 70000 --as shop     # by floor area
  utilidor subscription prepay 77aa... heating --period quarter --amount 9000 --as shop    # by meter")]
    Prepay {
        /// The subscription
        subscription: Given<AgreementId>,
        /// The service's carrier
        carrier: Carrier,
        /// How much: for services by meter
        #[arg(long, required_unless_present = "period")]
        amount: Option<Money>,
        /// For how long
        #[arg(long, value_enum)]
        period: Option<Period>,
        /// The most that a period by floor area may cost
        #[arg(long, conflicts_with = "amount")]
        at_most: Option<Money>,
    },
    /// Pay ahead whenever little is left, until it is interrupted
    #[command(after_help = "\
Each notice of a low balance is answered with one payment, as long as no more than --at-most has been paid ahead for the
service within 30 days. Whatever was paid stands on the ledger, so it can be stopped and begun again.

Example:
  utilidor subscription top-up 77aa... electricity --amount 500 --at-most 2000 --as shop")]
    TopUp {
        /// The subscription
        subscription: Given<AgreementId>,
        /// The service's carrier
        carrier: Carrier,
        /// How much at a time
        #[arg(long)]
        amount: Money,
        /// The most that is paid ahead for the service within 30 days
        #[arg(long)]
        at_most: Money,
        /// Pay if it is time to, and end
        #[arg(long)]
        once: bool,
    },
    /// End a subscription early, with a refund by its tariffs
    #[command(after_help = "\
Its user ends it at once, its owner or the operator of one of its meters after the package's notice. The final statement follows
six hours later; what meters bring later for the time before makes a supplementary one.")]
    Terminate {
        /// The subscription
        subscription: Given<AgreementId>,
    },
}

/// A prepaid period.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Period {
    /// One month
    Month,
    /// Three months
    Quarter,
    /// Twelve months
    Year,
}

impl From<Period> for package::Period {
    fn from(period: Period) -> Self {
        match period {
            Period::Month => Self::Month,
            Period::Quarter => Self::Quarter,
            Period::Year => Self::Year,
        }
    }
}

async fn service(text: &str, context: &Context) -> Result<Service, Failure> {
    let parts: Vec<&str> = text.split(':').collect();
    if !(2..=4).contains(&parts.len()) {
        return Err(Failure::usage(said!(
            "{text:?} is no service: write CARRIER:OPTION[:METER[:AREA]]",
            "{text:?} 不是服务：请写 CARRIER:OPTION[:METER[:AREA]]（品种:方案[:表计[:面积]]）"
        )));
    }
    let given = |place: usize| parts.get(place).filter(|part| !part.is_empty());
    let meter = match given(2) {
        Some(meter) => Some(context.read_id::<MeterId>(meter).await?),
        None => None,
    };
    Ok(Service {
        carrier: read(said!("carrier", "能源品种"), parts[0])?,
        option: read(said!("option", "方案编号"), parts[1])?,
        meter,
        floor_area: given(3).map(|area| units::area(area).map_err(Failure::usage)).transpose()?.unwrap_or(Area(0)),
        low_balance: Quantity::ZERO,
    })
}

/// Does it.
pub async fn run(command: Command, context: Context) -> Result<(), Failure> {
    match command {
        Command::New { package, version, services, allowance, file, label } => {
            let package = context.id_or_none(package.as_ref()).await?;
            let terms: SubscriptionTerms = match file {
                Some(file) => document::read_of_people(
                    &file,
                    said!("document of subscription terms", "订阅条款文件"),
                    "subscription new --help",
                )?,
                None => {
                    let package = package.ok_or_else(|| missing("PACKAGE"))?;
                    let version = version.ok_or_else(|| missing("VERSION"))?;
                    let allowance = allowance.ok_or_else(|| missing("--allowance"))?;
                    let mut chosen = Vec::with_capacity(services.len());
                    for text in &services {
                        chosen.push(service(text, &context).await?);
                    }
                    let services = chosen.try_into().map_err(|error| {
                        Failure::usage(said!("too many services: {}", "服务过多：{}", too_many(&error)))
                    })?;
                    SubscriptionTerms { package, version, services, allowance }
                }
            };
            let label = label::or_random(label.as_deref())?;
            let account = context.account().await?;
            let made = account.subscribe(label, terms).await?;
            show_done(context.out, &made.done, json!({ "subscription": made.id }));
            // Publishing the package was the owner's signature, but for a user that owes it something.
            if account.client().agreement(made.id).await?.status == Status::Proposed {
                warn(&said!(
                    "this key owes the package's owner something, so the owner has to sign the subscription too: until then it has no effect; \
                     see what is owed: utilidor debt list, and pay it: utilidor debt pay AGREEMENT",
                    "此密钥欠套餐供能方款项，故须供能方也签署：在此之前订阅不生效；查看欠款：utilidor debt list，\
                     付清：utilidor debt pay AGREEMENT"
                ));
            }
        }
        Command::Show { subscription } => {
            let subscription = context.id(&subscription).await?;
            let record = context.client()?.subscription(subscription).await?;
            let out = context.out.at(super::tariff_offset(&context.client()?, subscription).await);
            out.show(&record, |out| subscription_text(out, &record));
        }
        Command::Prepay { subscription, carrier, amount, period, at_most } => {
            let subscription = context.id(&subscription).await?;
            let account = context.account().await?;
            let payment = match (amount, period) {
                (Some(amount), None) => Prepayment::Amount(amount),
                (Some(amount), Some(period)) => Prepayment::AmountForPeriod { amount, period: period.into() },
                (None, Some(period)) => {
                    let at_most = match at_most {
                        Some(at_most) => at_most,
                        None => return Err(without_amount(account.client(), subscription, carrier).await),
                    };
                    Prepayment::Period { period: period.into(), at_most }
                }
                (None, None) => {
                    return Err(Failure::usage(said!("how much, or for how long?", "付多少，或付多久？"))
                        .next(said!("give --amount or --period", "请写 --amount 或 --period")));
                }
            };
            let done = account.prepay(subscription, carrier, payment).await?;
            show_done(context.out, &done, json!({ "subscription": subscription }));
        }
        Command::TopUp { subscription, carrier, amount, at_most, once } => {
            let subscription = context.id(&subscription).await?;
            let account = context.account().await?;
            let rule = TopUp { subscription, carrier, amount, at_most };
            if once {
                let (decision, done) = account.top_up_once(&rule).await?;
                tell(context.out, &rule, decision, done);
            } else {
                account.top_up(&rule, |decision, done| tell(context.out, &rule, decision, done)).await?;
            }
        }
        Command::Terminate { subscription } => {
            let subscription = context.id(&subscription).await?;
            let account = context.account().await?;
            let record = account.client().agreement(subscription).await?;
            if record.kind != Kind::Subscription {
                return Err(Failure::usage(said!(
                    "agreement {subscription} is no subscription",
                    "合约 {subscription} 不是订阅"
                ))
                .next(said!(
                    "end it with: utilidor agreement terminate {subscription}",
                    "终止它：utilidor agreement terminate {subscription}"
                )));
            }
            let done = account.terminate(subscription).await?;
            show_done(context.out, &done, json!({ "subscription": subscription }));
        }
    }
    Ok(())
}

/// What is missing where a period is paid for and no amount is said: that depends on how the service is charged.
async fn without_amount(client: &Client, subscription: AgreementId, carrier: Carrier) -> Failure {
    let by_meter = |next: Said| {
        let carrier = spoken(carrier);
        let what = said!("{carrier} is charged by meter: how much is paid ahead?", "{carrier}按表计计费：预付多少？");
        Failure::usage(what).next(next)
    };
    let by_area =
        |next: Said| Failure::usage(said!("how much may the period cost?", "该期间最多愿付多少？")).next(next);
    match charged_by(client, subscription, carrier).await {
        Some((Tariff::Metered(_), _)) => {
            by_meter(said!("say so with --amount, without --period", "用 --amount 说明，不写 --period"))
        }
        Some((Tariff::MeteredByPeriod(_), _)) => {
            by_meter(said!("say so with --amount, beside --period", "除 --period 外，还须写 --amount"))
        }
        Some((Tariff::FloorArea(tariff), area)) => by_area(said!(
            "say so with --at-most: a whole season costs {} for each of the {area} m2, before \
             discounts and taxes",
            "用 --at-most 说明：整个供应季每 m2 为 {}（面积 {area} m2），未计折扣和税",
            tariff.per_m2
        )),
        None => by_area(said!(
            "say so with --at-most; of a service by meter, how much is paid with --amount",
            "用 --at-most 说明；按表计计费的服务，用 --amount 说明金额"
        )),
    }
}

/// The tariff and the floor area of a subscription's service, if they can be read.
async fn charged_by(client: &Client, subscription: AgreementId, carrier: Carrier) -> Option<(Tariff, Area)> {
    let Program::Subscription(terms) = client.agreement(subscription).await.ok()?.terms.program else { return None };
    let service = terms.services.iter().find(|service| service.carrier == carrier)?;
    let package = client.package(terms.package, terms.version).await.ok()?.package;
    let mut options = package.options.iter().filter(|option| option.carrier == carrier);
    Some((options.nth(usize::from(service.option))?.tariff.clone(), service.floor_area))
}

/// Shows what topping up came to.
fn tell(out: Output, rule: &TopUp, decision: Decision, done: Option<Done>) {
    if let Some(done) = done {
        return show_done(out, &done, json!({ "subscription": rule.subscription, "paid": rule.amount }));
    }
    let (word, paid) = match decision {
        Decision::Granted { paid } => (t!("not_granted"), Some(paid)),
        Decision::Enough | Decision::Pay => (t!("enough"), None),
    };
    let value = json!({ "subscription": rule.subscription, "paid": null, "paid_in_30_days": paid });
    out.show(&value, |out| {
        format!("{} {}", out.word(word), paid.map(|paid| paid.to_string()).unwrap_or_default()).trim_end().into()
    });
}

/// A subscription for people.
fn subscription_text(out: &Output, record: &SubscriptionView) -> String {
    let headings = [
        t!("carrier"),
        t!("tranche"),
        t!("prepaid"),
        t!("debt_paid"),
        t!("discount"),
        t!("charged_net"),
        t!("refunded"),
        t!("withheld"),
        t!("period"),
    ];
    let tranches = out.section(
        t!("prepayments"),
        headings,
        record.tranches.iter().map(|tranche| tranche_row(out, tranche)).collect(),
    );
    let notices = record.notices.iter().map(|notice| [out.time(notice.cause.time_ms), event::line(out, &notice.event)]);
    let notices = out.section(t!("notices"), [t!("time"), t!("notice")], notices.collect());
    format!("{}\n{tranches}\n{notices}", agreement_text(out, &record.agreement, None))
}

fn tranche_row(out: &Output, tranche: &TrancheView) -> [String; 9] {
    let opened = tranche.opened.as_ref();
    [
        out.say(tranche.carrier),
        tranche.tranche.to_string(),
        tranche.paid.to_string(),
        or_dash(opened.map(|opened| opened.debt_paid)),
        or_dash(opened.map(|opened| permille(opened.discount_permille))),
        tranche.charged.to_string(),
        tranche.refunded.to_string(),
        tranche.withheld.to_string(),
        or_dash(tranche.period.map(|period| out.window(period))),
    ]
}
