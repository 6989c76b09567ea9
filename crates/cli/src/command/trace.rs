//! `utilidor trace`: a trade from offer to payment [M18].

use super::account::{MOVEMENT_HEADINGS, movement_row, short};
use super::agreement::agreement_text;
use super::clauses::manifest_of;
use super::meter::segments_text;
use super::reading::signer;
use super::statement::{is_by_terms_in_force, statement_text};
use super::{event, offset_of};
use crate::context::Context;
use crate::failure::Failure;
use crate::ids::Given;
use crate::output::{Output, Word, note, or_dash};
use crate::said;
use crate::{t, units};
use clap::Args;
use std::collections::{BTreeMap, btree_map::Entry};
use utilidor_sdk::ClientError;
use utilidor_sdk::http::trace::FullTrace;
use utilidor_types::program::Manifest;
use utilidor_types::{AgreementId, Carrier, Event, MeterId, Program, PurchaseLot};
use utilidor_view::Problem;
use utilidor_view::problem::Code;

/// What is asked.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  utilidor trace 77aa0c...        # or with --json for all of it")]
pub struct Arguments {
    /// The agreement
    agreement: Given<AgreementId>,
}

/// Does it.
pub async fn run(arguments: Arguments, context: Context) -> Result<(), Failure> {
    let client = context.client()?;
    let agreement = context.id(&arguments.agreement).await?;
    let trace = client.trace(agreement).await.map_err(|error| refused(error, agreement))?;
    let program = &trace.agreement.terms.program;
    // A certificate names its meter, the meter its carrier.
    let (mut meters, mut covers_meters) = (BTreeMap::new(), true);
    if !context.out.json {
        let read = trace.readings.iter().map(|reading| reading.certificate.meter);
        let segments = trace.events.iter().filter_map(|of| match &of.event {
            Event::Segment(segment) => Some(segment.meter),
            _ => None,
        });
        for meter in read.chain(segments).chain(carriers_of(program).into_keys()) {
            if let Entry::Vacant(unknown) = meters.entry(meter) {
                match client.meter(meter).await {
                    // A token for trade alone, such as a supervisor's, shows the trace without the meters.
                    Err(ClientError::Problem(problem)) if problem.is(Code::OutOfScope) => covers_meters = false,
                    Err(error) if error.is_not_found() => {}
                    found => {
                        let found = found?;
                        unknown.insert(found.carrier);
                    }
                }
            }
        }
        if !covers_meters {
            note(&said!(
                "the token does not cover meters: certified readings are left out. A supervisor asks for them with a token of \
                 their own: utilidor oversight request meters --meter METER --reason WHY, then utilidor reading list METER",
                "令牌不含表计：未列出已认证的读数。监管方可另行申请：utilidor oversight request meters --meter METER \
                 --reason WHY，再用 utilidor reading list METER 查看"
            ));
        }
    }
    let manifest = manifest_of(&client, program, &context.out).await;
    // People read by the tariff's own time.
    let out = context.out.at(offset_of(&client, program).await);
    out.show(&trace, |out| trace_text(out, &trace, &meters, manifest.as_ref()));
    Ok(())
}

/// What an agreement's own terms say of its meters.
fn carriers_of(program: &Program) -> BTreeMap<MeterId, Carrier> {
    match program {
        Program::Purchase(terms) => {
            let of =
                |lot: &PurchaseLot| [lot.metering.delivery, lot.metering.take].map(|meter| Some((meter?, lot.carrier)));
            terms.lots.iter().flat_map(of).flatten().collect()
        }
        Program::Subscription(terms) => {
            terms.services.iter().filter_map(|service| Some((service.meter?, service.carrier))).collect()
        }
        Program::Coded(terms) => terms.meters.iter().map(|meter| (meter.meter, meter.carrier)).collect(),
    }
}

/// Why there is no trace, and what a supervisor does about it.
fn refused(error: ClientError, agreement: AgreementId) -> Failure {
    let hides = |problem: &Problem| problem.is(Code::OutOfScope) || problem.is(Code::NotFound);
    let is_hidden = matches!(&error, ClientError::Problem(problem) if hides(problem));
    let failure = Failure::from(error);
    if !is_hidden {
        return failure;
    }
    failure.next(said!(
        "only its parties see an agreement; a supervisor asks first: \
         utilidor oversight request trade --agreement {agreement} --reason WHY",
        "只有当事方可查看合约；监管方须先申请：utilidor oversight request \
         trade --agreement {agreement} --reason WHY"
    ))
}

