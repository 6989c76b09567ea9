//! What a published program is told, in the words of its interface.

use crate::contract::{Case, Event, Fault, Segment, UNEXPECTED};
use crate::native::Contract as _;
use utilidor_program_sdk as wire;
use utilidor_types::action::Prepayment;
use utilidor_types::agreement::{CodedTerms, Party};
use utilidor_types::event::Purpose;
use utilidor_types::program::Metered;
use utilidor_types::time::MAX_TIMESTAMP;
use utilidor_types::{Bands, Carrier, Money, Program, Quantity, Refusal, Timestamp, Window};

pub(super) const fn money(money: Money) -> wire::Money {
    wire::Money(money.0)
}

const fn quantity(quantity: Quantity) -> wire::Quantity {
    wire::Quantity(quantity.0)
}

const fn time(time: Timestamp) -> wire::Time {
    wire::Time(time.0)
}

const fn window(window: Window) -> wire::Window {
    wire::Window { from: time(window.from), to: time(window.to) }
}

const fn party(party: Party) -> wire::Party {
    wire::Party(party.0)
}

fn bands(bands: &Bands) -> [wire::Quantity; wire::BANDS] {
    bands.0.map(quantity)
}

const fn carrier(carrier: Carrier) -> wire::Carrier {
    match carrier {
        Carrier::Electricity => wire::Carrier::Electricity,
        Carrier::Heating => wire::Carrier::Heating,
        Carrier::Cooling => wire::Carrier::Cooling,
        Carrier::HotWater => wire::Carrier::HotWater,
        Carrier::Gas => wire::Carrier::Gas,
        Carrier::Water => wire::Carrier::Water,
    }
}

const fn purpose(purpose: Purpose) -> wire::Purpose {
    match purpose {
        Purpose::Deposit => wire::Purpose::Deposit,
        Purpose::Guarantee => wire::Purpose::Guarantee,
        Purpose::Prepayment => wire::Purpose::Prepayment,
    }
}

fn segment(segment: &Segment) -> wire::Segment {
    let (peak, ms) = segment.peak;
    wire::Segment { interval: window(segment.interval), bands: bands(&segment.bands), peak: (quantity(peak), ms) }
}

fn event(event: &Event) -> Result<wire::Event, Fault> {
    Ok(match event {
        Event::Signed => wire::Event::Signed,
        Event::Segment { binding, segment: told } => wire::Event::Segment(wire::Meter(*binding), segment(told)),
        Event::Returned { binding, segment: told } => wire::Event::Returned(wire::Meter(*binding), segment(told)),
        Event::Level { binding, bands: told } => wire::Event::Level(wire::Meter(*binding), bands(told)),
        Event::Due => wire::Event::Due,
        Event::Prepaid { carrier: of, payment: Prepayment::Amount(amount) } => {
            wire::Event::Prepaid(carrier(*of), money(*amount))
        }
        Event::Prepaid { carrier, .. } => return Err(Refusal::PaymentKind { carrier: *carrier }.into()),
        Event::Corrected { binding, more, less } => {
            wire::Event::Corrected(wire::Meter(*binding), segment(more), bands(less))
        }
        Event::Command { by, bytes } => wire::Event::Command(party(*by), bytes.to_vec()),
        Event::Amended { before, from } => match &before.program {
            Program::Coded(before) => wire::Event::Amended(before.parameters.to_vec(), time(*from)),
            _ => return Err(UNEXPECTED),
        },
        Event::Ending { by, agreed } => wire::Event::Ending(by.map(party), *agreed),
        Event::EndingWithdrawn { by } => wire::Event::EndingWithdrawn(party(*by)),
    })
}

fn terms(coded: &CodedTerms, case: Case<'_>) -> wire::Terms {
    let grants = coded.grants.iter().map(|grant| wire::Grant {
        party: party(grant.party),
        reserve: money(grant.reserve),
        allowance: money(grant.allowance),
        renews: grant.renews,
    });
    let meters = coded.meters.iter().map(|meter| wire::MeterTerms {
        carrier: carrier(meter.carrier),
        party: party(meter.party),
        window: window(meter.window),
        fills: match meter.metered {
            Metered::Fill(volume) => Some(quantity(volume)),
            Metered::Rest => None,
        },
    });
    wire::Terms {
        agreement: case.agreement.0,
        parties: case.terms.parties.len() as u8,
        hard_end: time(case.terms.hard_end.as_ref().map_or(MAX_TIMESTAMP, |end| end.at)),
        grants: grants.collect(),
        meters: meters.collect(),
        parameters: coded.parameters.to_vec(),
    }
}

fn facts(case: Case<'_>) -> wire::Facts {
    let facts = case.facts;
    let sums = facts.sums.iter().map(|sum| wire::Sum {
        meter: wire::Meter(sum.binding),
        bands: bands(&sum.bands),
        until: time(sum.until),
    });
    wire::Facts {
        now: time(facts.now),
        available: facts.available.iter().map(|available| money(*available)).collect(),
        debt: money(facts.debt),
        pots: facts.pots.iter().map(|(of, what, pot)| (party(*of), purpose(*what), money(*pot))).collect(),
        sums: sums.collect(),
    }
}

/// All that the program is given. Of its slots it sees those that it wants for the event, whatever else is at hand: the ledger reads
/// these alone, and who proves a bill has all.
pub(crate) fn input(coded: &CodedTerms, told: &Event, case: Case<'_>) -> Result<wire::Input, Fault> {
    let wanted = coded.wants(told, case.state)?.slots;
    let slots = case.state.slots.iter().filter(|(number, _)| wanted.contains(number));
    let slots = slots.map(|(number, slot)| (*number, slot.to_vec()));
    Ok(wire::Input {
        event: event(told)?,
        terms: terms(coded, case),
        state: wire::State { head: case.state.head.to_vec(), slots: slots.collect() },
        facts: facts(case),
    })
}
