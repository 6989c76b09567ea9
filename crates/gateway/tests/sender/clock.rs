//! What the sender makes of a chain whose time stands, runs after the clock's, or comes in steps.

use super::*;

/// Reads each quarter of an hour while the gateway asks every ten seconds, and the chain's time is what `chain_ms` makes of the
/// milliseconds since the begin.
async fn quarters(gateway: &mut Gateway, count: u64, chain_ms: impl Fn(u64) -> u64) {
    for tick in 0..count * 90 {
        if tick % 90 == 0 {
            gateway.read(1, tick).await;
        }
        let _ = gateway.step().await;
        gateway.pass(10_000);
        let passed = utilidor_gateway::clock::Clock::now_ms(&gateway.clock) - BEGIN;
        gateway.fake.ledger().time_ms = BEGIN + chain_ms(passed);
    }
}

#[tokio::test]
async fn while_the_chain_stands_nothing_is_refused_and_what_waits_goes_when_it_goes_on() {
    // After a good start, and from the first moment on.
    for quarters_before in [0, 1] {
        let mut gateway = Gateway::new().await;
        if quarters_before == 0 {
            gateway.clock.set(BEGIN + 120_000);
            gateway.crash().await;
        }
        quarters(&mut gateway, quarters_before, |passed| passed).await;
        quarters(&mut gateway, 3, |_| quarters_before * 900_000).await;
        assert!(gateway.states().await.values().all(|(_, state)| *state != State::Refused));
        gateway.pass(0);
        gateway.settle().await;
        gateway.assert_agreement().await;
        assert_eq!(gateway.fake.ledger().certified.len() as u64, quarters_before + 3);
    }
}

#[tokio::test]
async fn while_a_node_catches_up_nothing_is_refused() {
    let mut gateway = Gateway::new().await;
    gateway.clock.set(BEGIN + 4 * 3_600_000);
    gateway.crash().await;
    gateway.fake.ledger().time_ms = BEGIN;
    // It was four hours behind, and needs half an hour for them.
    quarters(&mut gateway, 3, |passed| passed.min(8 * (passed - 4 * 3_600_000) + passed - 4 * 3_600_000)).await;
    gateway.settle().await;
    gateway.assert_agreement().await;
    assert_eq!(gateway.fake.ledger().certified.len(), 3);
}

#[tokio::test]
async fn a_node_that_follows_late_says_nothing_of_the_clock_and_what_waits_for_it_goes_when_it_has_come() {
    // After a good start, and from the first moment on.
    for quarters_before in [0, 2] {
        let mut gateway = Gateway::new().await;
        if quarters_before == 0 {
            gateway.clock.set(BEGIN + 300_000);
            gateway.crash().await;
        }
        quarters(&mut gateway, quarters_before, |passed| passed).await;
        quarters(&mut gateway, 3, |passed| passed - 300_000).await;
        assert!(gateway.states().await.values().all(|(_, state)| *state != State::Refused));
        gateway.pass(0);
        gateway.settle().await;
        gateway.assert_agreement().await;
        assert_eq!(gateway.fake.ledger().certified.len() as u64, quarters_before + 3);
        let events = gateway.writer.call(|journal| journal.events(100)).await.unwrap();
        assert!(
            events.iter().all(|event| ["clock/apart", "clock/together"].contains(&event.code.as_str())),
            "{events:?}"
        );
    }
}

#[tokio::test]
async fn readings_of_a_clock_that_is_ahead_of_the_chain_wait_and_are_refused_once_it_was_set() {
    // From the first moment on, and after it has run away.
    for quarters_before in [0, 1] {
        let mut gateway = Gateway::new().await;
        quarters(&mut gateway, quarters_before, |passed| passed).await;
        let right = utilidor_gateway::clock::Clock::now_ms(&gateway.clock);
        gateway.clock.set(right + 3_600_000);
        gateway.crash().await;
        gateway.fake.ledger().time_ms = right;
        quarters(&mut gateway, 1, |passed| passed - 3_600_000).await;
        assert_eq!(gateway.states().await.into_values().next_back().unwrap().1, State::Read);
        let now = utilidor_gateway::clock::Clock::now_ms(&gateway.clock);
        gateway.clock.set(now - 3_600_000);
        for _ in 0..3 {
            gateway.step().await;
        }
        assert_eq!(gateway.states().await.into_values().next_back().unwrap().1, State::Refused);
        gateway.read(1, 100_000).await;
        gateway.settle().await;
        assert_eq!(gateway.fake.ledger().certified.len() as u64, quarters_before + 1);
    }
}

