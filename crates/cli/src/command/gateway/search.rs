//! `utilidor gateway probe --search`: which devices are on an M-Bus.

use super::both;
use crate::causes::causes;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::or_dash;
use crate::{said, say, t};
use serde_json::json;
use utilidor_gateway::line::Line;
use utilidor_gateway::probe;
use utilidor_gateway::profile::Ratio;
use utilidor_gateway::search::{Found, MAX_DEVICES, search};
use utilidor_gateway::view::TelegramView;

/// Milliseconds that an answer may take: longer than any device needs, and most of a search is waiting for nobody.
pub const TIMEOUT_MS: u64 = 500;

/// Shows the devices that answer, each with its table for the configuration.
pub async fn find(line: &mut Line, bus: &str, context: &Context) -> Result<(), Failure> {
    let findings = search(line)
        .await
        .map_err(|error| Failure::new(error.code(), said!("the search ended: {}", "搜索中止：{}", causes(&error))))?;
    let carrier = |found: &Found| found.telegram.as_ref().ok().and_then(|telegram| telegram.carrier);
    let table = |found: &Found| {
        carrier(found)
            .map(|carrier| probe::meter_table(bus, &found.device.to_string(), carrier, "mbus", Ratio::default()))
    };
    let devices = findings.found.iter().map(|found| {
        json!({
            "unit": found.device.to_string(),
            "carrier": carrier(found),
            "answer": hex::encode(&found.answer),
            "says": found.telegram.as_ref().ok().map(TelegramView::of),
            "refused": found.telegram.as_ref().err().map(ToString::to_string),
            "meter": table(found),
        })
    });
    let document = json!({
        "devices": devices.collect::<Vec<_>>(),
        "indistinct": findings.indistinct,
        "selections": findings.selections,
    });
    context.out.show(&document, |out| {
        let shown = |found: &Found| match &found.telegram {
            Ok(telegram) => or_dash(telegram.register().map(|register| both(&register.content.sentence()))),
            Err(refused) => both(&refused.sentence()).to_string(),
        };
        let measures = |found: &Found| or_dash(carrier(found).map(|carrier| out.say(carrier)));
        let rows = findings.found.iter().map(|found| [found.device.to_string(), measures(found), shown(found)]);
        let mut text = vec![out.table([t!("address"), t!("carrier"), t!("register")], rows.collect())];
        text.extend(findings.indistinct.iter().map(|number| {
            say!(
                out,
                "note: {number} is answered by several devices at once, or through noise: ask with all sixteen digits, \
                 --unit {number}MMMMVVTT (maker, version, medium)",
                "提示：{number} 同时有几台设备应答，或有干扰：请用全部十六位询问，--unit {number}MMMMVVTT（厂商、版本、介质）"
            )
        }));
        if findings.found.len() >= MAX_DEVICES {
            text.push(say!(
                out,
                "note: {MAX_DEVICES} devices are as many as a segment has: there may be more",
                "提示：一个网段最多 {MAX_DEVICES} 台设备：可能还有更多"
            ));
        }
        text.extend(findings.found.iter().filter_map(table));
        text.join("\n")
    });
    if findings.found.is_empty() && findings.indistinct.is_empty() {
        return Err(Failure::new(
            "gateway/nobody",
            said!("no device on the bus acknowledges a selection", "总线上没有设备应答选址"),
        )
        .next(said!(
            "check cable, speed and format; a device without a printed number answers to --unit \
             0 to 250 alone",
            "检查线缆、速率和格式；没有印刷编号的设备只应答 --unit 0 至 250"
        )));
    }
    Ok(())
}
