//! A month of the park on four members: one is killed and comes back, an organisation joins, and nothing that is billed differs
//! from the month on one member.

mod demonstration;

use demonstration::{begin, report};

#[test]
fn a_month_on_four_members_is_billed_as_on_one_though_one_is_killed_and_another_joins() {
    let folder = tempfile::tempdir().unwrap();
    begin(folder.path(), 31, &["--members", "4", "--compare", "--exit"], &[]).ends();

    let report = report(folder.path());
    assert!(report.holds(), "{:#?}", report.checks);
    let story = report.consortium.expect("the report tells of the members");
    assert_eq!(story.members.len(), 4);
    assert_eq!(story.differs_from_one_member, Some(Vec::new()));
    let (killed, back, joined) = (story.killed_on_day, story.back_on_day, story.admitted_on_day);
    assert!(killed.is_some() && killed < back && back < joined, "{killed:?}, {back:?}, {joined:?}");
    assert!(story.takes_part, "who joined takes part in epoch {}", story.epoch);
    assert!(story.agreed_height.is_some(), "all nodes hold the same block");
}
