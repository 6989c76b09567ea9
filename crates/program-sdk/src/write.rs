//! Writes what comes out, as Borsh does; see `read` for why it is not derived.
//!
//! A loop costs fuel for all that stands in it, whether it is done or not. So what is done for some effects only stands in a
//! function that is called.

use crate::wire::*;
use alloc::vec::Vec;

/// Room that is taken at once, so that an ordinary answer is not copied as it grows.
const ROOM: usize = 2_048;

/// Bytes that are written in turn.
struct Bytes(Vec<u8>);

impl Bytes {
    #[inline(never)]
    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// No list of an answer is longer than the memory of a module.
    fn length(&mut self, length: usize) {
        self.0.extend_from_slice(&(length as u32).to_le_bytes());
    }

    #[inline(never)]
    fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    #[inline(never)]
    fn bytes(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.byte(value.is_some().into());
        if let Some(value) = value {
            write(self, value);
        }
    }

    #[inline(never)]
    fn window(&mut self, window: Window) {
        self.number(window.from.0);
        self.number(window.to.0);
    }

    #[inline(never)]
    fn source(&mut self, source: Source) {
        match source {
            Source::Pot(purpose) => {
                self.byte(0);
                self.byte(purpose as u8);
            }
            Source::Allowance => self.byte(1),
        }
    }

    #[inline(never)]
    fn line(&mut self, line: &Line) {
        self.0.extend_from_slice(&line.clause.to_le_bytes());
        self.window(line.period);
        self.option(line.carrier, |write, carrier| write.byte(carrier as u8));
        self.number(line.quantity.0);
        self.option(line.price, |write, price| {
            write.number(price.money.0);
            write.byte(price.unit as u8);
        });
        self.byte(line.from.0);
        self.byte(line.to.0);
        self.number(line.amount.0);
    }

    #[inline(never)]
    fn statement(&mut self, statement: &Statement) {
        self.byte(12);
        self.byte(statement.closing as u8);
        self.window(statement.period);
        self.length(statement.lines.len());
        statement.lines.iter().for_each(|line| self.line(line));
        self.byte(statement.substituted.into());
    }

    /// An effect on a party's money for a purpose.
    #[inline(never)]
    fn pot(&mut self, kind: u8, party: Party, purpose: Purpose, amount: Money) {
        self.byte(kind);
        self.byte(party.0);
        self.byte(purpose as u8);
        self.number(amount.0);
    }

    fn effect(&mut self, effect: &Effect) {
        match *effect {
            Effect::Reserve(party, purpose, amount) => self.pot(0, party, purpose, amount),
            Effect::Release(party, purpose, amount) => self.pot(1, party, purpose, amount),
            Effect::Pay { from, source, to, amount } => self.pay(from, source, to, amount),
            Effect::Forfeit { by, to, amount } => self.forfeit(by, to, amount),
            Effect::Owe(amount) => self.tagged(4, amount.0),
            Effect::PayDebt(amount) => self.tagged(5, amount.0),
            Effect::Schedule(at) => self.tagged(6, at.0),
            Effect::Bind(meter) => self.of_meter(7, meter, None),
            Effect::EndBinding(meter, at) => self.of_meter(8, meter, Some(at.0)),
            Effect::Settle { meter, keep, absorb } => {
                self.of_meter(9, meter, Some(keep.0));
                self.number(absorb.0);
            }
            Effect::Mark(meter, at) => self.perhaps(10, meter, at.map(|at| at.0)),
            Effect::Level(meter, level) => self.perhaps(11, meter, level.map(|level| level.0)),
            Effect::Issue(ref statement) => self.statement(statement),
            Effect::Finish(end) => {
                self.byte(13);
                self.byte(end as u8);
            }
        }
    }

    #[inline(never)]
    fn pay(&mut self, from: Party, source: Source, to: Party, amount: Money) {
        self.byte(2);
        self.byte(from.0);
        self.source(source);
        self.byte(to.0);
        self.number(amount.0);
    }

    #[inline(never)]
    fn forfeit(&mut self, by: Party, to: Party, amount: Money) {
        self.byte(3);
        self.byte(by.0);
        self.byte(to.0);
        self.number(amount.0);
    }

    #[inline(never)]
    fn tagged(&mut self, kind: u8, number: u64) {
        self.byte(kind);
        self.number(number);
    }