#[tokio::test]
async fn a_jump_says_what_the_clock_was_before_it_once_the_clock_after_it_is_found_right() {
    // Of three stretches without uplink the clock is so far ahead, and so many readings count.
    for (ahead_ms, counts) in [
        ([-600_000, 0, 0], [false, true, true]),
        ([0, 3_600_000, 0], [true, false, true]),
        ([-3_600_000, -7_200_000, 0], [false, false, true]),
        ([-30_000, 40_000, 0], [true, true, true]),
    ] {
        let mut gateway = Gateway::new().await;
        let mut time_ms = BEGIN;
        for (reading, ahead_ms) in ahead_ms.into_iter().enumerate() {
            time_ms += 900_000;
            gateway.clock.advance_to(utilidor_gateway::clock::Clock::now_ms(&gateway.clock) + 900_000);
            gateway.clock.set(time_ms.saturating_add_signed(ahead_ms));
            if reading == 0 {
                gateway.crash().await;
            }
            begin_stretch(&gateway.shared.watch, &gateway.writer).await.unwrap();
            // Each of its own meter: the order of one meter's is another matter.
            gateway.read(reading as u8, 5).await;
        }
        gateway.fake.ledger().time_ms = time_ms;
        gateway.settle().await;
        let states = gateway.states().await;
        let certified =
            |meter: u8| states.iter().any(|((id, _), (_, state))| id.0[0] == meter && *state == State::Final);
        assert_eq!([0, 1, 2].map(certified), counts, "{ahead_ms:?}");
        assert!(states.values().all(|(_, state)| [State::Final, State::Refused].contains(state)));
    }
}

#[tokio::test]
async fn what_was_refused_because_the_chains_time_was_wrong_counts_again_and_once() {
    let mut gateway = Gateway::new().await;
    // A node says what is not so.
    gateway.fake.ledger().time_ms = BEGIN + 3_600_000;
    gateway.step().await;
    gateway.read(1, 5).await;
    gateway.pass(0);
    assert_eq!(gateway.states().await.into_values().next().unwrap().1, State::Refused);
    gateway.pass(1_000);
    gateway.settle().await;
    gateway.read(1, 6).await;
    gateway.settle().await;
    gateway.assert_agreement().await;
    assert_eq!(gateway.fake.ledger().certified.len(), 2);
    let events = gateway.writer.call(|journal| journal.events(100)).await.unwrap();
    assert_eq!(events.iter().filter(|event| event.code == "clock/was-right").count(), 1, "{events:?}");
}

