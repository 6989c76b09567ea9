//! What waits for a program that fails, or for which a unit has no fuel left: it is told later, in order.
//!
//! There is room for [`MAX_BACKLOG`] events. Where one more comes, events of one kind about one binding wait together, two
//! and two, where the one flowed right after the other: the program is told later of longer segments, and of all that flowed. Where
//! none did, the two with the least time between them wait together, and what lies between them counts as theirs. Nothing is lost,
//! however long it fails.

use crate::contract::{Event, MAX_BACKLOG, Segment, is_higher_power};
use utilidor_types::{Bounded, Window};

/// Events in the order in which they happened.
pub type Backlog = Bounded<Event, MAX_BACKLOG>;

/// Puts an event behind those that wait.
pub fn wait(backlog: &mut Backlog, event: Event) {
    if backlog.len() == MAX_BACKLOG {
        *backlog = Bounded::new(joined(std::mem::take(backlog).into_vec())).unwrap_or_default();
    }
    let has_room = backlog.push(event).is_ok();
    debug_assert!(has_room, "no more kinds and bindings than half of a backlog have something that waits alone");
}

/// When what an event tells of flowed.
type Interval = (u64, u64);

/// An event's kind and binding, by which it can wait together with others. A level tells of the time since the last segment, so the
/// later one stands for both.
fn alike(event: &Event) -> Option<((u8, u8), Interval)> {
    let interval = |segment: &Segment| (segment.interval.from.0, segment.interval.to.0);
    match event {
        Event::Segment { binding, segment } => Some(((0, *binding), interval(segment))),
        Event::Returned { binding, segment } => Some(((1, *binding), interval(segment))),
        Event::Corrected { binding, more, .. } => Some(((2, *binding), interval(more))),
        Event::Level { binding, .. } => Some(((3, *binding), (0, 0))),
        _ => None,
    }
}

/// Pairs of places of events that could wait together, with the time between them: each with the one of its kind and binding that
/// flowed after it. The nearest first.
fn pairs(events: &[Event]) -> Vec<(u64, usize, usize)> {
    let places = events.iter().enumerate().filter_map(|(place, event)| Some((alike(event)?, place)));
    let mut places: Vec<(((u8, u8), Interval), usize)> = places.collect();
    places.sort_unstable();
    let neighbours = places.windows(2).filter(|pair| pair[0].0.0 == pair[1].0.0);
    let apart = neighbours.map(|pair| {
        let ((_, (_, to)), one) = pair[0];
        let ((_, (from, _)), other) = pair[1];
        (from.saturating_sub(to), one, other)
    });
    let mut pairs: Vec<(u64, usize, usize)> = apart.collect();
    pairs.sort_by_key(|(apart, ..)| *apart);
    pairs
}

/// Each event with one of its kind and binding that flowed right after it; where there are none, the two nearest. A program hears of
/// segments in the order in which they flowed, and of a return or a correction not before what it is about.
fn joined(events: Vec<Event>) -> Vec<Event> {
    let pairs = pairs(&events);
    let mut kept: Vec<Option<Event>> = events.into_iter().map(Some).collect();
    let mut is_taken = vec![false; kept.len()];
    for (apart, one, other) in pairs {
        if apart > 0 && is_taken.contains(&true) {
            break;
        }
        let (first, last) = (one.min(other), one.max(other));
        if is_taken[first] || is_taken[last] {
            continue;
        }
        let (Some(mut event), Some(next)) = (kept[first].clone(), &kept[last]) else { continue };
        if join(&mut event, next) {
            let (place, gone) = if matches!(event, Event::Segment { .. }) { (first, last) } else { (last, first) };
            (kept[place], kept[gone]) = (Some(event), None);
            (is_taken[first], is_taken[last]) = (true, true);
        }
    }
    kept.into_iter().flatten().collect()
}

/// Makes one event stand for two; not if a sum would leave its range.
fn join(event: &mut Event, next: &Event) -> bool {
    match (event, next) {
        (Event::Segment { segment, .. }, Event::Segment { segment: next, .. })
        | (Event::Returned { segment, .. }, Event::Returned { segment: next, .. }) => join_segment(segment, next),
        (Event::Corrected { more, less, .. }, Event::Corrected { more: next, less: next_less, .. }) => {
            let Some(both) = less.checked_add(next_less) else { return false };
            let is_joined = join_segment(more, next);
            if is_joined {
                *less = both;
            }
            is_joined
        }
        // The later one tells of all since the last segment.
        (Event::Level { bands, .. }, Event::Level { bands: next, .. }) => {
            *bands = *next;
            true
        }
        _ => false,
    }
}