    #[inline(never)]
    fn of_meter(&mut self, kind: u8, meter: Meter, number: Option<u64>) {
        self.byte(kind);
        self.byte(meter.0);
        if let Some(number) = number {
            self.number(number);
        }
    }

    #[inline(never)]
    fn perhaps(&mut self, kind: u8, meter: Meter, number: Option<u64>) {
        self.of_meter(kind, meter, None);
        self.option(number, Self::number);
    }

    fn done(&mut self, done: &Done) {
        self.option(done.head.as_deref(), Self::bytes);
        self.length(done.slots.len());
        for (number, slot) in &done.slots {
            self.byte(*number);
            self.option(slot.as_deref(), Self::bytes);
        }
        self.length(done.effects.len());
        done.effects.iter().for_each(|effect| self.effect(effect));
    }
}

/// What a program answers.
pub fn answer(answer: &Answer) -> Vec<u8> {
    let mut write = Bytes(Vec::with_capacity(ROOM));
    match answer {
        Answer::Done(done) => {
            write.byte(0);
            write.done(done);
        }
        Answer::Fault(fault) => {
            write.byte(1);
            write.0.extend_from_slice(&fault.0.to_le_bytes());
        }
    }
    write.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { from: Time(1), to: Time(2) };

    #[inline(never)]
    fn line(carrier: Carrier, unit: PriceUnit) -> Line {
        let (quantity, price) = (Quantity(4), Some(Price { money: Money(5), unit }));
        let (from, to, amount) = (Party(1), Party(0), Money(6));
        Line { clause: 515, period: WINDOW, carrier: Some(carrier), quantity, price, from, to, amount }
    }

    fn effects() -> Vec<Effect> {
        let lines = Vec::from([
            line(Carrier::Electricity, PriceUnit::KilowattHour),
            line(Carrier::Heating, PriceUnit::Gigajoule),
            line(Carrier::Cooling, PriceUnit::CubicMetre),
            line(Carrier::HotWater, PriceUnit::CubicMetre),
            line(Carrier::Gas, PriceUnit::CubicMetre),
            Line { carrier: None, price: None, ..line(Carrier::Water, PriceUnit::CubicMetre) },
            line(Carrier::Water, PriceUnit::CubicMetre),
        ]);
        let issue =
            |closing, lines, substituted| Effect::Issue(Statement { closing, period: WINDOW, lines, substituted });
        let pay = |source| Effect::Pay { from: Party(1), source, to: Party(2), amount: Money(7) };
        Vec::from([
            Effect::Reserve(Party(1), Purpose::Deposit, Money(1)),
            Effect::Release(Party(2), Purpose::Guarantee, Money(2)),
            pay(Source::Pot(Purpose::Prepayment)),
            pay(Source::Allowance),
            Effect::Forfeit { by: Party(3), to: Party(4), amount: Money(8) },
            Effect::Owe(Money(9)),
            Effect::PayDebt(Money(10)),
            Effect::Schedule(Time(11)),
            Effect::Bind(Meter(12)),
            Effect::EndBinding(Meter(13), Time(14)),
            Effect::Settle { meter: Meter(15), keep: Quantity(16), absorb: Quantity(17) },
            Effect::Mark(Meter(18), Some(Time(19))),
            Effect::Mark(Meter(20), None),
            Effect::Level(Meter(21), Some(Quantity(22))),
            Effect::Level(Meter(23), None),
            issue(Closing::Period, lines, false),
            issue(Closing::End, Vec::new(), true),
            issue(Closing::Supplement, Vec::new(), false),
            Effect::Finish(End::Settled),
            Effect::Finish(End::Defaulted),
            Effect::Finish(End::Terminated),
        ])
    }

    #[test]
    fn what_is_written_is_what_borsh_writes() {
        let slots = Vec::from([(0, None), (3, Some(Vec::from([1, 2, 3])))]);
        let answers = [
            Answer::Done(Done::default()),
            Answer::Done(Done { head: Some(Vec::from([4; 9])), slots, effects: effects() }),
            Answer::Fault(Fault::UNREADABLE),
            Answer::Fault(Fault(0x1234)),
        ];
        for given in answers {
            assert_eq!(answer(&given), borsh::to_vec(&given).unwrap());
        }
    }
}
