//! Bytes as a hostile program: a module with bytes changed, an answer, or a list of effects. Nothing panics, what is admitted
//! runs within its fuel and comes to the same twice, and what a step asks for is within the terms.

use super::support::{act_with, answering, asking};
use std::sync::Arc;
use utilidor_program::wasm::{EVENT_FUEL, Module};
use utilidor_program::{Effect, Event, State, Step};
use utilidor_program_sdk as wire;
use utilidor_types::Money;
use utilidor_types::agreement::Party;
use utilidor_types::event::{Movement, Purpose};

/// Bytes as choices, without an end.
struct Choices<'a> {
    bytes: &'a [u8],
    place: usize,
}

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        let byte = self.bytes.get(self.place % self.bytes.len().max(1)).copied().unwrap_or(0);
        self.place += 1;
        byte.wrapping_add((self.place / self.bytes.len().max(1)) as u8)
    }

    fn number(&mut self) -> u64 {
        match self.byte() % 4 {
            0 => self.byte().into(),
            1 => u64::MAX - u64::from(self.byte()),
            2 => 40_000_000 + u64::from(self.byte()),
            _ => u64::from_le_bytes(std::array::from_fn(|_| self.byte())),
        }
    }

    fn party(&mut self) -> wire::Party {
        wire::Party(self.byte() % 4)
    }

    fn meter(&mut self) -> wire::Meter {
        wire::Meter(self.byte() % 4)
    }

    fn purpose(&mut self) -> wire::Purpose {
        [wire::Purpose::Deposit, wire::Purpose::Guarantee, wire::Purpose::Prepayment][usize::from(self.byte() % 3)]
    }

    fn statement(&mut self) -> wire::Statement {
        let period = wire::Window { from: wire::Time(self.number()), to: wire::Time(self.number()) };
        let lines = (0..self.byte() % 4).map(|_| wire::Line {
            clause: self.byte().into(),
            period,
            carrier: None,
            quantity: wire::Quantity(self.number()),
            price: None,
            from: self.party(),
            to: self.party(),
            amount: wire::Money(self.number()),
        });
        wire::Statement { closing: wire::Closing::Period, period, lines: lines.collect(), substituted: false }
    }

    fn effect(&mut self) -> wire::Effect {
        match self.byte() % 14 {
            0 => wire::Effect::Reserve(self.party(), self.purpose(), wire::Money(self.number())),
            1 => wire::Effect::Release(self.party(), self.purpose(), wire::Money(self.number())),
            2 => wire::Effect::Pay {
                from: self.party(),
                source: wire::Source::Allowance,
                to: self.party(),
                amount: wire::Money(self.number()),
            },
            3 => wire::Effect::Pay {
                from: self.party(),
                source: wire::Source::Pot(self.purpose()),
                to: self.party(),
                amount: wire::Money(self.number()),
            },
            4 => wire::Effect::Forfeit { by: self.party(), to: self.party(), amount: wire::Money(self.number()) },
            5 => wire::Effect::Owe(wire::Money(self.number())),
            6 => wire::Effect::PayDebt(wire::Money(self.number())),
            7 => wire::Effect::Schedule(wire::Time(self.number())),
            8 => wire::Effect::Bind(self.meter()),
            9 => wire::Effect::EndBinding(self.meter(), wire::Time(self.number())),
            10 => wire::Effect::Mark(self.meter(), Some(wire::Time(self.number()))),
            11 => wire::Effect::Level(self.meter(), Some(wire::Quantity(self.number()))),
            12 => wire::Effect::Issue(self.statement()),
            _ => wire::Effect::Finish(wire::End::Settled),
        }
    }
}

/// What a step may ask for under the terms of these tests: 60 of the user's 100 are reserved already.
fn check(step: &Step) {
    let mut reserved = [0i128, 60_000_000];
    for effect in &step.effects {
        let (party, change) = match effect {
            Effect::Move(Movement::Reserve { party, .. }, amount) => (*party, i128::from(amount.0)),
            Effect::Move(Movement::Release { party, .. }, amount) => (*party, -i128::from(amount.0)),
            Effect::Move(
                Movement::Pay { from, source: utilidor_types::event::Source::Pot(Purpose::Deposit), .. },
                amount,
            ) => (*from, -i128::from(amount.0)),
            _ => continue,
        };
        assert!(party == Party::OWNER || party == Party::USER, "nobody else is a party");
        reserved[usize::from(party.0)] += change;
    }
    assert!(step.fuel <= EVENT_FUEL);
    assert!(reserved[0] <= i128::from(Money::units(100).0), "no more is reserved than was granted");
}

/// Plays.
pub fn play(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let mut choices = Choices { bytes: rest, place: 0 };
    let code = match first % 3 {
        0 => {
            let mut code = asking((0..choices.byte() % 6).map(|_| choices.effect()).collect());
            for _ in 0..choices.byte() % 4 {
                let place = choices.number() as usize % code.len();
                code[place] = choices.byte();
            }
            code
        }
        1 => answering(rest),
        _ => asking((0..choices.byte() % 12).map(|_| choices.effect()).collect()),
    };
    let Ok(module) = Module::compile(&code) else { return };
    let module = Arc::new(module);
    let once = act_with(module.clone(), &Event::Due, State::default());
    assert_eq!(once, act_with(module, &Event::Due, State::default()), "the same comes to the same");
    if let Ok(step) = once {
        check(&step);
    }
}
