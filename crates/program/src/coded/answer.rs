//! What a published program asks for, held against what its terms let it reach.

use super::sum_of;
use crate::contract::{Binding, Case, Draft, Effect, Fault, MAX_EFFECTS, OVERFLOW, Step};
use crate::wasm::{BAD_ANSWER, OUT_OF_REACH, UNBALANCED, WRONG_UNIT};
use std::collections::BTreeMap;
use utilidor_program_sdk as wire;
use utilidor_types::agreement::{CodedTerms, Party, ProgramCode, Status};
use utilidor_types::event::{Movement, Purpose, Source};
use utilidor_types::program::{CodedMeter, Grant};
use utilidor_types::statement::{Closing, MAX_LINES, StatementLine};
use utilidor_types::{Carrier, Money, Price, PriceUnit, Quantity, Timestamp, Window};

const fn money(money: wire::Money) -> Money {
    Money(money.0)
}

const fn quantity(quantity: wire::Quantity) -> Quantity {
    Quantity(quantity.0)
}

/// One that a block and the state can hold: others would be written, and could not be read again.
fn time(time: wire::Time) -> Result<Timestamp, Fault> {
    if time.0 <= Timestamp::LARGEST.0 { Ok(Timestamp(time.0)) } else { Err(BAD_ANSWER) }
}

fn window(window: wire::Window) -> Result<Window, Fault> {
    Ok(Window { from: time(window.from)?, to: time(window.to)? })
}

const fn purpose(purpose: wire::Purpose) -> Purpose {
    match purpose {
        wire::Purpose::Deposit => Purpose::Deposit,
        wire::Purpose::Guarantee => Purpose::Guarantee,
        wire::Purpose::Prepayment => Purpose::Prepayment,
    }
}

const fn carrier(carrier: wire::Carrier) -> Carrier {
    match carrier {
        wire::Carrier::Electricity => Carrier::Electricity,
        wire::Carrier::Heating => Carrier::Heating,
        wire::Carrier::Cooling => Carrier::Cooling,
        wire::Carrier::HotWater => Carrier::HotWater,
        wire::Carrier::Gas => Carrier::Gas,
        wire::Carrier::Water => Carrier::Water,
    }
}

const fn price(price: wire::Price) -> Price {
    let per = match price.unit {
        wire::PriceUnit::KilowattHour => PriceUnit::KilowattHour,
        wire::PriceUnit::Gigajoule => PriceUnit::Gigajoule,
        wire::PriceUnit::CubicMetre => PriceUnit::CubicMetre,
    };
    Price { money: money(price.money), per }
}

/// The step that a program's answer is.
pub(crate) fn step(terms: &CodedTerms, done: wire::Done, case: Case<'_>) -> Result<Step, Fault> {
    let lines: usize = done.effects.iter().map(lines_of).sum();
    if done.effects.len() > MAX_EFFECTS || lines > MAX_LINES {
        return Err(BAD_ANSWER);
    }
    let mut step = Step { head: done.head, ..Step::default() };
    for (number, slot) in done.slots {
        let is_next = step.slots.last_key_value().is_none_or(|(last, _)| *last < number);
        if !is_next || usize::from(number) >= terms.meters.len() {
            return Err(BAD_ANSWER);
        }
        step.slots.insert(number, slot);
    }
    let mut asked = Asked { terms, case, books: Books::default(), effects: Vec::with_capacity(done.effects.len()) };
    for effect in done.effects {
        let effect = asked.effect(effect)?;
        asked.books.note(&effect)?;
        asked.effects.push(effect);
    }
    asked.within_grants()?;
    asked.books.balance()?;
    step.effects = asked.with_payments();
    Ok(step)
}

fn lines_of(effect: &wire::Effect) -> usize {
    match effect {
        wire::Effect::Issue(statement) => statement.lines.len(),
        _ => 0,
    }
}

/// What an answer moves between parties, and what its statements say.
#[derive(Default)]
struct Books {
    /// By the smaller and the larger of two parties: what the smaller gives the larger.
    moved: BTreeMap<(u8, u8), i128>,
    said: BTreeMap<(u8, u8), i128>,
    statements: usize,
    paid: Money,
    owed: Money,
    /// What is reserved more by party, and less.
    reserved: BTreeMap<Party, i128>,
    most_reserved: BTreeMap<Party, i128>,
    /// What the user owes more than before the answer, or less.
    owes: i128,
    most_owed: i128,
}

