//! What whoever asks may see. It is decided here, and nowhere else; ADR 0023 says why it is as it is.
//!
//! ```text
//! viewer --account, member, roles now--> sight: accounts, agreements, meters of each category --> conditions, checks
//! ```
//!
//! | what | seen by |
//! |---|---|
//! | headers, offers, packages | everybody |
//! | an account with its balance and movements | its member |
//! | a quote | its bidder, and the offer's owner |
//! | an agreement and all under it | its parties |
//! | a meter and its readings | its operator; the gateway that signs for it; who held it, when it did; the parties of an agreement, while it serves that |
//! | a transaction or a receipt, whole | who signed it; whoever may see all that it says |
//!
//! Which receipts are told follows from it, in `told`. A transaction's hash is only told to those who may see all of the
//! transaction: whoever holds the hash can ask for it.
//! Validators see everything, since their nodes execute everything: their members' accounts, and the keys of their nodes.
//!
//! A viewer says who asks, and no role. Roles are those of the state that answers: whoever the council has dismissed sees no
//! more with what it was let in with before.

use super::{Questions, Read};
use crate::store::columns::{roles, value, window};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use utilidor_types::meter::MeterAuthority;
use utilidor_types::session::{Category, Subject};
use utilidor_types::{
    AccountId, AgreementId, Key, MemberId, MeterId, OfferId, Role, Roles, Roster, Timestamp, Window, encode,
};
use utilidor_view::Viewer;

/// What one state of the tables shows to one viewer.
#[derive(Debug)]
pub(super) struct Sight {
    pub viewer: Viewer,
    pub member: Option<MemberId>,
    roles: Roles,
    everything: bool,
    /// Whether the agreements that are seen are few.
    few: bool,
    /// Accounts whose things are seen; the same rows stand in `temp.sight`.
    accounts: HashSet<AccountId>,
    /// What was decided of agreements, and of receipts by height and place.
    agreements: RefCell<HashMap<AgreementId, bool>>,
    pub whole: RefCell<HashMap<(u64, u32), bool>>,
}

/// The tables that a connection keeps for itself.
const TABLES: &str = "
    CREATE TEMP TABLE sight (account INTEGER PRIMARY KEY);
    CREATE TEMP TABLE sight_agreements (agreement INTEGER PRIMARY KEY);
    CREATE TEMP TABLE sight_meters (meter INTEGER PRIMARY KEY);
    CREATE TEMP TABLE sight_gateways (authority BLOB PRIMARY KEY);";

/// Makes the tables that [`Sight::of`] fills.
pub(super) fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(TABLES)
}

/// An account's member as it is now: its row, itself unless it was removed, its roles.
fn member_of(sql: &Connection, account: AccountId) -> rusqlite::Result<Option<(i64, Option<MemberId>, Roles)>> {
    let found = "SELECT members.id AS id, members.member AS member, roles, removed FROM accounts
                 JOIN members ON members.id = accounts.member WHERE account = ?";
    let found = sql.prepare_cached(found)?.query_row([account.0], |row| {
        let member = (!row.get::<_, bool>("removed")?).then_some(MemberId(row.get("member")?));
        Ok((row.get("id")?, member, roles(row, "roles")?))
    });
    found.optional()
}

/// Enters what a supervisor looks at.
fn enter(sql: &Connection, subject: Subject) -> rusqlite::Result<()> {
    let insert = |one: &str, id: &[u8]| sql.prepare_cached(one)?.execute([id]).map(drop);
    match subject {
        Subject::Everything => Ok(()),
        Subject::Account(account) => {
            insert("INSERT INTO temp.sight SELECT id FROM accounts WHERE account = ?", &account.0)
        }
        Subject::Agreement(agreement) => {
            insert("INSERT INTO temp.sight_agreements SELECT id FROM agreements WHERE agreement = ?", &agreement.0)
        }
        Subject::Meter(meter) => {
            insert("INSERT INTO temp.sight_meters SELECT id FROM meters WHERE meter = ?", &meter.0)
        }
    }
}

/// The validators, of the newest set that the blocks have named.
pub(super) fn validators(sql: &Connection) -> rusqlite::Result<Roster> {
    let newest = "SELECT body FROM validator_sets ORDER BY version DESC LIMIT 1";
    sql.prepare_cached(newest)?.query_row([], |row| value(row, "body"))
}

/// Whether an account is that of the key of a node that takes part in consensus.
fn is_validator(sql: &Connection, account: AccountId) -> rusqlite::Result<bool> {
    Ok(validators(sql)?.validators.iter().any(|validator| AccountId::of(&validator.key) == account))
}

