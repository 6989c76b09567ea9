//! What waits for a program that fails, or for which a unit has no fuel left: it is told later, in order.
//!
//! There is room for [`MAX_BACKLOG`] events. Where one more comes, events of one kind about one binding wait together, two
//! and two: the program is told later of longer segments, and of all that flowed. Nothing is lost, however long it fails.

use crate::contract::{Event, MAX_BACKLOG, Segment, is_higher_power};
use utilidor_types::{Bounded, Window};

/// Events in the order in which they happened.
pub type Backlog = Bounded<Event, MAX_BACKLOG>;

/// Puts an event behind those that wait.
pub fn wait(backlog: &mut Backlog, event: Event) {
    if backlog.len() == MAX_BACKLOG {
        *backlog = Bounded::new(joined(std::mem::take(backlog).into_vec())).unwrap_or_default();
    }
    // There is room: no more kinds and bindings than half of it can stand alone.
    let _ = backlog.push(event);
}

/// Each event with the next one of its kind and binding.
fn joined(events: Vec<Event>) -> Vec<Event> {
    let mut kept: Vec<(Event, bool)> = Vec::with_capacity(events.len());
    for event in events {
        let before = kept.iter_mut().rev().find(|(before, _)| is_alike(before, &event));
        let stands_alone = before.is_none_or(|(before, is_joined)| {
            let joins = !*is_joined && join(before, &event);
            *is_joined |= joins;
            !joins
        });
        if stands_alone {
            kept.push((event, false));
        }
    }
    kept.into_iter().map(|(event, _)| event).collect()
}

fn is_alike(one: &Event, other: &Event) -> bool {
    match (one, other) {
        (Event::Segment { binding: one, .. }, Event::Segment { binding: other, .. })
        | (Event::Returned { binding: one, .. }, Event::Returned { binding: other, .. })
        | (Event::Corrected { binding: one, .. }, Event::Corrected { binding: other, .. })
        | (Event::Level { binding: one, .. }, Event::Level { binding: other, .. }) => one == other,
        _ => false,
    }
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
