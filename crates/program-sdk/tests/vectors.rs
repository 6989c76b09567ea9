//! What SDKs in other languages are held against: inputs with the answers of a program that says all that it has read and asks for
//! everything that there is, and shares. They stand in `sdk/assemblyscript/tests/vectors.txt`, written anew by `UPDATE_VECTORS=1`.

use std::fmt::Write as _;
use utilidor_program_sdk::math::{share_floor, share_half_even};
use utilidor_program_sdk::*;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sdk/assemblyscript/tests/vectors.txt");
const WINDOW: Window = Window { from: Time(1), to: Time(u64::MAX) };
const BANDS_READ: [Quantity; BANDS] = [Quantity(11), Quantity(12), Quantity(13), Quantity(14), Quantity(u64::MAX)];

/// Says all that it was told as numbers in its head, and asks for everything that there is.
struct Probe;

impl Program for Probe {
    fn act(input: Input) -> Result<Done, Fault> {
        if let Event::Command(_, bytes) = &input.event
            && bytes.is_empty()
        {
            return Err(Fault::COMMAND);
        }
        let slots = vec![(1, Some(vec![1, 2, 3])), (2, None), (3, Some(Vec::new()))];
        Ok(Done {
            head: Some(bytes_of(told(&input).into_iter().map(|number| number as i64))),
            slots,
            effects: effects(),
        })
    }
}

fn bytes(into: &mut Vec<u64>, bytes: &[u8]) {
    into.push(bytes.len() as u64);
    into.extend(bytes.iter().map(|byte| u64::from(*byte)));
}

fn option(into: &mut Vec<u64>, number: Option<u64>) {
    into.extend([u64::from(number.is_some()), number.unwrap_or(0)]);
}

fn bands(into: &mut Vec<u64>, bands: &[Quantity; BANDS]) {
    into.extend(bands.iter().map(|quantity| quantity.0));
}

fn segment(into: &mut Vec<u64>, segment: &Segment) {
    into.extend([segment.interval.from.0, segment.interval.to.0]);
    bands(into, &segment.bands);
    into.extend([segment.peak.0.0, segment.peak.1.into()]);
}

/// All that is in an input, in order.
fn told(input: &Input) -> Vec<u64> {
    let mut all = Vec::new();
    match &input.event {
        Event::Signed => all.push(0),
        Event::Segment(meter, brought) => {
            all.extend([1, meter.0.into()]);
            segment(&mut all, brought);
        }
        Event::Returned(meter, brought) => {
            all.extend([2, meter.0.into()]);
            segment(&mut all, brought);
        }
        Event::Level(meter, brought) => {
            all.extend([3, meter.0.into()]);
            bands(&mut all, brought);
        }
        Event::Due => all.push(4),
        Event::Prepaid(carrier, money) => all.extend([5, *carrier as u64, money.0]),
        Event::Corrected(meter, more, less) => {
            all.extend([6, meter.0.into()]);
            segment(&mut all, more);
            bands(&mut all, less);
        }
        Event::Command(party, command) => {
            all.extend([7, party.0.into()]);
            bytes(&mut all, command);
        }
        Event::Amended(before, from) => {
            all.push(8);
            bytes(&mut all, before);
            all.push(from.0);
        }
        Event::Ending(by, wanted) => {
            all.push(9);
            option(&mut all, by.map(|party| party.0.into()));
            all.push((*wanted).into());
        }
        Event::EndingWithdrawn(party) => all.extend([10, party.0.into()]),
    }
    let Terms { agreement, parties, hard_end, grants, meters, parameters } = &input.terms;
    bytes(&mut all, agreement);
    all.extend([(*parties).into(), hard_end.0, grants.len() as u64]);
    for grant in grants {
        all.extend([grant.party.0.into(), grant.reserve.0, grant.allowance.0, grant.renews.into()]);
    }
    all.push(meters.len() as u64);
    for meter in meters {
        all.extend([meter.carrier as u64, meter.party.0.into(), meter.window.from.0, meter.window.to.0]);
        option(&mut all, meter.fills.map(|quantity| quantity.0));
    }
    bytes(&mut all, parameters);
    bytes(&mut all, &input.state.head);
    all.push(input.state.slots.len() as u64);
    for (number, slot) in &input.state.slots {
        all.push((*number).into());
        bytes(&mut all, slot);
    }
    let Facts { now, available, debt, pots, sums } = &input.facts;
    all.extend([now.0, available.len() as u64]);
    all.extend(available.iter().map(|money| money.0));
    all.extend([debt.0, pots.len() as u64]);
    for (party, purpose, money) in pots {
        all.extend([party.0.into(), *purpose as u64, money.0]);
    }
    all.push(sums.len() as u64);
    for sum in sums {
        all.push(sum.meter.0.into());
        bands(&mut all, &sum.bands);
        all.push(sum.until.0);
    }
    all
}

