//! Clause sheets against themselves: the native program and the same compiled to WebAssembly are asked the same, and answer the same to
//! the last byte, on the repository's sheets and on others that use every kind of expression.

use crate::engines::{Outcome, V8, Wasmtime};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use std::collections::BTreeMap;
use std::path::Path;
use utilidor_oracle_clauses::{Asked, BUFFER_BYTES, answer};
use utilidor_program::clauses::text::parse;
use utilidor_program::clauses::{MeterUse, Sheet};
use utilidor_program::{Event, Segment, State, Sums, wants};
use utilidor_types::action::Prepayment;
use utilidor_types::agreement::{AgreementTerms, Fallback, HardEnd, Party};
use utilidor_types::event::Purpose;
use utilidor_types::price_index::{IndexRead, PublishedValue};
use utilidor_types::program::{CodedMeter, Grant, Metered};
use utilidor_types::time::{DAY_MS, HOUR_MS};
use utilidor_types::{AccountId, Bands, Bounded, Carrier, MeterId, Money, Program, Quantity, Timestamp, Window};

/// Events of a story.
const EVENTS: usize = 40;

/// What stands before the clauses of the sheets here: three months or days, two meters, two indices, two bands.
const HEAD: &str = r#"reserve owner 3 money, user 10 money;
    meter taken electricity "power taken" "用电量"; meter fed electricity "power fed in" "上网电量";
    band peak 8-11 18-21 "peak" "峰段"; band night 23-24 0-7 "night" "谷段";
    index spot abababababababababababababababab money/kWh "spot price" "现货价";
    index fee cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd money "fee" "费用";"#;

const CLAUSES: &[&str] = &[
    r#"let price money/kWh "price" "单价" = min(max(index(spot), 0.2 money/kWh), 0.6 money/kWh);
       pay user "power" "电费" for taken = price * sum(taken);"#,
    r#"let price money/kWh "price" "单价" = index(spot, notice 240 hours) else before(price) else 0.5 money/kWh;
       pay user "power" "电费" for taken = price * (sum(taken) - sum(fed));"#,
    r#"let peak_part money "peak" "峰段电费" = 0.9 money/kWh * sum(taken, peak);
       let rest money "rest" "其余" = 0.3 money/kWh * sum(taken, other) + 0.1 money/kWh * sum(taken, night);
       pay user "power" "电费" for taken = peak_part + rest; pay owner "credit" "上网" for fed = index(spot) * sum(fed);"#,
    r#"let step money/kWh "step" "阶梯" = table(sum(taken), up to 100 kWh: 0.5 money/kWh, up to 400 kWh: 0.45 money/kWh, above: 0.4 money/kWh);
       pay user "power" "电费" for taken = step * sum(taken) + index(fee) else 3 money;"#,
    r#"let used money "used" "累计" = 0.1 money/kWh * sum(taken) + before(used) else 0 money;
       pay user "share" "分摊" = share(120.5 money, sum(taken), sum(taken) + sum(fed));"#,
    r#"pay owner "credit" "返还" = min(share(index(fee), length, 30 days), 12.5% * 40 money);"#,
];

