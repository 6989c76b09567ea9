//! Writing what a block changes.

use super::closed_name;
use super::columns::{body, int};
use crate::fold::{AppointedChange, Changes, MeterChange, NewBlock, NewReceipt, RefusedWhat, Row, cursor};
use rusqlite::{Transaction, params};
use utilidor_types::Timestamp;
use utilidor_types::price_index::IndexValue;
use utilidor_types::program::Publication;
use utilidor_types::receipt::Cause;
use utilidor_types::time::MAX_TIMESTAMP;

type Written = rusqlite::Result<()>;

/// Writes all changes of a block.
pub fn write(sql: &Transaction<'_>, changes: &Changes<'_>) -> Written {
    blocks(sql, changes)?;
    members(sql, changes)?;
    council(sql, changes)?;
    offers(sql, changes)?;
    agreements(sql, changes)?;
    agreement_details(sql, changes)?;
    meters(sql, changes)?;
    packages(sql, changes)?;
    programs(sql, changes)?;
    price_indices(sql, changes)?;
    refusals(sql, changes)?;
    keys(sql, changes)?;
    meta(sql, changes)
}

fn blocks(sql: &Transaction<'_>, changes: &Changes<'_>) -> Written {
    if let Some(NewBlock { header, digest, first_receipt, first_certificate }) = &changes.block {
        let insert = "INSERT INTO blocks (height, time_ms, digest, first_receipt, first_certificate, header)
                      VALUES (?, ?, ?, ?, ?, ?)";
        sql.prepare_cached(insert)?.execute(params![
            int(header.height),
            int(header.time.0),
            digest.0,
            first_receipt,
            int(*first_certificate),
            body(header),
        ])?;
    }
    let height = changes.block.as_ref().map_or(0, |block| block.header.height);
    let insert = "INSERT INTO receipts (id, height, place, due, transaction_place, hash, body, signed)
                  VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    let mut insert = sql.prepare_cached(insert)?;
    for NewReceipt { row, place, receipt, transaction } in &changes.receipts {
        let due = match receipt.cause {
            Cause::Due { item, at } => Some(body(&(item, at))),
            Cause::Genesis | Cause::Transaction(_) => None,
        };
        insert.execute(params![
            row,
            int(height),
            place,
            due,
            transaction.map(|transaction| transaction.place),
            transaction.map(|transaction| transaction.hash.0),
            body(*receipt),
            transaction.map(|transaction| body(transaction.signed)),
        ])?;
    }
    Ok(())
}

fn members(sql: &Transaction<'_>, changes: &Changes<'_>) -> Written {
    let mut insert =
        sql.prepare_cached("INSERT INTO members (id, member, roles, removed, height) VALUES (?, ?, ?, 0, ?)")?;
    for new in &changes.members {
        insert.execute(params![new.row, new.member.0, body(&new.roles)[0], int(new.height)])?;
    }
    let mut update = sql.prepare_cached("UPDATE members SET roles = ?, removed = ?, limits = ? WHERE id = ?")?;
    for member in &changes.members_changed {
        let limits = member.limits.as_ref().map(body);
        update.execute(params![body(&member.roles)[0], member.removed, limits, member.row])?;
    }
    let insert =
        "INSERT INTO accounts (id, account, member, free, reserved, nonce, height) VALUES (?, ?, ?, 0, 0, 0, ?)";
    let mut insert = sql.prepare_cached(insert)?;
    for new in &changes.accounts {
        insert.execute(params![new.row, new.account.0, new.member, int(new.height)])?;
    }
    let mut update = sql.prepare_cached("UPDATE accounts SET free = ?, reserved = ?, nonce = ? WHERE id = ?")?;
    for account in &changes.balances {
        update.execute(params![int(account.free), int(account.reserved), int(account.nonce), account.row])?;
    }
    let upsert = "INSERT OR REPLACE INTO capacities (owner, carrier, per_hour) VALUES (?, ?, ?)";
    let mut upsert = sql.prepare_cached(upsert)?;
    for ((owner, carrier), per_hour) in &changes.capacities {
        upsert.execute(params![owner, *carrier as u8, int(per_hour.0)])?;
    }
    Ok(())
}

