//! What stood before a block, read from the tables.

use super::columns::{carrier, maybe_time, maybe_value, money, named, quantity, roles, time, uint, value, window};
use super::{closed_name, columns::maybe_window};
use crate::fold::{
    Account, Agreement, Amendment, Award, Before, Closed, Member, MeterRow, OfferRow, Opened, PackageRow, Row,
    StandingQuote, Totals, Tranche, TrancheKey, is_gateway,
};
use rusqlite::{OptionalExtension as _, Transaction, params};
use std::sync::Arc;
use utilidor_types::agreement::Status;
use utilidor_types::{
    AccountId, AgreementId, AgreementTerms, MemberId, MeterId, MotionId, OfferId, Opening, PackageId, ProgramId,
    Quantity, Window,
};
use utilidor_view::Kind;

/// The tables as a transaction sees them.
pub struct Stored<'a>(pub &'a Transaction<'a>);

type Found<T> = rusqlite::Result<Option<T>>;

impl Stored<'_> {
    fn find<T>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        read: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Found<T> {
        self.0.prepare_cached(sql)?.query_row(values, read).optional()
    }

    /// The chain's sums.
    pub fn totals(&self) -> rusqlite::Result<Totals> {
        self.0.prepare_cached("SELECT * FROM meta")?.query_row([], |row| {
            Ok(Totals {
                issued: uint(row, "issued")?,
                redeemed: uint(row, "redeemed")?,
                balances: uint(row, "balances")?,
                transactions: uint(row, "transactions")?,
                receipts: uint(row, "receipts")?,
                certificates: uint(row, "certificates")?,
                statements: uint(row, "statements")?,
                members: uint(row, "members")?,
                accounts: uint(row, "accounts")?,
                meters: uint(row, "meters")?,
                offers: uint(row, "offers")?,
                agreements: uint(row, "agreements")?,
                motions: uint(row, "motions")?,
            })
        })
    }

    /// What was awarded with an agreement.
    fn award(&self, agreement: Row) -> Found<Award> {
        let sql = "SELECT quotes.offer AS row, offers.offer AS offer, opening FROM agreements
                   JOIN offers ON offers.id = agreements.offer
                   JOIN quotes ON quotes.offer = agreements.offer AND quotes.agreement = agreements.id
                   WHERE agreements.id = ?";
        self.find(sql, [agreement], |row| {
            let opening: Opening = value(row, "opening")?;
            let lots = opening.lines.iter().map(|line| line.quantity).collect();
            Ok(Award { offer: OfferId(row.get("offer")?), row: row.get("row")?, lots })
        })
    }
}

