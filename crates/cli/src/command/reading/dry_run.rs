//! What would become of readings: by the ledger's own rules, from what it knows of their meters now. Nothing is submitted.

use super::{Certified, Series, key_of, why_refused};
use crate::chinese;
use crate::command::offer::now as this_machines_time;
use crate::context::Context;
use crate::failure::{Failure, advice_on};
use crate::output::or_dash;
use crate::said;
use crate::sentence::Said;
use crate::{t, units};
use serde_json::json;
use utilidor_types::genesis::ChainKind;
use utilidor_types::meter::{MeterAuthority, RegisterLimits};
use utilidor_types::{AccountId, Carrier, MeterId, OcmfRecord, PublicKey, Quantity, Reading, Refusal, Role, Timestamp};
use utilidor_view::MeterView;

/// What would become of one line.
struct Foretold {
    line: u64,
    meter: Option<MeterId>,
    time: Option<Timestamp>,
    register: Option<(Quantity, Carrier)>,
    /// What would be certified: what has passed since the reading before.
    certified: Option<Quantity>,
    /// Whether it is certified already, so that nothing would be submitted.
    already: bool,
    /// Why it would not be certified: the code and the sentence.
    refused: Option<(String, Said)>,
}

/// Shows line by line what would become of readings, and of lines that say none.
pub async fn foretell(
    series: &[Series],
    wrong: &[(u64, Failure)],
    keys: Option<&[PublicKey]>,
    context: &Context,
) -> Result<(), Failure> {
    let client = context.client()?;
    // Whose account would submit them; its key is not needed.
    let account = context.acting_account()?;
    let status = client.status().await?;
    // A node that stands idle has an old block; the one that takes the readings will be later.
    let now = match status.kind {
        ChainKind::Development => status.time_ms,
        ChainKind::Production => status.time_ms.max(this_machines_time()),
    };
    let role = Role::MeterOperator;
    let lacks_role = !client.account(account).await?.roles.has(role);
    let mut lines: Vec<Foretold> = wrong.iter().map(|(line, failure)| unread(*line, failure)).collect();
    for Series { meter, readings } in series {
        let whole = if lacks_role { Some(Refusal::MissingRole { role }) } else { of_meter(meter, keys, account) };
        let key = keys.map_or(Ok(None), |keys| key_of(meter, keys));
        let limits = RegisterLimits { modulus: meter.register_modulus, capacity_per_hour: meter.capacity_per_hour };
        let mut last = Reading { time: meter.read_ms, register: meter.register };
        let certified = Certified::of(&client, meter, readings.iter().map(|(_, reading)| *reading)).await?;
        for (line, reading) in readings {
            let already = certified.has(reading);
            let outcome = match (&whole, &key) {
                _ if already => Ok(Quantity::ZERO),
                (Some(refusal), _) => Err(told(refusal, meter.carrier)),
                (None, Err(failure)) => Err(("usage".into(), failure.what().clone())),
                (None, Ok(_)) => limits.passed(last, *reading, now).map_err(|refusal| {
                    let known = certified.at(reading.time);
                    (refusal.code().into(), why_refused(&refusal, known, reading.register, Some(meter.carrier)))
                }),
            };
            if outcome.is_ok() && !already {
                last = *reading;
            }
            lines.push(Foretold {
                line: *line,
                meter: Some(meter.meter),
                time: Some(reading.time),
                register: Some((reading.register, meter.carrier)),
                certified: outcome.as_ref().ok().copied().filter(|_| !already),
                already,
                refused: outcome.err(),
            });
        }
    }
    lines.sort_by_key(|line| line.line);
    show(&lines, context);
    let refused = lines.iter().filter(|line| line.refused.is_some()).count();
    if refused == 0 {
        return Ok(());
    }
    let all = lines.len();
    let failure = Failure::refused(
        "reading/refused",
        said!(
            "{refused} of {all} lines would not be certified; nothing was submitted",
            "{all} 行中有 {refused} 行不会得到认证；未提交任何内容"
        ),
    );
    let next = advice_on(lines.iter().filter_map(|line| Some(line.refused.as_ref()?.0.as_str())));
    Err(next.into_iter().fold(failure, Failure::next))
}

fn unread(line: u64, failure: &Failure) -> Foretold {
    let refused = Some((failure.code().into(), failure.what().clone()));
    Foretold { line, meter: None, time: None, register: None, certified: None, already: false, refused }
}

fn told(refusal: &Refusal, carrier: Carrier) -> (String, Said) {
    (refusal.code().into(), chinese::refusal_of(refusal, Some(carrier)))
}

/// Why none of a meter's readings would be certified. Where no keys are said, devices bring their own signatures.
fn of_meter(meter: &MeterView, keys: Option<&[PublicKey]>, account: AccountId) -> Option<Refusal> {
    let id = meter.meter;
    match meter.authority {
        _ if meter.retired => Some(Refusal::MeterRetired { meter: id }),
        MeterAuthority::Gateway(gateway) if gateway != account => Some(Refusal::NotAuthority { meter: id }),
        MeterAuthority::Meter(_) if keys.is_none() && !OcmfRecord::can_carry(meter.carrier) => {
            Some(Refusal::RecordOfEnergy { meter: id, carrier: meter.carrier })
        }
        _ => None,
    }
}

fn show(lines: &[Foretold], context: &Context) {
    let documents: Vec<_> = lines
        .iter()
        .map(|line| {
            json!({
                "line": line.line,
                "meter": line.meter,
                "time": line.time.map(Timestamp::to_rfc3339),
                "register": line.register.map(|(register, _)| register),
                "certified": line.certified,
                "certified_already": line.already,
                "refused": line.refused.as_ref().map(|(code, why)| json!({ "code": code, "why": why })),
            })
        })
        .collect();
    context.out.show(&documents, |out| {
        let rows = lines.iter().map(|line| {
            let outcome = line.refused.as_ref().map(|(code, why)| format!("{why} [{code}]"));
            let good = if line.already { t!("certified_already") } else { t!("would_be_certified") };
            let carrier = line.register.map(|(_, carrier)| carrier);
            [
                line.line.to_string(),
                or_dash(line.meter),
                or_dash(line.time.map(|time| out.time(time))),
                or_dash(line.register.map(|(register, carrier)| units::quantity(register, carrier))),
                or_dash(line.certified.map(|quantity| units::quantity_of(quantity, carrier))),
                outcome.unwrap_or_else(|| out.word(good).into()),
            ]
        });
        let headings = [t!("line_number"), t!("meter"), t!("time"), t!("register"), t!("quantity"), t!("outcome")];
        out.table(headings, rows.collect())
    });
}