fn council(sql: &Transaction<'_>, changes: &Changes<'_>) -> Written {
    let insert = "INSERT INTO motions (id, motion, proposer, closes_ms, status, receipt, body)
                  VALUES (?, ?, ?, ?, 'open', ?, ?)";
    let mut insert = sql.prepare_cached(insert)?;
    for new in &changes.motions {
        let (closes, document) = (int(new.closes.0), body(new.motion));
        insert.execute(params![new.row, new.id.0, new.proposer, closes, new.receipt, document])?;
    }
    let upsert = "INSERT OR REPLACE INTO motion_votes (motion, member, in_favour, receipt) VALUES (?, ?, ?, ?)";
    let mut upsert = sql.prepare_cached(upsert)?;
    for ((motion, member), (in_favour, receipt)) in &changes.votes {
        upsert.execute(params![motion, member, in_favour, receipt])?;
    }
    let mut update = sql.prepare_cached("UPDATE motions SET status = ?, refusal = ?, ended = ? WHERE id = ?")?;
    for end in &changes.motions_ended {
        update.execute(params![end.status.name(), end.refusal.as_ref().map(body), end.receipt, end.motion])?;
    }
    let mut upsert = sql.prepare_cached("INSERT OR REPLACE INTO appointed (member, validator) VALUES (?, ?)")?;
    let mut delete = sql.prepare_cached("DELETE FROM appointed WHERE member = ?")?;
    let mut update = sql.prepare_cached("UPDATE appointed SET ready = ? WHERE member = ?")?;
    for change in &changes.appointed {
        match change {
            AppointedChange::Appointed { member, validator } => upsert.execute(params![member, body(validator)])?,
            AppointedChange::Dismissed { member } => delete.execute([member])?,
            AppointedChange::Ready { member, epoch } => update.execute(params![int(*epoch), member])?,
        };
    }
    let mut insert = sql.prepare_cached("INSERT INTO validator_sets (version, epoch, body) VALUES (?, ?, ?)")?;
    for (epoch, set) in &changes.sets {
        insert.execute(params![int(set.version), int(*epoch), body(set)])?;
    }
    Ok(())
}

fn offers(sql: &Transaction<'_>, changes: &Changes<'_>) -> Written {
    let insert = "INSERT INTO offers (id, offer, owner, gate_ms, lapses_ms, receipt, awarded, body)
                  VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    let mut insert = sql.prepare_cached(insert)?;
    for new in &changes.offers {
        let offer = new.offer;
        let (gate, lapses) = (int(offer.gate_closes.0), int(offer.lapses.0));
        let awarded = body(&vec![utilidor_types::Quantity::ZERO; offer.lots.len()]);
        insert.execute(params![new.row, new.id.0, new.owner, gate, lapses, new.receipt, awarded, body(offer)])?;
    }
    let mut update = sql.prepare_cached("UPDATE offers SET awarded = ?, closed = ? WHERE id = ?")?;
    for offer in &changes.offers_changed {
        update.execute(params![body(&offer.awarded), offer.closed.map(closed_name), offer.row])?;
    }
    let insert =
        "INSERT INTO quotes (offer, bidder, receipt, place, binding, status) VALUES (?, ?, ?, ?, ?, 'submitted')";
    let mut insert = sql.prepare_cached(insert)?;
    for new in &changes.quotes {
        let (offer, bidder, receipt, place) = new.key;
        insert.execute(params![offer, bidder, receipt, place, new.binding])?;
    }
    let update = "UPDATE quotes SET status = ?, agreement = ?, opening = ?, refusal = COALESCE(?, refusal)
                  WHERE offer = ? AND bidder = ? AND receipt = ? AND place = ?";
    let mut update = sql.prepare_cached(update)?;
    for change in &changes.quotes_changed {
        let (offer, bidder, receipt, place) = change.key;
        let agreement = change.awarded.as_ref().map(|(agreement, _)| agreement);
        let opening = change.awarded.as_ref().map(|(_, opening)| body(opening));
        let refusal = change.refusal.as_ref().map(body);
        let status = change.status.name();
        update.execute(params![status, agreement, opening, refusal, offer, bidder, receipt, place])?;
    }
    let update = "UPDATE quotes SET status = 'lapsed' WHERE offer = ? AND status = 'submitted'";
    let mut update = sql.prepare_cached(update)?;
    for offer in &changes.quotes_lapsed {
        update.execute([offer])?;
    }
    Ok(())
}