impl Sight {
    /// What `viewer` sees. Fills the connection's own tables, which are empty again when the transaction ends.
    pub fn of(sql: &Connection, viewer: Viewer) -> rusqlite::Result<Self> {
        let mut sight = Self {
            viewer,
            member: None,
            roles: Roles::default(),
            everything: viewer == Viewer::Operator,
            few: true,
            accounts: HashSet::new(),
            agreements: RefCell::default(),
            whole: RefCell::default(),
        };
        match viewer {
            Viewer::Public | Viewer::Operator => {}
            Viewer::Holder { account, scope } => {
                let found = member_of(sql, account)?;
                if let Some((row, member, roles)) = found {
                    (sight.member, sight.roles) = (member, roles);
                    let only = scope.this_account_only.then_some(account.0);
                    let theirs = "INSERT INTO temp.sight SELECT id FROM accounts
                                  WHERE member = ?1 AND (?2 IS NULL OR account = ?2) RETURNING account";
                    sql.prepare_cached(theirs)?
                        .query_map(params![row, only], |_| Ok(()))?
                        .collect::<Result<(), _>>()?;
                }
                sight.everything =
                    !scope.this_account_only && (sight.roles.has(Role::Validator) || is_validator(sql, account)?);
            }
            Viewer::Supervisor { account, subject, .. } => {
                let supervisor = member_of(sql, account)?.filter(|(.., roles)| roles.has(Role::Supervisor));
                match supervisor {
                    Some((_, member, roles)) => {
                        (sight.member, sight.roles) = (member, roles);
                        sight.everything = subject == Subject::Everything;
                        enter(sql, subject)?;
                    }
                    // Whoever is no supervisor any more asks as anybody.
                    None => sight.viewer = Viewer::Public,
                }
            }
        }
        let accounts =
            "SELECT accounts.account AS account FROM temp.sight JOIN accounts ON accounts.id = temp.sight.account";
        let mut accounts = sql.prepare_cached(accounts)?;
        sight.accounts = accounts.query_map([], |row| row.get("account").map(AccountId))?.collect::<Result<_, _>>()?;
        drop(accounts);
        let mut gateways = sql.prepare_cached("INSERT INTO temp.sight_gateways VALUES (?)")?;
        for account in &sight.accounts {
            gateways.execute([encode(&MeterAuthority::Gateway(*account))])?;
        }
        drop(gateways);
        let many = format!(
            "SELECT COUNT(*) > {FEW} FROM (SELECT 1 FROM agreement_parties WHERE account IN {OWN} LIMIT {FEW} + 1)"
        );
        sight.few = !sql.prepare_cached(&many)?.query_row([], |row| row.get::<_, bool>(0))?;
        Ok(sight)
    }

    /// Whether all of a category is seen.
    pub fn all(&self, category: Category) -> bool {
        self.everything && self.viewer.may_ask_for(category)
    }

    /// Whether an account's things of a category are seen.
    pub fn has(&self, category: Category, account: AccountId) -> bool {
        self.viewer.may_ask_for(category) && (self.everything || self.accounts.contains(&account))
    }
}

/// Whose things are seen.
const OWN: &str = "(SELECT account FROM temp.sight)";
/// What the meters say that their gateways sign for.
const GATEWAYS: &str = "(SELECT authority FROM temp.sight_gateways)";
/// Agreements that are seen. To be asked for where they are few.
const OWN_AGREEMENTS: &str =
    "(SELECT agreement FROM agreement_parties WHERE account IN (SELECT account FROM temp.sight)
    UNION SELECT agreement FROM temp.sight_agreements)";
/// Up to so many agreements are few: they are looked up one by one, instead of going through all of the chain's.
const FEW: i64 = 1_000;

/// The condition that one agreement's row is seen.
fn is_own_agreement(row: &str) -> String {
    format!(
        "(EXISTS (SELECT 1 FROM agreement_parties AS seen WHERE seen.account IN {OWN} AND seen.agreement = {row})
         OR {row} IN (SELECT agreement FROM temp.sight_agreements))"
    )
}

/// A time in which a meter is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub time: Window,
    /// Whether what begins before and reaches into it is seen too: a contract counts that by its share of time.
    reaching_in: bool,
    /// Whether the meter is one's own then, as its holder or operator, and not only serves a contract of one's own.
    pub own: bool,
}

impl Seen {
    const ALWAYS: Self =
        Self { time: Window { from: Timestamp(0), to: Timestamp(u64::MAX) }, reaching_in: true, own: true };

