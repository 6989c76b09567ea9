//! What goes in and comes out of a program. The ledger's adapter and every program in Rust use these same types, so the
//! encoding is written once; its version is the engine's number.

use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};

macro_rules! wire {
    ($($item:item)*) => {
        $(
            #[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
            $item
        )*
    };
}

macro_rules! small {
    ($($item:item)*) => {
        $(
            #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
            $item
        )*
    };
}

small! {
    /// Millionths of the settlement currency.
    #[derive(Default)]
    pub struct Money(pub u64);

    /// Base units of a carrier: joules or millilitres.
    #[derive(Default)]
    pub struct Quantity(pub u64);

    /// Milliseconds since 1970 in UTC.
    #[derive(Default)]
    pub struct Time(pub u64);

    /// A party by its number: 0 is the owner, 1 the user.
    pub struct Party(pub u8);

    /// A meter by its place in the terms.
    pub struct Meter(pub u8);

    /// A form of energy, or water.
    pub enum Carrier {
        /// In joules.
        Electricity,
        /// In joules.
        Heating,
        /// In joules.
        Cooling,
        /// In millilitres.
        HotWater,
        /// In millilitres.
        Gas,
        /// In millilitres.
        Water,
    }

    /// What a price is for.
    pub enum PriceUnit {
        /// 3,600,000 J.
        KilowattHour,
        /// 1,000,000,000 J.
        Gigajoule,
        /// 1,000,000 mL.
        CubicMetre,
    }

    /// Money for each unit.
    pub struct Price {
        /// The money.
        pub money: Money,
        /// The unit.
        pub unit: PriceUnit,
    }

    /// From a time until another one, which is not in it.
    pub struct Window {
        /// Begin.
        pub from: Time,
        /// End.
        pub to: Time,
    }

    /// What reserved money is for.
    pub enum Purpose {
        /// A margin.
        Deposit,
        /// To show that one can pay.
        Guarantee,
        /// Paid ahead.
        Prepayment,
    }

    /// Where a payment comes from.
    pub enum Source {
        /// What the payer has reserved.
        Pot(Purpose),
        /// The payer's free balance, up to its allowance.
        Allowance,
    }
}

impl Party {
    /// The seller.
    pub const OWNER: Self = Self(0);
    /// The buyer.
    pub const USER: Self = Self(1);
}

impl PriceUnit {
    /// Base units in one.
    pub const fn base_units(self) -> u64 {
        match self {
            Self::KilowattHour => 3_600_000,
            Self::Gigajoule => 1_000_000_000,
            Self::CubicMetre => 1_000_000,
        }
    }
}

/// How many time-of-use bands there are: flat, sharp, peak, valley, deep.
pub const BANDS: usize = 5;
/// For how many periods the user can be let owe all that its grant gives in one, if it renews ...
pub const MAX_OWED_PERIODS: u64 = 12;
/// ... and the most that it can be let owe whatever it has granted.
pub const MAX_OWED: Money = Money(100_000_000_000_000);

