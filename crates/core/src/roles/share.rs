//! Work on many files that several threads share while a role waits for all of it.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, Result};
use crate::report::Report;

/// Files of so many bytes are worth a thread: starting one takes as long as hashing some hundred KB.
const WORTH_A_THREAD: u64 = 1 << 20;
/// More threads than this wait for the disk or for memory.
const MOST_THREADS: usize = 4;

/// Give each of `items`, of `bytes` in all, to a function: to `first` in this thread, or to one of `another` in a further
/// thread where the bytes are worth it. Returns the places of the items with the results, in no order. After a cancel the
/// rest is left out.
///
/// Errors: `Ipc` if a thread fails.
pub(super) fn share<T: Sync, R: Send, W: FnMut(&T) -> R + Send>(
    items: &[T],
    bytes: u64,
    report: &Report,
    mut first: impl FnMut(&T) -> R,
    another: impl Fn() -> W,
) -> Result<Vec<(usize, R)>> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let worth = usize::try_from(bytes / WORTH_A_THREAD).unwrap_or(usize::MAX);
    let threads = processors.min(MOST_THREADS).min(worth).min(items.len());
    let next = AtomicUsize::new(0);
    let take = || {
        let place = next.fetch_add(1, Ordering::Relaxed);
        let item = items.get(place).filter(|_| !report.is_cancelled());
        item.map(|item| (place, item))
    };
    std::thread::scope(|scope| {
        let take = &take;
        let mut running = Vec::new();
        for _ in 1..threads {
            let mut other = another();
            let thread = std::thread::Builder::new().name("share".into());
            // Without a further thread this one does it all.
            running.extend(thread.spawn_scoped(scope, move || {
                std::iter::from_fn(take)
                    .map(|(place, item)| (place, other(item)))
                    .collect::<Vec<_>>()
            }));
        }
        let mut results = Ok(std::iter::from_fn(take)
            .map(|(place, item)| (place, first(item)))
            .collect::<Vec<_>>());
        for thread in running {
            match (thread.join(), &mut results) {
                (Ok(more), Ok(results)) => results.extend(more),
                _ => results = Err(Error::Ipc("a thread that reads files has failed".into())),
            }
        }
        results
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use std::sync::Arc;

    #[test]
    fn each_item_is_done_once_by_some_thread() -> Result<()> {
        let report = Report::new(Arc::new(Plan::default()), false);
        let items: Vec<u64> = (0..1000).collect();
        for bytes in [0, 1 << 30] {
            let mut results = share(&items, bytes, &report, |n| n * 2, || |n: &u64| n * 2)?;
            results.sort_unstable();
            assert!(results.iter().map(|(place, _)| *place).eq(0..1000));
            assert!(results.iter().all(|(place, double)| *double == 2 * *place as u64));
        }
        report.cancel(20);
        assert_eq!(share(&items, 1 << 30, &report, |n| n * 2, || |n: &u64| n * 2)?, []);
        Ok(())
    }
}
