//! A second, naive model of the ledger's rules, to compare the ledger with.
//!
//! It is written for plainness alone: maps of plain structs, 128-bit integers, nothing cached that can be added up
//! again (what an account has reserved, what is left in a lot, what is sold of an hour), the whole state cloned
//! before each action and put back when the action is refused, a calendar that counts days one by one. It shares
//! the documents of `utilidor-types` with the ledger, their digests and their refusals, and no arithmetic.

use std::collections::BTreeMap;
use utilidor_ledger::Inadmissible;
use utilidor_types::action::{AwardedQuote, Prepayment};
use utilidor_types::agreement::{Origin, PurchaseTerms, Service, Side, Status, SubscriptionTerms, Substitute};
use utilidor_types::event::{Movement, Purpose, RefusedReading};
use utilidor_types::meter::{Attribution, MeterRun};
use utilidor_types::package::{Band, FloorAreaTariff, Period, PeriodDiscounts, Season, TimeOfUse, TranchePrice};
use utilidor_types::statement::StatementLine;
use utilidor_types::*;

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;
/// 2106-02-07, the end of the ledger's calendar.
const LAST_INSTANT: u64 = 4_294_967_295_000;
const MOST: u128 = u64::MAX as u128;
const MOST_DUE: usize = 4_096;

type Ruled<T = ()> = Result<T, Refusal>;

// ---- plain arithmetic -------------------------------------------------------------------------------------

/// `numerator / denominator` to the nearest whole number, halves to the even one.
fn nearest(numerator: u128, denominator: u128) -> u128 {
    let (floor, rest) = (numerator / denominator, numerator % denominator);
    match (rest * 2).cmp(&denominator) {
        std::cmp::Ordering::Less => floor,
        std::cmp::Ordering::Greater => floor + 1,
        std::cmp::Ordering::Equal => floor + floor % 2,
    }
}

fn fits(value: u128) -> Ruled<u128> {
    if value > MOST { Err(Refusal::Overflow) } else { Ok(value) }
}

fn money(value: u128) -> Money {
    Money(u64::try_from(value).expect("the model's money fits"))
}

fn quantity(value: u128) -> Quantity {
    Quantity(u64::try_from(value).expect("the model's quantity fits"))
}

fn base_units(price: Price) -> u128 {
    match price.per {
        PriceUnit::KilowattHour => 3_600_000,
        PriceUnit::Gigajoule => 1_000_000_000,
        PriceUnit::CubicMetre => 1_000_000,
    }
}

fn price_fits(price: Price, carrier: Carrier) -> bool {
    let energy = matches!(carrier, Carrier::Electricity | Carrier::Heating | Carrier::Cooling);
    energy == (price.per != PriceUnit::CubicMetre)
}

fn costs(price: Price, of: Quantity) -> u128 {
    nearest(u128::from(price.money.0) * u128::from(of.0), base_units(price))
}

/// Cost of a weight at a discount; more than money holds if it cannot be told.
fn costs_of_weight(price: Price, discount: u16, weight: u128) -> u128 {
    (u128::from(price.money.0) * u128::from(1_000 - discount))
        .checked_mul(weight)
        .map_or(u128::MAX, |numerator| nearest(numerator, base_units(price) * 1_000_000))
}

