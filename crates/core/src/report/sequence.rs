//! The order of log lines and records while workers are still writing files: the lines of a file wait for its end, and all
//! later lines wait as well.

use std::collections::VecDeque;

use crate::event::Event;

enum Slot {
    Ready(Vec<Event>),
    /// Of the file with this number.
    Waiting(i32, Vec<Event>),
}

/// Events in the order in which they are to be emitted.
#[derive(Default)]
pub(super) struct Sequence(VecDeque<Slot>);

impl Sequence {
    /// Returns the event if it can be emitted at once.
    pub(super) fn add(&mut self, event: Event) -> Option<Event> {
        if self.0.is_empty() {
            return Some(event);
        }
        match self.0.back_mut() {
            Some(Slot::Ready(events)) => events.push(event),
            _ => self.0.push_back(Slot::Ready(vec![event])),
        }
        None
    }

    /// These wait until [`Sequence::end`] is called with this number.
    pub(super) fn wait(&mut self, ndx: i32, events: Vec<Event>) {
        self.0.push_back(Slot::Waiting(ndx, events));
    }

    /// The file is finished. Its events are dropped unless it is in place. Returns the events that can be emitted now.
    pub(super) fn end(&mut self, ndx: i32, placed: bool) -> Vec<Event> {
        // Some dozens wait at most: as many as workers have.
        for slot in &mut self.0 {
            if let Slot::Waiting(number, events) = slot {
                if *number == ndx {
                    *slot = Slot::Ready(if placed { std::mem::take(events) } else { Vec::new() });
                    break;
                }
            }
        }
        let mut out = Vec::new();
        while let Some(Slot::Ready(_)) = self.0.front() {
            if let Some(Slot::Ready(events)) = self.0.pop_front() {
                if out.is_empty() {
                    out = events;
                } else {
                    out.extend(events);
                }
            }
        }
        out
    }

    /// The run has ended: events of files without a known end are dropped.
    pub(super) fn close(&mut self) -> Vec<Event> {
        let slots = std::mem::take(&mut self.0);
        slots
            .into_iter()
            .flat_map(|slot| match slot {
                Slot::Ready(events) => events,
                Slot::Waiting(..) => Vec::new(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(text: &str) -> Event {
        Event::Log(text.as_bytes().to_vec())
    }

    #[test]
    fn keeps_the_order_and_drops_what_failed() {
        let mut sequence = Sequence::default();
        assert_eq!(sequence.add(log("first")), Some(log("first")));
        sequence.wait(1, vec![log("1")]);
        sequence.wait(2, vec![log("2")]);
        assert_eq!(sequence.add(log("dir")), None);
        sequence.wait(3, vec![log("3")]);
        assert_eq!(sequence.end(2, false), []);
        assert_eq!(sequence.end(1, true), [log("1"), log("dir")]);
        assert_eq!(sequence.add(log("after")), None);
        sequence.wait(4, vec![log("4")]);
        assert_eq!(sequence.add(log("last")), None);
        assert_eq!(sequence.end(3, true), [log("3"), log("after")]);
        assert_eq!(sequence.close(), [log("last")]);
        assert_eq!(sequence.add(log("free")), Some(log("free")));
    }
}