wire! {
    /// All that a program is given.
    pub struct Input {
        /// What has happened.
        pub event: Event,
        /// What the parties have signed.
        pub terms: Terms,
        /// The program's own memory.
        pub state: State,
        /// What else it knows.
        pub facts: Facts,
    }

    /// A program's memory: a head, and slots of the same numbers as its meters. An event of a meter brings the meter's slot,
    /// every other event brings all.
    #[derive(Default)]
    pub struct State {
        /// At most 1,024 bytes.
        pub head: Vec<u8>,
        /// Slots of at most 4,096 bytes, by rising number.
        pub slots: Vec<(u8, Vec<u8>)>,
    }

    /// What the parties have signed.
    pub struct Terms {
        /// The agreement's id.
        pub agreement: [u8; 16],
        /// How many parties there are.
        pub parties: u8,
        /// When the agreement ends whatever its program does.
        pub hard_end: Time,
        /// What the program can reach of each party's money.
        pub grants: Vec<Grant>,
        /// The meters that it can reach.
        pub meters: Vec<MeterTerms>,
        /// The parties' own numbers: see [`crate::Parameters`].
        pub parameters: Vec<u8>,
    }

    /// What a program can reach of a party's money.
    pub struct Grant {
        /// The party.
        pub party: Party,
        /// Reserved at most.
        pub reserve: Money,
        /// Taken of the free balance at most ...
        pub allowance: Money,
        /// ... in 30 days, or else for ever.
        pub renews: bool,
    }

    /// A meter in the terms.
    pub struct MeterTerms {
        /// What it measures.
        pub carrier: Carrier,
        /// Whose it is.
        pub party: Party,
        /// When it can serve.
        pub window: Window,
        /// The volume that it fills, over whole hours, a month at most, out of the capacity that the owner has declared; none: all that
        /// nothing else takes.
        pub fills: Option<Quantity>,
    }

    /// What has happened.
    pub enum Event {
        /// All have signed.
        Signed,
        /// A meter without a volume has passed a mark, or was read.
        Segment(Meter, Segment),
        /// A purchase gives back what it had taken of such a meter.
        Returned(Meter, Segment),
        /// A meter has reached the level that the program had set: what it brought since the last segment, by band.
        Level(Meter, [Quantity; BANDS]),
        /// The time that the program had scheduled.
        Due,
        /// A party pays ahead for a carrier. The money is still its own: the program may reserve it.
        Prepaid(Carrier, Money),
        /// What a meter had brought was corrected: so much more, and so much less by band.
        Corrected(Meter, Segment, [Quantity; BANDS]),
        /// A party tells the program something.
        Command(Party, Vec<u8>),
        /// All have signed other terms, which are those given; these were the parameters before, and from when on the new ones
        /// count.
        Amended(Vec<u8>, Time),
        /// A party, or a meter's operator, wants to end it; whether another party wanted it before.
        Ending(Option<Party>, bool),
        /// A party takes that back.
        EndingWithdrawn(Party),
    }

    /// What a meter brought between two marks.
    pub struct Segment {
        /// When.
        pub interval: Window,
        /// How much, by band.
        pub bands: [Quantity; BANDS],
        /// The highest mean power between readings at most an hour apart: quantity and milliseconds.
        pub peak: (Quantity, u32),
    }

    /// What a program knows besides terms and state.
    #[derive(Default)]
    pub struct Facts {
        /// The block's time.
        pub now: Time,
        /// What each party's allowance could give now.
        pub available: Vec<Money>,
        /// What the user owes the owner.
        pub debt: Money,
        /// What is reserved.
        pub pots: Vec<(Party, Purpose, Money)>,
        /// What meters with a volume have filled so far, and how far their readings reach.
        pub sums: Vec<Sum>,
    }

    /// What a meter with a volume has filled.
    pub struct Sum {
        /// The meter.
        pub meter: Meter,
        /// How much, by band.
        pub bands: [Quantity; BANDS],
        /// How far its certified readings reach.
        pub until: Time,
    }

    /// What a program answers.
    pub enum Answer {
        /// What is to be done.
        Done(Done),
        /// It cannot act.
        Fault(Fault),
    }

    /// What is to be done.
    #[derive(Default)]
    pub struct Done {
        /// The new head, if it has changed.
        pub head: Option<Vec<u8>>,
        /// Slots that have changed, by rising number; none: the slot goes.
        pub slots: Vec<(u8, Option<Vec<u8>>)>,
        /// At most 128, carried out in order: all or none.
        pub effects: Vec<Effect>,
    }

    /// What the ledger is to do.
    pub enum Effect {
        /// A party's free money is reserved, up to what its grant says.
        Reserve(Party, Purpose, Money),
        /// It is free again.
        Release(Party, Purpose, Money),
        /// One party pays another.
        Pay {
            /// Who pays.
            from: Party,
            /// Out of what.
            source: Source,
            /// Who is paid.
            to: Party,
            /// How much.
            amount: Money,
        },
        /// A party's deposit goes to another one.
        Forfeit {
            /// Who loses it.
            by: Party,
            /// Who gets it.
            to: Party,
            /// How much.
            amount: Money,
        },
        /// The user owes the owner so much more: in all no more than its grant gives, in twelve periods if it renews.
        Owe(Money),
        /// So much of what the user owes is paid out of what it has paid ahead.
        PayDebt(Money),
        /// Act again at this time. There is one such time; a new one replaces it.
        Schedule(Time),
        /// A meter begins to serve, from now on or from the begin of its window. What it fills is sold out of the owner's capacity, until
        /// the meter is let go of whole before its window begins.
        Bind(Meter),
        /// A meter without a volume serves until this time.
        EndBinding(Meter, Time),
        /// A meter with a volume is done: the agreement keeps so much, and so much of what comes later for the window is
        /// nobody's: together no more than the volume.
        Settle {
            /// The meter.
            meter: Meter,
            /// What it keeps.
            keep: Quantity,
            /// What no reading has proven yet.
            absorb: Quantity,
        },
        /// Tell the program when the meter passes this time.
        Mark(Meter, Option<Time>),
        /// Tell the program when the meter has brought so much since its last segment.
        Level(Meter, Option<Quantity>),
        /// Issue a statement. What its lines say is what the same answer moves, pair of parties by pair.
        Issue(Statement),
        /// The agreement is over. Nothing is reserved any more.
        Finish(End),
    }

    /// A statement.
    pub struct Statement {
        /// What it closes.
        pub closing: Closing,
        /// The time that it is about.
        pub period: Window,
        /// Its lines.
        pub lines: Vec<Line>,
        /// Whether something stood in for readings.
        pub substituted: bool,
    }

    /// What a clause comes to.
    pub struct Line {
        /// The clause's number in the manifest.
        pub clause: u16,
        /// The time that it is about.
        pub period: Window,
        /// The carrier, if it is about one.
        pub carrier: Option<Carrier>,
        /// The quantity.
        pub quantity: Quantity,
        /// The price that was applied.
        pub price: Option<Price>,
        /// Who pays.
        pub from: Party,
        /// Who is paid.
        pub to: Party,
        /// How much.
        pub amount: Money,
    }
}

