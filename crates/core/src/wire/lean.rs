//! A link without threads of its own, for senders that a process has many of: whoever puts data writes what the peer takes,
//! and whoever waits for the peer reads and writes at once, so that two ends that both write never wait for each other.
//!
//! Two threads for each link cost more than all the rest of a short session: stacks, and a dozen switches of threads.
//! Only what falls due while the owner works on without writing (the end of [`LINGER`](super::out::LINGER), a keep-alive)
//! needs another thread. One keeper serves all links of the process.

use std::io::IoSlice;
use std::sync::{Arc, Mutex, PoisonError, TryLockError, Weak};
use std::time::{Duration, Instant};

use super::frames::Tag;
use super::inlet::Inlet;
use super::out::{Out, MAX_SLICES};
use super::port::{wait_both, write_error};
use super::shared::{lock, Shared};

/// How often the keeper looks at the links. Together with the time that data may linger it is below the shortest time-out.
const INTERVAL: Duration = Duration::from_millis(250);
/// So many looks without a link end the keeper's thread.
const IDLE_LOOKS: u32 = 20;

impl Shared {
    /// Whether the link has no threads.
    pub(super) fn is_lean(&self) -> bool {
        self.inlet.get().is_some()
    }

    /// Reads what has arrived, one buffer of it. Returns whether there was anything, the end included.
    pub(super) fn read_into(&self, inlet: &Inlet) -> bool {
        let found = inlet.read(|| self.role());
        if let Some(n @ 1..) = found {
            self.mark_in(n);
        }
        found.is_some()
    }

    /// Writes what is sealed, as much as fits without waiting. An error is kept for the next call that puts data.
    pub(super) fn write_now(&self, out: &mut Out) {
        let Some(port) = self.direct.get().and_then(Weak::upgrade) else {
            return;
        };
        while !out.sealed.is_empty() {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let mut count = 0;
            for (slice, piece) in slices.iter_mut().zip(&out.sealed) {
                *slice = IoSlice::new(piece);
                count += 1;
            }
            match port.write(&slices[..count]) {
                Ok(Some(n)) => {
                    self.mark_out(n);
                    out.wrote(n);
                }
                Ok(None) => return,
                Err(error) => return out.fail(write_error(&self.role(), &error)),
            }
        }
    }

    /// Writes what is due, as much as fits without waiting.
    fn serve(&self, out: &mut Out) {
        if out.done {
            return;
        }
        if out.flush || out.due.is_some_and(|due| due <= Instant::now()) {
            out.seal();
        }
        let is_silent = out.mux && out.pending() == 0;
        if is_silent && self.keep_alive_in() == Some(Duration::ZERO) {
            out.put_message(Tag::Data, &[]);
            out.seal();
        }
        self.write_now(out);
    }

    /// How long until data or a keep-alive is due. What waits behind unwritten data is written after it.
    fn due_in(&self, out: &Out) -> Option<Duration> {
        if out.done || !out.sealed.is_empty() {
            return None;
        }
        let is_silent = out.mux && out.open.is_empty();
        let keep_alive = if is_silent { self.keep_alive_in() } else { None };
        let due = out.due.map(|due| due.saturating_duration_since(Instant::now()));
        due.into_iter().chain(keep_alive).min()
    }

    /// Waits until something may have arrived or may be written, at most `time`, and reads and writes it.
    pub(super) fn exchange(&self, time: Duration) {
        let inlet = self.inlet.get().and_then(Weak::upgrade);
        let inlet = inlet.filter(|inlet| inlet.is_open());
        let outlet = self.direct.get().and_then(Weak::upgrade);
        let (is_unwritten, due) = {
            let out = lock(&self.out);
            (!out.sealed.is_empty(), self.due_in(&out))
        };
        let outlet = outlet.filter(|_| is_unwritten);
        let time = due.map_or(time, |due| due.min(time));
        // A port that cannot be waited for is reported by the next read or write.
        let (readable, writable) =
            wait_both(inlet.as_ref().map(|inlet| &*inlet.port), outlet.as_deref(), time).unwrap_or((true, true));
        if let (true, Some(inlet)) = (readable, inlet) {
            self.read_into(&inlet);
        }
        if writable || !is_unwritten {
            self.serve(&mut lock(&self.out));
        }
    }
}

/// The thread that looks at all links of this process.
#[derive(Default)]
struct Keeper {
    links: Vec<Weak<Shared>>,
    /// The process that the thread runs in, if it runs: a fork has none.
    pid: Option<rustix::process::Pid>,
}

static KEEPER: Mutex<Keeper> = Mutex::new(Keeper {
    links: Vec::new(),
    pid: None,
});

/// Has the keeper look at a link until its end.
pub(super) fn keep(shared: &Arc<Shared>) -> std::io::Result<()> {
    let pid = Some(rustix::process::getpid());
    let mut keeper = lock(&KEEPER);
    if keeper.pid != pid {
        keeper.links.clear();
        std::thread::Builder::new()
            .name("keeper".into())
            .stack_size(128 * 1024)
            .spawn(look)?;
        keeper.pid = pid;
    }
    keeper.links.push(Arc::downgrade(shared));
    Ok(())
}

fn look() {
    let mut idle = 0;
    loop {
        std::thread::sleep(INTERVAL);
        let links: Vec<Arc<Shared>> = {
            let mut keeper = lock(&KEEPER);
            keeper
                .links
                .retain(|link| link.upgrade().is_some_and(|link| !link.is_over()));
            idle = if keeper.links.is_empty() { idle + 1 } else { 0 };
            if idle > IDLE_LOOKS {
                keeper.pid = None;
                return;
            }
            keeper.links.iter().filter_map(Weak::upgrade).collect()
        };
        for link in links {
            // Whoever has the lock is writing.
            match link.out.try_lock().map_err(|error| match error {
                TryLockError::Poisoned(error) => Some(PoisonError::into_inner(error)),
                TryLockError::WouldBlock => None,
            }) {
                Ok(mut out) | Err(Some(mut out)) => link.serve(&mut out),
                Err(None) => {}
            }
        }
    }
}

impl Shared {
    /// Whether nothing more will be written. A link that is being written to is not over.
    fn is_over(&self) -> bool {
        self.out.try_lock().is_ok_and(|out| out.done || out.abandoned)
    }
}
