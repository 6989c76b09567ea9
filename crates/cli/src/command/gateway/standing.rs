//! Where the readings of a gateway stand: what it has read, sent and kept, with the evidence.

use super::both;
use super::hint::hint;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Word, or_dash};
use crate::said;
use crate::{say, t, units};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use utilidor_gateway::config::{Config, Meter};
use utilidor_gateway::guard::Seen;
use utilidor_gateway::journal::{Counts, Entry, Event, Filter, Journal, JournalError, State};
use utilidor_gateway::kept::Registration;
use utilidor_gateway::profile::Register;
use utilidor_gateway::protocol::Protocol;
use utilidor_gateway::reason::Sentence;
use utilidor_gateway::signed::{self, Refused, Standing};
use utilidor_gateway::view;
use utilidor_types::{MeterId, OcmfRecord, Quantity, Timestamp};

/// A meter with what the journal, or the file of its signed records, holds of it.
struct Line<'a> {
    meter: &'a Meter,
    last: Option<Seen>,
    counts: Counts,
    /// The file of its signed records, if its device signs, and where they stand.
    signed: Option<(PathBuf, Standing)>,
}

/// Until when, and at which register, the ledger had each meter when it was last asked.
fn certified(journal: &Journal) -> Result<HashMap<MeterId, Seen>, JournalError> {
    let known = journal.registrations()?.into_iter();
    let read = |text: &str| {
        let known: Registration = serde_json::from_str(text).ok()?;
        Some(Seen { time_ms: known.last_ms, register: known.register })
    };
    Ok(known.filter_map(|(id, text)| Some((id, read(&text)?))).collect())
}

/// The file of a meter whose device signs, and the records in it.
fn kept(config: &Config, meter: &Meter) -> Result<Option<(PathBuf, Vec<OcmfRecord>)>, Failure> {
    if !signed::signs(meter) {
        return Ok(None);
    }
    let file = signed::file(&signed::folder(&config.site.journal), meter.id);
    let records = signed::records(&file).map_err(|error| {
        let file = file.display();
        Failure::from_error("gateway/signed", said!("{file} could not be read", "无法读取 {file}"), &error)
    })?;
    Ok(Some((file, records)))
}

