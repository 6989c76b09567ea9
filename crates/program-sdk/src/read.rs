//! Reads what goes in, as Borsh writes it. The derived reading costs a module some hundred instructions for each number; an
//! event of an agreement with many parties has hundreds of them, and a bounded amount of fuel.

use crate::wire::*;
use alloc::vec::Vec;

/// Room that a list takes ahead, so that a false length takes none.
const MOST_AHEAD: usize = 64;

/// Bytes to read in turn. Nothing is given for bytes that are not what is read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn byte(&mut self) -> Option<u8> {
        let [byte] = self.take()?;
        Some(byte)
    }

    fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.take()?)).ok()
    }

    fn number(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        let length = self.length()?;
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken.to_vec())
    }

    fn list<T>(&mut self, read: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let length = self.length()?;
        let mut list = Vec::with_capacity(length.min(MOST_AHEAD));
        for _ in 0..length {
            list.push(read(self)?);
        }
        Some(list)
    }

    fn money(&mut self) -> Option<Money> {
        self.number().map(Money)
    }

    fn quantity(&mut self) -> Option<Quantity> {
        self.number().map(Quantity)
    }

    fn time(&mut self) -> Option<Time> {
        self.number().map(Time)
    }

    fn party(&mut self) -> Option<Party> {
        self.byte().map(Party)
    }

    fn meter(&mut self) -> Option<Meter> {
        self.byte().map(Meter)
    }

    fn window(&mut self) -> Option<Window> {
        Some(Window { from: self.time()?, to: self.time()? })
    }

    fn carrier(&mut self) -> Option<Carrier> {
        Some(match self.byte()? {
            0 => Carrier::Electricity,
            1 => Carrier::Heating,
            2 => Carrier::Cooling,
            3 => Carrier::HotWater,
            4 => Carrier::Gas,
            5 => Carrier::Water,
            _ => return None,
        })
    }

    fn purpose(&mut self) -> Option<Purpose> {
        Some(match self.byte()? {
            0 => Purpose::Deposit,
            1 => Purpose::Guarantee,
            2 => Purpose::Prepayment,
            _ => return None,
        })
    }

    fn bands(&mut self) -> Option<[Quantity; BANDS]> {
        let mut bands = [Quantity(0); BANDS];
        for band in &mut bands {
            *band = self.quantity()?;
        }
        Some(bands)
    }

    fn segment(&mut self) -> Option<Segment> {
        let (interval, bands) = (self.window()?, self.bands()?);
        Some(Segment { interval, bands, peak: (self.quantity()?, u32::from_le_bytes(self.take()?)) })
    }

    fn event(&mut self) -> Option<Event> {
        Some(match self.byte()? {
            0 => Event::Signed,
            1 => Event::Segment(self.meter()?, self.segment()?),
            2 => Event::Returned(self.meter()?, self.segment()?),
            3 => Event::Level(self.meter()?, self.bands()?),
            4 => Event::Due,
            5 => Event::Prepaid(self.carrier()?, self.money()?),
            6 => Event::Corrected(self.meter()?, self.segment()?, self.bands()?),
            7 => Event::Command(self.party()?, self.bytes()?),
            8 => Event::Amended(self.bytes()?, self.time()?),
            9 => {
                let by = if self.flag()? { Some(self.party()?) } else { None };
                Event::Ending(by, self.flag()?)
            }
            10 => Event::EndingWithdrawn(self.party()?),
            _ => return None,
        })
    }

    fn grant(&mut self) -> Option<Grant> {
        let (party, reserve) = (self.party()?, self.money()?);
        Some(Grant { party, reserve, allowance: self.money()?, renews: self.flag()? })
    }

    fn meter_terms(&mut self) -> Option<MeterTerms> {
        let (carrier, party, window) = (self.carrier()?, self.party()?, self.window()?);
        let fills = if self.flag()? { Some(self.quantity()?) } else { None };
        Some(MeterTerms { carrier, party, window, fills })
    }

    fn terms(&mut self) -> Option<Terms> {
        Some(Terms {
            agreement: self.take()?,
            parties: self.byte()?,
            hard_end: self.time()?,
            grants: self.list(Self::grant)?,
            meters: self.list(Self::meter_terms)?,
            parameters: self.bytes()?,
        })
    }

    fn state(&mut self) -> Option<State> {
        Some(State { head: self.bytes()?, slots: self.list(|read| Some((read.byte()?, read.bytes()?)))? })
    }

    fn facts(&mut self) -> Option<Facts> {
        Some(Facts {
            now: self.time()?,
            available: self.list(Self::money)?,
            debt: self.money()?,
            pots: self.list(|read| Some((read.party()?, read.purpose()?, read.money()?)))?,
            sums: self.list(|read| Some(Sum { meter: read.meter()?, bands: read.bands()?, until: read.time()? }))?,
        })
    }
}

