//! When lines of a file were that say what a clock on a wall showed: by their zone, and where that is not enough by their order.

use super::{Line, Raw, Told, When};
use crate::zone::{Shown, Zone};
use jiff::civil::DateTime;
use std::collections::BTreeMap;
use utilidor_types::Timestamp;

/// Says of each line when it was. A time that clocks showed twice is known by the lines of the same meter around it, which go
/// oldest first: it is the second one if the meter was read at the first one already, and the first one if a line that follows
/// shows the clocks put back.
pub fn resolved(read: Vec<(u64, Result<Raw, String>)>, zone: Option<&Zone>) -> Vec<Told> {
    let mut of_meter: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (place, (_, raw)) in read.iter().enumerate() {
        if let Ok(raw) = raw {
            of_meter.entry(raw.meter.clone()).or_default().push(place);
        }
    }
    let mut times: Vec<Option<Result<Timestamp, String>>> = vec![None; read.len()];
    for places in of_meter.values() {
        let shown: Vec<_> = places.iter().map(|place| read[*place].1.as_ref().map(|raw| when(raw, zone))).collect();
        // The least time of the lines that follow and were shown twice, as long as all of them were.
        let mut least_after: Vec<Option<DateTime>> = vec![None; places.len()];
        for place in (1..places.len()).rev() {
            if let Ok((Some(local), Ok(Shown::Twice(..)))) = &shown[place] {
                let least = least_after[place].into_iter().chain([*local]).min();
                least_after[place - 1] = least;
            }
        }
        let mut last = None;
        for (place, shown) in shown.into_iter().enumerate() {
            let Ok((local, shown)) = shown else { continue };
            let time = match (shown, local, zone) {
                (Err(reason), ..) => Err(reason),
                (Ok(Shown::Once(time)), ..) => Ok(time),
                (Ok(Shown::Twice(first, second)), ..) if last.is_some_and(|last| first <= last) => Ok(second),
                (Ok(Shown::Twice(first, _)), Some(local), _) if least_after[place].is_some_and(|it| it <= local) => {
                    Ok(first)
                }
                (Ok(Shown::Twice(..)), Some(local), Some(zone)) => Err(zone.twice(local)),
                (Ok(Shown::Twice(first, _)), ..) => Ok(first),
            };
            if let Ok(time) = time {
                last = Some(time);
            }
            times[places[place]] = Some(time);
        }
    }
    let line = |((number, raw), time): ((u64, Result<Raw, String>), Option<Result<Timestamp, String>>)| {
        let line = raw.and_then(|raw| {
            let time = time.unwrap_or_else(|| Err("it has no time".into()))?;
            Ok(Line { number, meter: raw.meter, time, register: raw.register })
        });
        (number, line)
    };
    read.into_iter().zip(times).map(line).collect()
}

/// When a line was, and what clocks showed then, if it says that alone.
fn when(raw: &Raw, zone: Option<&Zone>) -> (Option<DateTime>, Result<Shown, String>) {
    match (&raw.time, zone) {
        (When::At(time), _) => (None, Ok(Shown::Once(*time))),
        (When::Shown(local), Some(zone)) => (Some(*local), zone.when(*local)),
        (When::Shown(local), None) => (None, Err(format!("{local} is in no zone"))),
    }
}
