//! The interface between the ledger and programs.

use crate::wasm::Module;
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use utilidor_types::action::{MAX_COMMAND_BYTES, Prepayment};
use utilidor_types::agreement::{AgreementTerms, Party, Status};
use utilidor_types::event::{Movement, Purpose};
use utilidor_types::hash::{Digest, hash_of};
use utilidor_types::package::{PackageTerms, TariffId, TariffOption};
use utilidor_types::price_index::{IndexRead, IndexUnit};
use utilidor_types::statement::{Closing, StatementLine};
use utilidor_types::time::HOUR_MS;
use utilidor_types::{
    AgreementId, Bands, Bounded, Carrier, MeterId, Money, PackageId, PriceIndexId, ProgramId, Quantity, Refusal,
    Timestamp, Window,
};

/// Most slots of a program's state.
pub const MAX_SLOTS: usize = 16;
/// Longest head of a program's state in bytes.
pub const MAX_HEAD_BYTES: usize = 1_024;
/// Longest slot in bytes.
pub const MAX_SLOT_BYTES: usize = 4_096;
/// Most effects of one step.
pub const MAX_EFFECTS: usize = 128;
/// Most events that wait for a program that has failed: some four kinds for each binding, twice ([`crate::backlog`]).
pub const MAX_BACKLOG: usize = 128;
/// Most bindings of an agreement.
pub const MAX_BINDINGS: u8 = 16;

/// A program's own memory: a head that is always there, and slots for what is not touched every time.
#[derive(Debug, Clone, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub struct State {
    /// The head.
    pub head: Bounded<u8, MAX_HEAD_BYTES>,
    /// Slots by their number.
    pub slots: BTreeMap<u8, Bounded<u8, MAX_SLOT_BYTES>>,
}

impl State {
    /// Digest of all of it.
    pub fn digest(&self) -> Digest {
        // Purchases keep nothing.
        static EMPTY: LazyLock<Digest> = LazyLock::new(|| State::default().whole_digest());
        if self.head.is_empty() && self.slots.is_empty() { *EMPTY } else { self.whole_digest() }
    }

    fn whole_digest(&self) -> Digest {
        hash_of("utilidor/program-state", self)
    }
}

/// What a program goes on from. Statements carry its digest, so that nobody can prove a bill from anything else.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize)]
pub struct Standing {
    /// Digest of the terms.
    pub terms: Digest,
    /// Digest of the program's state.
    pub state: Digest,
    /// What the agreement holds, by party and purpose; nothing empty.
    pub pots: BTreeMap<(Party, Purpose), Money>,
    /// What the user owes.
    pub debt: Money,
    /// Who wants to end it: bit `n` is party `n`.
    pub ending: u16,
}

impl Standing {
    /// The digest that statements carry.
    pub fn digest(&self) -> Digest {
        hash_of("utilidor/standing", self)
    }
}

/// How the ledger sums what a meter brings, natively.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Sum {
    /// Up to a volume, before agreements that were signed later and before the supply: a purchase.
    Fill(Quantity),
    /// All that nothing else has taken: a supply. A meter has one at a time. Its bands are cut by this tariff's calendar.
    Rest {
        /// The tariff, if it has bands.
        tariff: Option<TariffId>,
        /// The offset from UTC by which its bands are cut.
        offset_minutes: i16,
    },
    /// What a statement has counted already without a reading: it is taken off what the meter brings, before anybody else,
    /// up to this quantity.
    Absorb(Quantity),
}

/// A meter that serves an agreement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Binding {
    /// Its number within the agreement.
    pub number: u8,
    /// The meter.
    pub meter: MeterId,
    /// What the meter must measure.
    pub carrier: Carrier,
    /// Whose meter it must be.
    pub party: Party,
    /// From when until when; an open end is the end of the ledger's calendar.
    pub window: Window,
    /// How it is summed.
    pub sum: Sum,
}