pub fn status(config: &Config, context: &Context) -> Result<(), Failure> {
    let journal = Journal::look(&config.site.journal)?;
    let mut of_meters = journal.counts_by_meter()?;
    let counts: Counts = of_meters.values().copied().sum();
    let events = journal.events(20)?;
    let stopped: BTreeMap<MeterId, Sentence> = journal.stopped()?.into_iter().collect();
    let certified = certified(&journal)?;
    let mut meters = Vec::new();
    for meter in &config.meters {
        let last = journal.last_reading(meter.id)?;
        let last = last.map(|last| Seen { time_ms: last.time_ms, register: last.register });
        let counts = of_meters.remove(&meter.id).unwrap_or_default();
        // A reading that was refused is not its last; what was certified before is.
        let last = last.or_else(|| certified.get(&meter.id).copied().filter(|_| counts.final_ > 0));
        let signed = kept(config, meter)?;
        let refused = Refused::of(&journal, meter.id)?;
        let standing =
            |records: &[_]| Standing::of(records, certified.get(&meter.id).map(|seen| seen.time_ms), &refused);
        let signed = signed.map(|(file, records)| (file, standing(&records)));
        meters.push(Line { meter, last, counts, signed });
    }
    // What a device has signed has no place in the journal.
    let last = |line: &Line<'_>| line.signed.as_ref().map_or(line.last, |(_, standing)| standing.newest);
    let open = |line: &Line<'_>| {
        line.counts.read + line.counts.in_transaction + line.signed.as_ref().map_or(0, |(_, it)| it.waiting)
    };
    let refused = |line: &Line<'_>| line.counts.refused + line.signed.as_ref().map_or(0, |(_, it)| it.refused);
    let final_ = |line: &Line<'_>| line.counts.final_ + line.signed.as_ref().map_or(0, |(_, it)| it.certified);
    let over = over(&events, |id, time_ms| {
        !stopped.contains_key(&id)
            && meters.iter().any(|line| line.meter.id == id && last(line).is_some_and(|last| last.time_ms > time_ms))
    });
    let next = |(event, over): (&Event, &bool)| if *over { None } else { hint(&event.code) };
    let document = json!({
        "read": counts.read,
        "unverified": counts.unverified,
        "in_transaction": counts.in_transaction,
        "final": counts.final_,
        "refused": counts.refused,
        "oldest_open": counts.oldest_open_ms.map(|ms| Timestamp(ms).to_rfc3339()),
        "stopped": stopped.iter().map(|(meter, reason)| json!({ "meter": meter, "reason": reason })).collect::<Vec<_>>(),
        "meters": meters.iter().map(|line| json!({
            "meter": line.meter.id,
            "bus": line.meter.bus,
            "unit": line.meter.address(),
            "computed_from": formula(line.meter),
            "time": last(line).map(|last| Timestamp(last.time_ms).to_rfc3339()),
            "register": last(line).map(|last| last.register.to_string()),
            "register_unit": units::base_unit(line.meter.carrier),
            "carrier": line.meter.carrier,
            "open": open(line),
            "final": final_(line),
            "refused": refused(line),
            "signed": line.signed.as_ref().map(|(file, standing)| json!({
                "file": file,
                "waiting": standing.waiting,
                "certified": standing.certified,
                "refused": standing.refused,
                "last_refused": standing.last_refused.map(|last| Timestamp(last.time_ms).to_rfc3339()),
            })),
        })).collect::<Vec<_>>(),
        "events": events.iter().zip(&over).map(|(event, over)| json!({
            "time": Timestamp(event.time_ms).to_rfc3339(),
            "meter": event.meter,
            "code": event.code,
            "detail": event.detail,
            "next": next((event, over)).map(|next| next.text(context.out.lang).to_owned()),
            "answer": event.answer.as_ref().map(hex::encode),
        })).collect::<Vec<_>>(),
    });
    context.out.show(&document, |out| {
        let facts = out.facts(vec![
            (t!("waiting"), counts.read.to_string()),
            (t!("on_the_way"), counts.in_transaction.to_string()),
            (t!("readings"), counts.final_.to_string()),
            (t!("refused"), counts.refused.to_string()),
            (t!("oldest"), or_dash(counts.oldest_open_ms.map(|ms| out.time(Timestamp(ms))))),
        ]);
        let rows = meters.iter().map(|line| {
            let Line { meter, .. } = line;
            [
                meter.id.to_string(),
                formula(meter).unwrap_or_else(|| format!("{}/{}", meter.bus, meter.address())),
                or_dash(last(line).map(|last| units::quantity(Quantity(last.register), meter.carrier))),
                or_dash(last(line).map(|last| out.time(Timestamp(last.time_ms)))),
                open(line).to_string(),
                final_(line).to_string(),
                or_dash(stopped.get(&meter.id).map(both)),
            ]
        });
        let headings = [
            t!("meter"),
            t!("address"),
            t!("register"),
            t!("read"),
            t!("waiting"),
            t!("certified"),
            t!("stopped_meter"),
        ];
        let rows = out.table(headings, rows.collect());
        let hand_in = meters.iter().filter_map(|line| {
            let (file, standing) = line.signed.as_ref().filter(|(_, standing)| standing.waiting > 0)?;
            let (id, count, file) = (line.meter.id, standing.waiting, file.display());
            Some(say!(
                out,
                "{count} signed records of {id} wait to be handed in: utilidor reading record {id} --ocmf {file}",
                "{id} 有 {count} 条签名记录待提交：utilidor reading record {id} --ocmf {file}"
            ))
        });
        let refused = meters.iter().filter_map(|line| {
            let (_, standing) = line.signed.as_ref()?;
            let (id, count) = (line.meter.id, standing.refused);
            let last = out.time(Timestamp(standing.last_refused?.time_ms));
            Some(say!(
                out,
                "{count} signed records of {id} were refused, the last of {last}: utilidor gateway evidence {id}",
                "{id} 有 {count} 条签名记录被拒绝，最后一条的时间为 {last}：utilidor gateway evidence {id}"
            ))
        });
        let hints: BTreeSet<_> = events
            .iter()
            .zip(&over)
            .filter_map(|told| {
                let (code, next) = (&told.0.code, next(told)?);
                Some(say!(out, "{code}: {next}", "{code}：{next}"))
            })
            .collect();
        let rows: Vec<String> = [facts, rows].into_iter().chain(hand_in).chain(refused).collect();
        let events = events.iter().map(|event| {
            let detail = both(&event.detail).to_string();
            [out.time(Timestamp(event.time_ms)), or_dash(event.meter), event.code.clone(), detail]
        });
        let events = out.table([t!("time"), t!("meter"), t!("code"), t!("detail")], events.collect());
        rows.into_iter().chain([events]).chain(hints).collect::<Vec<_>>().join("\n")
    });
    Ok(())
}

