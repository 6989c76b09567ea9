//! Three contracts in the parties' own code, which run beside packages and purchases through the year. Their programs are the
//! published ones of `contracts/`; each has meters of its own, on which nothing else counts.
//!
//! | contract | between | about |
//! |---|---|---|
//! | `shared-roof-pv` | a roof's owner and two tenants | a canopy's generation, shared by what each consumes in two hours |
//! | `interruptible-load` | the station and the computer room | batches of computing that wait when the station calls |
//! | `take-or-pay` | the station and the computer room | cold for the racks, with a minimum in each 30 days |
//!
//! What the meters show is derived from the year's data: parts of what the same tenants consume, see [`meters`]. What the
//! statements must say is worked out anew from that by [`expected`].

pub mod expected;

use crate::cast::{ROOFS, STATION, account_id, agreement_id, meter_id};
use crate::data::{DAYS, Year, day_begin, hour_at, midnight};
use crate::meters::ParkMeter;
use crate::solar::generation_wh;
use crate::tariff::kilowatt_hours;
use utilidor_types::agreement::{CodedTerms, Fallback, HardEnd, Party, ProgramCode};
use utilidor_types::program::{Code, CodedMeter, Grant, Manifest, Metered, Publication};
use utilidor_types::quantity::JOULES_PER_WATT_HOUR;
use utilidor_types::time::{DAY_MS, HOUR_MS};
use utilidor_types::{AgreementId, AgreementTerms, Carrier, Money, Program, Quantity, Text, Timestamp, Window};

/// The engine that the contracts' modules are made for.
const ENGINE: u16 = 1;

/// The tenant whose computing waits, and whose racks are cooled.
pub const COMPUTES: &str = "computer-room";
/// The tenants below the canopy.
pub const SHARE: [&str; 2] = ["hotel", "shops"];
/// Whose the canopy is.
pub const CANOPY_OWNER: &str = ROOFS[1].0;
/// The canopy's peak watts.
const CANOPY_WATTS: u64 = 80_000;

/// The day on which all three begin: the one after they are signed, so that they measure whole hours.
const FIRST_DAY: usize = 1;
/// How long after a period it is settled: before anything else of the next day.
pub(crate) const GRACE_MS: u64 = 5 * HOUR_MS;

/// An interval of the sharing, in hours; its weeks, and its price for a kWh.
pub(crate) const SHARING_HOURS: usize = 2;
pub(crate) const SHARING_DAYS: usize = 7;
pub(crate) const SHARING_PERIODS: usize = 52;
pub(crate) const SHARING_PRICE: Money = Money(500_000);
/// The canopy's standing charge of a week, and the parts that the owner and the tenants bear.
pub(crate) const STANDING: Money = Money::units(40);
pub(crate) const SHARES: [u64; 3] = [2, 5, 3];

/// Days on which the station calls, and whether the computer room can let its computing wait on them.
pub(crate) const CALLS: [((u8, u8), bool); 6] =
    [((1, 22), true), ((7, 10), true), ((7, 24), true), ((8, 7), false), ((8, 21), true), ((12, 11), true)];
/// The first hour of a call in its day, and how many there are.
pub(crate) const CALLED: (usize, usize) = (14, 3);
/// How long a call is settled after its end: when the readings of its day have come.
pub(crate) const CALL_GRACE_MS: u64 = 12 * HOUR_MS;
/// Days that the load contract runs.
pub(crate) const CALLABLE_DAYS: usize = 360;
/// Days of its baseline: of so many working days, those with the highest load.
pub(crate) const BASELINE: (usize, usize) = (10, 5);
/// What is to be shed in each hour, and for which money a kWh.
pub(crate) const COMMITTED: Quantity = kilowatt_hours(50);
pub(crate) const BONUS: Money = Money::units(4);
pub(crate) const PENALTY: Money = Money::units(1);
/// Thousandths of the commitment: from which on there is a bonus, and up to which.
pub(crate) const BONUS_PERMILLE: (u64, u64) = (500, 1_200);

/// Take or pay: days of a period, periods, minimum, price for a kWh, periods in which a deficiency can be made up.
pub(crate) const TAKE_DAYS: usize = 30;
pub(crate) const TAKE_PERIODS: usize = 12;
pub(crate) const MINIMUM: Quantity = kilowatt_hours(4_000);
pub(crate) const COLD_PRICE: Money = Money(350_000);
pub(crate) const MAKE_UP_PERIODS: usize = 6;

/// The labels of the contracts' meters.
const CANOPY: &str = "canopy";
const ANNEX: &str = "annex";
const BATCHES: &str = "batches";
const RACKS: &str = "racks";

