//! M-Bus devices that answer with published frames of real meters, byte for byte: addressed by what is set in them or printed on
//! them, and asked for one record among several.

use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use utilidor_gateway::config::{BusProtocol, Config, Meter};
use utilidor_gateway::device::{self, Look, LookError, Numbers};
use utilidor_gateway::line::{self, Line, Patience};
use utilidor_gateway::probe::{self, Question};
use utilidor_gateway::profile::{Profiles, Ratio};
use utilidor_gateway::protocol::{Arrival, from_hex, mbus};

/// Frames of real devices: test/test-frames of libmbus.
const LIBMBUS: &str = include_str!("data/libmbus.tsv");

/// The frame that libmbus publishes under a name.
fn published(name: &str) -> Vec<u8> {
    let mut rows = LIBMBUS.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    from_hex(rows.find(|row| row[0] == "F" && row[1] == name).expect("the frame is there")[2]).unwrap()
}

/// A device that was set to 5 and is printed as `printed`, with its telegrams in order. It follows the toggle as devices do: the
/// same one again brings the same telegram.
async fn played(printed: &'static str, telegrams: Vec<Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut selected, mut toggle, mut place) = (false, false, 0);
            let mut bytes = Vec::new();
            loop {
                let whole = loop {
                    match mbus::arrival(&bytes).unwrap() {
                        Arrival::Whole(whole) => break whole,
                        Arrival::Needs(_) => match stream.read_buf(&mut bytes).await {
                            Ok(0) | Err(_) => break 0,
                            Ok(_) => {}
                        },
                    }
                };
                if whole == 0 {
                    break;
                }
                let request: Vec<u8> = bytes.drain(..whole).collect();
                let parsed = mbus::parse(&request).unwrap();
                let answer = if let Some(meant) = mbus::selection(&parsed) {
                    selected = meant.means(printed.parse().unwrap());
                    (toggle, place) = (false, 0);
                    selected.then(mbus::acknowledgement)
                } else {
                    let mbus::Parsed::Short { control, primary } = parsed else { panic!("it is no request") };
                    let is_meant = primary == 5 || primary == mbus::ANY || primary == mbus::SELECTED && selected;
                    let asks_anew = (control == 0x7b) != toggle;
                    match (is_meant, control) {
                        (false, _) => None,
                        (true, 0x40) => {
                            (toggle, place) = (false, 0);
                            Some(mbus::acknowledgement())
                        }
                        (true, _) => {
                            if asks_anew {
                                toggle = !toggle;
                                place += 1;
                            }
                            telegrams.get((place + telegrams.len() - 1) % telegrams.len()).cloned()
                        }
                    }
                };
                if let Some(answer) = answer {
                    stream.write_all(&answer).await.unwrap();
                }
            }
        }
    });
    address
}

fn line_to(address: &str) -> Line {
    let patience = Patience { timeout: Duration::from_millis(500), pause: Duration::ZERO, echo: false };
    Line::new(line::tcp(address.into(), patience.timeout), patience)
}

/// A meter at `unit`; the profile says which record counts, if one is named.
fn meter(unit: &str, carrier: &str, record: Option<&str>) -> Meter {
    let own = record.map(|record| {
        format!("[[profile]]\nname = \"own\"\nprotocol = \"mbus\"\nmbus = {{ record = \"{record}\" }}\n")
    });
    let text = format!(
        "[site]\nkey = \"g\"\n[[bus]]\nname = \"b\"\nprotocol = \"mbus\"\naddress = \"h:1\"\n[[meter]]\nid = \"{}\"\nbus = \"b\"\n\
         unit = \"{unit}\"\ncarrier = \"{carrier}\"\nprofile = \"{}\"\n{}",
        "01".repeat(16),
        if own.is_some() { "own" } else { "mbus" },
        own.unwrap_or_default()
    );
    Config::read(&text, Path::new("")).unwrap().meters.remove(0)
}

async fn look(line: &mut Line, meter: &Meter) -> Result<Look, LookError> {
    device::look(line, BusProtocol::Mbus, meter, &mut Numbers::default()).await
}

