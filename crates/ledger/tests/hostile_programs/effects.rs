//! What hostile programs ask for: effects of every kind with numbers at and over their edges, some of which fit together, and bytes that
//! are no answer.

use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _};
use utilidor_program_sdk as wire;
use utilidor_types::time::{DAY_MS, HOUR_MS};
use utilidor_types::{Money, Timestamp};
use wire::{Effect, Party, Source};

/// One of these.
pub fn of<T: Copy>(rng: &mut StdRng, items: &[T]) -> T {
    items[rng.random_range(0..items.len())]
}

/// Whether what happens once in so often happens.
pub fn one_in(rng: &mut StdRng, count: u32) -> bool {
    rng.random_range(0..count) == 0
}

/// What a program is asked about: when it is, and how many parties and meters there are.
#[derive(Clone, Copy)]
pub struct Setting {
    pub now: Timestamp,
    /// What is written into code is asked at any time until then.
    pub until: Timestamp,
    pub parties: u8,
    pub meters: u8,
}

fn number(rng: &mut StdRng) -> u64 {
    match rng.random_range(0..8) {
        0 => of(rng, &[0, 1, u64::MAX, u64::MAX - 1, i64::MAX as u64, i64::MAX as u64 + 1, u64::from(u32::MAX) + 1]),
        1 => rng.random(),
        2 => rng.random_range(0..1_000),
        3 => Money::units(rng.random_range(90..130)).0,
        _ => Money::units(rng.random_range(0..40)).0,
    }
}

fn amount(rng: &mut StdRng) -> wire::Money {
    wire::Money(number(rng))
}

fn quantity(rng: &mut StdRng) -> wire::Quantity {
    wire::Quantity(number(rng))
}

/// A time to come, from when on what is asked can be told.
fn to_come(rng: &mut StdRng, setting: Setting) -> wire::Time {
    let Setting { now, until, .. } = setting;
    let ahead = of(rng, &[1, 1_000, HOUR_MS, 3 * HOUR_MS, DAY_MS]);
    let anywhere = until.0 > now.0 && !one_in(rng, 4);
    wire::Time(if anywhere { rng.random_range(now.0..until.0) } else { now.0 } + ahead)
}

fn time(rng: &mut StdRng, now: Timestamp) -> wire::Time {
    let ahead = of(rng, &[1, 1_000, HOUR_MS / 2, HOUR_MS, DAY_MS]);
    wire::Time(match rng.random_range(0..10) {
        0 => now.0,
        1 => number(rng),
        2 => u64::MAX,
        3 => now.0.saturating_sub(ahead),
        _ => now.0.saturating_add(ahead),
    })
}

/// Mostly one that there is.
fn party(rng: &mut StdRng, setting: Setting) -> Party {
    Party(if one_in(rng, 20) { rng.random() } else { rng.random_range(0..setting.parties) })
}

fn other(rng: &mut StdRng, setting: Setting, than: Party) -> Party {
    let other = party(rng, setting);
    if other == than && !one_in(rng, 10) { Party(than.0.wrapping_add(1) % setting.parties) } else { other }
}

fn meter(rng: &mut StdRng, setting: Setting) -> wire::Meter {
    wire::Meter(if one_in(rng, 20) { rng.random() } else { rng.random_range(0..setting.meters.max(1)) })
}

fn purpose(rng: &mut StdRng) -> wire::Purpose {
    of(rng, &[wire::Purpose::Deposit, wire::Purpose::Deposit, wire::Purpose::Guarantee, wire::Purpose::Prepayment])
}

fn statement(rng: &mut StdRng, setting: Setting, lines: Vec<(Party, Party, wire::Money)>) -> Effect {
    let period = wire::Window { from: time(rng, setting.now), to: time(rng, setting.now) };
    let lines = lines.into_iter().map(|(from, to, amount)| wire::Line {
        clause: rng.random_range(0..4),
        period,
        carrier: None,
        quantity: quantity(rng),
        price: None,
        from,
        to,
        amount,
    });
    let lines = lines.collect();
    let closing = of(rng, &[wire::Closing::Period, wire::Closing::End, wire::Closing::Supplement]);
    Effect::Issue(wire::Statement { closing, period, lines, substituted: rng.random() })
}