/// Year, month and day, by counting from 1970.
fn civil(mut days: i64) -> (i64, u8, u8) {
    let mut year = 1970;
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    loop {
        let length = if leap(year) { 366 } else { 365 };
        match days {
            _ if days < 0 => {
                year -= 1;
                days += if leap(year) { 366 } else { 365 };
            }
            _ if days >= length => {
                days -= length;
                year += 1;
            }
            _ => break,
        }
    }
    let lengths = [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    (year, month as u8 + 1, days as u8 + 1)
}

fn local_day(time: u64, offset: i16) -> i64 {
    (time as i64 + i64::from(offset) * 60_000).div_euclid(DAY as i64)
}

/// Local midnight of the first of the month `months` after the one of `time`, by walking day by day.
fn month_begin(time: u64, months: u32, offset: i16) -> Ruled<u64> {
    let mut day = local_day(time, offset);
    while civil(day).2 != 1 {
        day -= 1;
    }
    for _ in 0..months {
        day += 28;
        while civil(day).2 != 1 {
            day += 1;
        }
    }
    let begin = day * DAY as i64 - i64::from(offset) * 60_000;
    u64::try_from(begin).ok().filter(|begin| *begin <= LAST_INSTANT).ok_or(Refusal::Overflow)
}

fn in_season(season: Season, day: i64) -> bool {
    let (_, month, day) = civil(day);
    let (from, to) = ((season.from_month, season.from_day), (season.to_month, season.to_day));
    match from <= to {
        true => (month, day) >= from && (month, day) <= to,
        false => (month, day) >= from || (month, day) <= to,
    }
}

fn season_days(season: Season, from: u64, to: u64, offset: i16) -> u32 {
    let mut count = 0;
    let mut day = local_day(from, offset);
    while day < local_day(to, offset) {
        count += u32::from(in_season(season, day));
        day += 1;
    }
    count
}

/// Days of the season in an ordinary year: 2025, whose first day is day 20,089.
fn season_length(season: Season) -> u32 {
    (20_089..20_089 + 365).filter(|day| in_season(season, *day)).count() as u32
}

/// What a period of floor-area supply costs.
fn area_costs(tariff: &FloorAreaTariff, area: u32, days: u32, discount: u16) -> u128 {
    let numerator = u128::from(tariff.per_m2.0) * u128::from(area) * u128::from(days) * u128::from(1_000 - discount);
    nearest(numerator, u128::from(season_length(tariff.season)) * 1_000)
}

/// Consumption by band: spread evenly over the time and cut at each hour; all flat beyond a day.
fn by_band(calendar: &TimeOfUse, from: u64, to: u64, amount: u128, offset: i16) -> [u128; 4] {
    let mut bands = [0; 4];
    if calendar.stretches.is_empty() || to - from > 24 * HOUR {
        bands[0] = amount;
        return bands;
    }
    let share = |until: u64| amount * u128::from(until - from) / u128::from(to - from);
    let mut begin = from;
    while begin < to {
        let end = to.min((begin / HOUR + 1) * HOUR);
        let (_, month, _) = civil(local_day(begin, offset));
        let local = begin as i64 + i64::from(offset) * 60_000;
        let hour = (local.rem_euclid(DAY as i64) / HOUR as i64) as u8;
        let mut band = Band::Flat;
        for stretch in calendar.stretches.iter().rev() {
            if stretch.months >> (month - 1) & 1 == 1 && stretch.from_hour <= hour && hour < stretch.to_hour {
                band = stretch.band;
            }
        }
        bands[band as usize] += share(end) - share(begin);
        begin = end;
    }
    bands
}

fn no_calendar() -> TimeOfUse {
    TimeOfUse { factors_permille: [1_000; 4], stretches: Bounded::empty() }
}

// ---- the state --------------------------------------------------------------------------------------------

/// An account; what it has reserved is the sum of what its agreements hold.
#[derive(Debug, Clone)]
pub struct Account {
    pub member: MemberId,
    pub nonce: u64,
    pub free: u128,
}

/// An offer; what is left of it is its lots less what was awarded and not turned down.
#[derive(Debug, Clone)]
pub struct OfferStand {
    pub owner: AccountId,
    pub offer: Offer,
    pub withdrawn: bool,
}

/// A quote.
#[derive(Debug, Clone)]
pub struct Quote {
    pub commitment: Digest,
    pub binding: bool,
    pub awarded: bool,
}

/// Running sums of a lot.
#[derive(Debug, Clone, Default)]
pub struct LotSums {
    pub available: u128,
    pub taken: u128,
    pub delivery_covered: u128,
    pub take_covered: u128,
}

/// Money paid ahead.
#[derive(Debug, Clone)]
pub struct Paid {
    pub number: u32,
    pub paid: u128,
    pub billed: u128,
    pub buys: Buys,
}

/// What was paid ahead for.
#[derive(Debug, Clone)]
pub enum Buys {
    Energy { price: Price, discount: u16, weight: u128, drawn: u128, drawn_billed: u128, period: Option<(u64, u64)> },
    Area { from: u64, to: u64, season: Season, days: u32, discount: u16 },
}

/// A service of a subscription.
#[derive(Debug, Clone)]
pub struct ServiceStand {
    pub tariff: Tariff,
    pub offset: i16,
    pub area: u32,
    pub area_paid_until: u64,
    pub low_balance: u128,
    pub low_noticed: bool,
    pub exhausted_noticed: bool,
    pub opened: u32,
    pub usage: [u128; 4],
    pub owed: u128,
    pub tranches: Vec<Paid>,
}

/// An agreement.
#[derive(Debug, Clone)]
pub struct Contract {
    pub terms: AgreementTerms,
    pub origin: Origin,
    pub sign_by: u64,
    pub status: Status,
    pub owner_deposit: u128,
    pub user_deposit: u128,
    pub guarantee: u128,
    pub prepaid: u128,
    pub ending: Option<Side>,
    pub statements: u32,
    pub certificates_from: u64,
    /// What its award took from each lot of its offer.
    pub awarded: Vec<u128>,
    /// Whether its hours count as sold.
    pub sold: bool,
    pub lots: Vec<LotSums>,
    pub period_from: u64,
    pub services: BTreeMap<Carrier, ServiceStand>,
    pub amendment: Option<(Side, Program)>,
}

/// A meter.
#[derive(Debug, Clone)]
pub struct MeterStand {
    pub operator: AccountId,
    pub registered: Meter,
    pub meter: Meter,
    pub last: Reading,
    pub retired: bool,
    pub subscription: Option<AgreementId>,
    /// Agreement, lot and side, in the order of signing.
    pub serves: Vec<(AgreementId, usize, Side)>,
}

/// A transaction's envelope and action.
#[derive(Debug, Clone)]
pub struct Asked {
    pub account: AccountId,
    pub nonce: u64,
    pub expires: u64,
    pub action: Action,
}

/// Due work that did something: the agreement, when it was due, and what happened.
pub type DueDone = (AgreementId, Timestamp, Verdict);

/// The model.
#[derive(Debug, Clone)]
pub struct Model {
    pub chain: ChainId,
    pub height: u64,
    pub now: u64,
    pub issued: u128,
    pub redeemed: u128,
    pub members: BTreeMap<MemberId, Roles>,
    pub accounts: BTreeMap<AccountId, Account>,
    pub capacities: BTreeMap<(AccountId, Carrier), Quantity>,
    pub offers: BTreeMap<OfferId, OfferStand>,
    pub quotes: BTreeMap<(OfferId, AccountId), Quote>,
    pub contracts: BTreeMap<AgreementId, Contract>,
    pub meters: BTreeMap<MeterId, MeterStand>,
    pub packages: BTreeMap<PackageId, (AccountId, Vec<Package>)>,
    /// Due seconds in the order of scheduling.
    pub due: Vec<(u64, AgreementId)>,
    pub certificates: Vec<Certificate>,
    events: Vec<Event>,
}

// ---- blocks -----------------------------------------------------------------------------------------------

impl Model {
    /// The state that a genesis document describes.
    pub fn new(genesis: &Genesis) -> Self {
        let first = |member: MemberId| Account { member, nonce: 0, free: 0 };
        Self {
            chain: genesis.chain(),
            height: 0,
            now: genesis.time.0,
            issued: 0,
            redeemed: 0,
            members: genesis.members.iter().map(|first| (first.member, first.roles)).collect(),
            accounts: genesis.members.iter().map(|entry| (entry.account, first(entry.member))).collect(),
            capacities: BTreeMap::new(),
            offers: BTreeMap::new(),
            quotes: BTreeMap::new(),
            contracts: BTreeMap::new(),
            meters: BTreeMap::new(),
            packages: BTreeMap::new(),
            due: Vec::new(),
            certificates: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Begins the next block: what is due is done.
    pub fn begin(&mut self, time: Timestamp) -> Vec<DueDone> {
        self.height += 1;
        self.now = time.0;
        let mut done = Vec::new();
        for _ in 0..MOST_DUE {
            let next = (0..self.due.len()).min_by_key(|place| self.due[*place].0);
            let Some(place) = next.filter(|place| self.due[*place].0 * 1_000 <= self.now) else { break };
            let (second, id) = self.due.remove(place);
            if let Some(events) = self.come_due(id) {
                done.push((id, Timestamp(second * 1_000), Verdict::Applied(events)));
            }
        }
        done
    }

    /// Takes the block's next transaction.
    pub fn ask(&mut self, asked: &Asked) -> Result<Verdict, Inadmissible> {
        self.admit(asked)?;
        Ok(self.act(asked))
    }

    /// The next time at which something is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.iter().map(|(second, _)| Timestamp(second * 1_000)).min()
    }

    fn admit(&mut self, asked: &Asked) -> Result<(), Inadmissible> {
        let height = self.height;
        let account = self.accounts.get_mut(&asked.account).ok_or(Inadmissible::UnknownAccount(asked.account))?;
        if asked.expires < height || asked.expires > height + 100_000 {
            return Err(Inadmissible::Expired { expires: asked.expires, height });
        }
        if asked.nonce != account.nonce {
            return Err(Inadmissible::WrongNonce { found: asked.nonce, expected: account.nonce });
        }
        account.nonce += 1;
        Ok(())
    }

    fn act(&mut self, asked: &Asked) -> Verdict {
        let saved = self.clone();
        self.events.clear();
        match self.perform(asked.account, &asked.action) {
            Ok(()) => Verdict::Applied(Bounded::new(std::mem::take(&mut self.events)).expect("few events")),
            Err(refusal) => {
                *self = saved;
                Verdict::Refused(refusal)
            }
        }
    }

    fn perform(&mut self, caller: AccountId, action: &Action) -> Ruled {
        match action.clone() {
            Action::AdmitMember { member, account, roles } => self.admit_member(caller, member, account, roles),
            Action::ChangeRoles { member, roles } => self.change_roles(caller, member, roles),
            Action::OpenAccount { account } => self.open_account(caller, account),
            Action::DeclareCapacity { owner, carrier, per_hour } => {
                self.needs(caller, Role::Validator)?;
                self.needs(owner, Role::Owner)?;
                self.capacities.insert((owner, carrier), per_hour);
                Ok(())
            }
            Action::Issue { to, amount, .. } => self.issue(caller, to, amount),
            Action::Redeem { amount, .. } => self.redeem(caller, amount),
            Action::Transfer { to, amount, .. } => self.transfer(caller, to, amount),
            Action::PublishOffers { offers } => {
                self.needs(caller, Role::Owner)?;
                some(&offers)?;
                offers.iter().try_for_each(|offer| self.publish_offer(caller, offer.clone()))
            }
            Action::WithdrawOffer { offer } => self.withdraw_offer(caller, offer),
            Action::SubmitQuotes { quotes } => {
                self.needs(caller, Role::User)?;
                some(&quotes)?;
                quotes.iter().try_for_each(|quote| self.submit_quote(caller, quote))
            }
            Action::WithdrawQuote { offer } => self.withdraw_quote(caller, offer),
            Action::Award { awards } => {
                some(&awards)?;
                awards.iter().try_for_each(|award| self.award(caller, award))
            }
            Action::ProposeAgreement { id, terms, signing_ms } => self.propose(caller, id, terms, signing_ms),
            Action::SignAgreement { agreement, terms } => self.sign(caller, agreement, terms),
            Action::DeclineAgreement { agreement } => {
                self.must_sign(caller, agreement)?;
                self.set_status(agreement, Status::Declined);
                Ok(())
            }
            Action::ProposeAmendment { agreement, program } => self.propose_amendment(caller, agreement, program),
            Action::SignAmendment { agreement, terms } => self.sign_amendment(caller, agreement, terms),
            Action::Terminate { agreement } => self.terminate(caller, agreement),
            Action::RegisterMeter(meter) => self.register_meter(caller, meter),
            Action::BindMeter { meter, holder } => self.bind_meter(caller, meter, holder),
            Action::RotateMeterKey { meter, authority } => {
                self.operated(caller, meter)?;
                self.meter(meter).meter.authority = authority;
                Ok(())
            }
            Action::ExchangeMeter { meter, last, authority, register_modulus, register } => {
                self.exchange(caller, meter, last, authority, register_modulus, register)
            }
            Action::RetireMeter { meter } => {
                self.operated(caller, meter)?;
                self.idle(meter)?;
                self.meter(meter).retired = true;
                Ok(())
            }
            Action::RecordReadings { runs } => self.record_readings(caller, &runs),
            Action::PublishPackage(package) => self.publish_package(caller, package),
            Action::Subscribe { id, terms } => self.subscribe(caller, id, terms),
            Action::Prepay { subscription, carrier, payment } => self.prepay(caller, subscription, carrier, payment),
        }
    }

    fn schedule(&mut self, id: AgreementId, at: u64) -> Ruled {
        if at > LAST_INSTANT {
            return Err(Refusal::Overflow);
        }
        self.due.push((at.div_ceil(1_000), id));
        Ok(())
    }

    fn contract(&mut self, id: AgreementId) -> &mut Contract {
        self.contracts.get_mut(&id).expect("the model knows the agreement")
    }

    fn meter(&mut self, id: MeterId) -> &mut MeterStand {
        self.meters.get_mut(&id).expect("the model knows the meter")
    }
}

// ---- members, money, capacity -----------------------------------------------------------------------------

impl Model {
    fn needs(&self, account: AccountId, role: Role) -> Ruled {
        let member = self.accounts.get(&account).ok_or(Refusal::UnknownAccount { account })?.member;
        if self.members[&member].has(role) { Ok(()) } else { Err(Refusal::MissingRole { role }) }
    }

    fn admit_member(&mut self, caller: AccountId, member: MemberId, account: AccountId, roles: Roles) -> Ruled {
        self.needs(caller, Role::Validator)?;
        if let Some(present) = self.members.get(&member) {
            let mine = self.accounts.get(&account).is_some_and(|holder| holder.member == member);
            return if *present == roles && mine { Ok(()) } else { Err(Refusal::IdTaken) };
        }
        if self.accounts.contains_key(&account) {
            return Err(Refusal::AccountExists { account });
        }
        self.members.insert(member, roles);
        self.accounts.insert(account, Account { member, nonce: 0, free: 0 });
        Ok(())
    }

    fn change_roles(&mut self, caller: AccountId, member: MemberId, roles: Roles) -> Ruled {
        self.needs(caller, Role::Validator)?;
        *self.members.get_mut(&member).ok_or(Refusal::UnknownMember { member })? = roles;
        Ok(())
    }

    fn open_account(&mut self, caller: AccountId, account: AccountId) -> Ruled {
        let member = self.accounts[&caller].member;
        match self.accounts.get(&account) {
            Some(present) if present.member == member => Ok(()),
            Some(_) => Err(Refusal::AccountExists { account }),
            None => {
                self.accounts.insert(account, Account { member, nonce: 0, free: 0 });
                Ok(())
            }
        }
    }

    /// What an account has reserved: the sum of what its agreements hold.
    pub fn reserved(&self, account: AccountId) -> u128 {
        let mut sum = 0;
        for contract in self.contracts.values() {
            if contract.terms.owner == account {
                sum += contract.owner_deposit;
            }
            if contract.terms.user == account {
                sum += contract.user_deposit + contract.guarantee + contract.prepaid;
            }
        }
        sum
    }

    fn take(&mut self, account: AccountId, amount: u128) -> Ruled {
        let holder = self.accounts.get_mut(&account).ok_or(Refusal::UnknownAccount { account })?;
        if holder.free < amount {
            return Err(Refusal::InsufficientFunds { account, free: money(holder.free), needed: money(amount) });
        }
        holder.free -= amount;
        Ok(())
    }

    fn give(&mut self, account: AccountId, amount: u128) -> Ruled {
        let holder = self.accounts.get_mut(&account).ok_or(Refusal::UnknownAccount { account })?;
        holder.free = fits(holder.free + amount)?;
        Ok(())
    }

    fn issue(&mut self, caller: AccountId, to: AccountId, amount: Money) -> Ruled {
        self.needs(caller, Role::Issuer)?;
        if amount.0 == 0 {
            return Err(Refusal::ZeroAmount);
        }
        self.give(to, amount.0.into())?;
        self.issued = fits(self.issued + u128::from(amount.0))?;
        Ok(())
    }

    fn redeem(&mut self, caller: AccountId, amount: Money) -> Ruled {
        self.needs(caller, Role::Issuer)?;
        if amount.0 == 0 {
            return Err(Refusal::ZeroAmount);
        }
        self.take(caller, amount.0.into())?;
        self.redeemed = fits(self.redeemed + u128::from(amount.0))?;
        Ok(())
    }

    fn transfer(&mut self, caller: AccountId, to: AccountId, amount: Money) -> Ruled {
        if amount.0 == 0 {
            return Err(Refusal::ZeroAmount);
        }
        if !self.accounts.contains_key(&to) {
            return Err(Refusal::UnknownAccount { account: to });
        }
        self.take(caller, amount.0.into())?;
        self.give(to, amount.0.into())
    }

    fn move_money(&mut self, agreement: AgreementId, movement: Movement, amount: u128) -> Ruled {
        if amount == 0 {
            return Ok(());
        }
        let terms = self.contract(agreement).terms.clone();
        let (owner, user) = (terms.owner, terms.user);
        match movement {
            Movement::Reserve { side, purpose } => {
                self.take(terms.party(side), amount)?;
                *self.pot(agreement, side, purpose) += amount;
            }
            Movement::Release { side, purpose } => {
                *self.pot(agreement, side, purpose) -= amount;
                self.give(terms.party(side), amount)?;
            }
            Movement::PayFromReserve { purpose } => {
                *self.pot(agreement, Side::User, purpose) -= amount;
                self.give(owner, amount)?;
            }
            Movement::Pay => {
                self.take(user, amount)?;
                self.give(owner, amount)?;
            }
            Movement::Forfeit { by } => {
                *self.pot(agreement, by, Purpose::Deposit) -= amount;
                self.give(terms.party(by.other()), amount)?;
            }
        }
        self.events.push(Event::Moved { agreement, movement, amount: money(amount) });
        Ok(())
    }

    fn pot(&mut self, agreement: AgreementId, side: Side, purpose: Purpose) -> &mut u128 {
        let contract = self.contract(agreement);
        match (side, purpose) {
            (Side::Owner, _) => &mut contract.owner_deposit,
            (Side::User, Purpose::Deposit) => &mut contract.user_deposit,
            (Side::User, Purpose::Guarantee) => &mut contract.guarantee,
            (Side::User, Purpose::Prepayment) => &mut contract.prepaid,
        }
    }

    /// What an owner has sold of an hour, added up over its purchases.
    pub fn sold(&self, owner: AccountId, carrier: Carrier, hour: u64) -> u128 {
        let mut sum = 0;
        for contract in self.contracts.values().filter(|contract| contract.sold && contract.terms.owner == owner) {
            let Program::Purchase(terms) = &contract.terms.program else { continue };
            if terms.window.from.0 <= hour && hour < terms.window.to.0 {
                for lot in terms.lots.iter().filter(|lot| lot.carrier == carrier) {
                    sum += an_hours_part(lot.quantity, terms);
                }
            }
        }
        sum
    }
}

fn an_hours_part(quantity: Quantity, terms: &PurchaseTerms) -> u128 {
    u128::from(quantity.0).div_ceil(u128::from((terms.window.to.0 - terms.window.from.0) / HOUR))
}

// ---- offers and quotes ------------------------------------------------------------------------------------

fn check_terms(lots: &[(Carrier, Quantity, Price)], window: Window, rates: [u16; 3], grace_ms: u32) -> Ruled {
    for (place, (carrier, quantity, price)) in lots.iter().enumerate() {
        let carrier = *carrier;
        if quantity.0 == 0 {
            return Err(Refusal::ZeroQuantity { carrier });
        }
        if lots[..place].iter().any(|(before, _, _)| *before == carrier) {
            return Err(Refusal::DuplicateCarrier { carrier });
        }
        if !price_fits(*price, carrier) {
            return Err(Refusal::PriceUnit { carrier });
        }
    }
    if lots.is_empty() {
        return Err(Refusal::NoLots);
    }
    if window.from >= window.to || !window.from.0.is_multiple_of(HOUR) || !window.to.0.is_multiple_of(HOUR) {
        return Err(Refusal::WindowNotWholeHours { from: window.from, to: window.to });
    }
    let hours = (window.to.0 - window.from.0) / HOUR;
    if hours > 744 {
        return Err(Refusal::WindowTooLong { hours, max: 744 });
    }
    for permille in rates {
        if permille > 1_000 {
            return Err(Refusal::RateTooHigh { permille, max: 1_000 });
        }
    }
    if u128::from(window.to.0) + u128::from(grace_ms) > u128::from(LAST_INSTANT) {
        return Err(Refusal::Overflow);
    }
    Ok(())
}

fn check_purchase(terms: &PurchaseTerms) -> Ruled {
    let lots: Vec<_> = terms.lots.iter().map(|lot| (lot.carrier, lot.quantity, lot.price)).collect();
    let rates = [terms.deposit_permille, terms.guarantee_permille, terms.tolerance_permille];
    check_terms(&lots, terms.window, rates, terms.grace_ms)?;
    for lot in &terms.lots {
        if lot.metering.delivery.is_none() && lot.metering.take.is_none() {
            return Err(Refusal::Unmetered { carrier: lot.carrier });
        }
    }
    fits(terms.lots.iter().map(|lot| costs(lot.price, lot.quantity)).sum())?;
    Ok(())
}

fn some<T>(asked: &[T]) -> Ruled {
    if asked.is_empty() { Err(Refusal::NothingAsked) } else { Ok(()) }
}

impl Model {
    fn publish_offer(&mut self, caller: AccountId, offer: Offer) -> Ruled {
        if let Some(present) = self.offers.get(&offer.id) {
            let same = present.owner == caller && present.offer == offer;
            return if same { Ok(()) } else { Err(Refusal::IdTaken) };
        }
        let lots: Vec<_> = offer.lots.iter().map(|lot| (lot.carrier, lot.quantity, lot.asking_price)).collect();
        let terms = &offer.terms;
        let rates = [terms.deposit_permille, terms.guarantee_permille, terms.tolerance_permille];
        check_terms(&lots, offer.window, rates, terms.grace_ms)?;
        for lot in &offer.lots {
            if lot.delivery_meter.is_none() && !lot.user_metered {
                return Err(Refusal::Unmetered { carrier: lot.carrier });
            }
        }
        if offer.gate_closes.0 <= self.now {
            return Err(Refusal::GateInPast { gate: offer.gate_closes, now: Timestamp(self.now) });
        }
        if offer.gate_closes >= offer.window.from {
            return Err(Refusal::GateAfterDelivery { gate: offer.gate_closes, from: offer.window.from });
        }
        self.offers.insert(offer.id, OfferStand { owner: caller, offer, withdrawn: false });
        Ok(())
    }

    fn standing(&self, id: OfferId) -> Ruled<OfferStand> {
        let stand = self.offers.get(&id).ok_or(Refusal::UnknownOffer { offer: id })?;
        if stand.withdrawn { Err(Refusal::OfferWithdrawn { offer: id }) } else { Ok(stand.clone()) }
    }

    fn gate_open(&self, offer: &Offer) -> Ruled {
        match self.now < offer.gate_closes.0 {
            true => Ok(()),
            false => Err(Refusal::GateClosed { gate: offer.gate_closes, now: Timestamp(self.now) }),
        }
    }

    fn withdraw_offer(&mut self, caller: AccountId, id: OfferId) -> Ruled {
        let stand = self.standing(id)?;
        if stand.owner != caller {
            return Err(Refusal::NotOfferOwner { offer: id });
        }
        self.gate_open(&stand.offer)?;
        self.offers.get_mut(&id).expect("it stands").withdrawn = true;
        Ok(())
    }

    fn submit_quote(&mut self, caller: AccountId, quote: &SealedQuote) -> Ruled {
        let stand = self.standing(quote.offer)?;
        if stand.owner == caller {
            return Err(Refusal::OwnOffer);
        }
        self.gate_open(&stand.offer)?;
        let expected = 32 + 32 * stand.offer.lots.len() as u32 + 48;
        if quote.sealed.len() as u32 != expected {
            return Err(Refusal::SealedSize { bytes: quote.sealed.len() as u32, expected });
        }
        let entry = Quote { commitment: quote.commitment, binding: quote.binding, awarded: false };
        self.quotes.insert((quote.offer, caller), entry);
        Ok(())
    }

    fn withdraw_quote(&mut self, caller: AccountId, offer: OfferId) -> Ruled {
        let stand = self.standing(offer)?;
        self.gate_open(&stand.offer)?;
        self.quotes.remove(&(offer, caller)).ok_or(Refusal::UnknownQuote { offer, bidder: caller })?;
        Ok(())
    }

    /// What is left of a lot: all of it less what was awarded and neither declined nor left to expire.
    pub fn left(&self, id: OfferId, lot: usize) -> u128 {
        let mut left = u128::from(self.offers[&id].offer.lots[lot].quantity.0);
        for contract in self.contracts.values().filter(|contract| contract.origin == Origin::Award { offer: id }) {
            if !matches!(contract.status, Status::Declined | Status::Expired) {
                left -= contract.awarded[lot];
            }
        }
        left
    }

    fn award(&mut self, caller: AccountId, award: &AwardedQuote) -> Ruled {
        let stand = self.standing(award.offer)?;
        let now = Timestamp(self.now);
        if stand.owner != caller {
            return Err(Refusal::NotOfferOwner { offer: award.offer });
        }
        if now < stand.offer.gate_closes {
            return Err(Refusal::GateOpen { gate: stand.offer.gate_closes, now });
        }
        if now >= stand.offer.window.from {
            return Err(Refusal::DeliveryBegun { from: stand.offer.window.from, now });
        }
        let (offer, bidder) = (&stand.offer, award.bidder);
        let key = (offer.id, bidder);
        let quote = self.quotes.get(&key).ok_or(Refusal::UnknownQuote { offer: offer.id, bidder })?.clone();
        if quote.awarded {
            return Err(Refusal::QuoteAwarded { bidder });
        }
        if award.opening.commitment(self.chain, offer.id, bidder) != quote.commitment {
            return Err(Refusal::BadOpening { bidder });
        }
        if award.opening.lines.len() != offer.lots.len() {
            let (lines, lots) = (award.opening.lines.len() as u32, offer.lots.len() as u32);
            return Err(Refusal::LineCount { lines, lots });
        }
        let mut lots = Bounded::empty();
        let mut awarded = Vec::new();
        for (place, (lot, line)) in offer.lots.iter().zip(&award.opening.lines).enumerate() {
            let left = self.left(offer.id, place);
            if u128::from(line.quantity.0) > left {
                let (carrier, wanted) = (lot.carrier, line.quantity);
                return Err(Refusal::AboveLot { carrier, wanted, left: quantity(left) });
            }
            awarded.push(line.quantity.0.into());
            if line.quantity.0 > 0 {
                let take = lot.user_metered.then_some(line.user_meter);
                let metering = utilidor_types::agreement::Metering { delivery: lot.delivery_meter, take };
                let price = Price { money: line.price, per: lot.asking_price.per };
                let bought = PurchaseLot { carrier: lot.carrier, quantity: line.quantity, price, metering };
                lots.push(bought).expect("as many as in the offer");
            }
        }
        if self.now + u64::from(offer.terms.signing_ms) > LAST_INSTANT {
            return Err(Refusal::Overflow);
        }
        let sign_by = (self.now + u64::from(offer.terms.signing_ms)).min(offer.window.from.0);
        let program = Program::Purchase(PurchaseTerms {
            lots,
            window: offer.window,
            deposit_permille: offer.terms.deposit_permille,
            guarantee_permille: offer.terms.guarantee_permille,
            tolerance_permille: offer.terms.tolerance_permille,
            grace_ms: offer.terms.grace_ms,
            substitute: offer.terms.substitute,
        });
        let terms = AgreementTerms { owner: stand.owner, user: bidder, program };
        self.quotes.get_mut(&key).expect("it was just read").awarded = true;
        self.conclude(award.agreement, terms, Origin::Award { offer: offer.id }, sign_by, awarded, quote.binding)
    }
}

// ---- agreements -------------------------------------------------------------------------------------------

impl Model {
    fn conclude(
        &mut self,
        id: AgreementId,
        terms: AgreementTerms,
        origin: Origin,
        sign_by: u64,
        awarded: Vec<u128>,
        signed: bool,
    ) -> Ruled {
        if terms.owner == terms.user {
            return Err(Refusal::SelfDealing);
        }
        if self.contracts.contains_key(&id) {
            return Err(Refusal::IdTaken);
        }
        if let Program::Purchase(terms) = &terms.program {
            check_purchase(terms)?;
        }
        self.events.push(Event::AgreementProposed {
            agreement: id,
            owner: terms.owner,
            user: terms.user,
            terms: terms.digest(),
            sign_by: Timestamp(sign_by),
        });
        let contract = Contract {
            terms,
            origin,
            sign_by,
            status: Status::Proposed,
            owner_deposit: 0,
            user_deposit: 0,
            guarantee: 0,
            prepaid: 0,
            ending: None,
            statements: 0,
            certificates_from: 0,
            awarded,
            sold: false,
            lots: Vec::new(),
            period_from: 0,
            services: BTreeMap::new(),
            amendment: None,
        };
        self.contracts.insert(id, contract);
        if signed { self.activate(id) } else { self.schedule(id, sign_by) }
    }

    fn propose(&mut self, caller: AccountId, id: AgreementId, terms: AgreementTerms, signing_ms: u32) -> Ruled {
        let by = match caller {
            caller if caller == terms.owner => Side::Owner,
            caller if caller == terms.user => Side::User,
            _ => return Err(Refusal::NotParty { agreement: id }),
        };
        if let Some(present) = self.contracts.get(&id) {
            let same = present.terms == terms && present.origin == Origin::Proposal { by };
            return if same { Ok(()) } else { Err(Refusal::IdTaken) };
        }
        self.needs(terms.owner, Role::Owner)?;
        self.needs(terms.user, Role::User)?;
        let sign_by = self.now + u64::from(signing_ms);
        if sign_by > LAST_INSTANT {
            return Err(Refusal::Overflow);
        }
        self.conclude(id, terms, Origin::Proposal { by }, sign_by, Vec::new(), false)
    }

    fn party(&self, caller: AccountId, id: AgreementId) -> Ruled<(Contract, Side)> {
        let contract = self.contracts.get(&id).ok_or(Refusal::UnknownAgreement { agreement: id })?;
        match caller {
            caller if caller == contract.terms.owner => Ok((contract.clone(), Side::Owner)),
            caller if caller == contract.terms.user => Ok((contract.clone(), Side::User)),
            _ => Err(Refusal::NotParty { agreement: id }),
        }
    }

    fn must_sign(&self, caller: AccountId, id: AgreementId) -> Ruled<Contract> {
        let (contract, side) = self.party(caller, id)?;
        let waits_for = match contract.origin {
            Origin::Proposal { by: Side::User } => Side::Owner,
            _ => Side::User,
        };
        match contract.status {
            Status::Proposed if side == waits_for => Ok(contract),
            Status::Proposed | Status::Active => Err(Refusal::AlreadySigned { agreement: id }),
            status => Err(Refusal::WrongStatus { status }),
        }
    }

    fn sign(&mut self, caller: AccountId, id: AgreementId, signed: Digest) -> Ruled {
        let contract = self.must_sign(caller, id)?;
        let expected = contract.terms.digest();
        if signed != expected {
            return Err(Refusal::WrongTerms { signed, expected });
        }
        if self.now >= contract.sign_by {
            let (sign_by, now) = (Timestamp(contract.sign_by), Timestamp(self.now));
            return Err(Refusal::SigningOver { sign_by, now });
        }
        self.activate(id)
    }

    fn set_status(&mut self, agreement: AgreementId, status: Status) {
        self.contract(agreement).status = status;
        self.events.push(Event::AgreementStatus { agreement, status });
    }

    fn activate(&mut self, id: AgreementId) -> Ruled {
        self.set_status(id, Status::Active);
        self.contract(id).certificates_from = self.certificates.len() as u64;
        match self.contract(id).terms.program.clone() {
            Program::Purchase(terms) => self.open_purchase(id, &terms),
            Program::Subscription(terms) => self.open_subscription(id, &terms),
        }
    }

    fn serving(&self, meter: MeterId, carrier: Carrier, holder: AccountId) -> Ruled {
        let stand = self.in_service(meter)?;
        if stand.meter.carrier != carrier {
            return Err(Refusal::MeterCarrier { meter, carrier });
        }
        if stand.meter.holder != holder {
            return Err(Refusal::MeterHolder { meter });
        }
        Ok(())
    }

    fn open_purchase(&mut self, id: AgreementId, terms: &PurchaseTerms) -> Ruled {
        let (owner, user) = (self.contract(id).terms.owner, self.contract(id).terms.user);
        if self.now >= terms.window.from.0 {
            return Err(Refusal::DeliveryBegun { from: terms.window.from, now: Timestamp(self.now) });
        }
        for (place, lot) in terms.lots.iter().enumerate() {
            let sides = [(Side::Owner, owner, lot.metering.delivery), (Side::User, user, lot.metering.take)];
            for (side, holder, meter) in sides {
                let Some(meter) = meter else { continue };
                self.serving(meter, lot.carrier, holder)?;
                if self.meters[&meter].serves.len() == 16 {
                    return Err(Refusal::MeterBusy { meter, max: 16 });
                }
                self.meter(meter).serves.push((id, place, side));
            }
        }
        for lot in &terms.lots {
            let carrier = lot.carrier;
            let capacity = *self.capacities.get(&(owner, carrier)).ok_or(Refusal::NoCapacity { carrier })?;
            let wanted = an_hours_part(lot.quantity, terms);
            for hour in (terms.window.from.0..terms.window.to.0).step_by(HOUR as usize) {
                let sold = self.sold(owner, carrier, hour);
                if sold + wanted > u128::from(capacity.0) {
                    let (hour, sold, wanted) = (Timestamp(hour), quantity(sold), quantity(wanted));
                    return Err(Refusal::CapacityExceeded { hour, sold, wanted, capacity });
                }
            }
        }
        let sums = |lot: &PurchaseLot| match lot.metering.delivery {
            Some(_) => LotSums::default(),
            None => LotSums { available: lot.quantity.0.into(), ..LotSums::default() },
        };
        let contract = self.contract(id);
        contract.sold = true;
        contract.lots = terms.lots.iter().map(sums).collect();
        let deposit: u128 = terms.lots.iter().map(|lot| lots_deposit(terms, lot)).sum();
        let value: u128 = terms.lots.iter().map(|lot| costs(lot.price, lot.quantity)).sum();
        let guarantee = nearest(value * u128::from(terms.guarantee_permille), 1_000);
        for (side, purpose, amount) in [
            (Side::Owner, Purpose::Deposit, deposit),
            (Side::User, Purpose::Deposit, deposit),
            (Side::User, Purpose::Guarantee, guarantee),
        ] {
            self.move_money(id, Movement::Reserve { side, purpose }, amount)?;
        }
        self.schedule(id, terms.window.to.0 + u64::from(terms.grace_ms))
    }

    /// Frees the meters of a purchase.
    fn free_meters(&mut self, id: AgreementId) {
        for meter in self.meters.values_mut() {
            meter.serves.retain(|(agreement, _, _)| *agreement != id);
            if meter.subscription == Some(id) {
                meter.subscription = None;
            }
        }
    }

    fn active(&self, caller: AccountId, id: AgreementId) -> Ruled<(Contract, Side)> {
        let (contract, side) = self.party(caller, id)?;
        match contract.status {
            Status::Active => Ok((contract, side)),
            status => Err(Refusal::WrongStatus { status }),
        }
    }

    fn propose_amendment(&mut self, caller: AccountId, id: AgreementId, program: Program) -> Ruled {
        let (contract, side) = self.active(caller, id)?;
        match (&contract.terms.program, &program) {
            (Program::Purchase(present), Program::Purchase(terms)) => {
                if self.now >= present.window.from.0 {
                    return Err(Refusal::DeliveryBegun { from: present.window.from, now: Timestamp(self.now) });
                }
                check_purchase(terms)?;
            }
            (Program::Subscription(_), Program::Subscription(_)) => {}
            _ => return Err(Refusal::AmendmentKind),
        }
        self.contract(id).amendment = Some((side, program));
        Ok(())
    }

    fn sign_amendment(&mut self, caller: AccountId, id: AgreementId, signed: Digest) -> Ruled {
        let (contract, side) = self.active(caller, id)?;
        let (by, program) = contract.amendment.clone().ok_or(Refusal::NoAmendment { agreement: id })?;
        if by == side {
            return Err(Refusal::AlreadySigned { agreement: id });
        }
        let terms = AgreementTerms { program: program.clone(), ..contract.terms.clone() };
        let expected = terms.digest();
        if signed != expected {
            return Err(Refusal::WrongTerms { signed, expected });
        }
        self.contract(id).amendment = None;
        self.contract(id).ending = None;
        match (&contract.terms.program, &program) {
            (Program::Purchase(present), Program::Purchase(amended)) => {
                if self.now >= present.window.from.0 {
                    return Err(Refusal::DeliveryBegun { from: present.window.from, now: Timestamp(self.now) });
                }
                self.free_meters(id);
                self.contract(id).sold = false;
                for (side, purpose, amount) in [
                    (Side::User, Purpose::Guarantee, contract.guarantee),
                    (Side::Owner, Purpose::Deposit, contract.owner_deposit),
                    (Side::User, Purpose::Deposit, contract.user_deposit),
                ] {
                    self.move_money(id, Movement::Release { side, purpose }, amount)?;
                }
                self.contract(id).terms = terms;
                self.open_purchase(id, amended)?;
            }
            (Program::Subscription(present), Program::Subscription(amended)) => {
                self.amend_subscription(id, present, amended)?;
                self.contract(id).terms = terms;
            }
            _ => unreachable!("the kind was checked when it was proposed"),
        }
        self.events.push(Event::AgreementAmended { agreement: id, terms: expected });
        Ok(())
    }

    fn terminate(&mut self, caller: AccountId, id: AgreementId) -> Ruled {
        let (contract, side) = self.active(caller, id)?;
        match &contract.terms.program {
            Program::Subscription(_) if side == Side::User => {
                self.make_statement(id, self.now, true)?;
                self.free_meters(id);
                self.contract(id).services.clear();
            }
            Program::Purchase(terms) if contract.ending == Some(side.other()) => {
                if self.now < terms.window.from.0 {
                    self.contract(id).sold = false;
                }
                self.settle(id, terms, true)?;
            }
            _ => self.contract(id).ending = Some(side),
        }
        Ok(())
    }

    /// Something is due for an agreement: its events, if it did anything.
    fn come_due(&mut self, id: AgreementId) -> Option<Bounded<Event, { event::MAX_EVENTS }>> {
        self.events.clear();
        let contract = self.contract(id).clone();
        let did = match (contract.status, &contract.terms.program) {
            (Status::Proposed, _) if self.now >= contract.sign_by => {
                self.set_status(id, Status::Expired);
                Ok(true)
            }
            (Status::Active, Program::Purchase(terms)) if self.now >= terms.window.to.0 + u64::from(terms.grace_ms) => {
                self.settle(id, terms, false).map(|()| true)
            }
            (Status::Active, Program::Subscription(_)) => self.month_over(id),
            _ => Ok(false),
        };
        let did = did.expect("due work is never refused");
        did.then(|| Bounded::new(std::mem::take(&mut self.events)).expect("few events"))
    }
}

// ---- purchases --------------------------------------------------------------------------------------------

fn lots_deposit(terms: &PurchaseTerms, lot: &PurchaseLot) -> u128 {
    nearest(costs(lot.price, lot.quantity) * u128::from(terms.deposit_permille), 1_000)
}

impl Model {
    fn settle(&mut self, id: AgreementId, terms: &PurchaseTerms, early: bool) -> Ruled {
        self.free_meters(id);
        let contract = self.contract(id).clone();
        let window = u128::from(terms.window.to.0 - terms.window.from.0);
        let mut lines = Vec::new();
        let (mut price, mut by_owner, mut by_user) = (0, 0, 0);
        let mut any_substitute = false;
        for (lot, sums) in terms.lots.iter().zip(&contract.lots) {
            let contracted = u128::from(lot.quantity.0);
            let substitute = |covered: u128| match terms.substitute {
                Substitute::ProRata if !early => contracted * (window - covered.min(window)) / window,
                _ => 0,
            };
            let available = match lot.metering.delivery {
                Some(_) => (sums.available + substitute(sums.delivery_covered)).min(contracted),
                None => contracted,
            };
            let (taken, proven) = match lot.metering.take {
                Some(_) => ((sums.taken + substitute(sums.take_covered)).min(available), sums.taken),
                None => (available, sums.available),
            };
            let substituted = taken - proven;
            let amount = costs(lot.price, quantity(taken));
            price += amount;
            any_substitute |= substituted > 0;
            lines.push(StatementLine::Delivery {
                carrier: lot.carrier,
                contracted: lot.quantity,
                available: quantity(available),
                delivered: quantity(taken),
                substituted: quantity(substituted),
                price: lot.price,
                amount: money(amount),
            });
            let deposit = lots_deposit(terms, lot);
            let tolerated = contracted * u128::from(terms.tolerance_permille) / 1_000;
            for (by, shortfall, total) in
                [(Side::Owner, contracted - available, &mut by_owner), (Side::User, available - taken, &mut by_user)]
            {
                if shortfall > tolerated && !early {
                    let amount = nearest(deposit * shortfall, contracted);
                    *total += amount;
                    lines.push(StatementLine::Forfeit {
                        carrier: lot.carrier,
                        by,
                        shortfall: quantity(shortfall),
                        contracted: lot.quantity,
                        deposit: money(deposit),
                        amount: money(amount),
                    });
                }
            }
        }
        let guaranteed = price.min(contract.guarantee);
        let paid_free = (price - guaranteed).min(self.accounts[&contract.terms.user].free);
        let unpaid = price - guaranteed - paid_free;
        if unpaid > 0 {
            by_user = contract.user_deposit;
        }
        self.move_money(id, Movement::PayFromReserve { purpose: Purpose::Guarantee }, guaranteed)?;
        self.move_money(id, Movement::Pay, paid_free)?;
        self.move_money(id, Movement::Forfeit { by: Side::Owner }, by_owner)?;
        self.move_money(id, Movement::Forfeit { by: Side::User }, by_user)?;
        for (side, purpose) in
            [(Side::User, Purpose::Guarantee), (Side::Owner, Purpose::Deposit), (Side::User, Purpose::Deposit)]
        {
            let rest = *self.pot(id, side, purpose);
            self.move_money(id, Movement::Release { side, purpose }, rest)?;
        }
        self.issue_statement(id, terms.window, lines, guaranteed + paid_free, unpaid, any_substitute);
        let status = match (unpaid > 0, early) {
            (true, _) => Status::Defaulted,
            (false, true) => Status::Terminated,
            (false, false) => Status::Settled,
        };
        self.set_status(id, status);
        Ok(())
    }

    fn issue_statement(
        &mut self,
        agreement: AgreementId,
        period: Window,
        lines: Vec<StatementLine>,
        paid: u128,
        unpaid: u128,
        substituted: bool,
    ) {
        let end_certificate = CertificateId(self.certificates.len() as u64);
        let issued = Timestamp(self.now);
        let contract = self.contract(agreement);
        contract.statements += 1;
        let number = contract.statements;
        let first_certificate = CertificateId(contract.certificates_from);
        contract.certificates_from = end_certificate.0;
        self.events.push(Event::StatementIssued(Statement {
            agreement,
            number,
            period,
            issued,
            first_certificate,
            end_certificate,
            lines: Bounded::new(lines).expect("few lines"),
            paid: money(paid),
            substituted,
            unpaid: money(unpaid),
        }));
    }
}

// ---- meters and readings ----------------------------------------------------------------------------------

impl Model {
    fn in_service(&self, meter: MeterId) -> Ruled<MeterStand> {
        let stand = self.meters.get(&meter).ok_or(Refusal::UnknownMeter { meter })?;
        if stand.retired { Err(Refusal::MeterRetired { meter }) } else { Ok(stand.clone()) }
    }

    fn operated(&self, caller: AccountId, meter: MeterId) -> Ruled {
        self.needs(caller, Role::MeterOperator)?;
        match self.in_service(meter)?.operator == caller {
            true => Ok(()),
            false => Err(Refusal::NotMeterOperator { meter }),
        }
    }

    fn idle(&self, meter: MeterId) -> Ruled {
        let stand = &self.meters[&meter];
        match stand.subscription.is_none() && stand.serves.is_empty() {
            true => Ok(()),
            false => Err(Refusal::MeterInUse { meter }),
        }
    }

    fn register_meter(&mut self, caller: AccountId, meter: Meter) -> Ruled {
        self.needs(caller, Role::MeterOperator)?;
        if let Some(present) = self.meters.get(&meter.id) {
            let same = present.registered == meter && present.operator == caller;
            return if same { Ok(()) } else { Err(Refusal::IdTaken) };
        }
        if !self.accounts.contains_key(&meter.holder) {
            return Err(Refusal::UnknownAccount { account: meter.holder });
        }
        if meter.register_modulus.0 == 0 || meter.capacity_per_hour.0 == 0 {
            return Err(Refusal::MeterWithoutRange { meter: meter.id });
        }
        if meter.register >= meter.register_modulus {
            let (register, modulus) = (meter.register, meter.register_modulus);
            return Err(Refusal::RegisterTooWide { register, modulus });
        }
        if meter.since.0 > self.now {
            return Err(Refusal::MeterInFuture { since: meter.since, now: Timestamp(self.now) });
        }
        let stand = MeterStand {
            operator: caller,
            registered: meter.clone(),
            last: Reading { time: meter.since, register: meter.register },
            retired: false,
            subscription: None,
            serves: Vec::new(),
            meter,
        };
        self.meters.insert(stand.meter.id, stand);
        Ok(())
    }

    fn bind_meter(&mut self, caller: AccountId, meter: MeterId, holder: AccountId) -> Ruled {
        self.operated(caller, meter)?;
        if !self.accounts.contains_key(&holder) {
            return Err(Refusal::UnknownAccount { account: holder });
        }
        self.idle(meter)?;
        self.meter(meter).meter.holder = holder;
        Ok(())
    }

    fn exchange(
        &mut self,
        caller: AccountId,
        meter: MeterId,
        last: Reading,
        authority: MeterAuthority,
        modulus: Quantity,
        register: Quantity,
    ) -> Ruled {
        self.operated(caller, meter)?;
        let before = self.meters[&meter].last;
        if last.time > before.time {
            self.certify(meter, last)?;
        } else if last != before {
            return Err(Refusal::OutOfOrder { last: before.time, time: last.time });
        }
        if modulus.0 == 0 {
            return Err(Refusal::MeterWithoutRange { meter });
        }
        if register >= modulus {
            return Err(Refusal::RegisterTooWide { register, modulus });
        }
        let stand = self.meter(meter);
        stand.meter.authority = authority;
        stand.meter.register_modulus = modulus;
        stand.meter.register = register;
        stand.meter.since = last.time;
        stand.last = Reading { time: last.time, register };
        Ok(())
    }

    fn record_readings(&mut self, caller: AccountId, runs: &[MeterRun]) -> Ruled {
        self.needs(caller, Role::MeterOperator)?;
        let first = self.certificates.len();
        let mut refused = Vec::new();
        let mut index = 0;
        for run in runs {
            let meter = run.meter;
            let stop = match self.in_service(meter) {
                Err(refusal) => Some(refusal),
                Ok(stand) => {
                    let may = match (stand.meter.authority, &run.signature) {
                        (MeterAuthority::Meter(key), Some(signature)) => key == signature.key,
                        (MeterAuthority::Gateway(account), None) => account == caller,
                        _ => false,
                    };
                    (!may).then_some(Refusal::NotAuthority { meter })
                }
            };
            for reading in &run.readings {
                let verdict = stop.clone().map_or_else(|| self.certify(meter, *reading), Err);
                if let Err(refusal) = verdict {
                    refused.push(RefusedReading { index, meter, refusal });
                }
                index += 1;
            }
        }
        let event = Event::Certified {
            first: CertificateId(first as u64),
            count: (self.certificates.len() - first) as u32,
            refused: Bounded::new(refused).expect("a batch is bounded"),
        };
        self.events.insert(0, event);
        Ok(())
    }

    fn certify(&mut self, id: MeterId, reading: Reading) -> Ruled {
        let stand = self.meters[&id].clone();
        let Reading { time, register } = reading;
        let (last, modulus) = (stand.last, stand.meter.register_modulus);
        if register >= modulus {
            return Err(Refusal::RegisterTooWide { register, modulus });
        }
        if reading == last {
            return Err(Refusal::Replayed { time });
        }
        if time <= last.time {
            return Err(Refusal::OutOfOrder { last: last.time, time });
        }
        if time.0 > self.now {
            return Err(Refusal::FromFuture { time, now: Timestamp(self.now) });
        }
        let length = u128::from(time.0 - last.time.0);
        let most = (u128::from(stand.meter.capacity_per_hour.0) * length / u128::from(HOUR)).min(MOST);
        let back = register < last.register;
        let passed = match back {
            true => u128::from(modulus.0) + u128::from(register.0) - u128::from(last.register.0),
            false => u128::from(register.0 - last.register.0),
        };
        if passed > most {
            return Err(match back {
                true => Refusal::WentBack { last: last.register, register },
                false => Refusal::BeyondCapacity { quantity: quantity(passed), most: quantity(most) },
            });
        }

        let saved = self.clone();
        let mut rest = passed;
        let mut purchases = Vec::new();
        for (agreement, place, side) in &stand.serves {
            let contract = self.contract(*agreement);
            let Program::Purchase(terms) = &contract.terms.program else { unreachable!("meters serve purchases") };
            let (from, to) = (last.time.max(terms.window.from).0, time.min(terms.window.to).0);
            if from >= to {
                continue;
            }
            let covered = u128::from(to - from);
            let inside = (passed * covered / length).min(rest);
            let contracted = u128::from(terms.lots[*place].quantity.0);
            let sums = &mut contract.lots[*place];
            let part = match side {
                Side::Owner => {
                    let part = inside.min(contracted - sums.available);
                    sums.available += part;
                    sums.delivery_covered += covered;
                    part
                }
                Side::User => {
                    let part = inside.min(sums.available - sums.taken);
                    sums.taken += part;
                    sums.take_covered += covered;
                    part
                }
            };
            rest -= part;
            if part > 0 {
                purchases.push(Attribution { agreement: *agreement, quantity: quantity(part) });
            }
        }
        if let Some(subscription) = stand.subscription {
            let consumed = self.consume(subscription, stand.meter.carrier, last.time.0, time.0, rest);
            if let Err(refusal) = consumed {
                *self = saved;
                return Err(refusal);
            }
        }
        let interval = Window { from: last.time, to: time };
        if length > u128::from(2 * HOUR) {
            self.events.push(Event::Gap { meter: id, interval });
        }
        self.certificates.push(Certificate {
            id: CertificateId(self.certificates.len() as u64),
            meter: id,
            interval,
            register,
            quantity: quantity(passed),
            purchases: Bounded::new(purchases).expect("a meter serves few purchases"),
            subscription: stand.subscription,
        });
        self.meter(id).last = reading;
        Ok(())
    }
}

// ---- packages ---------------------------------------------------------------------------------------------

fn check_discount(permille: u16) -> Ruled {
    if permille < 1_000 { Ok(()) } else { Err(Refusal::RateTooHigh { permille, max: 999 }) }
}

fn check_discounts(discounts: &PeriodDiscounts) -> Ruled {
    check_discount(discounts.month_permille)?;
    check_discount(discounts.quarter_permille)?;
    check_discount(discounts.year_permille)
}

fn check_price(carrier: Carrier, price: Price) -> Ruled {
    if price.money.0 == 0 {
        return Err(Refusal::ZeroPrice { carrier });
    }
    if price_fits(price, carrier) { Ok(()) } else { Err(Refusal::PriceUnit { carrier }) }
}

fn check_tariff(carrier: Carrier, tariff: &Tariff) -> Ruled {
    match tariff {
        Tariff::Metered(tariff) => {
            check_price(carrier, tariff.price)?;
            for step in &tariff.steps {
                check_discount(step.discount_permille)?;
            }
            for place in 1..tariff.steps.len() {
                let (lower, upper) = (tariff.steps[place - 1], tariff.steps[place]);
                if lower.from >= upper.from || lower.discount_permille >= upper.discount_permille {
                    return Err(Refusal::StepsNotRising { carrier });
                }
            }
            let calendar = &tariff.time_of_use;
            let bad_factor = calendar.factors_permille.iter().any(|factor| *factor == 0 || *factor > 10_000);
            let bad_stretch = calendar.stretches.iter().any(|stretch| {
                stretch.to_hour > 24
                    || stretch.from_hour >= stretch.to_hour
                    || stretch.months == 0
                    || stretch.months > 0b1111_1111_1111
            });
            if bad_factor || bad_stretch { Err(Refusal::BadTimeOfUse { carrier }) } else { Ok(()) }
        }
        Tariff::MeteredByPeriod(tariff) => {
            check_price(carrier, tariff.price)?;
            check_discounts(&tariff.discounts)
        }
        Tariff::FloorArea(tariff) => {
            if tariff.per_m2.0 == 0 {
                return Err(Refusal::ZeroPrice { carrier });
            }
            let season = tariff.season;
            let months = [season.from_month, season.to_month].iter().all(|month| (1..=12).contains(month));
            let days = [season.from_day, season.to_day].iter().all(|day| (1..=31).contains(day));
            if !months || !days || season_length(season) == 0 {
                return Err(Refusal::BadSeason { carrier });
            }
            check_discounts(&tariff.discounts)
        }
    }
}

impl Model {
    fn publish_package(&mut self, caller: AccountId, package: Package) -> Ruled {
        self.needs(caller, Role::Owner)?;
        let mut versions = Vec::new();
        if let Some((owner, present)) = self.packages.get(&package.id) {
            if *owner != caller {
                return Err(Refusal::NotPackageOwner { package: package.id });
            }
            versions.clone_from(present);
        }
        if versions.contains(&package) {
            return Ok(());
        }
        let expected = versions.len() as u32 + 1;
        if package.version != expected {
            return Err(Refusal::VersionOrder { version: package.version, expected });
        }
        if package.options.is_empty() {
            return Err(Refusal::NoOptions);
        }
        if !(-840..=840).contains(&package.offset_minutes) {
            return Err(Refusal::BadOffset { offset_minutes: package.offset_minutes });
        }
        for carrier in Carrier::ALL {
            if package.options.iter().filter(|option| option.carrier == carrier).count() > 4 {
                return Err(Refusal::TooManyOptions { carrier, max: 4 });
            }
        }
        for option in &package.options {
            check_tariff(option.carrier, &option.tariff)?;
        }
        versions.push(package.clone());
        self.packages.insert(package.id, (caller, versions));
        Ok(())
    }

    fn version(&self, id: PackageId, version: u32) -> Ruled<(AccountId, Package)> {
        let unknown = Refusal::UnknownPackage { package: id, version };
        let (owner, versions) = self.packages.get(&id).ok_or(unknown.clone())?;
        let package = versions.iter().find(|package| package.version == version).ok_or(unknown)?;
        Ok((*owner, package.clone()))
    }

    fn subscribe(&mut self, caller: AccountId, id: AgreementId, terms: SubscriptionTerms) -> Ruled {
        self.needs(caller, Role::User)?;
        let unknown = Refusal::UnknownPackage { package: terms.package, version: terms.version };
        let owner = self.packages.get(&terms.package).ok_or(unknown)?.0;
        let terms = AgreementTerms { owner, user: caller, program: Program::Subscription(terms) };
        if let Some(present) = self.contracts.get(&id) {
            let same = present.terms == terms && present.origin == Origin::Package;
            return if same { Ok(()) } else { Err(Refusal::IdTaken) };
        }
        self.conclude(id, terms, Origin::Package, self.now, Vec::new(), true)
    }

    fn open_subscription(&mut self, id: AgreementId, terms: &SubscriptionTerms) -> Ruled {
        let user = self.contract(id).terms.user;
        let (_, package) = self.version(terms.package, terms.version)?;
        let offset = package.offset_minutes;
        if terms.services.is_empty() {
            return Err(Refusal::NoServices);
        }
        for service in &terms.services {
            let carrier = service.carrier;
            if self.contract(id).services.contains_key(&carrier) {
                return Err(Refusal::DuplicateCarrier { carrier });
            }
            let tariff = chosen(&package, service)?;
            match tariff {
                Tariff::FloorArea(_) if service.floor_area_m2 == 0 => {
                    return Err(Refusal::ServiceNeedsArea { carrier });
                }
                Tariff::Metered(_) | Tariff::MeteredByPeriod(_) if service.meter.is_none() => {
                    return Err(Refusal::ServiceNeedsMeter { carrier });
                }
                _ => {}
            }
            if let Some(meter) = service.meter {
                self.serving(meter, carrier, user)?;
                if let Some(subscription) = self.meters[&meter].subscription {
                    return Err(Refusal::MeterSubscribed { meter, subscription });
                }
                self.meter(meter).subscription = Some(id);
            }
            let stand = ServiceStand {
                tariff,
                offset,
                area: service.floor_area_m2,
                area_paid_until: month_begin(self.now, 0, offset)?,
                low_balance: service.low_balance.0.into(),
                low_noticed: false,
                exhausted_noticed: false,
                opened: 0,
                usage: [0; 4],
                owed: 0,
                tranches: Vec::new(),
            };
            self.contract(id).services.insert(carrier, stand);
        }
        self.contract(id).period_from = self.now;
        self.schedule(id, month_begin(self.now, 1, offset)? + 6 * HOUR)
    }

    fn amend_subscription(&mut self, id: AgreementId, old: &SubscriptionTerms, new: &SubscriptionTerms) -> Ruled {
        let (owner, package) = self.version(new.package, new.version)?;
        if owner != self.contract(id).terms.owner {
            return Err(Refusal::NotPackageOwner { package: new.package });
        }
        let present_offset = self.version(old.package, old.version)?.1.offset_minutes;
        if old.services.len() != new.services.len() || package.offset_minutes != present_offset {
            return Err(Refusal::AmendmentKind);
        }
        let mut tariffs = Vec::new();
        for (before, after) in old.services.iter().zip(&new.services) {
            let (_, present) = self.version(old.package, old.version)?;
            let same_kind = matches!(
                (chosen(&present, before)?, chosen(&package, after)?),
                (Tariff::Metered(_), Tariff::Metered(_))
                    | (Tariff::MeteredByPeriod(_), Tariff::MeteredByPeriod(_))
                    | (Tariff::FloorArea(_), Tariff::FloorArea(_))
            );
            let same_place = before.carrier == after.carrier
                && before.meter == after.meter
                && before.floor_area_m2 == after.floor_area_m2;
            if !same_kind || !same_place {
                return Err(Refusal::AmendmentKind);
            }
            tariffs.push((after.carrier, chosen(&package, after)?, after.low_balance));
        }
        self.make_statement(id, self.now, false)?;
        for (carrier, tariff, low_balance) in tariffs {
            let service = self.contract(id).services.get_mut(&carrier).expect("it has the service");
            service.tariff = tariff;
            service.low_balance = low_balance.0.into();
        }
        self.schedule(id, month_begin(self.now, 1, package.offset_minutes)? + 6 * HOUR)
    }

    fn prepay(&mut self, caller: AccountId, id: AgreementId, carrier: Carrier, payment: Prepayment) -> Ruled {
        let (contract, side) = self.party(caller, id)?;
        if side != Side::User {
            return Err(Refusal::NotParty { agreement: id });
        }
        if contract.status != Status::Active {
            return Err(Refusal::WrongStatus { status: contract.status });
        }
        if let Program::Purchase(_) = contract.terms.program {
            return Err(Refusal::WrongProgram);
        }
        let mut service = contract.services.get(&carrier).ok_or(Refusal::NoSuchService { carrier })?.clone();
        let (paid, mut buys) = self.bought(carrier, &service, payment)?;
        if service.tranches.len() == 8 {
            return Err(Refusal::TooManyTranches { max: 8 });
        }
        service.opened += 1;
        service.low_noticed = false;
        service.exhausted_noticed = false;
        let window = |(from, to): (u64, u64)| Window { from: Timestamp(from), to: Timestamp(to) };
        let (discount_permille, period) = match &mut buys {
            Buys::Energy { discount, weight, drawn, period, .. } => {
                *drawn = service.owed.min(*weight);
                service.owed -= *drawn;
                (*discount, period.map(window))
            }
            Buys::Area { from, to, discount, .. } => {
                service.area_paid_until = *to;
                (*discount, Some(window((*from, *to))))
            }
        };
        let tranche = service.opened;
        service.tranches.push(Paid { number: tranche, paid, billed: 0, buys });
        self.contract(id).services.insert(carrier, service);
        self.move_money(id, Movement::Reserve { side: Side::User, purpose: Purpose::Prepayment }, paid)?;
        let (subscription, paid) = (id, money(paid));
        self.events.push(Event::TrancheOpened { subscription, carrier, tranche, paid, discount_permille, period });
        Ok(())
    }

    fn bought(&self, carrier: Carrier, service: &ServiceStand, payment: Prepayment) -> Ruled<(u128, Buys)> {
        let offset = service.offset;
        let energy = |amount: Money, price: Price, discount: u16, period: Option<(u64, u64)>| {
            if amount.0 == 0 {
                return Err(Refusal::ZeroAmount);
            }
            let denominator = u128::from(price.money.0) * u128::from(1_000 - discount);
            let weight = fits(u128::from(amount.0) * base_units(price) * 1_000_000 / denominator)?;
            if weight == 0 {
                return Err(Refusal::BuysNothing);
            }
            fits(costs_of_weight(price, 0, weight))?;
            Ok((amount.0.into(), Buys::Energy { price, discount, weight, drawn: 0, drawn_billed: 0, period }))
        };
        match (&service.tariff, payment) {
            (Tariff::Metered(tariff), Prepayment::Amount(amount)) => {
                let earned = tariff.steps.iter().filter(|step| step.from <= amount);
                energy(amount, tariff.price, earned.map(|step| step.discount_permille).max().unwrap_or(0), None)
            }
            (Tariff::MeteredByPeriod(tariff), Prepayment::AmountForPeriod { amount, period }) => {
                let window = (month_begin(self.now, 0, offset)?, month_begin(self.now, months(period), offset)?);
                if period != Period::Month {
                    for tranche in &service.tranches {
                        if let Buys::Energy { discount: 1.., period: Some((_, until)), .. } = tranche.buys
                            && until > self.now
                        {
                            return Err(Refusal::PeriodRuns { until: Timestamp(until) });
                        }
                    }
                }
                energy(amount, tariff.price, discount_of(&tariff.discounts, period), Some(window))
            }
            (Tariff::FloorArea(tariff), Prepayment::Period { period, at_most }) => {
                let mut from = service.area_paid_until;
                while season_days(tariff.season, from, month_begin(from, 1, offset)?, offset) == 0 {
                    from = month_begin(from, 1, offset)?;
                }
                let to = month_begin(from, months(period), offset)?;
                let days = season_days(tariff.season, from, to, offset);
                let discount = discount_of(&tariff.discounts, period);
                let amount = fits(area_costs(tariff, service.area, days, discount))?;
                if amount == 0 {
                    return Err(Refusal::BuysNothing);
                }
                if amount > u128::from(at_most.0) {
                    return Err(Refusal::AboveAtMost { amount: money(amount), at_most });
                }
                Ok((amount, Buys::Area { from, to, season: tariff.season, days, discount }))
            }
            _ => Err(Refusal::PaymentKind { carrier }),
        }
    }

    fn consume(&mut self, id: AgreementId, carrier: Carrier, from: u64, to: u64, amount: u128) -> Ruled {
        let service = self.contract(id).services.get_mut(&carrier).expect("the meter serves it");
        let (calendar, grace) = match &service.tariff {
            Tariff::Metered(tariff) => (tariff.time_of_use.clone(), Some(tariff.grace)),
            Tariff::MeteredByPeriod(tariff) => (no_calendar(), Some(tariff.grace)),
            Tariff::FloorArea(_) => (no_calendar(), None),
        };
        let bands = by_band(&calendar, from, to, amount, service.offset);
        let mut weight = 0;
        for (band, amount) in bands.into_iter().enumerate() {
            service.usage[band] = fits(service.usage[band] + amount)?;
            weight = fits(weight + fits(amount * u128::from(calendar.factors_permille[band]))?)?;
        }
        let Some(grace) = grace else { return Ok(()) };
        let mut left = 0;
        for tranche in &mut service.tranches {
            let Buys::Energy { weight: bought, drawn, period, .. } = &mut tranche.buys else { continue };
            if period.is_none_or(|(begin, end)| begin <= from && from < end) {
                let draw = weight.min(*bought - *drawn);
                *drawn += draw;
                weight -= draw;
                left += *bought - *drawn;
            }
        }
        service.owed = fits(service.owed + weight)?;
        let low = !service.low_noticed && left.min(MOST) < (service.low_balance * 1_000).min(MOST);
        let exhausted = !service.exhausted_noticed && service.owed > (u128::from(grace.0) * 1_000).min(MOST);
        if low {
            service.low_noticed = true;
        }
        if exhausted {
            service.exhausted_noticed = true;
        }
        if low {
            self.events.push(Event::LowBalance { subscription: id, carrier });
        }
        if exhausted {
            self.events.push(Event::Exhausted { subscription: id, carrier });
        }
        Ok(())
    }

    fn month_over(&mut self, id: AgreementId) -> Ruled<bool> {
        let contract = self.contract(id).clone();
        let Program::Subscription(terms) = &contract.terms.program else { unreachable!("it is a subscription") };
        let offset = self.version(terms.package, terms.version)?.1.offset_minutes;
        let ends = month_begin(contract.period_from, 1, offset)?;
        if self.now < ends + 6 * HOUR {
            return Ok(false);
        }
        self.make_statement(id, ends, false)?;
        if let Ok(next) = month_begin(ends, 1, offset) {
            self.schedule(id, next + 6 * HOUR)?;
        }
        Ok(true)
    }

    fn make_statement(&mut self, id: AgreementId, ends: u64, last: bool) -> Ruled {
        let contract = self.contract(id).clone();
        let Program::Subscription(terms) = &contract.terms.program else { unreachable!("it is a subscription") };
        let mut lines = Vec::new();
        let (mut from_prepaid, mut refunded, mut owed) = (0, 0, 0);
        for chosen in &terms.services {
            let carrier = chosen.carrier;
            let service = self.contract(id).services.get_mut(&carrier).expect("it has the service");
            let factors = match &service.tariff {
                Tariff::Metered(tariff) => tariff.time_of_use.factors_permille,
                Tariff::MeteredByPeriod(_) => [1_000; 4],
                Tariff::FloorArea(_) => [0; 4],
            };
            for band in Band::ALL {
                let amount = std::mem::take(&mut service.usage[band as usize]);
                if amount > 0 {
                    let (factor_permille, quantity) = (factors[band as usize], quantity(amount));
                    lines.push(StatementLine::Usage { carrier, band, factor_permille, quantity });
                }
            }
            for tranche in &mut service.tranches {
                bill(carrier, tranche, service.offset, ends, last, &mut lines, &mut from_prepaid, &mut refunded);
            }
            service.tranches.retain(|tranche| tranche.billed < tranche.paid);
            if service.owed > 0 {
                lines.push(StatementLine::Owed { carrier, weight: service.owed as u64 });
            }
            if !last {
                continue;
            }
            let price = match &service.tariff {
                Tariff::Metered(tariff) => tariff.price,
                Tariff::MeteredByPeriod(tariff) => tariff.price,
                Tariff::FloorArea(tariff) => {
                    let days = season_days(tariff.season, service.area_paid_until, ends, service.offset);
                    let amount = area_costs(tariff, service.area, days, 0).min(MOST);
                    if amount > 0 {
                        let amount = money(amount);
                        let (tranche, days_passed) = (0, days);
                        lines.push(StatementLine::FloorArea { carrier, tranche, days_passed, days, amount });
                    }
                    owed = (owed + amount).min(MOST);
                    continue;
                }
            };
            if service.owed > 0 {
                let amount = costs_of_weight(price, 0, service.owed).min(MOST);
                let weight = service.owed as u64;
                lines.push(StatementLine::OwedCharge { carrier, price, weight, amount: money(amount) });
                owed = (owed + amount).min(MOST);
                service.owed = 0;
            }
        }
        let free = self.accounts[&contract.terms.user].free;
        let owed_paid = owed.min(free + refunded);
        let unpaid = owed - owed_paid;
        self.contract(id).period_from = ends;
        self.move_money(id, Movement::PayFromReserve { purpose: Purpose::Prepayment }, from_prepaid)?;
        self.move_money(id, Movement::Release { side: Side::User, purpose: Purpose::Prepayment }, refunded)?;
        self.move_money(id, Movement::Pay, owed_paid)?;
        let period = Window { from: Timestamp(contract.period_from), to: Timestamp(ends) };
        self.issue_statement(id, period, lines, from_prepaid + owed_paid, unpaid, false);
        if last {
            self.set_status(id, if unpaid > 0 { Status::Defaulted } else { Status::Terminated });
        }
        Ok(())
    }
}

fn months(period: Period) -> u32 {
    match period {
        Period::Month => 1,
        Period::Quarter => 3,
        Period::Year => 12,
    }
}

fn discount_of(discounts: &PeriodDiscounts, period: Period) -> u16 {
    match period {
        Period::Month => discounts.month_permille,
        Period::Quarter => discounts.quarter_permille,
        Period::Year => discounts.year_permille,
    }
}

/// The tariff that a service has chosen.
fn chosen(package: &Package, service: &Service) -> Ruled<Tariff> {
    let mut options = package.options.iter().filter(|option| option.carrier == service.carrier);
    let (carrier, option) = (service.carrier, service.option);
    let found = options.nth(option.into()).ok_or(Refusal::NoSuchOption { carrier, option })?;
    Ok(found.tariff.clone())
}

/// Charges a tranche for what was used up to `ends`, and gives back what is over.
#[allow(clippy::too_many_arguments)]
fn bill(
    carrier: Carrier,
    tranche: &mut Paid,
    offset: i16,
    ends: u64,
    last: bool,
    lines: &mut Vec<StatementLine>,
    from_prepaid: &mut u128,
    refunded: &mut u128,
) {
    let number = tranche.number;
    let (cost, undiscounted, over) = match &mut tranche.buys {
        Buys::Energy { price, discount, weight, drawn, drawn_billed, period } => {
            let cost = if drawn == weight { tranche.paid } else { costs_of_weight(*price, *discount, *drawn) };
            let cost = cost.min(tranche.paid).max(tranche.billed);
            if drawn > drawn_billed {
                lines.push(StatementLine::Charge {
                    carrier,
                    tranche: number,
                    price: TranchePrice { price: *price, discount_permille: *discount },
                    weight_before: *drawn_billed as u64,
                    weight: (*drawn - *drawn_billed) as u64,
                    amount: money(cost - tranche.billed),
                });
                *drawn_billed = *drawn;
            }
            (cost, costs_of_weight(*price, 0, *drawn), period.is_some_and(|(_, to)| to <= ends))
        }
        Buys::Area { from, to, season, days, discount } => {
            let days_passed = if ends <= *from { 0 } else { season_days(*season, *from, ends.min(*to), offset) };
            let cost = nearest(tranche.paid * u128::from(days_passed), u128::from(*days));
            let cost = cost.min(tranche.paid).max(tranche.billed);
            if cost > tranche.billed {
                let (days, amount) = (*days, money(cost - tranche.billed));
                lines.push(StatementLine::FloorArea { carrier, tranche: number, days_passed, days, amount });
            }
            let whole = u128::from(*days) * u128::from(1_000 - *discount);
            (cost, nearest(tranche.paid * 1_000 * u128::from(days_passed), whole), *to <= ends)
        }
    };
    *from_prepaid += cost - tranche.billed;
    tranche.billed = cost;
    let left = tranche.paid - tranche.billed;
    if (last || over) && left > 0 {
        let withheld = if last { undiscounted.saturating_sub(tranche.billed).min(left) } else { 0 };
        let amount = left - withheld;
        lines.push(StatementLine::Refund {
            carrier,
            tranche: number,
            amount: money(amount),
            withheld: money(withheld),
        });
        *from_prepaid += withheld;
        *refunded += amount;
        tranche.billed = tranche.paid;
    }
}
