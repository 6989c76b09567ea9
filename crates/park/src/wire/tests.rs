//! What is read over the wire is what the files say.

use super::*;
use crate::data::Year;
use crate::meters::park_meters;
use utilidor_types::meter::MeterRun;

fn runs(meters: &[ParkMeter], wire: Option<&Wire>, day: usize) -> Vec<MeterRun> {
    let chain = crate::cast::chain();
    let shown = |meter: MeterId| move |hour| wire.and_then(|wire| wire.register(meter, hour));
    let hours = day * 24..day * 24 + 24;
    meters.iter().filter_map(|meter| meter.run_showing(chain, hours.clone(), shown(meter.id))).collect()
}

async fn read(folder: &Path, days: usize, faults: bool) -> Wire {
    let mut wire = Wire::start(park_meters(&Year::load()), days, faults, folder).await.unwrap();
    for day in 0..days {
        wire.read_day(day).await.unwrap();
    }
    wire
}

#[tokio::test]
async fn what_is_read_over_the_wire_is_what_the_files_say_whatever_goes_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let meters = park_meters(&Year::load());
    let wire = read(folder.path(), 1, true).await;
    assert_eq!(runs(&meters, Some(&wire), 0), runs(&meters, None, 0));
    let story = wire.story(1, 73 * 24);
    assert_eq!(story.unmet(), Vec::<String>::new(), "{story:#?}");
    assert_eq!((story.from_files, story.met.len()), (0, FAULTS.len() + 1));
    let read: Vec<_> = story.protocols.iter().map(|by| (by.protocol.as_str(), by.meters, by.readings)).collect();
    // Water comes by MQTT where this machine has a broker, and like heat where it has none.
    let water = meters.iter().filter(|meter| meter.carrier == Carrier::Water).count() as u64;
    let by_188 = if story.broker { 53 - water } else { 53 };
    let mut expected = vec![("cjt188", by_188, by_188 * 24), ("dlt645", 14, 336), ("modbus-tcp", 6, 144)];
    if story.broker {
        expected.push(("mqtt", water, water * 24));
    }
    expected.sort_unstable();
    assert_eq!(read, expected);
}

#[tokio::test]
async fn a_run_that_was_interrupted_goes_on_from_its_journal_and_tells_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let meters = park_meters(&Year::load());
    let mut wire = Wire::start(meters.clone(), 2, true, folder.path()).await.unwrap();
    for hour in 0..14 {
        wire.read_hour(hour).await.unwrap();
    }
    wire.close().await;
    let wire = read(folder.path(), 2, true).await;
    for day in 0..2 {
        assert_eq!(runs(&meters, Some(&wire), day), runs(&meters, None, day));
    }
    let story = wire.story(2, 0);
    wire.close().await;
    let again = read(folder.path(), 2, true).await;
    assert_eq!((story.unmet(), &again.story(2, 0)), (Vec::new(), &story));
}

#[tokio::test]
#[ignore = "a month takes a while; it says how long"]
async fn a_month_over_the_wire_is_what_the_files_say() {
    let folder = tempfile::tempdir().unwrap();
    let meters = park_meters(&Year::load());
    let began = std::time::Instant::now();
    let wire = read(folder.path(), 31, false).await;
    println!("{:?}: {:#?}", began.elapsed(), wire.story(31, 0));
    for day in 0..31 {
        assert_eq!(runs(&meters, Some(&wire), day), runs(&meters, None, day), "day {day}");
    }
    assert_eq!(wire.story(31, 0).unmet(), Vec::<String>::new());
}

#[tokio::test]
async fn a_device_that_is_exchanged_goes_on_from_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let meters = park_meters(&Year::load());
    let exchanged = meters.iter().find_map(|meter| meter.exchanged).unwrap();
    let mut wire = Wire::start(meters.clone(), 365, false, folder.path()).await.unwrap();
    // What was read before is as good as said.
    for wired in &mut wire.meters {
        let register = wired.meter.register_at_end(exchanged - 3);
        let register = register - register % wired.step;
        wired.last = ((register + wired.ahead) % wired.width, register);
        let known = wired.registration(hour_begin(exchanged - 2).0);
        wire.shared.registrations.write().unwrap().insert(wired.meter.id, known);
    }
    for hour in exchanged - 2..exchanged + 2 {
        wire.read_hour(hour).await.unwrap();
        for meter in &meters {
            assert_eq!(wire.register(meter.id, hour), Some(meter.register_at_end(hour)), "{} {hour}", meter.label);
        }
    }
}