fn effect(rng: &mut StdRng, setting: Setting) -> Effect {
    let of_party = party(rng, setting);
    match rng.random_range(0..20) {
        0..=2 => Effect::Reserve(of_party, purpose(rng), amount(rng)),
        3 => Effect::Release(of_party, purpose(rng), amount(rng)),
        4 | 5 => {
            let to = other(rng, setting, of_party);
            Effect::Pay { from: of_party, source: Source::Allowance, to, amount: amount(rng) }
        }
        6 | 7 => {
            let (to, source) = (other(rng, setting, of_party), Source::Pot(purpose(rng)));
            Effect::Pay { from: of_party, source, to, amount: amount(rng) }
        }
        8 => Effect::Forfeit { by: of_party, to: other(rng, setting, of_party), amount: amount(rng) },
        9 => Effect::Owe(amount(rng)),
        10 => Effect::PayDebt(amount(rng)),
        11 | 12 => Effect::Schedule(time(rng, setting.now)),
        13 => Effect::Bind(meter(rng, setting)),
        14 => Effect::EndBinding(meter(rng, setting), time(rng, setting.now)),
        15 => Effect::Mark(meter(rng, setting), (!one_in(rng, 4)).then(|| time(rng, setting.now))),
        16 => Effect::Level(meter(rng, setting), (!one_in(rng, 4)).then(|| quantity(rng))),
        17 => Effect::Settle { meter: meter(rng, setting), keep: quantity(rng), absorb: quantity(rng) },
        18 if one_in(rng, 3) => {
            Effect::Finish(of(rng, &[wire::End::Settled, wire::End::Defaulted, wire::End::Terminated]))
        }
        _ => {
            let lines = (0..rng.random_range(0..4)).map(|_| (of_party, other(rng, setting, of_party), amount(rng)));
            let lines = lines.collect();
            statement(rng, setting, lines)
        }
    }
}

/// What a statement that does not lie says.
fn truth(effects: &[Effect]) -> Vec<(Party, Party, wire::Money)> {
    let line = |effect: &Effect| match effect {
        Effect::Pay { from, to, amount, .. } => Some((*from, *to, *amount)),
        Effect::Forfeit { by, to, amount } => Some((*by, *to, *amount)),
        Effect::Owe(amount) => Some((Party::USER, Party::OWNER, *amount)),
        _ => None,
    };
    effects.iter().filter_map(line).collect()
}

/// What an honest program could ask for.
fn modest(rng: &mut StdRng, setting: Setting) -> Vec<Effect> {
    let small = |rng: &mut StdRng| wire::Money(rng.random_range(0..500_000));
    let other_of = |party: Party| Party((party.0 + 1) % 2);
    let mut effects = Vec::new();
    for _ in 0..rng.random_range(0..4) {
        let party = Party(rng.random_range(0..2));
        effects.push(match rng.random_range(0..6) {
            0 => Effect::Reserve(party, purpose(rng), small(rng)),
            1 => Effect::Release(party, purpose(rng), wire::Money(rng.random_range(0..1_000))),
            2 => {
                let source = Source::Pot(purpose(rng));
                Effect::Pay {
                    from: party,
                    source,
                    to: other_of(party),
                    amount: wire::Money(rng.random_range(0..1_000)),
                }
            }
            3 => Effect::Owe(small(rng)),
            _ => Effect::Pay { from: party, source: Source::Allowance, to: other_of(party), amount: small(rng) },
        });
    }
    let lines = truth(&effects);
    effects.push(statement(rng, setting, lines));
    effects
}