/// A contract that is concluded on the first day.
#[derive(Debug, Clone)]
pub struct Contract {
    /// The program's name, and what the proposer calls the agreement.
    pub name: &'static str,
    /// Who proposes it: party 0.
    pub owner: &'static str,
    /// The other parties, from 1 on.
    pub users: Vec<&'static str>,
    /// The program.
    pub publication: Publication,
    /// The agreement.
    pub agreement: AgreementId,
    /// What is signed.
    pub terms: AgreementTerms,
}

/// What a program needs to know, in the order of its manifest.
struct Sheet {
    owner: &'static str,
    users: Vec<&'static str>,
    meters: Vec<(String, Carrier, Party)>,
    days: usize,
    parameters: Vec<u64>,
    /// Reserved of the owner, and of each other party.
    guarantees: [Money; 2],
}

/// Most that a party can be made to pay in 30 days.
const ALLOWANCE: Money = Money::units(20_000);

/// When the contracts begin.
pub(crate) fn begin() -> Timestamp {
    day_begin(FIRST_DAY)
}

/// The contracts.
pub fn contracts() -> [Contract; 3] {
    macro_rules! published {
        ($name:literal, $sheet:expr) => {
            contract(
                $name,
                include_bytes!(concat!("../../../contracts/", $name, "/contract.wasm")),
                include_str!(concat!("../../../contracts/", $name, "/manifest.json")),
                $sheet,
            )
        };
    }
    [
        published!("shared-roof-pv", sharing()),
        published!("interruptible-load", calls()),
        published!("take-or-pay", take_or_pay()),
    ]
}

fn sharing() -> Sheet {
    let guarantee = Money::units(200);
    let mut parameters = vec![
        begin().0,
        SHARING_DAYS as u64 * DAY_MS,
        SHARING_PERIODS as u64,
        GRACE_MS,
        SHARING_HOURS as u64 * HOUR_MS,
        1, // by consumption
        SHARING_PRICE.0,
        STANDING.0,
        guarantee.0,
    ];
    // The owner's share, and those of as many tenants as the program can have.
    parameters.extend((0..13).map(|party| SHARES.get(party).copied().unwrap_or(0)));
    let meters = [(CANOPY_OWNER, CANOPY), (SHARE[0], ANNEX), (SHARE[1], ANNEX)];
    let meters =
        (0..).zip(meters).map(|(party, (holder, name))| (label(holder, name), Carrier::Electricity, Party(party)));
    Sheet {
        owner: CANOPY_OWNER,
        users: SHARE.to_vec(),
        meters: meters.collect(),
        days: SHARING_DAYS * SHARING_PERIODS,
        parameters,
        guarantees: [Money::ZERO, guarantee],
    }
}

fn calls() -> Sheet {
    let guarantees = [Money::units(500), Money::units(200)];
    let parameters = vec![
        begin().0,
        CALLABLE_DAYS as u64,
        CALL_GRACE_MS,
        12 * HOUR_MS,
        BASELINE.0 as u64,
        BASELINE.1 as u64,
        1, // weekdays only
        CALLS.len() as u64,
        CALLED.1 as u64,
        COMMITTED.0,
        BONUS.0,
        PENALTY.0,
        BONUS_PERMILLE.0,
        BONUS_PERMILLE.1,
        guarantees[0].0,
        guarantees[1].0,
    ];
    Sheet {
        owner: STATION,
        users: vec![COMPUTES],
        meters: vec![(label(COMPUTES, BATCHES), Carrier::Electricity, Party::USER)],
        days: CALLABLE_DAYS,
        parameters,
        guarantees,
    }
}

fn take_or_pay() -> Sheet {
    let guarantee = Money::units(2_000);
    let parameters = vec![
        COLD_PRICE.0,
        MINIMUM.0,
        begin().0,
        TAKE_DAYS as u64 * DAY_MS,
        TAKE_PERIODS as u64,
        MAKE_UP_PERIODS as u64,
        GRACE_MS,
        guarantee.0,
    ];
    Sheet {
        owner: STATION,
        users: vec![COMPUTES],
        meters: vec![(label(COMPUTES, RACKS), Carrier::Cooling, Party::USER)],
        days: TAKE_DAYS * TAKE_PERIODS,
        parameters,
        guarantees: [Money::ZERO, guarantee],
    }
}

