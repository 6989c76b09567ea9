//! One member of four does not play by the rules: the others keep one history, go on, and none of them blocks another.

use super::behaviours::{self, Hostile, does, read_vote};
use super::wire::Channel;
use super::*;
use bytes::Bytes;
use commonware_codec::DecodeExt as _;
use commonware_consensus::Viewable as _;
use commonware_consensus::simplex::types::{Certificate, Vote};
use commonware_cryptography::sha256;
use commonware_glue::simulate::action::{Action as Event, Crash, Schedule};
use commonware_p2p::utils::mux;

/// The member that does not play by the rules.
const HOSTILE: u8 = 1;

/// Four members, of whom one has this conduct.
fn with(conduct: impl Fn(&Hostile) -> Arc<dyn Conduct>) -> Consortium {
    let mut consortium = Consortium::new();
    let hostile = Hostile { consortium: consortium.clone(), index: HOSTILE };
    consortium.conduct[usize::from(HOSTILE)] = conduct(&hostile);
    consortium.hostile = BTreeSet::from([HOSTILE]);
    consortium
}

/// The others go on and agree, and none of them blocks another.
fn withstands(consortium: Consortium, height: u64) -> PlanBuilder<Consortium> {
    let except = BTreeSet::from([key(HOSTILE).public_key()]);
    let places = consortium.places.clone();
    PlanBuilder::new(consortium)
        .timeout(Duration::from_secs(900))
        .exit_condition(ProcessedHeightAtLeast::new(height))
        .property(OneHistory { height, from: 1 })
        .property(NobodyBlocked { except })
        .property(NoContradiction { places })
}

/// The hostile member is blocked by somebody.
#[derive(Clone)]
struct HostileBlocked {
    /// And its misconduct can be proved.
    proved: bool,
}

impl Property<PublicKey, Member> for HostileBlocked {
    fn name(&self) -> &str {
        "hostile_blocked"
    }