/// What a meter brought between two marks, for one binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Segment {
    /// When.
    pub interval: Window,
    /// How much, by band.
    pub bands: Bands,
    /// The highest mean power between two certified readings at most an hour apart that ended in it: quantity and
    /// milliseconds.
    pub peak: (Quantity, u32),
}

/// Whether a mean power, a quantity and milliseconds, is higher than another one.
pub fn is_higher_power(one: (Quantity, u32), other: (Quantity, u32)) -> bool {
    // Each product is of 64 and 32 bits.
    u128::from(one.0.0) * u128::from(other.1.max(1)) > u128::from(other.0.0) * u128::from(one.1.max(1))
}

/// The longest interval between two certified readings whose mean power counts as a demand.
const MAX_DEMAND_MS: u64 = HOUR_MS;

/// The higher one of a demand and of what passed between two certified readings, where that counts as one.
pub fn higher_demand(demand: (Quantity, u32), quantity: Quantity, ms: u64) -> (Quantity, u32) {
    match u32::try_from(ms) {
        Ok(short) if ms <= MAX_DEMAND_MS && is_higher_power((quantity, short), demand) => (quantity, short),
        _ => demand,
    }
}

/// What a binding has summed up so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Sums {
    /// The binding's number.
    pub binding: u8,
    /// What has been filled, by band.
    pub bands: Bands,
    /// How far the meter's certified readings reach.
    pub until: Timestamp,
}

/// What a program is told.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Event {
    /// All parties have signed: reserve, bind, schedule. What is refused here refuses the last signature.
    Signed,
    /// A supply's meter has passed a mark, or was read for a statement.
    Segment {
        /// The binding.
        binding: u8,
        /// What it brought.
        segment: Segment,
    },
    /// A purchase has settled and gives back what it had taken of a supply's segment.
    Returned {
        /// The binding.
        binding: u8,
        /// When it flowed, and how much.
        segment: Segment,
    },
    /// A supply's meter has reached the level that the program has set.
    Level {
        /// The binding.
        binding: u8,
        /// What it brought since the last segment, by band.
        bands: Bands,
    },
    /// The time has come that the program has scheduled.
    Due,
    /// A party pays ahead. The money is reserved by the program's effects.
    Prepaid {
        /// For which carrier.
        carrier: Carrier,
        /// For how much, or for how long.
        payment: Prepayment,
    },
    /// The meter's operator has corrected what was certified.
    Corrected {
        /// The binding.
        binding: u8,
        /// When it flowed, and how much more by band.
        more: Segment,
        /// How much less by band.
        less: Bands,
    },
    /// A party tells the program something.
    Command {
        /// Which.
        by: Party,
        /// What.
        bytes: Bounded<u8, MAX_COMMAND_BYTES>,
    },
    /// All parties have signed other terms, which now stand in the case; these were the terms before.
    Amended {
        /// The terms before.
        before: Box<AgreementTerms>,
        /// From when on the new terms count; not before now.
        from: Timestamp,
    },
    /// A party, or the operator of one of its meters, wants to end it early.
    Ending {
        /// The party; none: a meter's operator.
        by: Option<Party>,
        /// Whether another party wanted it before.
        agreed: bool,
    },
    /// The party takes its wish to end back.
    EndingWithdrawn {
        /// Which.
        by: Party,
    },
}

/// What must be known before [`crate::act`] can be called, besides terms and state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wants {
    /// The published program that is to act.
    pub program: Option<ProgramId>,
    /// Slots of the state.
    pub slots: Vec<u8>,
    /// Tariffs.
    pub tariffs: Vec<TariffId>,
    /// Versions of packages: what all their options share.
    pub packages: Vec<(PackageId, u32)>,
    /// Meters that are to be read up to their last certified reading first: their open segments are closed. The
    /// bindings' numbers with their meters.
    pub read: Vec<(u8, MeterId)>,
    /// Bindings whose sums are needed, with their meters.
    pub sums: Vec<(u8, MeterId)>,
    /// Values of published indices of this unit, each for exactly this period; at most
    /// [`utilidor_types::price_index::MAX_INDICES_READ`].
    pub indices: Vec<(PriceIndexId, IndexUnit, Window)>,
    /// Meters that another subscription may have taken over, and when it must have begun.
    pub follows: Vec<(MeterId, Window)>,
}