fn contract(name: &'static str, code: &[u8], manifest: &str, sheet: Sheet) -> Contract {
    let mut manifest: Manifest = serde_json::from_str(manifest).expect("a published manifest is well formed");
    let toolchain = include_str!("../../../contracts/rustc").split('(').next().unwrap_or_default();
    manifest.toolchain = Text::new(toolchain.trim()).expect("a compiler's name is short");
    let code = Code::new(code.to_vec()).expect("a published module is within the bound");
    let publication = Publication { engine: ENGINE, code, manifest };
    let ends = day_begin(FIRST_DAY + sheet.days);
    let window = Window { from: begin(), to: ends };
    let meters: Vec<CodedMeter> = sheet
        .meters
        .iter()
        .map(|(label, carrier, party)| CodedMeter {
            meter: meter_id(label),
            carrier: *carrier,
            party: *party,
            window,
            metered: Metered::Rest,
        })
        .collect();
    let grants: Vec<Grant> = (0..=sheet.users.len() as u8)
        .map(|party| Grant {
            party: Party(party),
            reserve: sheet.guarantees[usize::from(party > 0)],
            allowance: ALLOWANCE,
            renews: true,
        })
        .collect();
    let coded = CodedTerms {
        code: ProgramCode::Published(publication.id()),
        grants: grants.try_into().expect("a grant for each party is within the bound"),
        meters: meters.try_into().expect("a contract's meters are within the bound"),
        parameters: sheet
            .parameters
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect::<Vec<u8>>()
            .try_into()
            .expect("a contract's parameters are within the bound"),
    };
    let parties: Vec<_> = std::iter::once(sheet.owner).chain(sheet.users.iter().copied()).map(account_id).collect();
    let terms = AgreementTerms {
        parties: parties.try_into().expect("a contract's parties are within the bound"),
        program: Program::Coded(coded),
        hard_end: Some(HardEnd { at: Timestamp(ends.0 + 30 * DAY_MS), fallback: Fallback::GiveBack }),
    };
    let agreement = agreement_id(sheet.owner, name);
    Contract { name, owner: sheet.owner, users: sheet.users, publication, agreement, terms }
}

fn label(holder: &str, name: &str) -> String {
    format!("{holder}/{name}")
}

/// The contracts' meters. None of what they measure passes a meter that packages bill.
///
/// * the canopy generates as the roofs do;
/// * the annexes consume, hour by hour, a sixteenth of what the hotel does and a twelfth of what the shops do;
/// * batches of computing take a quarter of what the computer room does. In a called hour three quarters of them wait, or one
///   quarter where they cannot;
/// * the racks' cold is a quarter of the computer room's.
pub fn meters(year: &Year) -> Vec<ParkMeter> {
    let part = |tenant: &str, carrier, of: u64| -> Vec<u64> {
        let load = year.load_of(carrier, year.tenant(tenant)).expect("the tenant has the carrier");
        load.iter().map(|load| load / of).collect()
    };
    let canopy = generation_wh(year, CANOPY_WATTS).iter().map(|wh| wh * JOULES_PER_WATT_HOUR).collect();
    let mut batches = part(COMPUTES, Carrier::Electricity, 4);
    for (call, waits) in CALLS {
        let kept = if waits { 1 } else { 3 };
        called_hours(call).for_each(|hour| batches[hour] = batches[hour] / 4 * kept);
    }
    let meter =
        |holder: &str, name: &str, carrier, hours| ParkMeter::new(label(holder, name), carrier, holder, None, hours);
    vec![
        meter(CANOPY_OWNER, CANOPY, Carrier::Electricity, canopy),
        meter(SHARE[0], ANNEX, Carrier::Electricity, part(SHARE[0], Carrier::Electricity, 16)),
        meter(SHARE[1], ANNEX, Carrier::Electricity, part(SHARE[1], Carrier::Electricity, 12)),
        meter(COMPUTES, BATCHES, Carrier::Electricity, batches),
        meter(COMPUTES, RACKS, Carrier::Cooling, part(COMPUTES, Carrier::Cooling, 4)),
    ]
}

/// The hours of a call.
pub(crate) fn called_hours((month, day): (u8, u8)) -> std::ops::Range<usize> {
    let first = hour_at(midnight(month, day)) + CALLED.0;
    first..first + CALLED.1
}

/// The command by which the station calls on a day, if it does.
pub(crate) fn call_on(day: usize) -> Option<Vec<u8>> {
    let (call, _) = CALLS.into_iter().find(|((month, date), _)| midnight(*month, *date) == day_begin(day))?;
    let begin = crate::data::hour_begin(called_hours(call).start);
    let mut command = vec![1];
    command.extend(begin.0.to_le_bytes());
    command.push(CALLED.1 as u8);
    Some(command)
}

const _: () = assert!(FIRST_DAY + SHARING_DAYS * SHARING_PERIODS <= DAYS, "the contracts end within the year");
