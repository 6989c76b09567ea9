//! What a program asks for is held against its terms, and no answer of any form harms who asks.

use crate::support::{ANSWER_AT, NOW, act, answering, asking, module};
use proptest::prelude::*;
use utilidor_program::wasm::{BAD_ANSWER, MAX_ANSWER_BYTES, OUT_OF_REACH, UNBALANCED, WRONG_UNIT};
use utilidor_program::{Effect, Event, Fault, Step};
use utilidor_program_sdk as wire;
use utilidor_program_sdk::{Money, Party, Purpose, Source};
use utilidor_types::program::{MAX_OWED, MAX_OWED_PERIODS};
use utilidor_types::statement::StatementLine;
use utilidor_types::{MeterId, PriceUnit, Timestamp};

const EURO: u64 = 1_000_000;
const OWNER: Party = Party::OWNER;
const USER: Party = Party::USER;

fn asked(effects: Vec<wire::Effect>) -> Result<Step, Fault> {
    act(&asking(effects), &Event::Due)
}

fn reserve(party: Party, amount: u64) -> wire::Effect {
    wire::Effect::Reserve(party, Purpose::Deposit, Money(amount))
}

fn pay(from: Party, to: Party, amount: u64) -> wire::Effect {
    wire::Effect::Pay { from, source: Source::Allowance, to, amount: Money(amount) }
}

fn statement(lines: &[(Party, Party, u64)]) -> wire::Effect {
    let period = wire::Window { from: wire::Time(0), to: wire::Time(1) };
    let lines = lines.iter().map(|(from, to, amount)| wire::Line {
        clause: 3,
        period,
        carrier: Some(wire::Carrier::Heating),
        quantity: wire::Quantity(7),
        price: None,
        from: *from,
        to: *to,
        amount: Money(*amount),
    });
    let lines = lines.collect();
    wire::Effect::Issue(wire::Statement { closing: wire::Closing::Period, period, lines, substituted: false })
}

#[test]
fn a_program_reaches_what_its_terms_name_and_nothing_else() {
    let step = asked(vec![wire::Effect::Bind(wire::Meter(1)), wire::Effect::Mark(wire::Meter(0), None)]).unwrap();
    assert!(
        matches!(&step.effects[0], Effect::Bind(binding) if binding.meter == MeterId([2; 16]) && binding.number == 1)
    );
    for effect in [
        wire::Effect::Bind(wire::Meter(2)),
        wire::Effect::Level(wire::Meter(255), None),
        reserve(Party(2), 1),
        wire::Effect::Release(Party(9), Purpose::Deposit, Money(0)),
        pay(OWNER, Party(2), 1),
        pay(USER, USER, 1),
        wire::Effect::Forfeit { by: OWNER, to: OWNER, amount: Money(1) },
    ] {
        assert_eq!(asked(vec![effect.clone()]), Err(OUT_OF_REACH), "{effect:?}");
    }
}

#[test]
fn no_more_is_reserved_than_a_party_has_granted_at_any_point() {
    // 60 of the user's 100 are reserved already.
    asked(vec![reserve(USER, 40 * EURO), reserve(OWNER, 100 * EURO)]).unwrap();
    assert_eq!(asked(vec![reserve(USER, 40 * EURO + 1)]), Err(OUT_OF_REACH));
    let release = wire::Effect::Release(USER, Purpose::Deposit, Money(20 * EURO));
    asked(vec![release.clone(), reserve(USER, 60 * EURO)]).unwrap();
    assert_eq!(asked(vec![reserve(USER, 60 * EURO), release]), Err(OUT_OF_REACH), "the order counts");
}

#[test]
fn a_user_owes_no_more_than_it_has_granted_at_any_point() {
    use wire::Effect::{Owe, PayDebt};
    // It has granted 150 once, and owes 3 of them.
    let owe = |euro: u64| Owe(Money(euro * EURO));
    asked(vec![owe(147)]).unwrap();
    assert_eq!(asked(vec![owe(147), Owe(Money(1))]), Err(OUT_OF_REACH));
    asked(vec![PayDebt(Money(3 * EURO)), owe(150)]).unwrap();
    assert_eq!(asked(vec![owe(150), PayDebt(Money(3 * EURO))]), Err(OUT_OF_REACH), "the order counts");
    assert_eq!(asked(vec![Owe(Money(u64::MAX))]), Err(OUT_OF_REACH));
    assert_eq!((wire::MAX_OWED_PERIODS, wire::MAX_OWED.0), (MAX_OWED_PERIODS, MAX_OWED.0), "as programs are told");
}

