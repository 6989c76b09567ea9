//! Members agree while they crash, are cut off from each other, lose messages and join late.

use super::*;
use commonware_glue::simulate::action::{Action as Event, Crash, Schedule};
use commonware_p2p::simulated::Link;
use commonware_utils::probability;

#[test]
fn members_agree_while_they_crash_at_random() {
    let crash = Crash::Random { frequency: Duration::from_secs(3), downtime: Duration::from_secs(2), count: 1 };
    run(move || plan(Consortium::new(), 300).crash(crash.clone()));
}

#[test]
fn members_agree_after_a_partition_has_healed() {
    let members = Consortium::new().participants();
    let link =
        |success_rate| Link { latency: Duration::from_millis(10), jitter: Duration::from_millis(5), success_rate };
    // Two and two: neither side has a quorum.
    let mut schedule = Schedule::new();
    for (from, to) in [(0, 2), (0, 3), (1, 2), (1, 3)] {
        for (from, to) in [(from, to), (to, from)] {
            let cut = Event::UpdateLink {
                from: members[from].clone(),
                to: members[to].clone(),
                link: link(probability!(0.0)),
            };
            schedule = schedule.at(Duration::from_secs(1), cut);
        }
    }
    let schedule = schedule.at(Duration::from_secs(15), Event::Heal(link(probability!(1.0))));
    run(move || plan(Consortium::new(), 100).crash(Crash::Schedule(schedule.clone())));
}

/// One after the other of the fifteen choices of four, down and back at once.
#[test]
fn members_agree_whichever_of_them_lose_power_at_once() {
    let mut schedule = Schedule::new();
    for which in 1..16u64 {
        let chosen = || (0..MEMBERS).filter(move |index| which >> index & 1 == 1);
        let at = Duration::from_millis(2_000 + which * 3_030);
        for index in chosen() {
            schedule = schedule.at(at, Event::Crash(key(index).public_key()));
        }
        for index in chosen() {
            schedule = schedule.at(at + Duration::from_secs(1), Event::Restart(key(index).public_key()));
        }
    }
    on_a_stack(move || {
        for seed in SEEDS {
            let consortium = Consortium::new();
            let places = consortium.places.clone();
            run_one(seed, plan(consortium, 600).crash(Crash::Schedule(schedule.clone())));
            for place in &places[..usize::from(MEMBERS)] {
                assert_eq!(place.lives.load(Ordering::Relaxed), 9, "each is in eight of the choices");
            }
        }
    });
}

#[test]
fn members_agree_over_a_lossy_network() {
    let link = Link {
        latency: Duration::from_millis(100),
        jitter: Duration::from_millis(80),
        success_rate: probability!(0.8),
    };
    run(move || plan(Consortium::new(), 20).link(link.clone()));
}

#[test]
fn a_member_that_joins_late_executes_every_block() {
    let late =
        Crash::DelayRound { participants: vec![key(0).public_key()], round: Round::new(Epoch::zero(), View::new(20)) };
    run(move || plan(Consortium::new(), 40).crash(late.clone()));
}

#[test]
fn a_seed_repeats_its_run() {
    on_a_stack(|| {
        let crash = Crash::Random { frequency: Duration::from_secs(3), downtime: Duration::from_secs(2), count: 1 };
        let state = || run_one(11, plan(Consortium::new(), 60).crash(crash.clone())).state;
        assert_eq!(state(), state());
    });
}
