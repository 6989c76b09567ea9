//! Long lists: how far one has read does not decide how long the next page takes.
//!
//! The rows are written into the file itself, beside those of a few real blocks: executing a million would take hours. The questions
//! are a node's own, asked by whom the list belongs to.

mod chain;

use chain::*;
use rusqlite::{Connection, params};
use std::time::{Duration, Instant};
use utilidor_index::{Paging, Questions};
use utilidor_types::action::Action;
use utilidor_types::meter::{CertifiedReading, MAX_RUN_READINGS};
use utilidor_types::*;
use utilidor_view::*;

const ROWS: i64 = 1_000_000;
const ROWS_IN_BLOCK: i64 = 500;
const PAGE: u32 = 100;
const TURNS: usize = 15;
const QUARTER_MS: i64 = 15 * 60_000;

/// Bob's meter brings a reading for his contract, bob's transaction is refused, and alice pays her other account; then each as often as
/// [`ROWS`] says. Few of alice's transactions are refused, all before bob's.
fn long() -> Fixture {
    let mut chain = Chain::new();
    chain.settle_in();
    chain.done("station", Action::PublishPackage(package(1)));
    chain.done("bob", Action::Subscribe { label: label("s"), terms: terms(Quantity(KWH)) });
    for actor in ["alice", "bob"] {
        let redeem = Action::Redeem { amount: Money(1), reference: Text::default() };
        assert!(chain.act(actor, redeem).refusal().is_some());
    }
    let fixture = Fixture::of(&chain);

    let mut connection = Connection::open(fixture.index.path()).unwrap();
    let sql = connection.transaction().unwrap();
    let numbers = format!("WITH RECURSIVE n (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < {ROWS})");
    let blocks = format!(
        "{numbers} INSERT INTO blocks SELECT height + n, time_ms + n, digest, first_receipt, first_certificate, header
         FROM n, blocks WHERE height = (SELECT MAX(height) FROM blocks) AND n <= {ROWS} / {ROWS_IN_BLOCK} + 1"
    );
    let height = "(SELECT height FROM meta)";
    let payments = format!(
        "{numbers} INSERT INTO receipts SELECT (SELECT receipts FROM meta) + n, {height} + 1 + n / {ROWS_IN_BLOCK},
         n % {ROWS_IN_BLOCK}, due, transaction_place, hash, body, signed FROM n, receipts
         WHERE id = (SELECT MAX(receipt) FROM account_receipts JOIN accounts ON accounts.id = account_receipts.account
                     WHERE accounts.account = ?)"
    );
    let movements = "INSERT INTO account_receipts SELECT accounts.id, receipts.id FROM accounts, receipts
                     WHERE accounts.account = ? AND receipts.id > (SELECT receipts FROM meta)";
    let refused =
        "INSERT INTO refusals SELECT id + n, receipt, code, body, account, place, meter, offer, bidder FROM n, refusals
                   WHERE id = (SELECT MIN(id) FROM refusals WHERE account = ?)";
    let refusals = format!("{numbers} {refused}");
    let few = format!("{numbers} {refused} AND n <= 10 * {PAGE}");
    sql.execute(&blocks, []).unwrap();
    let written = [(&*payments, "other"), (movements, "other"), (&refusals, "bob")];
    for (list, who) in written {
        assert_eq!(sql.execute(list, [account(who).0]).unwrap() as i64, ROWS);
    }
    assert_eq!(sql.execute(&few, [account("alice").0]).unwrap() as u32, 10 * PAGE);
    let meter: i64 =
        sql.query_row("SELECT id FROM meters WHERE meter = ?", [meter("bob").0], |row| row.get(0)).unwrap();
    let mut run = sql.prepare("INSERT INTO certified_runs VALUES (?, ?, ?, ?, ?, ?, NULL)").unwrap();
    for number in 0..ROWS {
        let from = at(1, 1, 0).0 as i64 + number * QUARTER_MS;
        let reading = Reading { time: Timestamp((from + QUARTER_MS) as u64), register: Quantity(number as u64) };
        let readings =
            Bounded::<_, MAX_RUN_READINGS>::new(vec![CertifiedReading { reading, quantity: Quantity(1) }]).unwrap();
        run.execute(params![number, number, meter, from, from + QUARTER_MS, encode(&readings)]).unwrap();
    }
    drop(run);
    sql.commit().unwrap();
    fixture
}

/// Asks for a page of a list: how many rows it has, and its cursor.
type Ask = fn(&Questions<'_>, Paging) -> (usize, Option<String>);

fn seen<T>(page: Page<T>) -> (usize, Option<String>) {
    (page.items.len(), page.next)
}

const LISTS: [(&str, &str, Ask); 5] = [
    ("movements", "other", |ask, paging| seen(ask.movements_of_account(account("other"), paging).unwrap().unwrap())),
    ("certificates", "bob", |ask, paging| {
        seen(ask.certificates_of_meter(meter("bob"), &TimeFilter::default(), paging).unwrap().unwrap())
    }),
    ("certificates of an agreement", "bob", |ask, paging| {
        seen(ask.certificates_of_agreement(subscription(), &TimeFilter::default(), paging).unwrap().unwrap())
    }),
    ("refusals", "bob", |ask, paging| seen(ask.refusals(paging).unwrap())),
    ("few refusals among many", "alice", |ask, paging| seen(ask.refusals(paging).unwrap())),
];

#[test]
#[ignore = "a million rows three times over: a minute, and a disk's free gigabyte"]
fn the_last_page_of_a_million_rows_takes_at_most_twice_the_first() {
    let fixture = long();
    let mut late = Vec::new();
    for (list, who, ask) in LISTS {
        let viewer = Viewer::Holder { account: account(who), scope: Scope::whole() };
        for (order, back) in [(Order::Oldest, Order::Newest), (Order::Newest, Order::Oldest)] {
            let page = |order, cursor: Option<String>, limit| {
                let query = PageQuery { cursor, limit: Some(limit), order: Some(order), format: None };
                let begun = Instant::now();
                let seen = ask(&fixture.reader.questions(viewer).unwrap(), Paging::of(&query).unwrap());
                (begun.elapsed(), seen)
            };
            // What stands before the last page is the last row but a page's, counted from the other end.
            let (_, (_, before_last)) = page(back, None, PAGE + 1);
            let ends = [(None, true), (before_last, false)];
            let [first, last] = ends.map(|(cursor, more)| {
                let mut times: Vec<Duration> = (0..TURNS)
                    .map(|_| {
                        let (time, (rows, next)) = page(order, cursor.clone(), PAGE);
                        assert_eq!((rows, next.is_some()), (PAGE as usize, more), "{list}");
                        time
                    })
                    .collect();
                times.sort_unstable();
                times[TURNS / 2]
            });
            println!("{list}, {order:?} first: the first page {first:?}, the last {last:?}");
            if last > first * 2 {
                late.push((list, order, first, last));
            }
        }
    }
    assert!(late.is_empty(), "{late:?}");
}