fn agreements(sql: &Transaction<'_>, changes: &Changes<'_>) -> Written {
    let insert = "INSERT INTO agreements (id, agreement, kind, status, origin, offer, terms, sign_by_ms, open, receipt)
                  VALUES (?, ?, ?, 'proposed', ?, ?, ?, ?, 0, ?)";
    let mut insert = sql.prepare_cached(insert)?;
    for new in &changes.agreements {
        let (origin, terms, sign_by) = (body(&new.origin), body(&new.terms), int(new.sign_by.0));
        let values = params![new.row, new.id.0, new.kind.name(), origin, new.offer, terms, sign_by, new.receipt];
        insert.execute(values)?;
    }
    let mut update = sql.prepare_cached("UPDATE agreements SET status = ?, ends_ms = ?, open = ? WHERE id = ?")?;
    for agreement in &changes.agreements_changed {
        let ends = agreement.ends.map(|ends| int(ends.0));
        update.execute(params![agreement.status.name(), ends, agreement.open, agreement.row])?;
    }
    let mut update = sql.prepare_cached("UPDATE agreements SET terms = ? WHERE id = ?")?;
    for (agreement, terms) in &changes.terms {
        update.execute(params![body(terms), agreement])?;
    }
    let count = "INSERT INTO agreement_counts (kind, status, count) VALUES (?1, ?2, ?3)
                 ON CONFLICT (kind, status) DO UPDATE SET count = count + ?3";
    let mut count = sql.prepare_cached(count)?;
    for ((kind, status), change) in changes.counts.iter().filter(|(_, change)| **change != 0) {
        count.execute(params![kind.name(), status, change])?;
    }
    let insert = "INSERT INTO agreement_steps (agreement, receipt, place, step, account, terms, at_ms)
                  VALUES (?, ?, ?, ?, ?, ?, ?)";
    let mut insert = sql.prepare_cached(insert)?;
    for step in &changes.steps {
        let (terms, at) = (step.terms.map(|terms| terms.0), step.at.map(|at| int(at.0)));
        let step_name = step.step.name();
        insert.execute(params![step.agreement, step.receipt, step.place, step_name, step.account, terms, at])?;
    }
    Ok(())
}

fn agreement_details(sql: &Transaction<'_>, changes: &Changes<'_>) -> Written {
    let upsert =
        "INSERT OR REPLACE INTO amendments (agreement, proposer, from_ms, receipt, terms) VALUES (?, ?, ?, ?, ?)";
    let mut upsert = sql.prepare_cached(upsert)?;
    let mut delete = sql.prepare_cached("DELETE FROM amendments WHERE agreement = ?")?;
    for (agreement, amendment) in &changes.amendments {
        match amendment {
            Some(new) => {
                let (from, terms) = (int(new.from.0), body(&*new.terms));
                upsert.execute(params![agreement, new.by.0, from, new.receipt, terms])?
            }
            None => delete.execute([agreement])?,
        };
    }
    let upsert = "INSERT OR REPLACE INTO debts (agreement, party, owes, receipt) VALUES (?, ?, ?, ?)";
    let mut upsert = sql.prepare_cached(upsert)?;
    for ((agreement, party), debt) in &changes.debts {
        upsert.execute(params![agreement, party.0, int(debt.owes.0), debt.receipt])?;
    }
    let upsert = "INSERT OR REPLACE INTO agreement_meters (agreement, meter, from_ms, to_ms) VALUES (?, ?, ?, ?)";
    let mut upsert = sql.prepare_cached(upsert)?;
    for ((agreement, meter), window) in &changes.serves {
        upsert.execute(params![agreement, meter, int(window.from.0), int(window.to.0)])?;
    }
    let insert =
        "INSERT INTO statements (id, agreement, number, from_ms, to_ms, receipt, place) VALUES (?, ?, ?, ?, ?, ?, ?)";
    let mut insert = sql.prepare_cached(insert)?;
    for new in &changes.statements {
        let (from, to) = (int(new.period.from.0), int(new.period.to.0));
        insert.execute(params![new.row, new.agreement, new.number, from, to, new.receipt, new.place])?;
    }
    Ok(())
}