small! {
    /// What a statement closes.
    pub enum Closing {
        /// A period.
        Period,
        /// The agreement.
        End,
        /// What came after the end.
        Supplement,
    }

    /// How an agreement ends.
    pub enum End {
        /// As agreed.
        Settled,
        /// With something that could not be paid.
        Defaulted,
        /// Early.
        Terminated,
    }

    /// Why a program cannot act: a number of its own below 0x7000.
    pub struct Fault(pub u16);
}

impl Fault {
    /// A number leaves its range.
    pub const OVERFLOW: Self = Self(1);
    /// The state is not what the program has written.
    pub const STATE: Self = Self(2);
    /// The event is none that the program takes.
    pub const UNEXPECTED: Self = Self(3);
    /// The parameters are not those of the schema.
    pub const PARAMETERS: Self = Self(4);
    /// The input is not what this version of the interface writes.
    pub const UNREADABLE: Self = Self(5);
    /// A command that the program does not know, or that the party may not give.
    pub const COMMAND: Self = Self(6);
}

impl Input {
    /// What is reserved of a party for a purpose.
    pub fn pot(&self, party: Party, purpose: Purpose) -> Money {
        let of = |pot: &&(Party, Purpose, Money)| (pot.0, pot.1) == (party, purpose);
        self.facts.pots.iter().find(of).map_or(Money(0), |pot| pot.2)
    }

    /// What a party's allowance could give now.
    pub fn available(&self, party: Party) -> Money {
        self.facts.available.get(usize::from(party.0)).copied().unwrap_or(Money(0))
    }

    /// How much more the user can be let owe: what its grant gives, in [`MAX_OWED_PERIODS`] periods if it renews, [`MAX_OWED`] at most,
    /// less what it owes already.
    pub fn can_owe(&self) -> Money {
        let Some(grant) = self.terms.grants.iter().find(|grant| grant.party == Party::USER) else { return Money::ZERO };
        let periods = if grant.renews { MAX_OWED_PERIODS } else { 1 };
        let most = grant.reserve.0.saturating_add(grant.allowance.0).saturating_mul(periods);
        Money(most).min(MAX_OWED).less(self.facts.debt)
    }

    /// What a meter with a volume has filled, over all bands, and how far its readings reach.
    pub fn filled(&self, meter: Meter) -> Result<(Quantity, Time), Fault> {
        let sum = self.facts.sums.iter().find(|sum| sum.meter == meter).ok_or(Fault::STATE)?;
        Ok((total(&sum.bands)?, sum.until))
    }

    /// What is kept in a slot.
    pub fn slot(&self, number: u8) -> &[u8] {
        self.state.slots.iter().find(|(slot, _)| *slot == number).map_or(&[], |(_, bytes)| bytes)
    }
}

/// All bands together.
pub fn total(bands: &[Quantity; BANDS]) -> Result<Quantity, Fault> {
    bands.iter().try_fold(Quantity(0), |sum, band| sum.plus(*band))
}