#[tokio::test]
async fn a_device_is_found_by_what_is_printed_on_it_and_nobody_answers_for_another() {
    let frame = published("itron_cyble_m-bus_v1.4_water");
    let telegram = mbus::decode(&frame).unwrap();
    let printed = hex::encode([&[frame[10], frame[9], frame[8], frame[7]], &frame[11..15]].concat());
    let printed: &'static str = printed.leak();
    let address = played(printed, vec![frame.clone()]).await;
    for unit in [&printed[..8], printed] {
        let look = look(&mut line_to(&address), &meter(unit, "water", None)).await.unwrap();
        assert_eq!(look.answer, frame);
        assert_eq!(Some(look.quantity), telegram.quantity_floor(utilidor_types::Carrier::Water).ok());
        assert_eq!(device::number_in(&look.telegram).as_deref(), Some(&printed[..8]));
    }
    // One digit, or another medium.
    for unit in ["99999999".to_string(), format!("{}04", &printed[..14])] {
        let silent = look(&mut line_to(&address), &meter(&unit, "water", None)).await.unwrap_err();
        assert_eq!(silent.code(), "line/silent", "{unit}");
    }
}

#[tokio::test]
async fn an_answer_of_another_device_than_the_selected_one_is_refused() {
    // It answers to a number that is not its own.
    let address = played("11111111", vec![published("itron_cyble_m-bus_v1.4_water")]).await;
    let refused = look(&mut line_to(&address), &meter("11111111", "water", None)).await.unwrap_err();
    assert_eq!((refused.code(), refused.answer().is_some()), ("frame/wrong-address", true));
}

#[tokio::test]
async fn of_several_records_the_profile_says_which_is_the_register() {
    // EDC, a heat meter that counts forward and backward: libmbus has 35000 Wh and 465000 Wh.
    let frame = published("EDC");
    let primary = frame[5];
    assert_eq!(primary, 1);
    let mut frame = frame;
    // It was read at another address than the played device has.
    frame[5] = 5;
    let sum = frame.len() - 2;
    frame[sum] = frame[sum].wrapping_add(4);
    let address = played("00000000", vec![frame]).await;
    for (record, watt_hours) in [(Some("reverse_energy"), 465_000), (Some("forward_energy"), 35_000), (None, 35_000)] {
        let look = look(&mut line_to(&address), &meter("5", "heating", record)).await.unwrap();
        assert_eq!(look.quantity.0, watt_hours * 3_600, "{record:?}");
    }
    for record in ["power", "energy"] {
        let refused = look(&mut line_to(&address), &meter("5", "heating", Some(record))).await.unwrap_err();
        assert!(refused.code().starts_with("register/"), "{record}: {}", refused.code());
    }
}

#[tokio::test]
async fn values_that_are_spread_over_telegrams_are_asked_for_until_the_register_is_there_and_not_for_ever() {
    let with = |records: &[u8]| {
        let mut frame = mbus::answer(5, 12_345_678, utilidor_types::Carrier::Heating, 7);
        // The head stays; the records are others.
        frame.truncate(19);
        frame.extend(records);
        let length = (frame.len() - 4) as u8;
        (frame[1], frame[2]) = (length, length);
        let sum = frame[4..].iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        frame.extend([sum, 0x16]);
        frame
    };
    let flow = with(&[0x02, 0x3b, 1, 0, 0x1f]);
    let energy = with(&[0x04, 0x03, 0xe8, 3, 0, 0]);
    let address = played("12345678", vec![flow.clone(), flow.clone(), energy.clone()]).await;
    for unit in ["5", "12345678"] {
        let look = look(&mut line_to(&address), &meter(unit, "heating", None)).await.unwrap();
        assert_eq!((look.quantity.0, look.answer), (1_000 * 3_600, energy.clone()), "{unit}");
    }
    let endless = played("12345678", vec![flow]).await;
    let refused = look(&mut line_to(&endless), &meter("5", "heating", None)).await.unwrap_err();
    assert_eq!(refused.code(), "register/none");
}

#[tokio::test]
async fn a_published_answer_is_probed_to_a_meter_that_can_be_written_down() {
    let frame = published("itron_cyble_m-bus_v1.4_gas");
    let number = hex::encode([frame[10], frame[9], frame[8], frame[7]]);
    let address = played(number.clone().leak(), vec![frame]).await;
    let question = |unit: &str| Question {
        protocol: BusProtocol::Mbus,
        unit: Some(meter(unit, "gas", None).unit),
        carrier: None,
        profile: None,
        ratio: Ratio::default(),
        registers: None,
    };
    let builtin = |name: &str| Profiles::builtin().get(name).unwrap().clone();
    let report = probe::probe(&mut line_to(&address), "b", &question(&number), builtin).await;
    assert!(report.is_good(), "{report:?}");
    assert_eq!((report.carrier, report.number), (Some(utilidor_types::Carrier::Gas), Some(number.clone())));
    assert!(report.meter.unwrap().contains(&format!("unit = \"{number}\"")));
}
