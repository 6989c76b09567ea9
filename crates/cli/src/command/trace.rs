//! `utilidor trace`: a trade from offer to payment [M18].

use super::account::{MOVEMENT_HEADINGS, movement_row, short};
use super::agreement::agreement_text;
use super::event_line;
use super::meter::segments_text;
use super::reading::signer;
use super::statement::statement_text;
use crate::context::Context;
use crate::failure::Failure;
use crate::ids::Given;
use crate::output::{Output, Word, or_dash, yes};
use crate::{t, units};
use clap::Args;
use std::collections::{BTreeMap, btree_map::Entry};
use utilidor_sdk::http::trace::FullTrace;
use utilidor_types::{AgreementId, Carrier, Event, MeterAuthority, MeterId};

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
    let trace = client.trace(context.id(&arguments.agreement).await?).await?;
    // A certificate names its meter, the meter its carrier.
    let mut meters = BTreeMap::new();
    if !context.out.json {
        let read = trace.readings.iter().map(|reading| reading.certificate.meter);
        let segments = trace.events.iter().filter_map(|of| match &of.event {
            Event::Segment(segment) => Some(segment.meter),
            _ => None,
        });
        for meter in read.chain(segments) {
            if let Entry::Vacant(unknown) = meters.entry(meter) {
                let found = client.meter(meter).await?;
                unknown.insert((found.carrier, found.authority));
            }
        }
    }
    context.out.show(&trace, |out| trace_text(out, &trace, &meters));
    Ok(())
}

fn trace_text(out: &Output, trace: &FullTrace, meters: &BTreeMap<MeterId, (Carrier, MeterAuthority)>) -> String {
    let carrier = |meter: MeterId| meters.get(&meter).map(|(carrier, _)| *carrier);
    let mut parts = Vec::new();
    let mut part = |word: Word, text: String| parts.push(format!("== {}\n{text}", out.word(word)));
    if let Some(record) = &trace.offer {
        let rows = record.offer.lots.iter().map(|lot| {
            let quantity = units::quantity(lot.quantity, lot.carrier);
            [lot.carrier.to_string(), quantity, units::price(lot.asking_price)]
        });
        let facts = out.facts(vec![
            (t!("offer"), record.id.to_string()),
            (t!("owner"), record.owner.to_string()),
            (t!("time"), record.cause.time_ms.to_string()),
            (t!("gate"), record.offer.gate_closes.to_string()),
            (t!("window"), format!("{} - {}", record.offer.window.from, record.offer.window.to)),
            (t!("transaction"), or_dash(record.cause.transaction)),
        ]);
        let lots = out.table([t!("carrier"), t!("quantity"), t!("asking_price")], rows.collect());
        part(t!("offer"), format!("{facts}\n{lots}"));
        let rows = trace.quotes.iter().map(|quote| {
            [
                quote.cause.time_ms.to_string(),
                short(quote.bidder),
                quote.quote.commitment.to_string(),
                quote.status.name().into(),
                yes(quote.quote.binding),
            ]
        });
        let headings = [t!("time"), t!("bidder"), t!("commitment"), t!("status"), t!("binding")];
        part(t!("quotes"), out.table(headings, rows.collect()));
        let opened = trace.quotes.iter().filter(|quote| quote.agreement == Some(trace.agreement.agreement));
        let rows = opened.flat_map(|quote| {
            let lines = quote.opening.iter().flat_map(|opening| &opening.lines);
            record.offer.lots.iter().zip(lines).map(|(lot, line)| {
                let quantity = units::quantity(line.quantity, lot.carrier);
                [short(quote.bidder), lot.carrier.to_string(), quantity, line.price.to_string()]
            })
        });
        part(t!("award"), out.table([t!("bidder"), t!("carrier"), t!("quantity"), t!("price")], rows.collect()));
    }
    if let Some(record) = &trace.package {
        let facts = out.facts(vec![
            (t!("package"), record.id.to_string()),
            (t!("version"), record.package.version.to_string()),
            (t!("owner"), record.owner.to_string()),
            (t!("time"), record.cause.time_ms.to_string()),
        ]);
        part(t!("package"), facts);
    }
    part(t!("agreement"), agreement_text(out, &trace.agreement));
    let rows = trace.signatures.iter().map(|signature| {
        [
            signature.cause.time_ms.to_string(),
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
            certificate.interval.from.to_string(),
            certificate.interval.to.to_string(),
            units::quantity_of(quantity, carrier(certificate.meter)),
            reading.height.to_string(),
            meters
                .get(&certificate.meter)
                .map_or_else(String::new, |(_, authority)| out.word(signer(reading, *authority)).into()),
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
    let told = trace.events.iter().filter(|of| !matches!(of.event, Event::Segment(_)));
    let rows = told.map(|of| [of.cause.time_ms.to_string(), event_line(&of.event)]);
    part(t!("event"), out.table([t!("time"), t!("event")], rows.collect()));
    let statements: Vec<_> = trace.statements.iter().map(|record| statement_text(out, record)).collect();
    let statements = if statements.is_empty() { out.word(t!("none")).into() } else { statements.join("\n") };
    part(t!("settlement"), statements);
    part(t!("money"), out.table(MOVEMENT_HEADINGS, trace.movements.iter().map(movement_row).collect()));
    parts.join("\n\n")
}