fn add(books: &mut BTreeMap<(u8, u8), i128>, from: Party, to: Party, amount: Money) {
    let (key, sign) = if from < to { ((from.0, to.0), 1) } else { ((to.0, from.0), -1) };
    // At most 640 amounts of 64 bits.
    *books.entry(key).or_default() += sign * i128::from(amount.0);
}

impl Books {
    fn reserve(&mut self, party: Party, more: i128) {
        let reserved = self.reserved.entry(party).or_default();
        *reserved += more;
        let most = self.most_reserved.entry(party).or_default();
        *most = (*most).max(*reserved);
    }

    fn note(&mut self, effect: &Effect) -> Result<(), Fault> {
        let sum = |sum: &mut Money, more: Money| -> Result<(), Fault> {
            *sum = sum.checked_add(more).ok_or(OVERFLOW)?;
            Ok(())
        };
        match effect {
            Effect::Move(Movement::Reserve { party, .. }, amount) => self.reserve(*party, amount.0.into()),
            Effect::Move(Movement::Release { party, .. }, amount) => self.reserve(*party, -i128::from(amount.0)),
            Effect::Move(Movement::Pay { from, source, to }, amount) => {
                add(&mut self.moved, *from, *to, *amount);
                if matches!(source, Source::Pot(_)) {
                    self.reserve(*from, -i128::from(amount.0));
                }
                if (*from, *to) == (Party::USER, Party::OWNER) {
                    sum(&mut self.paid, *amount)?;
                }
            }
            Effect::Move(Movement::Forfeit { by, to }, amount) => {
                add(&mut self.moved, *by, *to, *amount);
                self.reserve(*by, -i128::from(amount.0));
            }
            Effect::Owe(amount) => {
                add(&mut self.moved, Party::USER, Party::OWNER, *amount);
                sum(&mut self.owed, *amount)?;
                self.owes += i128::from(amount.0);
                self.most_owed = self.most_owed.max(self.owes);
            }
            Effect::PayDebt(amount) => {
                self.reserve(Party::USER, -i128::from(amount.0));
                self.owes -= i128::from(amount.0);
            }
            Effect::Issue(draft) => {
                self.statements += 1;
                for line in &draft.lines {
                    if let StatementLine::Clause { from, to, amount, .. } = line {
                        add(&mut self.said, *from, *to, *amount);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What statements say is what is moved; at most one statement.
    fn balance(&mut self) -> Result<(), Fault> {
        let is_nothing = |_: &(u8, u8), amount: &mut i128| *amount != 0;
        self.moved.retain(is_nothing);
        self.said.retain(is_nothing);
        match self.statements {
            0 => Ok(()),
            1 if self.moved == self.said => Ok(()),
            _ => Err(UNBALANCED),
        }
    }
}

/// An answer on its way to a step.
struct Asked<'a> {
    terms: &'a CodedTerms,
    case: Case<'a>,
    books: Books,
    effects: Vec<Effect>,
}

impl Asked<'_> {
    fn party(&self, party: wire::Party) -> Result<Party, Fault> {
        if usize::from(party.0) < self.case.terms.parties.len() { Ok(Party(party.0)) } else { Err(OUT_OF_REACH) }
    }

    /// Two different parties.
    fn pair(&self, from: wire::Party, to: wire::Party) -> Result<(Party, Party), Fault> {
        if from == to { Err(OUT_OF_REACH) } else { Ok((self.party(from)?, self.party(to)?)) }
    }

    fn meter(&self, meter: wire::Meter) -> Result<&CodedMeter, Fault> {
        self.terms.meters.get(usize::from(meter.0)).ok_or(OUT_OF_REACH)
    }

    fn effect(&self, effect: wire::Effect) -> Result<Effect, Fault> {
        Ok(match effect {
            wire::Effect::Reserve(of, what, amount) => {
                Effect::Move(Movement::Reserve { party: self.party(of)?, purpose: purpose(what) }, money(amount))
            }
            wire::Effect::Release(of, what, amount) => {
                Effect::Move(Movement::Release { party: self.party(of)?, purpose: purpose(what) }, money(amount))
            }
            wire::Effect::Pay { from, source, to, amount } => {
                let (from, to) = self.pair(from, to)?;
                let source = match source {
                    wire::Source::Pot(what) => Source::Pot(purpose(what)),
                    wire::Source::Allowance => Source::Allowance,
                };
                Effect::Move(Movement::Pay { from, source, to }, money(amount))
            }
            wire::Effect::Forfeit { by, to, amount } => {
                let (by, to) = self.pair(by, to)?;
                Effect::Move(Movement::Forfeit { by, to }, money(amount))
            }
            wire::Effect::Owe(amount) => Effect::Owe(money(amount)),
            wire::Effect::PayDebt(amount) => Effect::PayDebt(money(amount)),
            wire::Effect::Schedule(at) => Effect::Schedule(time(at)?),
            wire::Effect::Bind(number) => {
                let CodedMeter { meter, carrier, party, window, metered } = *self.meter(number)?;
                let window = Window { from: window.from.max(self.case.facts.now), ..window };
                Effect::Bind(Binding { number: number.0, meter, carrier, party, window, sum: sum_of(metered) })
            }
            wire::Effect::EndBinding(number, at) => {
                Effect::EndBinding { binding: number.0, meter: self.meter(number)?.meter, at: time(at)? }
            }
            wire::Effect::Settle { meter: number, keep, absorb } => Effect::Settle {
                binding: number.0,
                meter: self.meter(number)?.meter,
                keep: quantity(keep),
                absorb: quantity(absorb),
            },
            wire::Effect::Mark(number, at) => {
                Effect::Mark { binding: number.0, meter: self.meter(number)?.meter, at: at.map(time).transpose()? }
            }
            wire::Effect::Level(number, at) => {
                Effect::Level { binding: number.0, meter: self.meter(number)?.meter, at: at.map(quantity) }
            }
            wire::Effect::Issue(statement) => Effect::Issue(self.draft(statement)?),
            wire::Effect::Finish(end) => Effect::Finish(match end {
                wire::End::Settled => Status::Settled,
                wire::End::Defaulted => Status::Defaulted,
                wire::End::Terminated => Status::Terminated,
            }),
        })
    }

    fn draft(&self, statement: wire::Statement) -> Result<Draft, Fault> {
        let lines = statement.lines.into_iter().map(|line| {
            let (from, to) = self.pair(line.from, line.to)?;
            let (carrier, price) = (line.carrier.map(carrier), line.price.map(price));
            if carrier.zip(price).is_some_and(|(carrier, price)| !price.per.fits(carrier)) {
                return Err(WRONG_UNIT);
            }
            Ok(StatementLine::Clause {
                clause: line.clause,
                period: window(line.period)?,
                carrier,
                quantity: quantity(line.quantity),
                price,
                from,
                to,
                amount: money(line.amount),
            })
        });
        let lines: Result<Vec<StatementLine>, Fault> = lines.collect();
        Ok(Draft {
            closing: match statement.closing {
                wire::Closing::Period => Closing::Period,
                wire::Closing::End => Closing::End,
                wire::Closing::Supplement => Closing::Supplement,
            },
            period: window(statement.period)?,
            lines: lines?,
            substituted: statement.substituted,
            paid: Money::ZERO,
            unpaid: Money::ZERO,
        })
    }

    /// Whether nothing is reserved or owed beyond what a party has granted, at any point of the answer.
    fn within_grants(&self) -> Result<(), Fault> {
        for (party, most) in self.books.most_reserved.iter().filter(|(_, most)| **most > 0) {
            let pots = self.case.facts.pots.iter().filter(|(of, ..)| of == party);
            let held: i128 = pots.map(|(.., pot)| i128::from(pot.0)).sum();
            let cap = self.terms.grant(*party).map_or(Money::ZERO, |grant| grant.reserve);
            if held + most > i128::from(cap.0) {
                return Err(OUT_OF_REACH);
            }
        }
        self.within_debt()
    }

    /// Whether the user owes no more than what it has granted is worth, at any point of the answer. What a clause sheet says is
    /// owed follows from expressions that both have read and signed; only code can say anything.
    fn within_debt(&self) -> Result<(), Fault> {
        let most = self.terms.grant(Party::USER).map_or(Money::ZERO, Grant::most_owed);
        let owes = i128::from(self.case.facts.debt.0) + self.books.most_owed;
        let is_code = matches!(self.terms.code, ProgramCode::Published(_));
        let is_beyond = is_code && self.books.most_owed > 0 && owes > i128::from(most.0);
        if is_beyond { Err(OUT_OF_REACH) } else { Ok(()) }
    }

    /// The effects, with what their statement says of payment taken from the others.
    fn with_payments(mut self) -> Vec<Effect> {
        for effect in &mut self.effects {
            if let Effect::Issue(draft) = effect {
                (draft.paid, draft.unpaid) = (self.books.paid, self.books.owed);
            }
        }
        self.effects
    }
}