    /// All that begins within a time.
    pub const fn within(time: Window) -> Self {
        Self { time, reaching_in: false, own: true }
    }

    /// All that a contract counts of a meter that serves it in a time.
    pub const fn serving(time: Window) -> Self {
        Self { time, reaching_in: true, own: false }
    }

    /// Whether what passed in an interval is seen.
    pub fn shows(&self, interval: Window) -> bool {
        let Window { from, to } = self.time;
        interval.from < to && (from <= interval.from || (self.reaching_in && interval.to > from))
    }
}

impl Questions<'_> {
    /// The member that asks, by one of its accounts.
    pub fn asking_member(&self) -> Option<(MemberId, Roles)> {
        self.sight.member.map(|member| (member, self.sight.roles))
    }

    /// The accounts whose things whoever asks sees as its own.
    pub fn own_accounts(&self) -> Vec<AccountId> {
        self.sight.accounts.iter().copied().collect()
    }

    /// Whether whoever asks sees everything that it may ask for.
    pub const fn sees_everything(&self) -> bool {
        self.sight.everything
    }

    /// The condition that an account's row is seen.
    pub(super) fn accounts_seen(&self, row: &str) -> String {
        self.seen_if(Category::Accounts, || format!("{row} IN {OWN}"))
    }

    /// The condition that an account's trade is seen.
    pub(super) fn traders_seen(&self, row: &str) -> String {
        self.seen_if(Category::Trade, || format!("{row} IN {OWN}"))
    }

    /// The condition that an agreement's row is seen.
    pub(super) fn agreements_seen(&self, row: &str) -> String {
        self.seen_if(Category::Trade, || match self.sight.few {
            true => format!("{row} IN {OWN_AGREEMENTS}"),
            false => is_own_agreement(row),
        })
    }

    /// The condition where what is seen of a category depends on whose it is.
    fn seen_if(&self, category: Category, own: impl FnOnce() -> String) -> String {
        match (self.sight.viewer.may_ask_for(category), self.sight.everything) {
            (false, _) => "0".into(),
            (true, true) => "1".into(),
            (true, false) => own(),
        }
    }

    /// The condition that a meter's row is seen.
    pub(super) fn meters_seen(&self, row: &str) -> String {
        self.seen_if(Category::Meters, || self.own_meters(row))
    }

    fn own_meters(&self, row: &str) -> String {
        let now = "(SELECT time_ms FROM meta)";
        let (own, served) = match (self.sight.viewer.may_ask_for(Category::Trade), self.sight.few) {
            (false, _) => (String::new(), String::new()),
            (true, true) => {
                let own = "UNION SELECT meter FROM agreement_meters WHERE agreement IN";
                (format!("{own} {OWN_AGREEMENTS} AND to_ms > {now}"), String::new())
            }
            (true, false) => {
                let own = is_own_agreement("served.agreement");
                let served = format!("served.meter = {row} AND served.to_ms > {now} AND {own}");
                (String::new(), format!("OR EXISTS (SELECT 1 FROM agreement_meters AS served WHERE {served})"))
            }
        };
        format!(
            "({row} IN (SELECT id FROM meters WHERE holder IN {OWN} UNION SELECT id FROM meters WHERE operator IN {OWN}
             UNION SELECT id FROM meters WHERE authority IN {GATEWAYS}
             UNION SELECT meter FROM temp.sight_meters {own}) {served})"
        )
    }

    /// The condition that members are seen: all of them, by whoever is one.
    pub(super) const fn members_seen(&self) -> &'static str {
        if self.sight.member.is_some() || self.sight.everything { "1" } else { "0" }
    }

    /// Whether an account's own things of a category are seen.
    pub fn sees_account(&self, category: Category, account: AccountId) -> bool {
        self.sight.has(category, account)
    }

    /// Whether an agreement is seen.
    pub fn sees_agreement(&self, agreement: AgreementId) -> Read<bool> {
        if !self.sight.viewer.may_ask_for(Category::Trade) {
            return Ok(false);
        }
        if let Some(seen) = self.sight.agreements.borrow().get(&agreement) {
            return Ok(*seen);
        }
        let sql = format!(
            // An id can be used again: it names the last one.
            "SELECT 1 FROM agreements WHERE id = (SELECT MAX(id) FROM agreements WHERE agreement = ?1) AND (?2 OR {})",
            is_own_agreement("agreements.id")
        );
        let seen = self.find(&sql, params![agreement.0, self.sight.everything], |_| Ok(()))?.is_some();
        self.sight.agreements.borrow_mut().insert(agreement, seen);
        Ok(seen)
    }

    /// Whether readings are within what is asked for.
    pub(super) fn reads_meters(&self) -> bool {
        self.sight.viewer.may_ask_for(Category::Meters)
    }

    pub(super) fn owns_offer(&self, offer: OfferId) -> Read<bool> {
        let sql = "SELECT account FROM offers JOIN accounts ON accounts.id = offers.owner WHERE offer = ? LIMIT 1";
        let owner = self.find(sql, [offer.0], |row| row.get("account").map(AccountId))?;
        Ok(owner.is_some_and(|owner| self.sight.has(Category::Trade, owner)))
    }

    /// The times in which a meter is seen; none if it is not, or there is no such meter.
    pub(super) fn meter_seen(&self, meter: MeterId) -> Read<Vec<Seen>> {
        let row = format!(
            "SELECT id, operator IN {OWN} OR authority IN {GATEWAYS} OR id IN (SELECT meter FROM temp.sight_meters)
             AS always FROM meters WHERE meter = ?"
        );
        let Some((row, always)) =
            self.find(&row, [meter.0], |row| Ok((row.get::<_, i64>("id")?, row.get::<_, bool>("always")?)))?
        else {
            return Ok(Vec::new());
        };
        if !self.sight.viewer.may_ask_for(Category::Meters) {
            return Ok(Vec::new());
        }
        if always || self.sight.everything {
            return Ok(vec![Seen::ALWAYS]);
        }
        let held = format!("SELECT from_ms, to_ms FROM meter_holders WHERE meter = ? AND account IN {OWN}");
        let mut seen = self.all(&held, [row], |row| Ok(Seen::within(window(row)?)))?;
        if self.sight.viewer.may_ask_for(Category::Trade) {
            let own = is_own_agreement("served.agreement");
            let served = format!("SELECT from_ms, to_ms FROM agreement_meters AS served WHERE meter = ? AND {own}");
            seen.extend(self.all(&served, [row], |row| Ok(Seen::serving(window(row)?)))?);
        }
        Ok(seen)
    }

    pub(super) fn sees_meter_in(&self, meter: MeterId, interval: Window) -> Read<bool> {
        Ok(self.meter_seen(meter)?.iter().any(|seen| seen.shows(interval)))
    }

    /// Whether a meter itself is seen, and not only what it showed once.
    pub(super) fn sees_meter_now(&self, meter: MeterId) -> Read<bool> {
        let sql = format!("SELECT 1 FROM meters WHERE meter = ? AND {}", self.meters_seen("meters.id"));
        Ok(self.sight.viewer.may_ask_for(Category::Meters) && self.find(&sql, [meter.0], |_| Ok(()))?.is_some())
    }

    /// Whether a supervisor's subject concerns whoever asks.
    pub fn concerns(&self, subject: Subject) -> Read<bool> {
        match subject {
            Subject::Everything => Ok(self.sight.member.is_some() || self.sight.everything),
            Subject::Account(account) => Ok(self.sight.everything || self.sight.accounts.contains(&account)),
            Subject::Agreement(agreement) => self.sees_agreement(agreement),
            Subject::Meter(meter) => Ok(!self.meter_seen(meter)?.is_empty()),
        }
    }

    /// Whether a key of the state is of something that is seen: all records of one id begin alike. Among a meter's stands everything
    /// that it serves, so they are for its holder, its operator and its gateway, as far as they ask for trade too, and not for
    /// everybody whose contract it serves.
    pub fn sees_key(&self, key: Key) -> Read<bool> {
        if self.sees_all() {
            return Ok(true);
        }
        let may = |category| self.sight.viewer.may_ask_for(category);
        let answered_for = match self.sight.everything {
            true => "1".into(),
            false => format!("holder IN {OWN} OR operator IN {OWN} OR authority IN {GATEWAYS}"),
        };
        let own = [
            (may(Category::Accounts), "accounts", "account", self.accounts_seen("id")),
            (may(Category::Trade), "agreements", "agreement", self.agreements_seen("id")),
            (may(Category::Trade), "offers", "offer", self.traders_seen("owner")),
            (may(Category::Meters) && may(Category::Trade), "meters", "meter", answered_for),
        ];
        for (_, table, column, seen) in own.into_iter().filter(|(may, ..)| *may) {
            let mut statement = self.prepare(&format!("SELECT {column} AS id FROM {table} WHERE {seen}"))?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                if key.is_of(row.get_ref("id")?.as_blob().unwrap_or_default()) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}