#[test]
fn wrapped_amounts_are_no_amounts() {
    assert_eq!(asked(vec![reserve(USER, u64::MAX), reserve(USER, 2)]), Err(OUT_OF_REACH));
    let twice = vec![pay(USER, OWNER, u64::MAX), pay(USER, OWNER, 2)];
    assert!(asked(twice).is_err(), "the sum of what is paid leaves the range of money");
    let owes = vec![wire::Effect::Owe(Money(u64::MAX)), wire::Effect::Owe(Money(u64::MAX))];
    assert!(asked(owes).is_err());
    // What wraps to nothing is not nothing.
    let lines = statement(&[(USER, OWNER, u64::MAX), (USER, OWNER, 1)]);
    assert_eq!(asked(vec![lines]), Err(UNBALANCED));
}

#[test]
fn a_statement_says_what_is_moved_no_more_and_no_less() {
    let step = asked(vec![pay(USER, OWNER, 5), wire::Effect::Owe(Money(2)), statement(&[(USER, OWNER, 7)])]).unwrap();
    let Some(Effect::Issue(draft)) = step.effects.last() else { panic!("{step:?}") };
    assert_eq!((draft.paid.0, draft.unpaid.0), (5, 2), "what is paid is what is moved, whatever the program says");
    assert!(matches!(draft.lines[0], StatementLine::Clause { clause: 3, amount, .. } if amount.0 == 7));

    asked(vec![pay(USER, OWNER, 6), statement(&[(USER, OWNER, 10), (OWNER, USER, 4)])]).expect("lines can be set off");
    let lies = [
        vec![statement(&[(USER, OWNER, 7)])],
        vec![pay(USER, OWNER, 7), statement(&[])],
        vec![pay(USER, OWNER, 7), statement(&[(OWNER, USER, 7)])],
        vec![pay(USER, OWNER, 7), statement(&[(USER, OWNER, 6)])],
        vec![statement(&[]), statement(&[])],
    ];
    for lie in lies {
        assert_eq!(asked(lie.clone()), Err(UNBALANCED), "{lie:?}");
    }
    asked(vec![pay(USER, OWNER, 7)]).expect("a payment without a statement is told by its movement");
}

#[test]
fn a_line_is_priced_in_a_unit_that_its_carrier_is_measured_in() {
    let priced = |carrier, unit| {
        let wire::Effect::Issue(mut statement) = statement(&[(USER, OWNER, 0)]) else { unreachable!() };
        let price = Some(wire::Price { money: Money(600_000), unit });
        statement.lines[0] = wire::Line { carrier, price, ..statement.lines[0].clone() };
        asked(vec![wire::Effect::Issue(statement)])
    };
    let (electricity, water) = (Some(wire::Carrier::Electricity), Some(wire::Carrier::Water));
    for (carrier, unit) in [
        (electricity, wire::PriceUnit::KilowattHour),
        (Some(wire::Carrier::Heating), wire::PriceUnit::Gigajoule),
        (water, wire::PriceUnit::CubicMetre),
        (None, wire::PriceUnit::CubicMetre),
    ] {
        priced(carrier, unit).expect("a price that fits");
    }
    for (carrier, unit) in [
        (electricity, wire::PriceUnit::CubicMetre),
        (water, wire::PriceUnit::KilowattHour),
        (water, wire::PriceUnit::Gigajoule),
    ] {
        assert_eq!(priced(carrier, unit), Err(WRONG_UNIT), "{carrier:?} {unit:?}");
    }
}