/// What a program knows besides its terms and state.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The block's time.
    pub now: Timestamp,
    /// What each party's allowance could give now: the rest of its cap, and no more than its free balance.
    pub available: Vec<Money>,
    /// What the user owes the owner under the agreement.
    pub debt: Money,
    /// What is reserved under the agreement, by party and purpose; without those that are nothing.
    pub pots: Vec<(Party, Purpose, Money)>,
    /// The code of the published program that was wanted.
    pub module: Option<Arc<Module>>,
    /// Tariffs that were wanted.
    pub tariffs: BTreeMap<TariffId, Arc<TariffOption>>,
    /// Packages that were wanted.
    pub packages: BTreeMap<(PackageId, u32), Arc<PackageTerms>>,
    /// Sums that were wanted.
    pub sums: Vec<Sums>,
    /// Values of indices that were wanted, in the order in which they were.
    pub indices: Vec<IndexRead>,
    /// Another agreement that has taken a meter over as was wanted, on terms that cover this one's ([`crate::subscription::covers`]).
    pub follower: Option<AgreementId>,
}

impl Facts {
    /// What is reserved under the agreement by a party for a purpose.
    pub fn pot(&self, party: Party, purpose: Purpose) -> Money {
        self.pots.iter().find(|(of, what, _)| (*of, *what) == (party, purpose)).map_or(Money::ZERO, |(_, _, pot)| *pot)
    }

    /// What a party's allowance could give now.
    pub fn available(&self, party: Party) -> Money {
        self.available.get(usize::from(party.0)).copied().unwrap_or(Money::ZERO)
    }
}

/// One call of a program: everything that its answer follows from, besides the event.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The agreement.
    pub agreement: AgreementId,
    /// What the parties have signed.
    pub terms: &'a AgreementTerms,
    /// The program's state.
    pub state: &'a State,
    /// What else it knows.
    pub facts: &'a Facts,
}

/// What a program asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Move money of this agreement. A movement of nothing is none.
    Move(Movement, Money),
    /// Note that the user owes the owner so much more.
    Owe(Money),
    /// Pay the owner so much of what the user owes, out of what the user has prepaid.
    PayDebt(Money),
    /// Note that the user owes the owner so much less: a correction gives it back.
    LowerDebt(Money),
    /// Act again at this time; an agreement has one such time, and a new one replaces it.
    Schedule(Timestamp),
    /// Bind a meter.
    Bind(Binding),
    /// A binding ends at this time, not before the meter's last segment; it goes when the meter has passed it.
    EndBinding {
        /// The binding's number.
        binding: u8,
        /// The meter.
        meter: MeterId,
        /// When it ends.
        at: Timestamp,
    },
    /// A supply whose end has not come goes on until this time, as if it had not been ended.
    Resume {
        /// The binding's number.
        binding: u8,
        /// The meter.
        meter: MeterId,
        /// When it ends.
        until: Timestamp,
    },
    /// A fill is over: what it took beyond `keep` goes back to the supply, and up to `absorb` of what the meter brings
    /// later for the window is nobody's any more.
    Settle {
        /// The binding's number.
        binding: u8,
        /// The meter.
        meter: MeterId,
        /// What the agreement keeps.
        keep: Quantity,
        /// What no reading has proven yet.
        absorb: Quantity,
    },
    /// Tell the program when the supply's meter passes this time, which is not before now or the last mark it passed.
    /// A binding has one such mark: the earliest that the program waits for.
    Mark {
        /// The binding's number.
        binding: u8,
        /// The meter.
        meter: MeterId,
        /// When; none: no mark.
        at: Option<Timestamp>,
    },
    /// Tell the program when the supply's meter has brought so much since its last segment.
    Level {
        /// The binding's number.
        binding: u8,
        /// The meter.
        meter: MeterId,
        /// How much; none: no level.
        at: Option<Quantity>,
    },
    /// The owner sells so much of its capacity in each hour of a window.
    Sell(Volume, Window),
    /// The owner has it back.
    Unsell(Volume, Window),
    /// Issue a statement.
    Issue(Draft),
    /// Let both sides know.
    Notify(Notice),
    /// End with this status. What is still reserved must have been moved.
    Finish(Status),
}