fn sources() -> Vec<String> {
    let mut sources: Vec<String> = Vec::new();
    for clauses in CLAUSES {
        for periods in [
            "month from 2025-01-01 at +08:00, 3 times, settled after 6 hours",
            "day from 2025-03-29 at -03:30, 40 times, settled after 0 hours",
        ] {
            sources.push(format!("clauses 1; title \"Test\" \"试\"; periods {periods}; {HEAD} {clauses}"));
        }
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/sheets");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("the repository has sheets").flatten().map(|entry| entry.path()).collect();
    files.sort();
    let files = files.into_iter().filter(|path| path.extension().is_some_and(|end| end == "clauses"));
    sources.extend(files.map(|path| std::fs::read_to_string(path).expect("the sheet can be read")));
    sources
}

fn sheets() -> Vec<Sheet> {
    let read = |source: String| parse(&source).unwrap_or_else(|error| panic!("{source}: {error:?}"));
    sources().into_iter().map(read).collect()
}

fn terms(sheet: &Sheet) -> Option<AgreementTerms> {
    let grant = |party| Grant { party, reserve: Money::units(500), allowance: Money::units(1_000), renews: true };
    let grants = vec![grant(Party::OWNER), grant(Party::USER)].try_into().ok()?;
    let window = Window { from: sheet.periods.begin, to: sheet.periods.end().ok()? };
    let meter = |(number, used): (u8, &MeterUse)| CodedMeter {
        meter: MeterId([number; 16]),
        carrier: used.carrier,
        party: Party::USER,
        window,
        metered: Metered::Rest,
    };
    let meters: Vec<CodedMeter> = (1u8..).zip(&sheet.meters).map(meter).collect();
    let coded = sheet.terms(grants, meters.try_into().ok()?).ok()?;
    let terms = AgreementTerms::between(AccountId([1; 32]), AccountId([2; 32]), Program::Coded(coded));
    let hard_end = HardEnd { at: Timestamp(window.to.0 + 90 * DAY_MS), fallback: Fallback::GiveBack };
    Some(AgreementTerms { hard_end: Some(hard_end), ..terms })
}

fn quantity(rng: &mut StdRng) -> Quantity {
    Quantity(match rng.random_range(0..12) {
        0 => u64::MAX - rng.random_range(0..3),
        1 => rng.random(),
        2 => 0,
        3 => rng.random_range(0..3_600_000),
        _ => 3_600_000 * rng.random_range(0..1_000),
    })
}

fn bands(rng: &mut StdRng) -> Bands {
    let first = quantity(rng);
    Bands([
        first,
        if rng.random_range(0..8) == 0 { quantity(rng) } else { Quantity::ZERO },
        Quantity::ZERO,
        Quantity::ZERO,
        Quantity::ZERO,
    ])
}

fn segment(rng: &mut StdRng, now: Timestamp) -> Segment {
    let from = Timestamp(now.0.saturating_sub(rng.random_range(0..40 * DAY_MS)));
    let to = Timestamp(match rng.random_range(0..20) {
        0 => rng.random(),
        _ => from.0 + HOUR_MS / 4 * rng.random_range(1..400),
    });
    Segment { interval: Window { from, to }, bands: bands(rng), peak: (Quantity::ZERO, 0) }
}

fn event(rng: &mut StdRng, now: Timestamp) -> Event {
    let binding = rng.random_range(0..3);
    match rng.random_range(0..16) {
        0..=5 => Event::Segment { binding, segment: segment(rng, now) },
        6 => Event::Returned { binding, segment: segment(rng, now) },
        7 => Event::Corrected { binding, more: segment(rng, now), less: bands(rng) },
        8 => match rng.random_range(0..5) {
            0 => Event::Level { binding, bands: bands(rng) },
            1 => Event::Prepaid { carrier: Carrier::Electricity, payment: Prepayment::Amount(Money(rng.random())) },
            2 => Event::Command { by: Party::USER, bytes: Bounded::empty() },
            3 => Event::Ending { by: Some(Party::USER), agreed: rng.random() },
            _ => Event::EndingWithdrawn { by: Party::OWNER },
        },
        _ => Event::Due,
    }
}

/// A story of a sheet: what it is asked, one after the other, each on the state that the answer before has left.
fn story(sheet: &Sheet, rng: &mut StdRng) -> Vec<Vec<u8>> {
    let Some(terms) = terms(sheet) else { return Vec::new() };
    let (mut state, mut now, mut asked) = (State::default(), sheet.periods.begin, Vec::new());
    for number in 0..EVENTS {
        let event = if number == 0 { Event::Signed } else { event(rng, now) };
        let money = |rng: &mut StdRng| {
            if rng.random_range(0..6) == 0 { Money(rng.random()) } else { Money::units(rng.random_range(0..900)) }
        };
        let value = |rng: &mut StdRng, published: Timestamp| {
            let published = Timestamp(published.0.saturating_sub(HOUR_MS * rng.random_range(0..2_000)));
            let micro = if rng.random_range(0..10) == 0 { rng.random() } else { rng.random_range(-200_000..2_000_000) };
            (rng.random_range(0..5) > 0).then_some(PublishedValue { micro, published })
        };
        let asks = wants(&terms.program, &event, &state).unwrap_or_default();
        let indices =
            asks.indices.into_iter().map(|(index, _, period)| IndexRead { index, period, value: value(rng, now) });
        let indices = indices.collect();
        let sums = vec![Sums { binding: 0, bands: bands(rng), until: now }];
        let (available, debt) = (vec![money(rng), money(rng)], money(rng));
        let mut pots: BTreeMap<(Party, Purpose), Money> = BTreeMap::new();
        for party in [Party::OWNER, Party::USER] {
            if rng.random_range(0..4) > 0 {
                pots.insert((party, Purpose::Guarantee), Money::units(rng.random_range(1..12)));
            }
        }
        let pots = pots.into_iter().map(|((party, purpose), pot)| (party, purpose, pot)).collect();
        let ask =
            Asked { terms: terms.clone(), state: state.clone(), event, now, available, debt, pots, sums, indices };
        let bytes = borsh::to_vec(&ask).expect("what is asked is plain data");
        if let Ok(step) = ask.act() {
            let mut next = state.clone();
            if step.apply_to(&mut next).is_ok() {
                state = next;
            }
        }
        asked.push(bytes);
        now = Timestamp(now.0 + HOUR_MS * [1, 24, 24 * 8, 24 * 31].choose(rng).copied().unwrap_or(1));
    }
    // And what nobody should ask.
    let mut broken = asked.choose(rng).cloned().unwrap_or_default();
    let place = rng.random_range(0..broken.len().max(1));
    if let Some(byte) = broken.get_mut(place) {
        *byte = rng.random();
    }
    asked.push(broken);
    asked.retain(|bytes| bytes.len() <= BUFFER_BYTES);
    asked
}

/// Holds stories of all sheets against the module; whether all answers are the same.
pub fn hold(module: &Path, stories: u64, seed: u64, v8: Option<&mut V8>) -> bool {
    let code = std::fs::read(module).unwrap_or_else(|error| panic!("{}: {error}", module.display()));
    let sheets = sheets();
    let stories_told = (0..stories).flat_map(|number| {
        let mut rng = StdRng::seed_from_u64(seed + number);
        let story = story(&sheets[number as usize % sheets.len()], &mut rng);
        story.into_iter().map(move |input| (seed + number, input))
    });
    let (numbers, inputs): (Vec<u64>, Vec<Vec<u8>>) = stories_told.unzip();
    let natively: Vec<Vec<u8>> = inputs.iter().map(|input| answer(input)).collect();
    let asked = natively.len();
    let settled = natively.iter().filter(|bytes| String::from_utf8_lossy(bytes).contains("Issue(")).count();
    let faults = natively.iter().filter(|bytes| bytes.starts_with(b"Err(")).count();
    let mut told = vec![("wasmtime", Wasmtime::new().run(&code, &inputs))];
    if let Some(v8) = v8 {
        told.push(("V8", v8.run(&code, &inputs).expect("the process of Node answers")));
    }
    let mut differences = 0;
    for (engine, outcomes) in told {
        for ((native, number), outcome) in natively.iter().zip(&numbers).zip(outcomes) {
            if outcome != Outcome::Answer(native.clone()) {
                differences += 1;
                let native = String::from_utf8_lossy(native);
                println!("story {number}: natively {native}, as WebAssembly in {engine} {outcome:?}");
            }
        }
    }
    println!(
        "{asked} events of {stories} stories on {} clause sheets, seeds {seed} to {}: {settled} statements, {faults} faults; the native program and itself as WebAssembly ({} bytes) answered otherwise {differences} times",
        sheets.len(),
        (seed + stories).saturating_sub(1),
        code.len()
    );
    differences == 0
}