/// What a program is given; none if the bytes are anything else, or more.
pub fn input(bytes: &[u8]) -> Option<Input> {
    let mut read = Bytes(bytes);
    let input = Input { event: read.event()?, terms: read.terms()?, state: read.state()?, facts: read.facts()? };
    read.0.is_empty().then_some(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { from: Time(1), to: Time(u64::MAX) };

    fn events() -> Vec<Event> {
        let bands = [1, 2, 3, 4, 5].map(Quantity);
        let segment = Segment { interval: WINDOW, bands, peak: (Quantity(6), 7) };
        Vec::from([
            Event::Signed,
            Event::Segment(Meter(1), segment.clone()),
            Event::Returned(Meter(2), segment.clone()),
            Event::Level(Meter(3), bands),
            Event::Due,
            Event::Prepaid(Carrier::HotWater, Money(8)),
            Event::Corrected(Meter(4), segment, bands),
            Event::Command(Party(9), Vec::from([1, 2])),
            Event::Amended(Vec::from([3]), Time(10)),
            Event::Ending(Some(Party(1)), true),
            Event::Ending(None, false),
            Event::EndingWithdrawn(Party(0)),
        ])
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
                grants: Vec::from([grant.clone(), Grant { renews: false, ..grant }]),
                meters,
                parameters: Vec::from([1; 40]),
            },
            state: State { head: Vec::from([2; 9]), slots: Vec::from([(0, Vec::new()), (5, Vec::from([3; 300]))]) },
            facts: Facts {
                now: Time(5),
                available: Vec::from([Money(6), Money(7)]),
                debt: Money(8),
                pots: purposes.map(|purpose| (Party(1), purpose, Money(9))).into(),
                sums: Vec::from([Sum { meter: Meter(1), bands: [Quantity(1); BANDS], until: Time(2) }]),
            },
        }
    }

    #[test]
    fn what_borsh_writes_is_read_and_nothing_shorter_or_longer() {
        for event in events() {
            let given = given(event);
            let mut bytes = borsh::to_vec(&given).unwrap();
            assert_eq!(input(&bytes).as_ref(), Some(&given));
            for length in 0..bytes.len() {
                assert_eq!(input(&bytes[..length]), None, "{length} bytes");
            }
            bytes.push(0);
            assert_eq!(input(&bytes), None);
        }
    }

    #[test]
    fn whatever_byte_is_changed_the_same_is_read_as_borsh_reads() {
        for event in events() {
            let bytes = borsh::to_vec(&given(event)).unwrap();
            for place in 0..bytes.len() {
                for changed in [bytes[place] ^ 1, bytes[place].wrapping_add(7), u8::MAX] {
                    let mut bytes = bytes.clone();
                    bytes[place] = changed;
                    assert_eq!(input(&bytes), borsh::from_slice(&bytes).ok(), "byte {place} is {changed}");
                }
            }
        }
    }
}