fn trace_text(
    out: &Output,
    trace: &FullTrace,
    meters: &BTreeMap<MeterId, Carrier>,
    manifest: Option<&Manifest>,
) -> String {
    let told = carriers_of(&trace.agreement.terms.program);
    let carrier = |meter: MeterId| meters.get(&meter).copied().or_else(|| told.get(&meter).copied());
    let mut parts = Vec::new();
    let mut part = |word: Word, text: String| parts.push(format!("== {}\n{text}", out.word(word)));
    if let Some(record) = &trace.offer {
        let rows = record.offer.lots.iter().map(|lot| {
            let quantity = units::quantity(lot.quantity, lot.carrier);
            [out.say(lot.carrier), quantity, units::price(lot.asking_price)]
        });
        let facts = out.facts(vec![
            (t!("offer"), record.id.to_string()),
            (t!("owner"), record.owner.to_string()),
            (t!("time"), out.time(record.cause.time_ms)),
            (t!("gate"), out.time(record.offer.gate_closes)),
            (t!("window"), out.window(record.offer.window)),
            (t!("transaction"), or_dash(record.cause.transaction)),
        ]);
        let lots = out.table([t!("carrier"), t!("quantity"), t!("asking_price")], rows.collect());
        part(t!("offer"), format!("{facts}\n{lots}"));
        let rows = trace.quotes.iter().map(|quote| {
            [
                out.time(quote.cause.time_ms),
                short(quote.bidder),
                quote.quote.commitment.to_string(),
                out.say(quote.status),
                out.say(quote.quote.binding),
            ]
        });
        let headings = [t!("time"), t!("bidder"), t!("commitment"), t!("status"), t!("binding")];
        part(t!("quotes"), out.table(headings, rows.collect()));
        let opened = trace.quotes.iter().filter(|quote| quote.agreement == Some(trace.agreement.agreement));
        let rows = opened.flat_map(|quote| {
            let lines = quote.opening.iter().flat_map(|opening| &opening.lines);
            record.offer.lots.iter().zip(lines).map(|(lot, line)| {
                let quantity = units::quantity(line.quantity, lot.carrier);
                [short(quote.bidder), out.say(lot.carrier), quantity, line.price.to_string()]
            })
        });
        part(t!("award"), out.table([t!("bidder"), t!("carrier"), t!("quantity"), t!("price")], rows.collect()));
    }
    if let Some(record) = &trace.package {
        let facts = out.facts(vec![
            (t!("package"), record.id.to_string()),
            (t!("version"), record.package.version.to_string()),
            (t!("owner"), record.owner.to_string()),
            (t!("time"), out.time(record.cause.time_ms)),
        ]);
        part(t!("package"), facts);
    }
    part(t!("agreement"), agreement_text(out, &trace.agreement, manifest));
    let rows = trace.signatures.iter().map(|signature| {
        [
            out.time(signature.cause.time_ms),
            short(signature.account),
            signature.action.clone(),
            signature.signer.to_string(),
            or_dash(signature.cause.transaction),
        ]
    });
    let headings = [t!("time"), t!("account"), t!("actions"), t!("public"), t!("transaction")];
    part(t!("signature"), out.table(headings, rows.collect()));
    let rows = trace.readings.iter().map(|reading| {
        let certificate = &reading.certificate;
        let quantity = certificate.quantity;
        [
            certificate.id.to_string(),
            certificate.meter.to_string(),
            out.time(certificate.interval.from),
            out.time(certificate.interval.to),
            units::quantity_of(quantity, carrier(certificate.meter)),
            reading.height.to_string(),
            out.word(signer(reading.signed_by)).into(),
        ]
    });
    let headings = [t!("certificate"), t!("meter"), t!("from"), t!("to"), t!("quantity"), t!("block"), t!("signature")];
    part(t!("readings"), out.table(headings, rows.collect()));
    // Each record once, as its device has signed it: any verifier of the format takes it.
    let mut records: Vec<_> = trace.readings.iter().filter_map(|reading| reading.signed.as_ref()).collect();
    records.dedup();
    if !records.is_empty() {
        let rows = records.iter().map(|signed| [signed.key.to_string(), signed.record.text().into()]);
        part(t!("record"), out.table([t!("public"), t!("record")], rows.collect()));
    }
    part(t!("segments"), segments_text(out, &trace.events, carrier));
    let known = meters.iter().map(|(meter, carrier)| (*meter, *carrier));
    let measured = told.iter().map(|(meter, carrier)| (*meter, *carrier)).chain(known).collect();
    let told = trace.events.iter().filter(|of| !matches!(of.event, Event::Segment(_)));
    let rows = told.map(|of| [out.time(of.cause.time_ms), event::line_of(out, &of.event, &measured)]);
    part(t!("event"), out.table([t!("time"), t!("event")], rows.collect()));
    let statements = trace
        .statements
        .iter()
        .map(|record| statement_text(out, record, manifest.filter(|_| is_by_terms_in_force(record, &trace.agreement))));
    let statements: Vec<_> = statements.collect();
    let statements = if statements.is_empty() { out.word(t!("none")).into() } else { statements.join("\n") };
    part(t!("settlement"), statements);
    part(
        t!("money"),
        out.table(MOVEMENT_HEADINGS, trace.movements.iter().map(|movement| movement_row(out, movement)).collect()),
    );
    parts.join("\n\n")
}