fn join_segment(segment: &mut Segment, next: &Segment) -> bool {
    let Some(bands) = segment.bands.checked_add(&next.bands) else { return false };
    let (one, other) = (segment.interval, next.interval);
    let interval = Window { from: one.from.min(other.from), to: one.to.max(other.to) };
    let peak = if is_higher_power(next.peak, segment.peak) { next.peak } else { segment.peak };
    *segment = Segment { interval, bands, peak };
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::MAX_BINDINGS;
    use utilidor_types::{Bands, Quantity, Timestamp};

    fn segment(hour: u64, quantity: u64) -> Segment {
        let bands = Bands([Quantity(quantity), Quantity(0), Quantity(0), Quantity(0), Quantity(0)]);
        let interval = Window { from: Timestamp(hour), to: Timestamp(hour + 1) };
        Segment { interval, bands, peak: (Quantity(quantity), 1) }
    }

    fn brought(event: &Event) -> u64 {
        match event {
            Event::Segment { segment, .. } => segment.bands.0[0].0,
            _ => 0,
        }
    }

    #[test]
    fn the_first_of_two_equal_powers_stays_the_highest() {
        let higher = |one: (u64, u32), other: (u64, u32)| {
            is_higher_power((Quantity(other.0), other.1), (Quantity(one.0), one.1))
        };
        assert!(!higher((5, 10), (10, 20)));
        assert!(!higher((0, 0), (0, 20)));
        assert!(higher((0, 0), (1, 20)));
        assert!(higher((5, 10), (10, 19)));
    }

    #[test]
    fn however_much_waits_nothing_that_flowed_is_lost() {
        let mut backlog = Backlog::default();
        let mut all = 0;
        for hour in 0..10_000 {
            let binding = (hour % u64::from(MAX_BINDINGS)) as u8;
            wait(&mut backlog, Event::Segment { binding, segment: segment(hour, hour) });
            wait(&mut backlog, Event::Level { binding, bands: Bands::ZERO });
            wait(&mut backlog, Event::Returned { binding, segment: segment(hour, 1) });
            wait(&mut backlog, Event::Corrected { binding, more: segment(hour, 1), less: Bands::ZERO });
            all += hour;
        }
        assert!(backlog.len() <= MAX_BACKLOG);
        assert_eq!(backlog.iter().map(brought).sum::<u64>(), all);
        let returned = backlog.iter().filter(|event| matches!(event, Event::Returned { .. }));
        let returned = returned.map(|event| match event {
            Event::Returned { segment, .. } => segment.bands.0[0].0,
            _ => 0,
        });
        assert_eq!(returned.sum::<u64>(), 10_000);
    }

    fn corrected(from: u64, to: u64) -> Event {
        let interval = Window { from: Timestamp(from), to: Timestamp(to) };
        Event::Corrected { binding: 0, more: Segment { interval, ..segment(0, 1) }, less: Bands::ZERO }
    }

    fn intervals(backlog: &Backlog) -> Vec<(u64, u64)> {
        let interval = |event: &Event| match event {
            Event::Segment { segment, .. } | Event::Returned { segment, .. } => segment.interval,
            Event::Corrected { more, .. } => more.interval,
            other => panic!("{other:?}"),
        };
        backlog.iter().map(interval).map(|window| (window.from.0, window.to.0)).collect()
    }

    #[test]
    fn what_flowed_at_different_times_waits_apart_as_long_as_anything_else_makes_room() {
        let mut backlog = Backlog::default();
        wait(&mut backlog, corrected(1_000, 1_001));
        wait(&mut backlog, corrected(3_000, 3_001));
        (2..=MAX_BACKLOG as u64)
            .for_each(|hour| wait(&mut backlog, Event::Segment { binding: 0, segment: segment(hour, 1) }));
        let found = intervals(&backlog);
        assert_eq!(found[..3], [(1_000, 1_001), (3_000, 3_001), (2, 4)]);
        assert_eq!(found.len(), 2 + (MAX_BACKLOG - 2) / 2 + 1);
    }

    #[test]
    fn the_nearest_wait_together_where_all_are_apart_and_are_told_when_the_later_one_was() {
        let mut backlog = Backlog::default();
        // Each is further from the one before it than that is from the one before; the nearest do not come one after the other.
        let at = |number: u64| 1_000_000 - number * number * 10;
        wait(&mut backlog, corrected(at(1), at(1) + 1));
        (3..=MAX_BACKLOG as u64).for_each(|number| wait(&mut backlog, corrected(at(number), at(number) + 1)));
        wait(&mut backlog, corrected(at(2), at(2) + 1));
        assert_eq!(backlog.len(), MAX_BACKLOG);
        wait(&mut backlog, corrected(7, 8));
        let found = intervals(&backlog);
        assert_eq!(backlog.len(), MAX_BACKLOG, "two became one");
        assert_eq!(found[0], (at(3), at(3) + 1));
        assert_eq!(found[MAX_BACKLOG - 2..], [(at(2), at(1) + 1), (7, 8)]);
    }

    #[test]
    fn while_there_is_room_each_event_waits_as_it_was() {
        let mut backlog = Backlog::default();
        let events: Vec<Event> =
            (0..MAX_BACKLOG as u64).map(|hour| Event::Segment { binding: 0, segment: segment(hour, 1) }).collect();
        events.iter().for_each(|event| wait(&mut backlog, event.clone()));
        assert_eq!(backlog.as_ref(), events);
        wait(&mut backlog, Event::Segment { binding: 0, segment: segment(MAX_BACKLOG as u64, 9) });
        let Event::Segment { segment: first, .. } = &backlog[0] else { panic!("a segment") };
        assert_eq!((first.interval.to, first.bands.0[0]), (Timestamp(2), Quantity(2)), "two hours wait as one");
        let Some(Event::Segment { segment: last, .. }) = backlog.last() else { panic!("a segment") };
        assert_eq!((last.peak, backlog.len()), ((Quantity(9), 1), MAX_BACKLOG / 2 + 1));
    }
}
