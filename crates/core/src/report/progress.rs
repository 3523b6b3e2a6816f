//! Progress lines (spec: output 9). The clock is read here; when to print is decided by the caller's `Plan`.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::number;

const HISTORY: usize = 5;

/// State of the progress line of one transfer.
#[derive(Debug)]
pub struct Progress {
    /// 1 per file, 2 whole transfer.
    level: u8,
    human: u8,
    thousands: u8,
    started: Instant,
    file_started: Instant,
    file_base: u64,
    last_print: Option<Instant>,
    history: VecDeque<(Instant, u64)>,
    last_width: usize,
    /// A line stands on the screen without a newline.
    pub open: bool,
}

/// Numbers shown in brackets.
#[derive(Debug, Clone, Copy)]
pub struct Counters {
    /// Files transferred.
    pub transferred: u64,
    /// Entries that are not checked yet.
    pub left: u64,
    /// Entries in all lists.
    pub total: u64,
    /// The list is still growing.
    pub incomplete: bool,
}

/// Kilobytes per second.
fn rate(elapsed: Duration, bytes: u64) -> f64 {
    if elapsed.is_zero() {
        return 0.0;
    }
    bytes as f64 / elapsed.as_secs_f64() / 1024.0
}

impl Progress {
    /// `level`: of `--info=PROGRESS`; `human` and `thousands`: how numbers are printed.
    pub fn new(level: u8, human: u8, thousands: u8) -> Self {
        let now = Instant::now();
        Self {
            level,
            human,
            thousands,
            started: now,
            file_started: now,
            file_base: 0,
            last_print: None,
            history: VecDeque::new(),
            last_width: 0,
            open: false,
        }
    }

    /// The level of `--info=PROGRESS`.
    pub fn level(&self) -> u8 {
        self.level
    }

    /// A new file begins at this offset (non-zero for append).
    pub fn begin(&mut self, offset: u64) {
        self.file_started = Instant::now();
        self.file_base = offset;
        if self.level == 1 {
            self.history.clear();
            self.last_print = None;
        }
    }

    /// Bytes of a running file; a line at most once a second (the first at once).
    pub fn show(&mut self, offset: u64, size: u64, out: &mut Vec<u8>) {
        let now = Instant::now();
        if let Some(last) = self.last_print {
            if now.duration_since(last) < Duration::from_secs(1) {
                return;
            }
        }
        self.last_print = Some(now);
        self.history.push_back((now, offset));
        if self.history.len() > HISTORY {
            self.history.pop_front();
        }
        let (from, base) = self
            .history
            .front()
            .copied()
            .unwrap_or((self.file_started, self.file_base));
        let rate = rate(now.duration_since(from), offset.saturating_sub(base));
        let remaining = if rate > 0.0 {
            size.saturating_sub(offset) as f64 / rate / 1000.0
        } else {
            0.0
        };
        self.line(offset, size, rate, remaining, None, out);
    }

    /// The whole transfer so far, though no file ended.
    pub fn show_total(&mut self, offset: u64, size: u64, counters: Counters, out: &mut Vec<u8>) {
        self.last_print.get_or_insert_with(Instant::now);
        self.finish(offset, size, counters, out);
    }

    /// The finished line of a file, or of the whole transfer so far.
    pub fn finish(&mut self, offset: u64, size: u64, counters: Counters, out: &mut Vec<u8>) {
        let now = Instant::now();
        if self.last_print.is_none() {
            self.show(offset, size, out);
        }
        let (from, base) = if self.level == 2 {
            (self.started, 0)
        } else {
            (self.file_started, self.file_base)
        };
        let elapsed = now.duration_since(from);
        let rate = rate(elapsed, offset.saturating_sub(base));
        self.line(offset, size, rate, elapsed.as_secs_f64(), Some(counters), out);
        if self.level == 1 {
            out.push(b'\n');
            self.open = false;
        }
    }

    fn line(&mut self, offset: u64, size: u64, rate: f64, seconds: f64, counters: Option<Counters>, out: &mut Vec<u8>) {
        let percent = if size == 0 || offset >= size {
            100
        } else {
            (100.0 * offset as f64 / size as f64) as u64
        };
        let (rate, unit) = if rate > 1024.0 * 1024.0 {
            (rate / 1024.0 / 1024.0, "GB/s")
        } else if rate > 1024.0 {
            (rate / 1024.0, "MB/s")
        } else {
            (rate, "kB/s")
        };
        let time = if (0.0..=9999.0 * 3600.0).contains(&seconds) {
            let s = seconds as u64;
            format!("{:4}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
        } else {
            "  ??:??:??".to_string()
        };
        let tail = match counters {
            Some(c) => format!(
                " (xfr#{}, {}-chk={}/{})",
                c.transferred,
                if c.incomplete { "ir" } else { "to" },
                c.left,
                c.total
            ),
            None => "  ".to_string(),
        };
        let number = number::human(offset as i64, self.human, self.thousands);
        let mut line = format!("\r{number:>15} {percent:3}% {rate:7.2}{unit} {time}{tail}");
        let width = line.len();
        if self.level == 2 && width < self.last_width {
            line.push_str(&" ".repeat(self.last_width - width));
        }
        self.last_width = width;
        self.open = true;
        out.extend_from_slice(line.as_bytes());
    }
}
