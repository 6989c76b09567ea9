//! A month of the park on a real node: its bills recomputed from the data files, each of its statements proven, and the same again in another time zone
//! and locale.

mod demonstration;
#[path = "../../park/tests/support/oracle/mod.rs"]
mod oracle;

use demonstration::{begin, block_on, comparable, play, report};
use oracle::{Expected, recompute};
use utilidor_park::scenario::Journal;
use utilidor_sdk::core::check::{Checked, Trust, check};
use utilidor_view::Kind;
use utilidor_view::StatementFilter;

#[test]
fn the_months_bills_on_the_node_are_those_of_the_data_files() {
    let folder = tempfile::tempdir().unwrap();
    let mut demonstration = begin(folder.path(), 31, &[], &[]);
    demonstration.until_report();
    let client = demonstration.client();
    let statements = block_on(client.statements(&StatementFilter::default())).unwrap();
    let summary = block_on(client.summary()).unwrap();
    let chain = utilidor_park::genesis().chain();
    for record in &statements {
        let (agreement, number) = (record.statement.agreement, record.statement.number);
        let proof = block_on(client.bill_proof(agreement, number, true)).unwrap_or_else(|e| panic!("{agreement}: {e}"));
        let checked = check(&proof, Trust::Chain(chain)).unwrap_or_else(|e| panic!("{agreement} {number}: {e}"));
        assert!(matches!(checked, Checked::Bill(bill) if bill.statement == record.statement));
    }
    demonstration.kill();

    let journal = std::fs::read(folder.path().join(utilidor_park::JOURNAL_FILE)).unwrap();
    let books = recompute(&serde_json::from_slice::<Journal>(&journal).unwrap());
    // The statements of the parties' own contracts are held against the data by checks of the report.
    let bills = statements.iter().filter(|record| record.kind != Kind::Coded);
    let mut found: Vec<Expected> = bills.map(|record| Expected::of(&record.statement)).collect();
    found.sort_by_key(|statement| (statement.agreement, statement.number));
    assert!(found.len() >= 14);
    assert_eq!(books.statements, found);
    assert!(summary.money.conserved);
    let report = report(folder.path());
    assert!(report.holds(), "{:#?}", report.checks);
    assert_eq!(report.tenants.len(), 14);
}

#[test]
fn two_runs_lead_to_the_same_state_whatever_the_time_zone_and_locale() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let first = play(folders[0].path(), 6, &[("TZ", "Asia/Shanghai"), ("LC_ALL", "C")]);
    let second = play(folders[1].path(), 6, &[("TZ", "America/St_Johns"), ("LC_ALL", "de_DE.UTF-8")]);
    assert_eq!(first.run.state_root, second.run.state_root);
    assert_eq!(first.run.blocks, second.run.blocks);
    assert_eq!(comparable(first), comparable(second));
}
