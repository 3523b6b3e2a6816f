//! What a search may spend on windows that match nothing.
//!
//! A window whose rolling sum is that of a block needs its strong sum, which costs a whole block length. Chance makes
//! few such windows; data of one repeated byte, or a peer that invents sums, makes one at each byte, and the cost
//! would be file length times block length. Two things keep it linear:
//!
//! * A budget: bytes of windows that were tested in vain, in proportion to the bytes passed. Where it is spent, a window
//!   is passed over untested, which costs a match at worst.
//! * A memory of what was tested in vain, by a fingerprint of the window that moves along with it. Repeated data has few
//!   different windows, so each is tested once and the budget reaches the one that matches. It is kept only when the
//!   budget is strained, since a fingerprint costs more than a strong sum.
//!
//! spec: protocol 9.1

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

/// Bytes tested in vain per byte passed, beyond what chance explains.
const PER_BYTE: u64 = 4;
/// The same at most, however many blocks there are: a peer may claim any number.
const MAX_PER_BYTE: u64 = 64;
/// Bytes that may be tested in vain at the start: so many windows, and at least so much.
const START_WINDOWS: u64 = 64;
const START: u64 = 1 << 20;
/// Windows that are remembered.
const MEMORY: usize = 1 << 14;
/// Fingerprints are polynomials modulo this prime.
const PRIME: u64 = (1 << 61) - 1;

/// What is known of a window that was tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// No block has its strong sum.
    Nothing,
    /// The blocks of this group have it, and none of them could be used.
    Group(usize),
}

/// The budget and the memory of one search.
pub(super) struct Effort {
    window: u64,
    start: u64,
    per_byte: u64,
    /// Bytes of the windows tested in vain.
    spent: u64,
    memory: Option<Memory>,
}

impl Effort {
    /// For `blocks` blocks of `blength` bytes.
    pub(super) fn new(blocks: usize, blength: usize) -> Self {
        let window = blength as u64;
        // At a byte of unrelated data, one of 2^32 rolling sums in `blocks` is equal by chance.
        let chance = (blocks as u64).saturating_mul(window) >> 32;
        Self {
            window,
            start: START.max(START_WINDOWS * window),
            per_byte: (PER_BYTE + 2 * chance).min(MAX_PER_BYTE),
            spent: 0,
            memory: None,
        }
    }

    /// Whether one more window may be tested after `passed` bytes of the source.
    pub(super) fn allows(&self, passed: u64) -> bool {
        self.spent + self.window <= self.start.saturating_add(passed.saturating_mul(self.per_byte))
    }

    /// What is remembered of the window at `pos` of `buf`, whose first byte is at `offset` of the source.
    pub(super) fn recall(&mut self, buf: &[u8], pos: usize, offset: u64) -> Option<Known> {
        let memory = self.memory.as_mut()?;
        memory.move_to(buf, pos, offset);
        memory.known.get(&memory.print).copied()
    }

    /// Remember that this window was tested in vain.
    pub(super) fn in_vain(&mut self, known: Known, buf: &[u8], pos: usize, offset: u64) {
        self.spent += self.window;
        let passed = offset + pos as u64;
        let half = (self.start / 2).saturating_add(passed.saturating_mul(self.per_byte / 2));
        if self.memory.is_none() && self.spent > half {
            self.memory = Some(Memory::new(self.window as usize));
        }
        if let Some(memory) = &mut self.memory {
            memory.move_to(buf, pos, offset);
            if memory.known.len() >= MEMORY {
                memory.known.clear();
            }
            memory.known.insert(memory.print, known);
        }
    }
}

struct Memory {
    window: usize,
    /// The base of the polynomials: random, so that no peer can make windows with equal fingerprints.
    base: u64,
    /// Its power by which the byte that leaves the window is weighed.
    leaving: u64,
    /// Where in the source the window stands, and its fingerprint.
    at: Option<u64>,
    print: u64,
    known: HashMap<u64, Known>,
}

/// `a * b + c` modulo [`PRIME`], not fully reduced: below 2^62.
fn mul_add(a: u64, b: u64, c: u64) -> u64 {
    let product = u128::from(a) * u128::from(b) + u128::from(c);
    (product as u64 & PRIME) + (product >> 61) as u64
}

fn reduce(value: u64) -> u64 {
    let value = (value & PRIME) + (value >> 61);
    if value >= PRIME {
        value - PRIME
    } else {
        value
    }
}

impl Memory {
    fn new(window: usize) -> Self {
        let base = reduce(RandomState::new().build_hasher().finish() | 1 << 32);
        let leaving = (1..window).fold(1, |power, _| reduce(mul_add(power, base, 0)));
        Self {
            window,
            base,
            leaving,
            at: None,
            print: 0,
            known: HashMap::new(),
        }
    }

    /// Moves the fingerprint to the window at `pos`: byte by byte if it is near and the data is still there.
    fn move_to(&mut self, buf: &[u8], pos: usize, offset: u64) {
        let to = offset + pos as u64;
        match self.at {
            Some(at) if at >= offset && at <= to && to - at < self.window as u64 => {
                let from = (at - offset) as usize;
                for (&out, &byte) in buf[from..pos].iter().zip(&buf[from + self.window..]) {
                    // A multiple of the prime keeps the difference positive.
                    let rest = self.print + 2 * PRIME - reduce(mul_add(self.leaving, u64::from(out), 0));
                    self.print = reduce(mul_add(reduce(rest), self.base, u64::from(byte)));
                }
            }
            _ => {
                self.print = buf[pos..pos + self.window]
                    .iter()
                    .fold(0, |print, &byte| reduce(mul_add(print, self.base, u64::from(byte))));
            }
        }
        self.at = Some(to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_moves_with_its_window() {
        let data: Vec<u8> = (0..5000u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        let mut moving = Memory::new(300);
        for pos in (0..4000).step_by(7) {
            moving.move_to(&data, pos, 1000);
            let mut fresh = Memory::new(300);
            (fresh.base, fresh.leaving) = (moving.base, moving.leaving);
            fresh.move_to(&data, pos, 0);
            assert_eq!(moving.print, fresh.print, "{pos}");
        }
    }

    #[test]
    fn the_budget_follows_what_was_passed() {
        let (data, window) = (vec![1u8; 10_000], 1000);
        let mut effort = Effort::new(1, window);
        let mut tested = 0;
        while effort.allows(0) {
            effort.in_vain(Known::Nothing, &data, 0, 0);
            tested += 1;
        }
        assert_eq!(tested, START / window as u64);
        assert!(effort.allows(1000));
        // What chance explains is allowed on top, up to a bound.
        assert_eq!(Effort::new(1 << 17, 1 << 17).per_byte, PER_BYTE + 8);
        assert_eq!(Effort::new(usize::MAX, 1 << 17).per_byte, MAX_PER_BYTE);
    }

    #[test]
    fn windows_are_remembered_when_the_budget_is_strained() {
        let data: Vec<u8> = [1u8, 2].repeat(5000);
        let mut effort = Effort::new(1, 1000);
        assert_eq!(effort.recall(&data, 0, 0), None);
        for _ in 0..START / 1000 {
            effort.in_vain(Known::Nothing, &data, 0, 0);
        }
        effort.in_vain(Known::Group(3), &data, 1, 0);
        assert_eq!(effort.recall(&data, 2, 0), Some(Known::Nothing));
        assert_eq!(effort.recall(&data, 33, 0), Some(Known::Group(3)));
        assert_eq!(effort.recall(&data, 3000, 500), Some(Known::Nothing));
    }
}
