//! A consortium with all that befalls it, drawn from a seed.
//!
//! Who may fail is counted: members that do not play by the rules, whose clock is an hour off or who lose their vote guard are
//! together no more than the consortium withstands, a third of it. Everything else befalls everybody.

use super::behaviours::{BEHAVIOURS, Hostile};
use super::clients::{self, Tally};
use super::coverage::{Coverage, Kind};
use super::lasting::{self, Lasting};
use super::wire::{Channel, Sent};
use super::*;
use bytes::Bytes;
use commonware_glue::simulate::action::{Action as Event, Crash, Schedule};
use commonware_glue::simulate::exit::ExitCondition;
use commonware_p2p::simulated::Link;
use commonware_utils::{Probability, probability};

/// Numbers that follow from a seed (SplitMix64).
#[derive(Clone, Debug)]
pub struct Draw(u64);

impl Draw {
    pub const fn of(seed: u64) -> Self {
        Self(seed)
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn byte(&mut self) -> u8 {
        self.number().to_le_bytes()[0]
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }

    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }

    pub fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

/// What the runs of many seeds must reach, besides every behaviour.
pub const FAULTS: [&str; 23] = [
    "crash",
    "power loss of all",
    "machine ended at a storage operation",
    "restart without data",
    "restart without vote guard",
    "restart without data and vote guard",
    "bit flipped in the journal of votes",
    "bit flipped in the vote guard",
    "misdirected write in the journal of votes",
    "slow disk",
    "messages lost, up to 20 %",
    "messages lost, up to 50 %",
    "messages delayed by more than 100 ms",
    "partition",
    "partition of one direction",
    "partition healed",
    "clocks up to 10 s off, all",
    "clock an hour fast",
    "clock an hour slow",
    "late joiner executes all blocks",
    "late joiner synchronises",
    "set of validators changes",
    "follower",
];
/// And these sizes.
pub const SIZES: [&str; 3] = ["4 members", "7 members", "10 members"];

/// A member's behaviour, counted as often as it changes what it sends.
struct Counted {
    inner: Arc<dyn Conduct>,
    name: &'static str,
    coverage: Coverage,
}

impl Conduct for Counted {
    fn send(&self, channel: Channel, to: Vec<PublicKey>, message: Bytes) -> Vec<Sent> {
        let sent = self.inner.send(channel, to.clone(), message.clone());
        if sent != [(to, message)] {
            self.coverage.note(Kind::Behaviour, self.name);
        }
        sent
    }
}

/// Time within which all nodes have started: what is drawn is counted from then on.
const BEGINNING: Duration = Duration::from_secs(3);

/// A run is over: all have come to its last height, and what was to befall them has done so.
#[derive(Clone)]
struct Over {
    height: ProcessedHeightAtLeast,
    until: Duration,
    clients: Clients,
    heads: Heads,
    /// How many nodes are honest.
    honest: usize,
}

impl ExitCondition<PublicKey, Member> for Over {
    fn name(&self) -> &str {
        "over"
    }

    fn requires_polling(&self) -> bool {
        true
    }

    fn reached<'a>(
        &'a self,
        tracker: &'a ProgressTracker<PublicKey>,
        members: &'a [&'a Member],
        target_count: usize,
    ) -> Pin<Box<dyn Future<Output = Result<bool, String>> + Send + 'a>> {
        Box::pin(async move {
            let elapsed = self.clients.elapsed();
            let settled = self.heads.settled(elapsed, self.honest)?;
            Ok(settled && elapsed > self.until && self.height.reached(tracker, members, target_count).await?)
        })
    }
}