fn meters(sql: &Transaction<'_>, changes: &Changes<'_>) -> Written {
    let insert =
        "INSERT INTO meters (id, meter, operator, carrier, holder, authority, modulus, capacity, register, read_ms,
                  since_ms, device_since_ms, devices, certificates, gaps, corrections)
                  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 0, 0, 0)";
    let mut insert = sql.prepare_cached(insert)?;
    for new in &changes.meters {
        let meter = new.meter;
        insert.execute(params![
            new.row,
            new.id.0,
            new.operator,
            meter.carrier as u8,
            new.holder,
            body(&meter.authority),
            int(meter.register_modulus.0),
            int(meter.capacity_per_hour.0),
            int(meter.register.0),
            int(meter.since.0),
            int(meter.since.0),
            int(meter.since.0),
        ])?;
        hold(sql, new.row, new.holder, Timestamp(0))?;
    }
    let update =
        "UPDATE meters SET register = ?, read_ms = ?, certificates = ?, gaps = ?, corrections = ? WHERE id = ?";
    let mut update = sql.prepare_cached(update)?;
    for meter in &changes.meters_changed {
        let (register, read, certificates) = (int(meter.register.0), int(meter.read.0), int(meter.certificates));
        update.execute(params![register, read, certificates, meter.gaps, meter.corrections, meter.row])?;
    }
    for change in &changes.devices {
        device(sql, change)?;
        if let MeterChange::Holder { meter, holder } = change {
            hold(sql, *meter, *holder, changes.block.as_ref().map_or(Timestamp(0), |block| block.header.time))?;
        }
    }
    let insert = "INSERT INTO certified_runs (id, position, meter, from_ms, to_ms, readings, signed_by, signed)
                  VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    let mut insert = sql.prepare_cached(insert)?;
    for new in &changes.certified {
        let interval = new.run.interval();
        let (first, position) = (int(new.run.first.0), int(new.position));
        let (from, to) = (int(interval.from.0), int(interval.to.0));
        let signed = new.signed.map(body);
        insert.execute(params![
            first,
            position,
            new.meter,
            from,
            to,
            body(&new.run.readings),
            new.signed_by as u8,
            signed
        ])?;
    }
    let mut insert =
        sql.prepare_cached("INSERT INTO meter_events (meter, receipt, place, kind) VALUES (?, ?, ?, ?)")?;
    for event in &changes.meter_events {
        insert.execute(params![event.meter, event.receipt, event.place, event.kind.name()])?;
    }
    let mut insert = sql.prepare_cached(
        "INSERT INTO corrections (meter, from_ms, to_ms, receipt, place, certified, correct) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )?;
    for new in &changes.corrections {
        let (from, to) = (int(new.interval.from.0), int(new.interval.to.0));
        let (certified, correct) = (int(new.certified.0), int(new.right.0));
        insert.execute(params![new.meter, from, to, new.receipt, new.place, certified, correct])?;
    }
    Ok(())
}

/// From a time on a meter is another holder's.
fn hold(sql: &Transaction<'_>, meter: Row, holder: Row, from: Timestamp) -> Written {
    let (from, end) = (int(from.0), int(MAX_TIMESTAMP.0));
    sql.prepare_cached("UPDATE meter_holders SET to_ms = ?3 WHERE meter = ?1 AND to_ms = ?2")?
        .execute(params![meter, end, from])?;
    let insert = "INSERT OR REPLACE INTO meter_holders (meter, account, from_ms, to_ms) VALUES (?, ?, ?, ?)";
    sql.prepare_cached(insert)?.execute(params![meter, holder, from, end]).map(drop)
}

