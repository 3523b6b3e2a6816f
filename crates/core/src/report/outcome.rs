//! How a transfer ends: cancelled or not, what went wrong, and the exit code (spec: output 2).

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::lock;
use crate::error::{Error, Result};
use crate::wire::item::IoErrors;

/// What the roles know of the end of their transfer.
#[derive(Default)]
pub(super) struct Outcome {
    /// Errors that make the exit code 23.
    xfer_errors: AtomicU64,
    /// What the lists could not show.
    listing_error: AtomicU32,
    /// All others.
    other_error: AtomicU32,
    /// The exit code of a cancelled run, else 0.
    cancelled: Arc<AtomicI32>,
    /// The flag of the connection that a cancel has to wake.
    cancel_flag: Mutex<Option<Arc<AtomicBool>>>,
}

impl Outcome {
    /// An outcome of its own, which ends with a cancel of this one and begins with its errors of lists.
    pub(super) fn part(&self) -> Self {
        Self {
            cancelled: Arc::clone(&self.cancelled),
            listing_error: AtomicU32::new(self.listing_error().bits()),
            other_error: AtomicU32::new(self.io_error().bits()),
            ..Self::default()
        }
    }

    pub(super) fn stop(&self, code: i32) {
        self.cancelled.store(code, Ordering::SeqCst);
    }

    pub(super) fn cancel(&self, code: i32) {
        self.stop(code);
        if let Some(flag) = &*lock(&self.cancel_flag) {
            flag.store(true, Ordering::SeqCst);
        }
    }

    pub(super) fn set_cancel_flag(&self, flag: Arc<AtomicBool>) {
        if self.cancelled_with().is_some() {
            flag.store(true, Ordering::SeqCst);
        }
        *lock(&self.cancel_flag) = Some(flag);
    }

    pub(super) fn check(&self) -> Result<()> {
        match self.cancelled_with() {
            None => Ok(()),
            Some(20) => Err(Error::Interrupted(String::new())),
            Some(code) => Err(Error::Reported(code)),
        }
    }

    pub(super) fn cancelled_with(&self) -> Option<i32> {
        Some(self.cancelled.load(Ordering::Relaxed)).filter(|&code| code != 0)
    }

    pub(super) fn add_xfer_error(&self) {
        self.xfer_errors.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn xfer_errors(&self) -> u64 {
        self.xfer_errors.load(Ordering::SeqCst)
    }

    pub(super) fn set_listing_error(&self, bits: IoErrors) {
        self.listing_error.fetch_or(bits.bits(), Ordering::SeqCst);
    }

    pub(super) fn listing_error(&self) -> IoErrors {
        IoErrors::from_bits(self.listing_error.load(Ordering::SeqCst))
    }

    pub(super) fn set_io_error(&self, bits: IoErrors) {
        self.other_error.fetch_or(bits.bits(), Ordering::SeqCst);
    }

    pub(super) fn io_error(&self) -> IoErrors {
        self.listing_error() | IoErrors::from_bits(self.other_error.load(Ordering::SeqCst))
    }

    pub(super) fn code(&self) -> i32 {
        let bits = self.io_error();
        if self.xfer_errors() > 0 || bits.contains(IoErrors::GENERAL) {
            23
        } else if bits.contains(IoErrors::VANISHED) {
            24
        } else if bits.contains(IoErrors::DEL_LIMIT) {
            25
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_by_what_went_wrong() {
        for (xfer, listing, other, code) in [
            (false, IoErrors::NONE, IoErrors::NONE, 0),
            (false, IoErrors::NONE, IoErrors::DEL_LIMIT, 25),
            (false, IoErrors::VANISHED, IoErrors::DEL_LIMIT, 24),
            (false, IoErrors::GENERAL, IoErrors::VANISHED, 23),
            (true, IoErrors::VANISHED, IoErrors::NONE, 23),
        ] {
            let outcome = Outcome::default();
            outcome.set_listing_error(listing);
            outcome.set_io_error(other);
            if xfer {
                outcome.add_xfer_error();
            }
            assert_eq!(outcome.code(), code);
            assert_eq!(outcome.listing_error(), listing);
        }
    }

    #[test]
    fn a_cancel_wakes_the_link_and_ends_the_roles() {
        let (outcome, flag) = (Outcome::default(), Arc::new(AtomicBool::new(false)));
        outcome.set_cancel_flag(Arc::clone(&flag));
        assert!(outcome.check().is_ok() && !flag.load(Ordering::SeqCst));
        outcome.cancel(30);
        assert_eq!(outcome.check().map_err(|e| e.code()), Err(30));
        assert!(flag.load(Ordering::SeqCst));
    }
}