    fn check<'a>(&'a self, _: &'a ProgressTracker<PublicKey>, members: &'a [&'a Member]) -> Verdict<'a> {
        Box::pin(async move {
            let blocked = members[0].oracle.blocked().await.unwrap();
            let found = blocked.iter().any(|(_, whom)| *whom == key(HOSTILE).public_key());
            if !found {
                return Err("nobody has blocked the hostile member".into());
            }
            let hostile: [u8; 32] = key(HOSTILE).public_key().as_ref().try_into().unwrap();
            let proved = members.iter().flat_map(|member| member.now().handle.misconduct()).collect::<Vec<_>>();
            if self.proved && proved.is_empty() || proved.iter().any(|proof| proof.validator != hostile) {
                return Err(format!("misconduct that is proved: {proved:?}"));
            }
            Ok(())
        })
    }
}

fn one_seed(plan: impl FnOnce() -> PlanBuilder<Consortium> + Send + 'static) {
    on_a_stack(move || drop(run_one(21, plan())));
}

#[test]
fn a_member_that_votes_for_two_proposals_in_a_view_is_blocked() {
    one_seed(|| withstands(with(behaviours::votes_for_two_proposals), 40).property(HostileBlocked { proved: true }));
}

#[test]
fn a_member_that_votes_for_finality_and_against_it_is_blocked() {
    one_seed(|| {
        withstands(with(behaviours::votes_for_finality_and_against), 40).property(HostileBlocked { proved: true })
    });
}

#[test]
fn a_member_that_votes_for_finality_of_what_nobody_proposed_changes_nothing() {
    one_seed(|| withstands(with(behaviours::votes_for_finality_of_nothing), 40));
}

#[test]
fn a_member_whose_votes_are_forged_is_blocked() {
    one_seed(|| withstands(with(behaviours::forges_votes), 30).property(HostileBlocked { proved: false }));
}

#[test]
fn a_member_that_repeats_old_votes_changes_nothing() {
    one_seed(|| withstands(with(behaviours::repeats_old_votes), 40));
}

#[test]
fn a_member_that_hints_at_epochs_that_do_not_exist_changes_nothing() {
    one_seed(|| {
        let consortium = with(behaviours::hints_at_later_epochs);
        withstands(Consortium { epoch_length: 10, ..consortium }, 45)
    });
}

#[test]
fn a_member_that_sends_junk_on_any_channel_changes_nothing() {
    for channel in wire::CHANNELS {
        one_seed(move || {
            let consortium = with(|_| {
                let count = AtomicU64::new(0);
                does(move |on, to, message| {
                    let mut sent = vec![(to.clone(), message)];
                    if on == channel {
                        sent.push((to, behaviours::junk(&count)));
                    }
                    sent
                })
            });
            withstands(consortium, 25)
        });
    }
}

#[test]
fn a_member_that_wishes_to_move_a_production_chains_time_is_blocked_and_moves_none() {
    one_seed(|| {
        let consortium = with(behaviours::wishes_to_move_time);
        let time = TrueTime::of(&consortium, true);
        withstands(consortium, 30).property(HostileBlocked { proved: false }).property(time)
    });
}

#[test]
fn a_member_that_keeps_its_blocks_to_itself_costs_its_turns_only() {
    one_seed(|| withstands(with(behaviours::withholds_blocks), 40));
}

#[test]
fn a_member_that_shows_its_blocks_to_one_other_only_stops_nobody() {
    one_seed(|| withstands(with(behaviours::shows_blocks_to_one), 40));
}

/// It spoils its own questions as well. So it never has the blocks that it missed while it was down, and does not come back.
#[test]
fn a_member_that_misleads_and_cannot_come_back_stops_nobody() {
    one_seed(|| {
        let mut schedule = Schedule::new();
        for (second, event) in
            [(2, Event::Crash as fn(_) -> _), (5, Event::Restart), (8, Event::Crash), (9, Event::Restart)]
        {
            schedule = schedule.at(Duration::from_secs(second), event(key(HOSTILE).public_key()));
        }
        // An honest member ends after that, and comes back as well.
        let honest = || key(HOSTILE + 1).public_key();
        schedule = schedule.at(Duration::from_secs(12), Event::Crash(honest()));
        schedule = schedule.at(Duration::from_secs(13), Event::Restart(honest()));
        withstands(with(behaviours::misleads_who_catches_up), 80).crash(Crash::Schedule(schedule))
    });
}

#[test]
fn a_member_that_is_silent_stops_nobody() {
    one_seed(|| withstands(with(behaviours::is_silent), 40));
}

#[test]
fn a_clock_that_is_an_hour_off_costs_its_members_turns_only_and_moves_no_time() {
    for skew in [3_600_000, -3_600_000] {
        one_seed(move || {
            let mut consortium = with(|_| Arc::new(Honest) as Arc<dyn Conduct>);
            consortium.skew[usize::from(HOSTILE)] = skew;
            let time = TrueTime::of(&consortium, true);
            withstands(consortium, 30).property(time)
        });
    }
}

#[test]
fn a_member_that_proposes_a_time_to_come_moves_no_time() {
    one_seed(|| {
        let consortium = with(behaviours::proposes_a_wrong_time);
        let time = TrueTime::of(&consortium, true);
        withstands(consortium, 40).property(time)
    });
}

/// Its own clock has it propose the time right after the last block's, which is ten minutes old: the others let its turn pass.
#[test]
fn a_clock_that_is_an_hour_slow_holds_no_time_back_after_ten_minutes_without_power() {
    for moment in 0..4 {
        one_seed(move || {
            let mut consortium = with(|_| Arc::new(Honest) as Arc<dyn Conduct>);
            consortium.skew[usize::from(HOSTILE)] = -3_600_000;
            let back = Duration::from_secs(600);
            consortium.heads.heals_at(back);
            let mut schedule = Schedule::new();
            for index in 0..MEMBERS {
                schedule =
                    schedule.at(Duration::from_millis(3_000 + 170 * moment), Event::Crash(key(index).public_key()));
            }
            for index in 0..MEMBERS {
                schedule = schedule.at(back, Event::Restart(key(index).public_key()));
            }
            let returned = Returned { heads: consortium.heads.clone(), back };
            withstands(consortium, 250).crash(Crash::Schedule(schedule)).property(returned)
        });
    }
}

/// Of the blocks that became final after all were back, those alone are from before that had been built before; the others have
/// the honest clocks' time.
#[derive(Clone)]
struct Returned {
    heads: Heads,
    back: Duration,
}

impl Property<PublicKey, Member> for Returned {
    fn name(&self) -> &str {
        "returned"
    }

