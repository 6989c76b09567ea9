//! The readings of a file, meter by meter.

use super::{Series, Wrong, in_line};
use crate::context::Context;
use crate::failure::Failure;
use crate::import::{self, Defaults};
use crate::said;
use crate::sentence::Said;
use std::collections::BTreeMap;
use utilidor_types::{MeterId, Reading};

/// The readings of a file, by meter, and the lines that say none.
pub async fn read_series(
    context: &Context,
    bytes: &[u8],
    defaults: &Defaults,
) -> Result<(Vec<Series>, Wrong), Failure> {
    let client = context.client()?;
    // What each name means is asked once, also where it means nothing.
    let mut meters: BTreeMap<String, Result<MeterId, Failure>> = BTreeMap::new();
    let mut places: BTreeMap<MeterId, usize> = BTreeMap::new();
    let mut series: Vec<Series> = Vec::new();
    let mut wrong = Wrong::new();
    for (number, line) in import::lines(bytes, defaults).map_err(Failure::usage)? {
        let line = match line {
            Ok(line) => line,
            Err(reason) => {
                wrong.push((number, Failure::usage(reason)));
                continue;
            }
        };
        let meter = match meters.get(&line.meter) {
            Some(known) => known.clone(),
            None => {
                let found = context.read_id::<MeterId>(&line.meter).await;
                meters.insert(line.meter.clone(), found.clone());
                found
            }
        };
        let meter = match meter {
            Ok(meter) => meter,
            Err(failure) => {
                wrong.push((number, failure));
                continue;
            }
        };
        let place = match places.get(&meter) {
            Some(place) => *place,
            None => {
                let record = match client.meter(meter).await {
                    Ok(record) => record,
                    // Its lines are wrong, and no others.
                    Err(error) if error.is_not_found() => {
                        let failure = Failure::from(error);
                        meters.insert(line.meter.clone(), Err(failure.clone()));
                        wrong.push((number, failure));
                        continue;
                    }
                    Err(error) => return Err(in_line(error.into(), number)),
                };
                places.insert(meter, series.len());
                series.push(Series { meter: record, readings: Vec::new() });
                series.len() - 1
            }
        };
        let Series { meter: record, readings } = &mut series[place];
        match line.register.of(record.carrier).map(|register| Reading { time: line.time, register }) {
            Err(reason) => wrong.push((number, Failure::usage(reason))),
            Ok(reading) => match readings.last() {
                Some((earlier, last)) if last.time >= reading.time => {
                    wrong.push((number, Failure::usage(not_after(*last, reading, *earlier))));
                }
                _ => readings.push((number, reading)),
            },
        }
    }
    Ok((series, wrong))
}

/// What is wrong with a reading that does not come after the one before, which stands in line `earlier`.
fn not_after(last: Reading, reading: Reading, earlier: u64) -> Said {
    let time = reading.time;
    if last == reading {
        return said!(
            "the reading stands in line {earlier} already: leave one of them out",
            "该读数已在第 {earlier} 行：请去掉其中之一"
        );
    }
    if last.time == time {
        return said!(
            "line {earlier} says that the register showed something else at {time}",
            "第 {earlier} 行称 {time} 时表底为另一数值"
        );
    }
    said!(
        "{time} is not after the time of line {earlier}: a meter's readings go oldest first",
        "{time} 不晚于第 {earlier} 行的时间：同一表计的读数须从旧到新"
    )
}