/// Which of the events, the newest first, tell of what is over. `goes_on` says whether a meter is not stopped and was read after a time.
fn over(events: &[Event], goes_on: impl Fn(MeterId, u64) -> bool) -> Vec<bool> {
    let is_over = |(place, event): (usize, &Event)| {
        let ends = |end: &str| events[..place].iter().any(|later| later.code == end && later.meter == event.meter);
        let (kind, which) = event.code.split_once('/').unwrap_or_default();
        match (kind, event.meter) {
            ("meter", Some(meter)) if matches!(which, "other-begin" | "device-changed") => {
                goes_on(meter, event.time_ms)
            }
            // Whatever kept the meter from being read, it is read again. The ledger's refusals have no answer of a device.
            ("meter" | "line" | "frame" | "register", Some(meter)) => {
                ends("meter/recovered") || goes_on(meter, event.time_ms)
            }
            ("reading", Some(meter)) if event.answer.is_some() => {
                ends("meter/recovered") || goes_on(meter, event.time_ms)
            }
            ("line", None) => ends("line/restored"),
            ("clock", None) => which == "apart" && ends("clock/together"),
            ("uplink", None) => ends("uplink/up"),
            _ => false,
        }
    };
    events.iter().enumerate().map(is_over).collect()
}

/// What a virtual meter is computed from.
fn formula(meter: &Meter) -> Option<String> {
    match &meter.profile.register {
        Register::Computed(formula) => Some(formula.to_string()),
        _ => None,
    }
}