    fn check<'a>(&'a self, _: &'a ProgressTracker<PublicKey>, _: &'a [&'a Member]) -> Verdict<'a> {
        Box::pin(async move {
            let earliest = u64::try_from(EPOCH_MS).unwrap() + u64::try_from(self.back.as_millis()).unwrap();
            let earliest = earliest - crate::pace::MAX_LAG_MS;
            let after = || self.heads.first().into_values().filter(|(at, _)| *at > self.back);
            let old: Vec<_> = after().filter(|(_, time)| *time < earliest).collect();
            if after().next().is_none() {
                return Err("the run was over before all were back".into());
            }
            // A block may have been certified by some and not be final yet, and the next may have been proposed on it.
            if old.len() > 2 { Err(format!("blocks of the past: {old:?}")) } else { Ok(()) }
        })
    }
}

#[test]
fn clocks_that_are_ten_seconds_off_each_way_stop_nobody() {
    one_seed(|| {
        let mut consortium = Consortium::new();
        consortium.skew[..4].copy_from_slice(&[-10_000, -3_000, 3_000, 10_000]);
        plan(consortium, 25)
    });
}

/// The three others are just a quorum: all of them have to accept a block's time, although a voter that is behind holds back for
/// longer than a view lasts. (Seed 1256 of the scenarios stood for ever.)
#[test]
fn clocks_that_are_ten_seconds_off_stop_nobody_even_where_a_member_is_silent() {
    for skew in [[10_000, 0, 10_000, -10_000], [10_000, 0, -10_000, -10_000], [3_975, 0, 2_238, -7_278]] {
        one_seed(move || {
            let mut consortium = with(behaviours::is_silent);
            consortium.skew[..4].copy_from_slice(&skew);
            withstands(consortium, 12)
        });
    }
}

/// If one that leaves the set is the only one to have the last block's certificate, it gives it to the others.
#[test]
fn a_boundary_that_is_final_for_a_departing_member_alone_is_made_known_by_it() {
    // In epoch 1 the members 1 to 4 sign, in epoch 2 those from 2 to 5. Member 4 sends what is about the last block to the
    // departing one only, whose vote for its finality and first certificates are lost. The two others have no quorum.
    const LAST_VIEW: u64 = 10;
    let about_last = |message: &Bytes| {
        let Ok((1, payload)) = mux::parse(message.clone().into()) else { return false };
        let vote = Vote::<Scheme, sha256::Digest>::decode(payload.clone()).ok().map(|vote| vote.view());
        let certificate = || {
            let unbounded =
                <Scheme as commonware_cryptography::certificate::Verifier>::certificate_codec_config_unbounded();
            use commonware_codec::Decode as _;
            Certificate::<Scheme, sha256::Digest>::decode_cfg(payload, &unbounded).ok().map(|found| found.view())
        };
        vote.or_else(certificate).is_some_and(|view| view.get() >= LAST_VIEW)
    };
    one_seed(move || {
        let mut consortium = Consortium { nodes: 6, stride: 1, epoch_length: 10, ..Consortium::new() };
        let departing = key(1).public_key();
        consortium.conduct[4] = does(move |channel, to, message| match channel {
            Channel::Votes | Channel::Certificates if about_last(&message) => {
                vec![(to.into_iter().filter(|peer| *peer == departing).collect(), message)]
            }
            _ => vec![(to, message)],
        });
        let lost = AtomicU64::new(0);
        consortium.conduct[1] = does(move |channel, to, message| {
            let last = about_last(&message);
            let lose = match channel {
                Channel::Votes => last && matches!(read_vote(&message), Some((_, Vote::Finalize(_)))),
                Channel::Certificates => last && lost.fetch_add(1, Ordering::Relaxed) < 2,
                _ => false,
            };
            if lose { Vec::new() } else { vec![(to, message)] }
        });
        plan(consortium, 45)
    });
}

/// What a peer sends to a node that synchronises does not lead it astray, nor hold it up for ever.
#[test]
fn junk_for_a_node_that_synchronises_is_refused() {
    for channel in [Channel::Synchronisation, Channel::Backfill, Channel::Probe, Channel::Handovers] {
        one_seed(move || {
            let late = key(4).public_key();
            let consortium = with(|_| {
                let late = late.clone();
                does(move |on, to, message| {
                    let garbled =
                        (on == channel && to.contains(&late)).then(|| behaviours::garbles(on, &message)).flatten();
                    vec![(to, garbled.unwrap_or(message))]
                })
            });
            let consortium = Consortium { nodes: 5, synchronise: Some(30), epoch_length: 20, ..consortium };
            let except = BTreeSet::from([key(HOSTILE).public_key()]);
            let round = Round::new(Epoch::new(3), View::new(5));
            PlanBuilder::new(consortium)
                .timeout(Duration::from_secs(900))
                .crash(Crash::DelayRound { participants: vec![late], round })
                .exit_condition(ProcessedHeightAtLeast::new(100))
                .property(OneHistory { height: 100, from: 95 })
                .property(NobodyBlocked { except })
        });
    }
}
