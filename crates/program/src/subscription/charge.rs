//! Fixed, minimum and demand charges: lines of their own, by the version of the package that was in force.

use super::account::{Account, Peak};
use super::bill::Bill;
use super::frame::Frame;
use super::head::Head;
use super::minimum::{self, Minimums};
use crate::contract::{BAD_STATE, Facts, Fault};
use crate::exact::money_half_even;
use std::collections::BTreeMap;
use utilidor_types::package::{Charge, ChargeRule, PackageTerms};
use utilidor_types::statement::StatementLine;
use utilidor_types::{Carrier, Money, Quantity, Timestamp, Window};

/// Adds the charges of the period up to `ends`. Fixed charges and minimums are for days: a day belongs to whoever is there at
/// its end. Minimums come last: they count all others.
pub(super) fn charge(
    head: &Head,
    facts: &Facts,
    accounts: &mut BTreeMap<Carrier, Account>,
    ends: Timestamp,
    minimums: &mut Minimums,
    bill: &mut Bill,
) -> Result<(), Fault> {
    let mut taken_back = Vec::new();
    for (carrier, account) in accounts.iter() {
        taken_back.extend(minimum::taken_back(account, &Frame::new(head, facts, *carrier))?);
    }
    let parts = versions(head, facts, ends)?;
    for (period, _, terms) in &parts {
        for charge in &terms.charges {
            if let ChargeRule::Fixed { per_month } = charge.rule {
                let amount = minimum::share_half_even(head, per_month, *period)?;
                if amount > Money::ZERO {
                    let name = charge.name.clone();
                    bill.lines.push(StatementLine::Fixed { name, period: *period, per_month, amount });
                    bill.owed(charge.vat_permille, amount)?;
                }
            }
        }
    }
    if parts.last().is_some_and(|(period, _, _)| period.to == ends) {
        let mut accounts: Vec<_> = accounts.iter_mut().map(|(carrier, account)| (*carrier, account)).collect();
        demands(head, facts, &mut accounts, ends, bill)?;
    }
    minimum::count_late(head, facts, &taken_back, minimums, bill)?;
    parts.into_iter().try_for_each(|part| minimum::charge(head, facts, part, &taken_back, minimums, bill))?;
    minimum::give_back(head, facts, false, minimums, bill)
}

/// The parts of the period with the version in force in each; an amendment that keeps the version makes no part of its own.
fn versions<'a>(head: &Head, facts: &'a Facts, ends: Timestamp) -> Result<Vec<(Window, u8, &'a PackageTerms)>, Fault> {
    let mut parts: Vec<(Window, u8, &PackageTerms)> = Vec::new();
    for (place, charged) in head.charged.iter().enumerate() {
        let next = head.charged.get(place + 1).map_or(ends, |next| next.from.min(ends));
        let window = Window { from: charged.from.max(head.period_from), to: next };
        if window.is_empty() {
            continue;
        }
        match parts.last_mut().filter(|(_, version, _)| *version == charged.version) {
            Some((last, ..)) => last.to = window.to,
            None => parts.push((window, charged.version, head.terms_of(facts, charged.version)?)),
        }
    }
    Ok(parts)
}

/// The demand of the month, and of earlier ones as far as a higher one has shown since their statements: each by the version
/// that was in force at its month's end. After the end it is what has shown since the final statement.
pub(super) fn demands(
    head: &Head,
    facts: &Facts,
    accounts: &mut [(Carrier, &mut Account)],
    ends: Timestamp,
    bill: &mut Bill,
) -> Result<(), Fault> {
    let month_end = head.month_end(Timestamp(ends.0.saturating_sub(1)));
    let version_of = |peak: &Peak| {
        let in_force = head.charged.iter().rev().find(|charged| charged.from < peak.month.min(ends));
        in_force.or(head.charged.first()).map(|charged| charged.version).ok_or(BAD_STATE)
    };
    let mut versions: Vec<u8> = Vec::new();
    for peak in accounts.iter().flat_map(|(_, of)| of.peaks.iter()).filter(|peak| peak.month <= month_end) {
        let version = version_of(peak)?;
        if !versions.contains(&version) {
            versions.push(version);
        }
    }
    for version in versions {
        for charge in &head.terms_of(facts, version)?.charges {
            let ChargeRule::Demand { carrier, .. } = charge.rule else { continue };
            let Some((_, account)) = accounts.iter().find(|(of, _)| *of == carrier) else { continue };
            for peak in account.peaks.iter().filter(|peak| peak.month <= month_end) {
                if version_of(peak)? == version {
                    demand(head, charge, peak, ends, bill)?;
                }
            }
        }
    }
    for peak in accounts.iter_mut().flat_map(|(_, account)| account.peaks.as_mut_slice()) {
        if peak.month <= month_end {
            peak.charged = peak.highest;
        }
    }
    Ok(())
}

fn demand(head: &Head, charge: &Charge, peak: &Peak, ends: Timestamp, bill: &mut Bill) -> Result<(), Fault> {
    let ChargeRule::Demand { carrier, per_kw } = charge.rule else { return Ok(()) };
    // A joule in a millisecond is a kilowatt.
    let cost =
        |peak: (Quantity, u32)| money_half_even(u128::from(per_kw.0) * u128::from(peak.0.0), u128::from(peak.1.max(1)));
    let amount = cost(peak.highest)?.saturating_sub(cost(peak.charged)?);
    if amount > Money::ZERO {
        let from = head.month_begin(Timestamp(peak.month.0.saturating_sub(1)), 0).unwrap_or(head.opened);
        let period = Window { from: from.max(head.opened), to: peak.month.min(ends) };
        let (quantity, ms) = peak.highest;
        let name = charge.name.clone();
        bill.lines.push(StatementLine::Demand { name, period, carrier, quantity, ms, per_kw, amount });
        bill.owed(charge.vat_permille, amount)?;
    }
    Ok(())
}
