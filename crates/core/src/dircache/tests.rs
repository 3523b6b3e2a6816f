//! The cache with views that fail, end by a panic, or wait.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use super::{Cache, Fresh, Record, Settings, Source, View, Why};
use crate::tree::Stat;

fn cache(max_age: Duration) -> Cache {
    let settings = Settings {
        watch: false,
        told: false,
        max_age,
        memory: 1 << 20,
    };
    Cache::new(b"/nowhere", 1, settings).unwrap()
}

fn fresh(names: &[&str]) -> Fresh {
    let record = |(at, name): (usize, &&str)| Record {
        name: name.as_bytes().to_vec(),
        stat: Stat {
            mode: if name.ends_with('d') { 0o040_755 } else { 0o100_644 },
            dev: 1,
            ino: at as u64,
            nlink: 1,
            ..Stat::default()
        },
        link: None,
    };
    Fresh {
        dev: 1,
        ino: 9,
        records: names.iter().enumerate().map(record).collect(),
    }
}

/// A view of directories that a function makes.
struct Made<F>(F);

impl<F: FnMut(&[u8]) -> Option<Fresh>> View for Made<F> {
    fn read(&mut self, dir: &[u8]) -> Option<Fresh> {
        (self.0)(dir)
    }

    fn look(&mut self, _: &[u8], _: &[Vec<u8>]) -> Option<Vec<Option<Record>>> {
        None
    }
}

fn len(source: &Source) -> Option<usize> {
    match source {
        Source::Cached(listing) => Some(listing.len()),
        Source::Live(_) => None,
    }
}

// CCH-9: a session that ends by a panic while it reads does not keep others from the directory.
#[test]
fn a_panic_ends_one_reading_only() {
    let cache = cache(Duration::from_secs(60));
    let panics = || cache.get(b"a", &mut Made(|_: &[u8]| panic!("a fault in a view")));
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    let found = cache.get(b"a", &mut Made(|_: &[u8]| Some(fresh(&["x", "d"]))));
    assert_eq!(len(&found), Some(2));
    let found = cache.get(b"a", &mut Made(|_: &[u8]| panic!("it is known")));
    assert_eq!(len(&found), Some(2));
}

#[test]
fn what_cannot_be_read_is_not_kept() {
    let cache = cache(Duration::from_millis(20));
    let found = cache.get(b"a", &mut Made(|_: &[u8]| None));
    assert!(matches!(found, Source::Live(Why::Unreadable)));
    std::thread::sleep(Duration::from_millis(30));
    let found = cache.get(b"a", &mut Made(|_: &[u8]| Some(fresh(&["x"]))));
    assert_eq!(len(&found), Some(1));
}

#[test]
fn a_file_of_another_device_is_scanned() {
    let cache = cache(Duration::from_secs(60));
    let mut strange = fresh(&["x"]);
    strange.records[0].stat.dev = 2;
    let mut strange = Some(strange);
    let found = cache.get(b"a", &mut Made(|_: &[u8]| strange.take()));
    assert!(matches!(found, Source::Live(Why::Mount)));
}

#[test]
fn one_thread_reads_and_the_others_wait() {
    let cache = Arc::new(cache(Duration::from_secs(60)));
    let (reads, start) = (Arc::new(AtomicUsize::new(0)), Arc::new(Barrier::new(8)));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (cache, reads, start) = (Arc::clone(&cache), Arc::clone(&reads), Arc::clone(&start));
            std::thread::spawn(move || {
                let mut view = Made(|_: &[u8]| {
                    reads.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(50));
                    Some(fresh(&["x", "y", "z"]))
                });
                start.wait();
                len(&cache.get(b"a/b", &mut view))
            })
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), Some(3));
    }
    assert_eq!(reads.load(Ordering::Relaxed), 1);
}

#[test]
fn a_path_that_is_too_long_is_scanned() {
    let found = cache(Duration::ZERO).get(&[b'x'; 5000], &mut Made(|_: &[u8]| None));
    assert!(matches!(found, Source::Live(Why::Path)));
}