fn device(sql: &Transaction<'_>, change: &MeterChange) -> Written {
    let update = |set: &str, values: &[&dyn rusqlite::ToSql]| {
        sql.prepare_cached(&format!("UPDATE meters SET {set} WHERE id = ?"))?.execute(values).map(drop)
    };
    match change {
        MeterChange::Holder { meter, holder } => update("holder = ?", &[holder, meter]),
        MeterChange::Operator { meter, operator } => update("operator = ?", &[operator, meter]),
        MeterChange::Authority { meter, authority } => update("authority = ?", &[&body(authority), meter]),
        MeterChange::Capacity { meter, capacity } => update("capacity = ?", &[&int(capacity.0), meter]),
        MeterChange::Device { meter, authority, modulus, since } => {
            let set = "authority = ?, modulus = ?, device_since_ms = ?, devices = devices + 1";
            update(set, &[&body(authority), &int(modulus.0), &int(since.0), meter])
        }
        MeterChange::Retired { meter, receipt } => update("retired = COALESCE(retired, ?)", &[receipt, meter]),
    }
}

fn programs(sql: &Transaction<'_>, changes: &Changes<'_>) -> Written {
    let insert = "INSERT INTO programs (id, program, publisher, receipt, engine, code, bytes, manifest)
                  VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    let mut insert = sql.prepare_cached(insert)?;
    for new in &changes.programs {
        let Publication { engine, code, manifest } = new.publication;
        let (digest, bytes) = (code.digest().0, code.len() as i64);
        insert.execute(params![
            new.row,
            new.id.0,
            new.publisher,
            new.receipt,
            engine,
            digest,
            bytes,
            body(manifest)
        ])?;
    }
    Ok(())
}

/// What stands there is not written again: a repeated publication changes nothing.
fn price_indices(sql: &Transaction<'_>, changes: &Changes<'_>) -> Written {
    let index = "INSERT INTO price_indices (id, price_index, publisher, receipt, body) VALUES (?, ?, ?, ?, ?)
                 ON CONFLICT (price_index) DO NOTHING";
    let mut index = sql.prepare_cached(index)?;
    let value = "INSERT INTO index_values (id, price_index, receipt, begins, ends, micro) VALUES (?, ?, ?, ?, ?, ?)
                 ON CONFLICT (price_index, begins) DO NOTHING";
    let mut value = sql.prepare_cached(value)?;
    for new in &changes.index_values {
        let IndexValue { index: described, period, micro } = new.value;
        index.execute(params![new.row, new.id.0, new.publisher, new.receipt, body(described)])?;
        value.execute(params![new.row, new.id.0, new.receipt, int(period.from.0), int(period.to.0), micro])?;
    }
    Ok(())
}

fn packages(sql: &Transaction<'_>, changes: &Changes<'_>) -> Written {
    let insert = "INSERT INTO packages (id, package, version, owner, receipt, body) VALUES (?, ?, ?, ?, ?, ?)";
    let mut insert = sql.prepare_cached(insert)?;
    for new in &changes.packages {
        let (version, document) = (new.package.version, body(new.package));
        insert.execute(params![new.row, new.id.0, version, new.owner, new.receipt, document])?;
    }
    let mut update = sql.prepare_cached("UPDATE packages SET closed = COALESCE(closed, ?) WHERE id = ?")?;
    for (package, receipt) in &changes.packages_closed {
        update.execute([receipt, package])?;
    }
    let upsert = "INSERT OR REPLACE INTO tranches (agreement, carrier, tranche, paid, from_ms, to_ms, receipt, debt_paid, left,
                  discount_permille, opened, charged, refunded, withheld) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let mut upsert = sql.prepare_cached(upsert)?;
    for ((agreement, carrier, number), tranche) in &changes.tranches {
        upsert.execute(params![
            agreement,
            *carrier as u8,
            number,
            int(tranche.paid.0),
            tranche.period.map(|period| int(period.from.0)),
            tranche.period.map(|period| int(period.to.0)),
            tranche.receipt,
            tranche.opened.map(|opened| int(opened.debt_paid.0)),
            tranche.opened.map(|opened| int(opened.left.0)),
            tranche.opened.map(|opened| opened.discount_permille),
            tranche.opened.map(|opened| opened.receipt),
            int(tranche.charged.0),
            int(tranche.refunded.0),
            int(tranche.withheld.0),
        ])?;
    }
    Ok(())
}