/// A scenario, ready to run.
pub struct Scenario {
    pub consortium: Consortium,
    /// Blocks that every honest node must come to.
    height: u64,
    link: Link,
    crashes: Vec<Crash<PublicKey>>,
    /// What happens once the run has begun, to be counted at its end.
    scheduled: Vec<(Duration, &'static str)>,
    crashes_at_random: bool,
    /// When all that was drawn has begun: the run lasts longer.
    until: Duration,
    /// For people.
    pub described: String,
}

/// What a run came to.
pub struct Played {
    pub tally: Tally,
    pub coverage: Coverage,
    /// A digest of all that happened.
    pub state: String,
}

impl Scenario {
    /// What a seed draws. With `cuts` a cut of it lasts, whatever else is drawn.
    pub fn of(seed: u64, cuts: bool) -> Self {
        let mut draw = Draw::of(seed);
        let members: u8 = [4, 4, 4, 7, 7, 10][usize::try_from(draw.below(6)).unwrap()];
        let bearable = (members - 1) / 3;
        let mut said = vec![format!("{members} members")];

        // The more members, the more votes must come through at once.
        let most = if members > 4 { 40 } else { 50 };
        let loss = if draw.one_in(2) { 0 } else { draw.between(1, most) };
        let loss = if cuts { loss.min(20) } else { loss };
        let latency = if draw.one_in(4) { draw.between(101, 250) } else { draw.between(1, 60) };
        let link = |loss| Link {
            latency: Duration::from_millis(latency),
            jitter: Duration::from_millis(latency / 2),
            success_rate: Probability::new(100 - loss, 100).unwrap(),
        };
        said.push(format!("{loss} % lost, {latency} ms"));
        // What is to befall the nodes comes within the time that these take.
        let height = match loss {
            0..=5 => 70,
            6..=20 => 50,
            _ => 30,
        };

        let changes = loss <= 20 && draw.one_in(3);
        let joins_late = loss <= 20 && draw.one_in(3);
        let follows = !changes && (joins_late || draw.one_in(4));
        let nodes = members + if changes { 2 } else { u8::from(follows) };
        let coverage = Coverage::default();
        let genesis = Arc::new(clients::genesis(members, nodes));
        let mut consortium = Consortium {
            members,
            nodes,
            stride: u8::from(changes),
            epoch_length: if changes { 10 } else { u64::MAX },
            synchronise: (joins_late && !changes && draw.one_in(2)).then_some(10),
            clients: Some(Clients::new(genesis.clone(), nodes, Draw::of(draw.number()))),
            genesis,
            coverage: coverage.clone(),
            ..Consortium::new()
        };

        // Whose failure is one of those that the consortium withstands.
        // Where half of all messages are lost, the votes of all are needed.
        let mut failing: Vec<u8> = (0..bearable).filter(|_| loss <= 20).map(|place| 1 + place).collect();
        let mut crashes = Vec::new();
        let mut scheduled = Vec::new();
        let mut until = Duration::ZERO;
        let mut begin = Duration::from_millis(draw.between(1_500, 4_000));
        if !failing.is_empty() && draw.one_in(5) {
            let loser = failing.pop().unwrap();
            let loss = [Loss::Data, Loss::Guard, Loss::Everything][usize::try_from(draw.below(3)).unwrap()];
            consortium.loss[usize::from(loser)] = loss;
            let schedule = Schedule::new()
                .at(begin, Event::Crash(key(loser).public_key()))
                .at(begin + Duration::from_millis(1), Event::Restart(key(loser).public_key()));
            crashes.push(Crash::Schedule(schedule));
            until = begin;
            said.push(format!("node {loser} is back without: {loss:?}"));
        } else if !failing.is_empty() && draw.one_in(5) {
            let wrong = failing.pop().unwrap();
            let skew = if draw.one_in(2) { 3_600_000 } else { -3_600_000 };
            consortium.skew[usize::from(wrong)] = skew;
            consortium.hostile.insert(wrong);
            coverage.note(Kind::Fault, if skew > 0 { "clock an hour fast" } else { "clock an hour slow" });
            said.push(format!("node {wrong}'s clock is {skew} ms off"));
        }
        if !draw.one_in(6) {
            // The first goes through all behaviours, seed by seed.
            let mut which = usize::try_from(seed % BEHAVIOURS.len() as u64).unwrap();
            for index in failing {
                let (name, behaviour) = BEHAVIOURS[which];
                let hostile = Hostile { consortium: consortium.clone(), index };
                let inner = behaviour(&hostile);
                consortium.conduct[usize::from(index)] = Arc::new(Counted { inner, name, coverage: coverage.clone() });
                consortium.hostile.insert(index);
                said.push(format!("node {index} {name}"));
                which = usize::try_from(draw.below(BEHAVIOURS.len() as u64)).unwrap();
            }
        }

        if draw.one_in(4) {
            for index in 0..usize::from(nodes) {
                if consortium.skew[index] == 0 {
                    consortium.skew[index] = i64::try_from(draw.below(20_001)).unwrap() - 10_000;
                }
            }
            coverage.note(Kind::Fault, "clocks up to 10 s off, all");
            said.push("clocks up to 10 s off".into());
        }
        if draw.one_in(4) {
            let slow = usize::try_from(draw.below(u64::from(members))).unwrap();
            consortium.slow[slow] = Some(Duration::from_millis(draw.between(2, 15)));
            said.push(format!("node {slow}'s disk is slow"));
        }
        let crashes_at_random = loss <= 20 && draw.one_in(3) && !cuts;
        if crashes_at_random {
            // Where others fail already, nobody else can be spared: then there is time to recover in.
            let spare = consortium.hostile.is_empty() && consortium.loss.iter().all(|loss| *loss == Loss::Nothing);
            let (every, longest) = if spare { ((2_500, 5_000), 2_000) } else { ((7_000, 11_000), 700) };
            let (frequency, downtime) =
                (Duration::from_millis(draw.between(every.0, every.1)), draw.between(100, longest));
            until = until.max(frequency);
            crashes.push(Crash::Random { frequency, downtime: Duration::from_millis(downtime), count: 1 });
            said.push("crashes at random".into());
        } else if draw.one_in(2) {
            // The last member is honest, and ends once.
            let ends = usize::from(members - 1);
            let operation = draw.between(30, 900);
            consortium.places[ends].machine.end_first_life_at(operation);
            said.push(format!("node {ends}'s machine ends at operation {operation}"));
            if draw.one_in(2) {
                let at = draw.below(1_000);
                consortium.rot[ends] = Some(if draw.one_in(2) { Rot::Flip(at) } else { Rot::Misdirected(at) });
                said.push(format!("its journal rots: {:?}", consortium.rot[ends]));
            }
        }
        begin += Duration::from_millis(draw.between(500, 3_000));
        if draw.one_in(4) {
            let lives = move |index: &u8| !(joins_late && index + 1 == nodes);
            let all = || (0..nodes).filter(lives).map(|index| key(index).public_key());
            let mut schedule = Schedule::new();
            for node in all() {
                schedule = schedule.at(begin, Event::Crash(node));
            }
            for node in all() {
                schedule = schedule.at(begin + Duration::from_secs(1), Event::Restart(node));
            }
            crashes.push(Crash::Schedule(schedule));
            scheduled.push((begin, "power loss of all"));
            until = until.max(begin + Duration::from_secs(1));
            said.push("all lose power".into());
        }
        begin += Duration::from_millis(draw.between(1_500, 3_000));
        if draw.one_in(3) {
            let both_ways = draw.one_in(2);
            let mut schedule = Schedule::new();
            let mut side: Vec<bool> = (0..nodes).map(|_| draw.one_in(2)).collect();
            (side[0], side[1]) = (true, false);
            for (from, to) in (0..nodes).flat_map(|from| (0..nodes).map(move |to| (from, to))) {
                let (here, there) = (side[usize::from(from)], side[usize::from(to)]);
                if here != there && (both_ways || here) {
                    let link = Link { success_rate: probability!(0.0), ..link(loss) };
                    let (from, to) = (key(from).public_key(), key(to).public_key());
                    schedule = schedule.at(begin, Event::UpdateLink { from, to, link });
                }
            }
            let heals = begin + Duration::from_millis(draw.between(2_000, 12_000));
            crashes.push(Crash::Schedule(schedule.at(heals, Event::Heal(link(loss)))));
            scheduled.push((begin, if both_ways { "partition" } else { "partition of one direction" }));
            scheduled.push((heals, "partition healed"));
            until = until.max(heals);
            said.push(if both_ways { "a partition" } else { "a partition of one direction" }.into());
        }
        if joins_late {
            let round = if changes { (1, 3) } else { (0, 20) };
            let round = Round::new(Epoch::new(round.0), View::new(round.1));
            crashes.push(Crash::DelayRound { participants: vec![key(nodes - 1).public_key()], round });
            said.push("the last node joins late".into());
        }
        if changes {
            said.push("the set changes".into());
        } else if follows {
            said.push("one follows".into());
        }

        // Where half of all messages are lost, nobody says how soon a chain goes on.
        if cuts || loss <= 20 && !crashes_at_random && draw.one_in(3) {
            consortium.pace = lasting::PACE;
            // Who joins late may not have come yet.
            let cut = nodes - u8::from(joins_late);
            for _ in 0..draw.between(1, 2) {
                let begins = until.max(begin) + Duration::from_millis(draw.between(1_000, 15_000));
                let lasting = Lasting::draw(&mut draw, members, cut, begins, &link(loss));
                consortium.clients.as_ref().unwrap().rest(lasting.rest());
                crashes.push(Crash::Schedule(lasting.schedule()));
                scheduled.push((lasting.heals, lasting.name));
                until = lasting.heals;
                said.push(lasting.described);
            }
            // The second may begin before the chain has gone on after the first.
            consortium.heads.heals_at(until);
        }

        coverage.note(Kind::Consortium, &format!("{members} members"));
        match loss {
            0 => {}
            1..=20 => coverage.note(Kind::Fault, "messages lost, up to 20 %"),
            _ => coverage.note(Kind::Fault, "messages lost, up to 50 %"),
        }
        if latency > 100 {
            coverage.note(Kind::Fault, "messages delayed by more than 100 ms");
        }
        if follows {
            coverage.note(Kind::Fault, "follower");
        }
        let (link, described) = (link(loss), said.join(", "));
        Self { consortium, height, link, crashes, scheduled, crashes_at_random, until, described }
    }