/// Everything that a program can ask for.
fn effects() -> Vec<Effect> {
    let (one, other, meter) = (Party::USER, Party::OWNER, Meter(3));
    let line = Line {
        clause: 513,
        period: WINDOW,
        carrier: Some(Carrier::Gas),
        quantity: Quantity(5),
        price: Some(Price { money: Money(6), unit: PriceUnit::Gigajoule }),
        from: one,
        to: other,
        amount: Money(7),
    };
    let bare = Line { carrier: None, price: None, ..line.clone() };
    let statement = |closing, lines, substituted| Statement { closing, period: WINDOW, lines, substituted };
    vec![
        Effect::Reserve(one, Purpose::Deposit, Money(1)),
        Effect::Release(other, Purpose::Guarantee, Money(2)),
        Effect::Pay { from: one, source: Source::Pot(Purpose::Prepayment), to: other, amount: Money(3) },
        Effect::Pay { from: other, source: Source::Allowance, to: one, amount: Money(4) },
        Effect::Forfeit { by: one, to: other, amount: Money(5) },
        Effect::Owe(Money(6)),
        Effect::PayDebt(Money(7)),
        Effect::Schedule(Time(8)),
        Effect::Bind(meter),
        Effect::EndBinding(meter, Time(9)),
        Effect::Settle { meter, keep: Quantity(10), absorb: Quantity(11) },
        Effect::Mark(meter, Some(Time(12))),
        Effect::Mark(meter, None),
        Effect::Level(meter, Some(Quantity(13))),
        Effect::Level(meter, None),
        Effect::Issue(statement(Closing::Period, vec![line, bare], true)),
        Effect::Issue(statement(Closing::End, Vec::new(), false)),
        Effect::Issue(statement(Closing::Supplement, Vec::new(), false)),
        Effect::Finish(End::Settled),
        Effect::Finish(End::Defaulted),
        Effect::Finish(End::Terminated),
    ]
}

fn events() -> Vec<Event> {
    let brought = Segment { interval: WINDOW, bands: BANDS_READ, peak: (Quantity(6), u32::MAX) };
    vec![
        Event::Signed,
        Event::Segment(Meter(1), brought.clone()),
        Event::Returned(Meter(2), brought.clone()),
        Event::Level(Meter(3), BANDS_READ),
        Event::Due,
        Event::Prepaid(Carrier::HotWater, Money(8)),
        Event::Corrected(Meter(4), brought, BANDS_READ),
        Event::Command(Party(9), vec![1, 2]),
        Event::Command(Party(9), Vec::new()),
        Event::Amended(vec![3, 200], Time(10)),
        Event::Ending(Some(Party(1)), true),
        Event::Ending(None, false),
        Event::EndingWithdrawn(Party(0)),
    ]
}

fn given(event: Event) -> Input {
    let carriers =
        [Carrier::Electricity, Carrier::Heating, Carrier::Cooling, Carrier::HotWater, Carrier::Gas, Carrier::Water];
    let meter = |carrier| MeterTerms { carrier, party: Party(2), window: WINDOW, fills: Some(Quantity(3)) };
    let mut meters: Vec<MeterTerms> = carriers.map(meter).into();
    meters[0].fills = None;
    let purposes = [Purpose::Deposit, Purpose::Guarantee, Purpose::Prepayment];
    let grant = Grant { party: Party(1), reserve: Money(2), allowance: Money(3), renews: true };
    Input {
        event,
        terms: Terms {
            agreement: [7; 16],
            parties: 3,
            hard_end: Time(4),
            grants: vec![grant.clone(), Grant { renews: false, ..grant }],
            meters,
            parameters: vec![1; 40],
        },
        state: State { head: vec![2; 9], slots: vec![(0, Vec::new()), (5, vec![3; 30])] },
        facts: Facts {
            now: Time(5),
            available: vec![Money(6), Money(7)],
            debt: Money(8),
            pots: purposes.map(|purpose| (Party(1), purpose, Money(9))).into(),
            sums: vec![Sum { meter: Meter(1), bands: BANDS_READ, until: Time(2) }],
        },
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The whole file.
fn vectors() -> String {
    let mut file = String::from("# Written by crates/program-sdk/tests/vectors.rs.\n");
    let mut inputs: Vec<Vec<u8>> = events().into_iter().map(|event| borsh::to_vec(&given(event)).unwrap()).collect();
    let mut long = inputs[0].clone();
    long.push(0);
    let short = inputs[1][..inputs[1].len() - 1].to_vec();
    inputs.extend([long, short, Vec::new()]);
    for input in inputs {
        let _ = writeln!(file, "answer {} {}", hex(&input), hex(&answer::<Probe>(&input)));
    }
    let numbers = [0, 1, 2, 3, 7, 1_000, 3_600_000, u64::from(u32::MAX), 1 << 32, u64::MAX - 1, u64::MAX];
    for value in numbers {
        for part in numbers {
            for whole in numbers {
                let shown = |share: Option<u64>| share.map_or("none".into(), |share| share.to_string());
                let (even, floor) = (share_half_even(value, part, whole), share_floor(value, part, whole));
                let _ = writeln!(file, "share {value} {part} {whole} {} {}", shown(even), shown(floor));
            }
        }
    }
    file
}

#[test]
fn the_vectors_of_other_languages_are_what_this_sdk_does() {
    let vectors = vectors();
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        std::fs::write(FILE, &vectors).unwrap();
    }
    let kept = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(kept == vectors, "the encoding has changed: UPDATE_VECTORS=1, then npm test in sdk/assemblyscript");
}