fn refusals(sql: &Transaction<'_>, changes: &Changes<'_>) -> Written {
    let insert = "INSERT INTO refusals (id, receipt, code, body, account, place, meter, offer, bidder)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let mut insert = sql.prepare_cached(insert)?;
    for new in &changes.refusals {
        let (index, meter, offer, bidder) = match new.of {
            RefusedWhat::Transaction => (None, None, None, None),
            RefusedWhat::Reading { index, meter } => (Some(index), Some(meter.0), None, None),
            RefusedWhat::Award { offer, bidder } => (None, None, Some(offer.0), Some(bidder.0)),
        };
        let (id, code, document) = (cursor(new.receipt, new.place), new.refusal.code(), body(&new.refusal));
        let account = new.account.map(|account| account.0);
        insert.execute(params![id, new.receipt, code, document, account, index, meter, offer, bidder])?;
    }
    let upsert = "INSERT INTO refusal_counts (code, transactions, readings, awards) VALUES (?1, ?2, ?3, ?4)
                  ON CONFLICT (code) DO UPDATE SET transactions = transactions + ?2, readings = readings + ?3,
                  awards = awards + ?4";
    let mut upsert = sql.prepare_cached(upsert)?;
    for (code, counts) in &changes.refusal_counts {
        upsert.execute(params![code, counts.transactions, counts.readings, counts.awards])?;
    }
    Ok(())
}

/// The tables that hold nothing but keys.
fn keys(sql: &Transaction<'_>, changes: &Changes<'_>) -> Written {
    for (table, keys) in [
        ("transaction_heads", &changes.transaction_heads),
        ("account_receipts", &changes.account_receipts),
        ("agreement_receipts", &changes.agreement_receipts),
        ("agreement_parties", &changes.agreement_parties),
    ] {
        // A receipt of an earlier block is named again where a binding quote or a package's publication becomes a signature.
        let mut insert = sql.prepare_cached(&format!("INSERT OR IGNORE INTO {table} VALUES (?, ?)"))?;
        for (one, other) in keys {
            insert.execute([one, other])?;
        }
    }
    Ok(())
}

fn meta(sql: &Transaction<'_>, changes: &Changes<'_>) -> Written {
    let totals = &changes.totals;
    let block = changes.block.as_ref();
    let update = "UPDATE meta SET height = COALESCE(?, height), time_ms = COALESCE(?, time_ms), digest = COALESCE(?, digest),
                  issued = ?, redeemed = ?, balances = ?, transactions = ?, receipts = ?, certificates = ?, statements = ?,
                  members = ?, accounts = ?, meters = ?, offers = ?, agreements = ?, motions = ?,
                  unbalanced_at = COALESCE(unbalanced_at, ?)";
    let height = block.map(|block| int(block.header.height));
    sql.prepare_cached(update)?.execute(params![
        height,
        block.map(|block| int(block.header.time.0)),
        block.map(|block| block.digest.0),
        int(totals.issued),
        int(totals.redeemed),
        int(totals.balances),
        int(totals.transactions),
        int(totals.receipts),
        int(totals.certificates),
        int(totals.statements),
        int(totals.members),
        int(totals.accounts),
        int(totals.meters),
        int(totals.offers),
        int(totals.agreements),
        int(totals.motions),
        height.filter(|_| !changes.balanced),
    ])?;
    Ok(())
}