pub fn list(config: &Config, filter: &Filter, limit: usize, context: &Context) -> Result<(), Failure> {
    let journal = Journal::look(&config.site.journal)?;
    let mut entries = journal.entries(filter, limit.saturating_add(1))?;
    // What a device has signed has no place in the journal: it stands in a file of its own.
    let certified = certified(&journal)?;
    for meter in config.meters.iter().filter(|meter| filter.meter.is_none_or(|id| meter.id == id)) {
        let Some((_, records)) = kept(config, meter)? else { continue };
        let refused = Refused::of(&journal, meter.id)?;
        entries.extend(signed::entries(
            meter,
            &records,
            certified.get(&meter.id).map(|seen| seen.time_ms),
            &refused,
            filter,
        ));
    }
    entries.sort_by_key(|entry| (entry.reading.time_ms, entry.reading.meter));
    let further = entries.len() > limit;
    match filter.takes_newest() {
        true => drop(entries.drain(..entries.len().saturating_sub(limit))),
        false => entries.truncate(limit),
    }
    let carrier = |id: MeterId| config.meters.iter().find(|meter| meter.id == id).map(|meter| meter.carrier);
    let documents: Vec<Value> = entries
        .iter()
        .map(|entry| {
            json!({
                "meter": entry.reading.meter,
                "time": Timestamp(entry.reading.time_ms).to_rfc3339(),
                "register": entry.reading.register.to_string(),
                "register_unit": carrier(entry.reading.meter).map(units::base_unit),
                "state": entry.state.name(),
                "bus": entry.reading.bus,
                "protocol": entry.reading.protocol,
                "request": hex::encode(&entry.reading.request),
                "answer": hex::encode(&entry.reading.answer),
                "computed": computed(entry),
                "transaction": entry.hash.as_ref().map(hex::encode),
                "height": entry.height,
                "refusal": entry.refusal.as_ref().map(|(code, detail)| json!({ "code": code, "detail": detail })),
            })
        })
        .collect();
    context.out.show(&documents, |out| {
        let rows = entries.iter().map(|entry| {
            let register = units::quantity_of(Quantity(entry.reading.register), carrier(entry.reading.meter));
            let state = out.word(word(entry.state));
            let state = match (&entry.refusal, entry.state) {
                (Some((code, _)), State::Refused) => format!("{state} ({code})"),
                _ => state.into(),
            };
            [
                entry.reading.meter.to_string(),
                out.time(Timestamp(entry.reading.time_ms)),
                register,
                state,
                // What a device tells by itself was not asked for.
                [&entry.reading.request, &entry.reading.answer]
                    .into_iter()
                    .filter(|bytes| !bytes.is_empty())
                    .map(|bytes| view::shown(&entry.reading.protocol, bytes))
                    .collect::<Vec<_>>()
                    .join("\n"),
                or_dash(entry.height),
            ]
        });
        let headings = [t!("meter"), t!("time"), t!("register"), t!("status"), t!("answer"), t!("block")];
        let table = out.table(headings, rows.collect());
        match (further, filter.takes_newest()) {
            (false, _) => table,
            (true, true) => say!(out, "{table}\nthere are older ones: --limit", "{table}\n还有更早的：--limit"),
            (true, false) => say!(out, "{table}\nthere are newer ones: --limit", "{table}\n还有更新的：--limit"),
        }
    });
    Ok(())
}

/// Where a reading stands, in the words of `gateway status`.
const fn word(state: State) -> Word {
    match state {
        State::Read => t!("waiting"),
        State::InTransaction => t!("on_the_way"),
        State::Final => t!("certified"),
        State::Refused => t!("refused"),
    }
}

/// What a virtual meter's reading was computed from.
fn computed(entry: &Entry) -> Option<Value> {
    let is_virtual = entry.reading.protocol == Protocol::Virtual.name();
    is_virtual.then(|| serde_json::from_slice(&entry.reading.answer).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_is_over_nothing_is_to_be_done() {
        let (one, other) = (MeterId([1; 16]), MeterId([2; 16]));
        let event = |time_ms, meter, code: &str| Event {
            time_ms,
            meter,
            code: code.into(),
            detail: Sentence::alike(""),
            answer: None,
        };
        let events = [
            event(9, None, "uplink/down"),
            event(8, None, "uplink/up"),
            event(7, None, "uplink/down"),
            event(6, Some(one), "meter/recovered"),
            event(5, Some(one), "meter/silent"),
            event(4, Some(other), "meter/silent"),
            event(3, Some(other), "meter/other-begin"),
            event(2, None, "clock/apart"),
        ];
        let whose = |meter, time_ms| meter == other && time_ms < 4;
        assert_eq!(over(&events, whose), [false, false, true, false, true, false, true, false]);

        let told = |time_ms, code| Event { answer: Some(vec![1]), ..event(time_ms, Some(one), code) };
        let events = [
            event(9, Some(one), "line/silent"),
            event(8, Some(one), "meter/recovered"),
            event(7, Some(one), "line/silent"),
            event(6, Some(one), "frame/checksum"),
            event(5, Some(one), "register/invalid"),
            told(4, "reading/went-back"),
            event(3, Some(one), "reading/not-authority"),
            event(2, Some(other), "line/silent"),
            event(1, None, "line/restored"),
            event(0, None, "line/no-connection"),
        ];
        // A gateway that was started anew does not tell that a meter has recovered: it reads it.
        assert_eq!(over(&events, whose), [false, false, true, true, true, true, false, true, false, true]);
    }
}