/// All that a party lets a program hold is reserved, given away, and so again and again.
fn drain(rng: &mut StdRng, setting: Setting) -> Vec<Effect> {
    let (from, to) = if rng.random() { (Party::OWNER, Party::USER) } else { (Party::USER, Party::OWNER) };
    let (purpose, amount) = (purpose(rng), wire::Money(Money::units(rng.random_range(1..50)).0));
    let away = match purpose {
        wire::Purpose::Deposit => Effect::Forfeit { by: from, to, amount },
        _ => Effect::Pay { from, source: Source::Pot(purpose), to, amount },
    };
    let again = to_come(rng, setting);
    vec![Effect::Reserve(from, purpose, amount), away, Effect::Schedule(again)]
}

/// What a meter has filled goes back, and it fills again.
fn give_back(rng: &mut StdRng, setting: Setting) -> Vec<Effect> {
    let (meter, nothing) = (meter(rng, setting), wire::Quantity(0));
    let mut effects = vec![Effect::Settle { meter, keep: nothing, absorb: nothing }, Effect::Bind(meter)];
    effects.truncate(rng.random_range(1..3));
    effects
}

/// A list of effects.
pub fn effects(rng: &mut StdRng, setting: Setting) -> Vec<Effect> {
    if one_in(rng, 12) {
        return drain(rng, setting);
    }
    if one_in(rng, 12) {
        return give_back(rng, setting);
    }
    if !one_in(rng, 3) {
        let mut effects = modest(rng, setting);
        if !one_in(rng, 4) {
            effects.push(Effect::Schedule(to_come(rng, setting)));
        }
        return effects;
    }
    let count = if one_in(rng, 200) { rng.random_range(100..140) } else { rng.random_range(0..5) };
    let mut effects: Vec<Effect> = (0..count).map(|_| effect(rng, setting)).collect();
    if one_in(rng, 3) {
        let mut lines = truth(&effects);
        if one_in(rng, 8)
            && let Some((.., amount)) = lines.first_mut()
        {
            amount.0 = amount.0.wrapping_add(1);
        }
        let stated = statement(rng, setting, lines);
        effects.retain(|effect| !matches!(effect, Effect::Issue(_)));
        effects.push(stated);
    }
    if !one_in(rng, 3) {
        effects.push(Effect::Schedule(to_come(rng, setting)));
    }
    effects
}

/// What a program asks for when all have signed that is to live a while.
pub fn beginning(rng: &mut StdRng, setting: Setting) -> Vec<u8> {
    let mut effects = Vec::new();
    for party in [Party::OWNER, Party::USER] {
        if rng.random() {
            effects.push(Effect::Reserve(party, purpose(rng), wire::Money(Money::units(rng.random_range(0..3)).0)));
        }
    }
    if one_in(rng, 2) {
        effects.push(Effect::Bind(wire::Meter(0)));
        // What fills has no marks.
        if rng.random() {
            effects.push(Effect::Mark(wire::Meter(0), Some(to_come(rng, setting))));
        }
    }
    if !one_in(rng, 8) {
        effects.push(Effect::Schedule(to_come(rng, setting)));
    }
    borsh::to_vec(&wire::Answer::Done(wire::Done { effects, ..wire::Done::default() })).unwrap()
}

/// An answer's bytes.
pub fn answer(rng: &mut StdRng, setting: Setting) -> Vec<u8> {
    let mut done = wire::Done { effects: effects(rng, setting), ..wire::Done::default() };
    if one_in(rng, 4) {
        done.head = Some(vec![7; of(rng, &[0, 8, 1_024, 1_025])]);
    }
    if one_in(rng, 6) {
        let slots =
            (0..rng.random_range(0..3)).map(|_| (rng.random_range(0..4), Some(vec![1; of(rng, &[0, 8, 4_097])])));
        done.slots = slots.collect();
    }
    let mut bytes = borsh::to_vec(&wire::Answer::Done(done)).unwrap();
    if one_in(rng, 10) {
        let place = rng.random_range(0..bytes.len());
        bytes[place] = rng.random();
    }
    if one_in(rng, 40) {
        bytes = borsh::to_vec(&wire::Answer::Fault(wire::Fault(rng.random()))).unwrap();
    }
    if one_in(rng, 40) {
        bytes = vec![0; rng.random_range(0..80)];
        rng.fill_bytes(&mut bytes);
    }
    bytes
}
