//! Cuts that last: minutes to hours without power, or without a network between some.

use super::scenario::Draw;
use super::*;
use commonware_glue::simulate::action::{Action as Event, Schedule};
use commonware_p2p::simulated::Link;
use commonware_utils::probability;

/// What the runs of many seeds must reach.
pub const CUTS: [&str; 8] = [
    "long power cut of all",
    "long power cut of one",
    "long power cut of a third at most",
    "long power cut of more",
    "long partition of two parts",
    "long partition of one",
    "long partition of two parts, one way",
    "long partition of one, one way",
];

/// How nodes of a real consortium pace their blocks.
pub const PACE: Pace = Pace {
    idle: Some(Duration::from_secs(1)),
    longest_pause: crate::config::LONGEST_PAUSE,
    gather: Duration::from_millis(2),
};

/// Seconds of a cut at least, and at most where the others go on meanwhile, block for block.
const SHORTEST: u64 = 120;
const LONGEST_BESIDE_OTHERS: u64 = 3_600;
/// Seconds at most where nothing becomes final meanwhile, or hardly.
const LONGEST: u64 = 6 * 3_600;
/// Within how many milliseconds those lose power that lose it together, and are back.
const TOGETHER: u64 = 400;
const ONE_AFTER_THE_OTHER: u64 = 30_000;

/// A cut that lasts.
pub struct Lasting {
    pub begins: Duration,
    /// When all that was cut off is back.
    pub heals: Duration,
    pub name: &'static str,
    events: Vec<(Duration, Event<PublicKey>)>,
    pub described: String,
}

impl Lasting {
    /// Draws one that begins at a time. `nodes` are those that can be cut off.
    pub fn draw(draw: &mut Draw, members: u8, nodes: u8, begins: Duration, link: &Link) -> Self {
        let which = usize::try_from(draw.below(CUTS.len() as u64)).unwrap();
        let mut order: Vec<u8> = (0..nodes).collect();
        for last in (1..order.len()).rev() {
            order.swap(last, usize::try_from(draw.below(last as u64 + 1)).unwrap());
        }
        let third = u64::from((members - 1) / 3);
        let count = match which {
            0 => nodes.into(),
            1 | 5 | 7 => 1,
            2 => draw.between(1, third),
            3 => draw.between(third + 1, u64::from(nodes) - 1),
            _ => u64::from(nodes) / 2,
        };
        let cut = &order[..usize::try_from(count).unwrap()];
        let others_go_on = count <= third;
        let most = if others_go_on { LONGEST_BESIDE_OTHERS } else { LONGEST };
        let lasts = if draw.one_in(2) { draw.between(SHORTEST, 600) } else { draw.between(600, most) };
        let back = begins + Duration::from_secs(lasts);

        let mut events = Vec::new();
        let mut heals = back;
        if which < 4 {
            let apart = if draw.one_in(2) { TOGETHER } else { ONE_AFTER_THE_OTHER };
            for node in cut {
                let node = key(*node).public_key();
                events.push((begins + Duration::from_millis(draw.below(TOGETHER)), Event::Crash(node.clone())));
                let returns = back + Duration::from_millis(draw.below(apart));
                events.push((returns, Event::Restart(node)));
                heals = heals.max(returns);
            }
        } else {
            let both_ways = which < 6;
            // Either those that are cut off are not heard, or they hear nothing.
            let from_them = draw.one_in(2);
            for (from, to) in (0..nodes).flat_map(|from| (0..nodes).map(move |to| (from, to))) {
                let (here, there) = (cut.contains(&from), cut.contains(&to));
                if here != there && (both_ways || here == from_them) {
                    let link = Link { success_rate: probability!(0.0), ..link.clone() };
                    let (from, to) = (key(from).public_key(), key(to).public_key());
                    events.push((begins, Event::UpdateLink { from, to, link }));
                }
            }
            events.push((heals, Event::Heal(link.clone())));
        }
        events.sort_by_key(|(at, _)| *at);
        let name = CUTS[which];
        let described = format!("{name} ({cut:?}) from {} s on, of {lasts} s", begins.as_secs());
        Self { begins, heals, name, events, described }
    }

    pub fn schedule(&self) -> Schedule<PublicKey> {
        Schedule { events: self.events.clone() }
    }

    /// When clients rest: while it lasts, but for its begin and its end.
    pub fn rest(&self) -> (Duration, Duration) {
        (self.begins + Duration::from_secs(20), self.heals.saturating_sub(Duration::from_secs(60)))
    }
}