impl Before for Stored<'_> {
    type Error = rusqlite::Error;

    fn member(&mut self, member: MemberId) -> Found<Member> {
        let sql = "SELECT id, roles, removed, limits FROM members WHERE member = ?";
        self.find(sql, [member.0], |row| {
            let (removed, limits) = (row.get("removed")?, maybe_value(row, "limits")?);
            Ok(Member { row: row.get("id")?, roles: roles(row, "roles")?, removed, limits })
        })
    }

    fn motion(&mut self, motion: MotionId) -> Found<Row> {
        let sql = "SELECT id FROM motions WHERE motion = ? ORDER BY id DESC LIMIT 1";
        self.find(sql, [motion.0], |row| row.get("id"))
    }

    fn account(&mut self, account: AccountId) -> Found<Account> {
        let sql = "SELECT id, member, free, reserved, nonce FROM accounts WHERE account = ?";
        self.find(sql, [account.0], |row| {
            Ok(Account {
                row: row.get("id")?,
                member: row.get("member")?,
                free: uint(row, "free")?,
                reserved: uint(row, "reserved")?,
                nonce: uint(row, "nonce")?,
            })
        })
    }

    fn offer(&mut self, offer: OfferId) -> Found<OfferRow> {
        let sql = "SELECT offers.id AS id, accounts.account AS owner_id, body, awarded, closed FROM offers
                   JOIN accounts ON accounts.id = offers.owner WHERE offer = ? ORDER BY offers.id DESC LIMIT 1";
        self.find(sql, [offer.0], |row| {
            let closed = match row.get_ref("closed")?.as_str_or_null()? {
                Some(_) => Some(named(row, "closed", &[Closed::Withdrawn, Closed::Lapsed], closed_name)?),
                None => None,
            };
            Ok(OfferRow {
                row: row.get("id")?,
                owner: AccountId(row.get("owner_id")?),
                offer: Arc::new(value(row, "body")?),
                awarded: value::<Vec<Quantity>>(row, "awarded")?,
                closed,
            })
        })
    }

    fn standing_quote(&mut self, offer: Row, bidder: Row) -> Found<StandingQuote> {
        let sql = "SELECT receipt, place, binding FROM quotes WHERE offer = ? AND bidder = ? AND status = 'submitted'";
        self.find(sql, [offer, bidder], |row| {
            Ok(StandingQuote { receipt: row.get("receipt")?, place: row.get("place")?, binding: row.get("binding")? })
        })
    }

    fn agreement(&mut self, agreement: AgreementId) -> Found<Agreement> {
        let sql = "SELECT id, kind, status, offer, ends_ms, open, terms FROM agreements WHERE agreement = ?
                   ORDER BY id DESC LIMIT 1";
        let found = self.find(sql, [agreement.0], |row| {
            let terms: AgreementTerms = value(row, "terms")?;
            let agreement = Agreement {
                row: row.get("id")?,
                parties: terms.parties.iter().copied().collect(),
                kind: named(row, "kind", &Kind::ALL, Kind::name)?,
                status: named(row, "status", &Status::ALL, Status::name)?,
                ends: maybe_time(row, "ends_ms")?,
                open: row.get("open")?,
                award: None,
            };
            Ok((agreement, row.get::<_, Option<Row>>("offer")?))
        })?;
        let Some((mut agreement, offer)) = found else { return Ok(None) };
        if agreement.status == Status::Proposed && offer.is_some() {
            agreement.award = self.award(agreement.row)?;
        }
        Ok(Some(agreement))
    }

    fn terms(&mut self, agreement: Row) -> Found<AgreementTerms> {
        self.find("SELECT terms FROM agreements WHERE id = ?", [agreement], |row| value(row, "terms"))
    }

    fn amendment(&mut self, agreement: Row) -> Found<Amendment> {
        let sql = "SELECT proposer, from_ms, receipt, terms FROM amendments WHERE agreement = ?";
        self.find(sql, [agreement], |row| {
            Ok(Amendment {
                terms: Arc::new(value(row, "terms")?),
                from: time(row, "from_ms")?,
                by: AccountId(row.get("proposer")?),
                receipt: row.get("receipt")?,
            })
        })
    }

    fn meter(&mut self, meter: MeterId) -> Found<MeterRow> {
        let sql = "SELECT id, register, read_ms, certificates, gaps, corrections, authority, device_since_ms, modulus
                   FROM meters WHERE meter = ?";
        self.find(sql, [meter.0], |row| {
            Ok(MeterRow {
                row: row.get("id")?,
                register: quantity(row, "register")?,
                read: time(row, "read_ms")?,
                certificates: uint(row, "certificates")?,
                gaps: row.get("gaps")?,
                corrections: row.get("corrections")?,
                gateway: is_gateway(value(row, "authority")?),
                device: (time(row, "device_since_ms")?, quantity(row, "modulus")?),
            })
        })
    }

    fn serves(&mut self, agreement: Row, meter: Row) -> Found<Window> {
        let sql = "SELECT from_ms, to_ms FROM agreement_meters WHERE agreement = ? AND meter = ?";
        self.find(sql, [agreement, meter], window)
    }

    fn package(&mut self, package: PackageId, version: u32) -> Found<PackageRow> {
        let sql = "SELECT id, receipt FROM packages WHERE package = ? AND version = ?";
        self.find(sql, params![package.0, version], |row| {
            Ok(PackageRow { row: row.get("id")?, receipt: row.get("receipt")? })
        })
    }

    fn program(&mut self, program: ProgramId) -> Found<Row> {
        self.find("SELECT id FROM programs WHERE program = ?", [program.0], |row| row.get("id"))
    }

    fn tranche(&mut self, (agreement, of, number): TrancheKey) -> Found<Tranche> {
        let sql = "SELECT * FROM tranches WHERE agreement = ? AND carrier = ? AND tranche = ?";
        self.find(sql, params![agreement, of as u8, number], |row| Ok(tranche(row)?.1))
    }
}

/// A tranche's key and state.
pub fn tranche(row: &rusqlite::Row<'_>) -> rusqlite::Result<(TrancheKey, Tranche)> {
    let opened = match row.get::<_, Option<Row>>("opened")? {
        Some(receipt) => Some(Opened {
            debt_paid: money(row, "debt_paid")?,
            left: money(row, "left")?,
            discount_permille: row.get("discount_permille")?,
            receipt,
        }),
        None => None,
    };
    let tranche = Tranche {
        paid: money(row, "paid")?,
        period: maybe_window(row)?,
        receipt: row.get("receipt")?,
        opened,
        charged: money(row, "charged")?,
        refunded: money(row, "refunded")?,
        withheld: money(row, "withheld")?,
    };
    Ok(((row.get("agreement")?, carrier(row, "carrier")?, row.get("tranche")?), tranche))
}