    /// Whether a cut in it lasts.
    pub fn lasts(&self) -> bool {
        !self.consortium.heads.heals().is_empty()
    }

    /// Plays it. Panics with what did not hold.
    pub fn play(self, seed: u64) -> Played {
        let Self { consortium, height, link, crashes, scheduled, crashes_at_random, until, .. } = self;
        let (places, heads) = (consortium.places.clone(), consortium.heads.clone());
        let honest = usize::from(consortium.nodes) - consortium.hostile.len();
        let true_time = TrueTime::of(&consortium, false);
        let (clients, coverage) = (consortium.clients.clone().unwrap(), consortium.coverage.clone());
        let except = consortium.hostile.iter().map(|index| key(*index).public_key()).collect();
        let changes = consortium.stride > 0;
        let mut plan = PlanBuilder::new(consortium)
            .timeout(until + Duration::from_secs(7_200))
            .link(link)
            .exit_condition(Over {
                height: ProcessedHeightAtLeast::new(height),
                until: until + BEGINNING,
                clients: clients.clone(),
                heads: heads.clone(),
                honest,
            })
            .property(AsExecuted { clients: clients.clone(), height })
            .property(NobodyBlocked { except })
            .property(NoContradiction { places })
            .property(true_time);
        for crash in crashes {
            plan = plan.crash(crash);
        }
        let result = plan.seeds([seed]).run().unwrap_or_else(|reason| panic!("{reason}")).remove(0);
        let mut tally = clients.tally(&coverage);
        for heal in heads.heals() {
            tally.went_on = tally.went_on.max(heal.went_on().unwrap_or_default());
            tally.caught_up = tally.caught_up.max(heal.caught_up(honest).unwrap_or_default());
        }
        if crashes_at_random {
            coverage.add(Kind::Fault, "crash", result.crashes);
        }
        for (at, name) in scheduled {
            if tally.elapsed > at {
                coverage.note(Kind::Fault, name);
            }
        }
        if changes {
            coverage.add(Kind::Fault, "set of validators changes", tally.blocks / 10);
        }
        Played { tally, coverage, state: result.state }
    }
}

impl Consortium {
    /// Counts what a node finds when it starts.
    pub fn note_start(&self, index: usize, life: u64, delayed: bool) {
        let name = match self.loss[index] {
            Loss::Data if life > 0 => "restart without data",
            Loss::Guard if life > 0 => "restart without vote guard",
            Loss::Everything if life > 0 => "restart without data and vote guard",
            _ if delayed && self.synchronise.is_some() => "late joiner synchronises",
            _ if delayed => "late joiner executes all blocks",
            _ => return,
        };
        self.coverage.note(Kind::Fault, name);
    }
}

/// Every honest node holds the blocks that the clients executed.
#[derive(Clone)]
struct AsExecuted {
    clients: Clients,
    height: u64,
}

impl Property<PublicKey, Member> for AsExecuted {
    fn name(&self) -> &str {
        "as_executed"
    }

    fn check<'a>(&'a self, _: &'a ProgressTracker<PublicKey>, members: &'a [&'a Member]) -> Verdict<'a> {
        Box::pin(async move {
            let honest = || members.iter().filter(|member| member.honest);
            for member in honest() {
                self.clients.follow(&member.now().handle).await;
            }
            // As far as all have come.
            let height = honest().map(|member| member.now().head.borrow().height).min().unwrap_or_default();
            if height < self.height {
                return Err(format!("a node is at block {height}"));
            }
            for member in honest() {
                let first = member.now().handle.first_held().await.map_err(|error| error.to_string())?;
                for height in first.max(1)..=height {
                    let Some(executed) = self.clients.digest(height) else {
                        return Err(format!("nobody tells block {height}"));
                    };
                    let identifier = Identifier::Height(Height::new(height));
                    let Some(block) = member.now().marshal.get_block(identifier).await else {
                        return Err(format!("node {} lacks block {height}", member.index));
                    };
                    if block.inner().header().digest() != executed {
                        return Err(format!("node {} holds another block {height}", member.index));
                    }
                }
            }
            Ok(())
        })
    }
}