#[test]
fn an_answer_has_bounds() {
    asked(vec![wire::Effect::Owe(Money(0)); 128]).unwrap();
    assert_eq!(asked(vec![wire::Effect::Owe(Money(0)); 129]), Err(BAD_ANSWER));
    let lines: Vec<_> = std::iter::repeat_n((USER, OWNER, 0), 513).collect();
    assert_eq!(asked(vec![statement(&lines)]), Err(BAD_ANSWER));
    let slots = |slots: &[u8]| {
        let slots = slots.iter().map(|slot| (*slot, None)).collect();
        let done = wire::Done { slots, ..wire::Done::default() };
        act(&answering(&borsh::to_vec(&wire::Answer::Done(done)).unwrap()), &Event::Due)
    };
    slots(&[0, 1]).unwrap();
    for bad in [&[1, 0][..], &[0, 0], &[2], &[255]] {
        assert_eq!(slots(bad), Err(BAD_ANSWER), "{bad:?}");
    }
}

#[test]
fn an_answer_outside_of_the_memory_is_none() {
    let last = 4 * 65_536u64;
    let places =
        [(last, 1), (last - 1, 2), (u64::from(u32::MAX), u64::from(u32::MAX)), (0, MAX_ANSWER_BYTES as u64 + 1)];
    for (from, len) in places {
        let body = format!("(i64.const {})", (from << 32 | len) as i64);
        assert_eq!(act(&module("", &body), &Event::Due), Err(BAD_ANSWER), "{len} bytes at {from}");
    }
    assert_eq!(act(&module("", "(i64.const 0)"), &Event::Due), Err(BAD_ANSWER), "nothing is no answer");
}

#[test]
fn codes_of_the_engine_are_not_a_programs_own() {
    let fault = |code| act(&answering(&borsh::to_vec(&wire::Answer::Fault(wire::Fault(code))).unwrap()), &Event::Due);
    assert_eq!(fault(77), Err(Fault::Failed(77)));
    assert_eq!(fault(0x7001), Err(BAD_ANSWER));
    assert_eq!(fault(0x8000), Err(BAD_ANSWER));
}

#[test]
fn a_binding_begins_no_earlier_than_now() {
    let step = asked(vec![wire::Effect::Bind(wire::Meter(0))]).unwrap();
    assert!(matches!(&step.effects[0], Effect::Bind(binding) if binding.window.from == Timestamp(NOW.0)));
}

#[test]
fn a_shortened_or_lengthened_answer_is_none() {
    let whole = borsh::to_vec(&wire::Answer::Done(wire::Done {
        head: Some(vec![1, 2, 3]),
        slots: vec![(1, Some(vec![4]))],
        effects: vec![reserve(USER, 1), pay(USER, OWNER, 3), statement(&[(USER, OWNER, 3)])],
    }))
    .unwrap();
    act(&answering(&whole), &Event::Due).unwrap();
    for len in 0..whole.len() {
        assert_eq!(act(&answering(&whole[..len]), &Event::Due), Err(BAD_ANSWER), "{len} bytes");
    }
    assert_eq!(act(&answering(&[&whole[..], &[0]].concat()), &Event::Due), Err(BAD_ANSWER));
}

#[test]
fn a_programs_units_are_the_ledgers() {
    for (theirs, ours) in [
        (wire::PriceUnit::KilowattHour, PriceUnit::KilowattHour),
        (wire::PriceUnit::Gigajoule, PriceUnit::Gigajoule),
        (wire::PriceUnit::CubicMetre, PriceUnit::CubicMetre),
    ] {
        assert_eq!(theirs.base_units(), ours.base_units());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_program_rounds_as_the_ledger_does(numerator in any::<u128>(), denominator in any::<u64>()) {
        let denominator = denominator.into();
        for numerator in [numerator, numerator >> 64, numerator >> 100] {
            assert_eq!(
                wire::math::ratio_half_even(numerator, denominator),
                utilidor_types::money::ratio_half_even(numerator, denominator)
            );
        }
    }

    #[test]
    fn whatever_a_program_answers_is_a_step_or_a_fault(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        assert!(bytes.len() < ANSWER_AT as usize);
        let _ = act(&answering(&bytes), &Event::Due);
    }

    #[test]
    fn an_answer_with_a_changed_byte_is_a_step_or_a_fault(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let effects = vec![reserve(USER, 1), pay(USER, OWNER, 3), statement(&[(USER, OWNER, 3)]), wire::Effect::Schedule(wire::Time(5))];
        let mut bytes = borsh::to_vec(&wire::Answer::Done(wire::Done { effects, ..wire::Done::default() })).unwrap();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        let _ = act(&answering(&bytes), &Event::Due);
    }
}