#[tokio::test]
async fn a_chain_that_is_idle_is_no_reason_to_warn_of_the_clock() {
    let mut gateway = Gateway::new().await;
    for tick in 0..120 {
        gateway.pass(500);
        // A block every six seconds.
        gateway.fake.ledger().time_ms = BEGIN + tick / 12 * 6_000;
        gateway.step().await;
    }
    assert!(gateway.writer.call(|journal| journal.events(10)).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_machine_that_wakes_up_in_1970_stamps_nothing_that_is_sent() {
    let mut gateway = Gateway::new().await;
    gateway.clock.set(5_000);
    gateway.crash().await;
    gateway.read(1, 5).await;
    assert_eq!(gateway.step().await, Step::Idle);
    assert!(gateway.fake.ledger().certified.is_empty());
    assert_eq!(gateway.states().await.into_values().next().unwrap().1, State::Refused);
    // The clock is set right: readings count again.
    gateway.clock.set(BEGIN);
    assert_eq!(gateway.step().await, Step::Idle);
    assert_eq!(gateway.step().await, Step::Idle);
    let epoch = gateway.epoch();
    let state = gateway.writer.call(move |journal| journal.clock_state(epoch)).await.unwrap();
    assert_eq!(state, ClockState::Trusted);
    gateway.read(1, 6).await;
    gateway.settle().await;
    assert_eq!(gateway.fake.ledger().certified.len(), 1);
}

#[tokio::test]
async fn a_clock_that_follows_the_chain_is_moved_before_the_two_are_compared() {
    let mut gateway = Gateway::new().await;
    gateway.sender = gateway.sender.with_clock(Some(gateway.clock.clone()));
    // The operator moves the chain's time while the gateway starts.
    gateway.fake.ledger().time_ms = BEGIN + 30 * 60_000;
    gateway.sender.step().await.unwrap();
    assert_eq!(utilidor_gateway::clock::Clock::now_ms(&gateway.clock), BEGIN + 30 * 60_000);
    let epoch = gateway.epoch();
    let state = gateway.writer.call(move |journal| journal.clock_state(epoch)).await.unwrap();
    assert_eq!(state, utilidor_gateway::journal::ClockState::Trusted);
    assert!(gateway.writer.call(|journal| journal.events(10)).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_a_clock_stamped_that_was_found_right_counts_whatever_is_found_later() {
    // A node is down for a while and then says the wrong time; or the clock loses a minute in a fortnight without uplink. Each time
    // the gateway starts anew right after.
    for (quarters, behind_ms, lies) in [(3, 70_000, true), (14 * 96, 61_000, false)] {
        let mut gateway = Gateway::new().await;
        gateway.read(1, 0).await;
        gateway.settle().await;
        for quarter in 1..=quarters {
            gateway.clock.advance_to(BEGIN + quarter * 900_000);
            gateway.read(1, quarter).await;
        }
        let chain_ms = BEGIN + quarters * 900_000;
        gateway.fake.ledger().time_ms = chain_ms + behind_ms;
        gateway.step().await;
        gateway.crash().await;
        if lies {
            gateway.fake.ledger().time_ms = chain_ms;
        } else {
            gateway.clock.set(chain_ms + behind_ms);
            gateway.crash().await;
        }
        gateway.settle().await;
        gateway.assert_agreement().await;
        assert_eq!(gateway.fake.ledger().certified.len() as u64, quarters + 1);
    }
}

#[tokio::test]
async fn what_a_clock_stamps_after_the_chains_time_left_it_waits_until_it_is_known_which_of_the_two_was_wrong() {
    // The node's time comes back, before or after a new start; or the clock is set, by a jump or little by little.
    for (set_ms, starts_anew, counts) in
        [(0, true, true), (0, false, true), (70_000, false, false), (15_000, false, false)]
    {
        let mut gateway = Gateway::new().await;
        gateway.read(1, 0).await;
        gateway.settle().await;
        for quarter in 1..=3 {
            gateway.clock.advance_to(BEGIN + quarter * 900_000);
            gateway.fake.ledger().time_ms = BEGIN + quarter * 900_000 + 70_000;
            for _ in 0..3 {
                gateway.step().await;
            }
            gateway.read(1, quarter).await;
        }
        gateway.step().await;
        assert!(gateway.states().await.values().all(|(_, state)| *state != State::Refused), "{set_ms}");
        if starts_anew {
            gateway.crash().await;
        }
        let now_ms = BEGIN + 3 * 900_000 + set_ms;
        gateway.clock.set(now_ms);
        gateway.fake.ledger().time_ms = if counts { now_ms } else { BEGIN + 3 * 900_000 + 70_000 };
        for _ in 0..3 {
            gateway.step().await;
        }
        let states = gateway.states().await;
        let expected = if counts { State::Final } else { State::Refused };
        assert!(states.values().skip(1).all(|(_, state)| *state == expected), "{set_ms} {starts_anew}: {states:?}");
    }
}
