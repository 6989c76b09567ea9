//! Messages from the future: the device's clock is ahead, or the gateway's behind.

use super::*;
use utilidor_gateway::told::MAX_EARLY;

#[tokio::test]
async fn what_is_told_while_the_gateways_clock_is_slow_waits_in_the_journal_and_counts_when_its_time_has_come() {
    for state in [ClockState::Unverified, ClockState::Trusted, ClockState::Wrong] {
        let (_folder, clock, shared, mut subscriber) = site("127.0.0.1:1").await;
        judge(&shared, state).await;
        for turn in 0..2 {
            // The broker may bring it again.
            for (volume, minutes) in [("100.5", 2), ("101", 17), ("101", 17)] {
                let taken = subscriber.take(&message(volume, BEGIN + minutes * MINUTE)).await.unwrap();
                assert_eq!(taken, [Taken::Early], "{turn}");
            }
            subscriber.look_after().await.unwrap();
            // The gateway is started anew meanwhile.
            subscriber = subscriber_of(&shared, "127.0.0.1:1");
        }
        assert_eq!(registers(&shared).await, Vec::<u64>::new());
        clock.advance_to(BEGIN + MINUTE);
        subscriber.look_after().await.unwrap();
        assert_eq!(registers(&shared).await, [100_500_000], "within a minute of it clocks are together");
        // Somebody sets the clock right.
        clock.set(BEGIN + 32 * MINUTE);
        let next = subscriber.take(&message("101.5", BEGIN + 32 * MINUTE)).await.unwrap();
        assert!(matches!(next[..], [Taken::Recorded { .. }]), "{next:?}");
        assert_eq!(registers(&shared).await, [100_500_000, 101 * M3, 101_500_000]);
        let entries = shared.writer.call(|journal| journal.entries(&Filter::default(), 10)).await.unwrap();
        assert_eq!(entries[1].reading.answer, message("101", BEGIN + 17 * MINUTE).payload, "with its own evidence");
        assert_eq!(shared.writer.call(|journal| journal.remembered("early ")).await.unwrap(), [""; 0]);
        let codes = codes(&shared).await;
        assert!(codes.iter().all(|code| code == "reading/early" || code == "meter/recovered"), "{codes:?}");
    }
}

#[tokio::test]
async fn what_a_device_has_stamped_counts_whatever_the_gateways_clock_was_like() {
    let (_folder, _clock, shared, mut subscriber) = site("127.0.0.1:1").await;
    subscriber.take(&message("100.5", BEGIN - MINUTE)).await.unwrap();
    assert_eq!(judge(&shared, ClockState::Wrong).await, 0, "it was not the gateway's clock that stamped it");
    subscriber.take(&message("101", BEGIN)).await.unwrap();
    let waiting = shared.writer.call(|journal| journal.oldest_waiting(10)).await.unwrap();
    assert_eq!(waiting.iter().map(|reading| reading.register).collect::<Vec<_>>(), [100_500_000, 101 * M3]);
}

#[tokio::test]
async fn only_a_clock_that_was_found_right_refuses_a_time_far_away() {
    let (_folder, clock, shared, mut subscriber) = site("127.0.0.1:1").await;
    // A machine wakes up in 1970, and then in 2099.
    clock.set(5_000);
    assert_eq!(subscriber.take(&message("100.5", BEGIN)).await.unwrap(), [Taken::Early]);
    clock.set(4_080_000_000_000);
    let taken = subscriber.take(&message("101", BEGIN + 15 * MINUTE)).await.unwrap();
    assert!(matches!(taken[..], [Taken::Recorded { .. }]), "{taken:?}");
    assert_eq!(registers(&shared).await, [100_500_000, 101 * M3]);
    // A device does, and the gateway's clock is found right.
    clock.set(BEGIN + 30 * MINUTE);
    let far = message("101.5", 4_080_000_000_000);
    assert_eq!(subscriber.take(&far).await.unwrap(), [Taken::Early]);
    judge(&shared, ClockState::Trusted).await;
    subscriber.look_after().await.unwrap();
    assert_eq!(shared.writer.call(|journal| journal.remembered("early ")).await.unwrap(), [""; 0]);
    assert_eq!(subscriber.take(&far).await.unwrap(), [Taken::Refused("register/invalid")]);
    assert_eq!(registers(&shared).await.len(), 2);
}

#[tokio::test]
async fn of_too_many_messages_before_their_time_the_newest_is_kept() {
    let (_folder, _clock, shared, mut subscriber) = site("127.0.0.1:1").await;
    let fill = |journal: &mut Journal| {
        (0..MAX_EARLY as u64).try_for_each(|at| {
            let time_ms = BEGIN + 2 * MINUTE + at;
            journal.remember(&format!("early {METER} {time_ms:020}"), "")
        })
    };
    shared.writer.call(fill).await.unwrap();
    let early = || shared.writer.call(|journal| journal.remembered("early "));
    let last = |keys: Vec<String>| (keys.len(), keys.into_iter().max().unwrap());
    let key = |time_ms: u64| format!("early {METER} {time_ms:020}");
    // One in between is left out; a newer one takes the place of the newest, for its register counts what that had counted.
    let between = BEGIN + 2 * MINUTE + MAX_EARLY as u64 - 2;
    shared.writer.call(move |journal| journal.forget(&format!("early {METER} {between:020}"))).await.unwrap();
    assert_eq!(subscriber.take(&message("101", BEGIN + 30 * MINUTE)).await.unwrap(), [Taken::Early]);
    assert_eq!(subscriber.take(&message("101", between)).await.unwrap(), [Taken::LeftOut]);
    assert_eq!(last(early().await.unwrap()), (MAX_EARLY, key(BEGIN + 30 * MINUTE)));
    assert_eq!(subscriber.take(&message("102", BEGIN + 40 * MINUTE)).await.unwrap(), [Taken::Early]);
    assert_eq!(last(early().await.unwrap()), (MAX_EARLY, key(BEGIN + 40 * MINUTE)));
    assert_eq!(codes(&shared).await, ["reading/early", "reading/left-out"]);
}