/// A quantity of a carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Volume {
    /// The carrier.
    pub carrier: Carrier,
    /// The quantity.
    pub quantity: Quantity,
}

/// What both sides are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Little is left of what was prepaid.
    Low(Carrier),
    /// What was prepaid and the grace quantity are used up.
    Exhausted(Carrier),
    /// A prepayment was taken.
    Prepaid {
        /// For which carrier.
        carrier: Carrier,
        /// Its tranche.
        tranche: u32,
        /// How much.
        paid: Money,
        /// For when.
        period: Option<Window>,
    },
    /// A prepayment opened its tranche.
    TrancheOpened {
        /// For which carrier.
        carrier: Carrier,
        /// Which.
        tranche: u32,
        /// What went to earlier consumption.
        debt_paid: Money,
        /// The rest.
        paid: Money,
        /// Its discount.
        discount_permille: u16,
        /// For when.
        period: Option<Window>,
    },
    /// Readings are missing for what is settled soon, or now.
    ReadingsMissing {
        /// Of which meter.
        meter: MeterId,
        /// When it is settled.
        at: Timestamp,
    },
    /// It ends at this time.
    Ending(Timestamp),
    /// A meter's operator wants that too: it ends at this time at the latest, and no party can put that off.
    EndingStands(Timestamp),
}

/// A statement before the ledger has numbered it. The ledger adds what was available and the digests of the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// What it closes.
    pub closing: Closing,
    /// The time it is about.
    pub period: Window,
    /// The lines.
    pub lines: Vec<StatementLine>,
    /// Whether a substitute rule stood in for readings.
    pub substituted: bool,
    /// Paid with it.
    pub paid: Money,
    /// Not paid with it.
    pub unpaid: Money,
}

/// What a program answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Step {
    /// The new head, if it changed.
    pub head: Option<Vec<u8>>,
    /// Changed slots; `None`: the slot goes.
    pub slots: BTreeMap<u8, Option<Vec<u8>>>,
    /// What is to be done, in order.
    pub effects: Vec<Effect>,
    /// What a published program has used to answer; nothing for a native one.
    pub fuel: u64,
}

impl Step {
    /// Writes the changed head and slots into a state; a fault if they are longer or more than a state may hold.
    pub fn apply_to(&self, state: &mut State) -> Result<(), Fault> {
        if let Some(head) = &self.head {
            state.head = Bounded::new(head.clone()).map_err(|_| STATE_TOO_LARGE)?;
        }
        for (number, slot) in &self.slots {
            match slot {
                Some(slot) if usize::from(*number) < MAX_SLOTS => {
                    let slot = Bounded::new(slot.clone()).map_err(|_| STATE_TOO_LARGE)?;
                    state.slots.insert(*number, slot);
                }
                Some(_) => return Err(STATE_TOO_LARGE),
                None => drop(state.slots.remove(number)),
            }
        }
        Ok(())
    }
}

/// Why a program gave no answer. Nothing of the event takes effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A rule of the program forbids what a party asks; the party's transaction is refused with it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The program failed.
    #[error("the program failed with code {0}")]
    Failed(u16),
}

/// A number leaves its range: no honest quantity or price comes near it.
pub const OVERFLOW: Fault = Fault::Failed(1);
/// The state is not what the program has written, or the facts are not what it wanted.
pub const BAD_STATE: Fault = Fault::Failed(2);
/// The event is none that the program takes.
pub const UNEXPECTED: Fault = Fault::Failed(3);
/// A native program's state would be larger than it may be. A published one's faults are its own to number.
pub const STATE_TOO_LARGE: Fault = Fault::Failed(4);
