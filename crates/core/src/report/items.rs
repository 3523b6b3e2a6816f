//! Reports about entries: item lines, deletions, and the names in them (spec: output 7).

use std::sync::Arc;

use super::item::{Format, Item, Operation};
use super::json::Done;
use super::{escape_log, escape_text, lock, Level, Report};
use crate::event::Event;
use crate::plan::StderrMode;
use crate::report::say::text;
use crate::tree::mode::is_dir;
use crate::wire::frames::Tag;
use crate::wire::item::ItemFlags;

impl Report {
    /// Whether unchanged items are wanted: `-ii`, or `-vv` with a format (spec: output 6).
    pub fn wants_unchanged(&self) -> bool {
        let plan = &self.shared.plan;
        plan.output.itemize_level > 1 || plan.output.info.name > 1
    }

    /// Whether the line of an item is printed only after its data.
    pub fn after_data(&self) -> bool {
        self.shared.voice.out_format.as_ref().is_some_and(Format::after_data)
            || self.shared.voice.log_format.as_ref().is_some_and(Format::after_data)
    }

    /// The log's format itemizes: it shows every kind of change.
    pub fn log_itemizes(&self) -> bool {
        self.shared.voice.log_format.as_ref().is_some_and(|f| f.has(b'i'))
    }

    /// Log a line.
    pub fn log(&self, line: &[u8]) {
        self.push_log(line);
    }

    /// Whether a line or a record per item is wanted.
    pub fn wants_items(&self) -> bool {
        self.shared.voice.out_format.is_some()
            || self.shared.voice.log_format.is_some()
            || self.keeps_events()
            || self.shared.plan.output.events.json_item
    }

    /// Show an item on the client's screen.
    pub fn show_item(&self, item: &Item<'_>) {
        let plan = &self.shared.plan;
        if let Some(format) = self.shared.voice.out_format.as_ref() {
            let mut line = Vec::with_capacity(item.name.len() + 32);
            format.expand(item, plan, self.shared.voice.style, &mut line);
            self.item_line(item.name, is_dir(item.mode), &line);
        }
    }

    /// Whether what becomes of an item is logged, or emitted for programs.
    pub(crate) fn keeps_items(&self) -> bool {
        let output = &self.shared.plan.output;
        output.logging || self.keeps_events()
    }

    fn keeps_events(&self) -> bool {
        let events = &self.shared.plan.output.events;
        events.item || events.wants_done()
    }

    /// The event for a text about an entry, of the kind that the caller wants.
    pub(super) fn entry_text(&self, text: Vec<u8>) -> Event {
        if self.shared.plan.output.events.entry {
            Event::Entry(text)
        } else {
            Event::Stdout(text)
        }
    }

    /// Put an item into the log, if `log`, and into the structured events, with an event of its own if it is `done`: now,
    /// or when the file with the number `after` is in place ([`Report::file_ended`]).
    pub fn keep_item(&self, item: &Item<'_>, log: bool, done: Option<Done>, after: Option<i32>) {
        let plan = &self.shared.plan;
        // Mostly there is one.
        let mut events = Vec::with_capacity(usize::from(self.keeps_items()));
        if let Some(format) = self
            .shared
            .voice
            .log_format
            .as_ref()
            .filter(|_| log && plan.output.logging)
        {
            if !format.text.is_empty() {
                let mut line = Vec::with_capacity(item.name.len() + 32);
                format.expand(item, plan, self.shared.voice.style, &mut line);
                let mut shown = Vec::with_capacity(line.len());
                escape_log(&line, &mut shown);
                events.push(Event::Log(shown));
            }
        }
        if plan.output.events.item {
            events.push(self.item_event(item));
        }
        if let Some(done) = done {
            self.done_events(item.name, item.length, done, &mut events);
        }
        match after {
            Some(ndx) if self.keeps_items() => {
                self.shared.events.keep_until_file(ndx, events);
            }
            _ => self.shared.events.keep(events),
        }
    }

    /// A worker has finished the file of a waiting item. The item is dropped unless the file is in place.
    pub fn file_ended(&self, ndx: i32, placed: bool) {
        if self.keeps_items() {
            self.shared.events.file_ended(ndx, placed);
        }
    }

    /// No more files will end.
    pub fn no_more_files(&self) {
        self.shared.events.no_more_files();
    }

    fn item_event(&self, item: &Item<'_>) -> Event {
        let itemized = super::item::itemized(item, self.shared.voice.style);
        self.event_of(
            item,
            item.operation.name(),
            String::from_utf8_lossy(&itemized).into_owned(),
        )
    }

    /// Emit an entry that is only listed; `line` is its text.
    pub fn emit_listed(&self, item: &Item<'_>, line: &[u8]) {
        let events = &self.shared.plan.output.events;
        self.line(Level::Listed, line);
        if events.json_item {
            self.json_listed(item);
        }
        if events.item {
            self.shared
                .events
                .keep(vec![self.event_of(item, "list", String::new())]);
        }
    }

    fn event_of(&self, item: &Item<'_>, operation: &'static str, itemized: String) -> Event {
        let owner = self.shared.plan.attrs.owner;
        // Nothing of a deleted entry is known but its name, mode and size.
        let known = item.operation != Operation::Delete;
        Event::Item(crate::event::Item {
            operation,
            itemized,
            name: item.name.to_vec(),
            length: item.length,
            mtime: item.mtime,
            mtime_nsec: item.mtime_nsec,
            uid: (owner && known).then_some(item.uid),
            gid: item.gid.filter(|_| known),
            mode: item.mode,
            target: item
                .leader
                .filter(|l| !l.is_empty())
                .or(item.link_target.as_deref())
                .map(<[u8]>::to_vec),
        })
    }

    /// A line about the item with this name for the client's screen.
    fn item_line(&self, name: &[u8], dir: bool, line: &[u8]) {
        let plan = &self.shared.plan;
        let held = self.shared.events.is_holding() || plan.output.events.keyed;
        if plan.place.is_server() || plan.output.stderr_mode == StderrMode::All || !held {
            self.line(Level::Entry, line);
            return;
        }
        let mut out = Vec::with_capacity(line.len() + 1);
        escape_text(line, plan.output.charset, plan.output.eight_bit_output, &mut out);
        out.push(b'\n');
        self.shared.events.push_item(self.keyed_entry(name, dir, out));
    }

    /// A line for the screen of the client that is never logged.
    pub fn client_line(&self, line: &[u8]) {
        self.line(Level::Client, line);
    }

    /// Whether lines about deletions show permissions (`%B`): those of a client that receives, and of the log of a daemon
    /// (observed).
    pub fn shows_deleted_mode(&self) -> bool {
        let plan = &self.shared.plan;
        let format = if plan.place.is_daemon() {
            self.shared.voice.log_format.as_ref()
        } else {
            self.shared
                .voice
                .out_format
                .as_ref()
                .filter(|_| !plan.place.is_local() && !plan.place.is_server())
        };
        format.is_some_and(|f| f.has(b'B') && (f.has(b'i') || f.has(b'o')))
    }

    /// Report a deletion on this machine (spec: output 7): `deleting N`, or by the format if it has `%i` or `%o`.
    /// `size` is the length in the item's event; only a receiver knows it.
    pub fn deletion(&self, name: &[u8], mode: u32, size: u64) {
        self.shared.live.add_deleted();
        self.note_change(name, mode & 0o170_000 == 0o040_000);
        if self.shared.plan.output.events.json_delete {
            self.json_deleted(name, mode, size);
        }
        let plan = self.shared.plan.clone();
        let mut item = Item {
            operation: Operation::Delete,
            name,
            source: b"",
            mode,
            length: 0,
            mtime: 0,
            mtime_nsec: 0,
            uid: 0,
            gid: Some(0),
            iflags: ItemFlags::NONE,
            missing_flags: false,
            link_target: None,
            leader: None,
            checksum: None,
            bytes: 0,
            sum_bytes: 0,
        };
        if plan.place.is_server() && plan.agreed.protocol >= 29 {
            // The client may keep a log of its own, whether or not this side reports deletions.
            let mut payload = self.to_wire(name);
            if mode & 0o170_000 == 0o040_000 {
                payload.push(0);
            }
            let writer = lock(&self.shared.writer).clone();
            if let Some(writer) = writer.filter(|_| payload.len() < 5120) {
                // A lost link shows with the next write of a role.
                let _ = writer.msg(Tag::Deleted, &payload);
            }
        }
        let mut plain = b"deleting ".to_vec();
        plain.extend_from_slice(name);
        if item.mode & 0o170_000 == 0o040_000 {
            plain.push(b'/');
        }
        if !plan.place.is_server() && (plan.output.info.del > 0 || plan.output.out_format.is_some()) {
            let line = match self
                .shared
                .voice
                .out_format
                .as_ref()
                .filter(|f| f.has(b'i') || f.has(b'o'))
            {
                Some(format) => {
                    let mut line = Vec::new();
                    format.expand(&item, &plan, self.shared.voice.style, &mut line);
                    line
                }
                None => plain.clone(),
            };
            self.line(Level::Entry, &line);
        }
        if plan.place.is_server() && plan.agreed.protocol < 29 {
            // There is no message for it yet, so the line is made here (spec: protocol-old 6.3).
            if self.shared.voice.out_format.as_ref().is_some_and(|f| f.has(b'i')) {
                let tail = plain.strip_prefix(b"deleting ").unwrap_or_default();
                self.client_line(&text!["*deleting   ", tail]);
            } else if plan.output.info.del > 0 {
                self.client_line(&plain);
            }
        }
        if plan.output.logging && !plan.select.dry_run {
            if let Some(format) = self.shared.voice.log_format.as_ref() {
                let mut line = Vec::new();
                if format.has(b'i') || format.has(b'o') {
                    format.expand(&item, &plan, self.shared.voice.style, &mut line);
                } else {
                    line = plain;
                }
                self.push_log(&line);
            } else if plan.place.is_server() && !plan.place.is_daemon() {
                self.push_log(&plain);
            }
        }
        if plan.output.events.item {
            // Lines have no length, as in rsync.
            item.length = size;
            self.shared.events.keep(vec![self.item_event(&item)]);
        }
    }

    /// Set the absolute path of the destination: a daemon's log shows names relative to the module's root (`%f`).
    pub fn set_dest(&self, path: &[u8]) {
        if self.shared.plan.place.is_daemon() {
            *lock(&self.shared.voice.dest_name) = Arc::from(self.shared.voice.in_module(path));
        }
    }

    /// The path that `%f` puts before the names of a receiver.
    pub fn dest_name(&self) -> Arc<[u8]> {
        Arc::clone(&lock(&self.shared.voice.dest_name))
    }

    /// Set the path of a source root as the user gave it (`%f` shows it); empty for the current directory.
    pub fn set_source_name(&self, number: u16, name: &[u8]) {
        let mut names = lock(&self.shared.voice.source_names);
        while names.len() <= usize::from(number) {
            names.push(Arc::from(&b""[..]));
        }
        names[usize::from(number)] = Arc::from(name);
    }

    /// The name of a source argument by its number.
    pub fn source_name(&self, number: u16) -> Arc<[u8]> {
        lock(&self.shared.voice.source_names)
            .get(usize::from(number))
            .map_or_else(|| Arc::from(&b""[..]), Arc::clone)
    }

    /// Report whether files are sent whole (`-vv`, spec: output 4).
    pub fn report_method(&self) {
        let plan = &self.shared.plan;
        if plan.output.debug.flist > 0 {
            self.info(if plan.write.whole_file {
                "delta-transmission disabled for local transfer or --whole-file"
            } else {
                "delta-transmission enabled"
            });
        }
    }

    /// Report the figures of the sender's search (`-vv`, spec: output 4).
    pub fn report_matches(&self) {
        if self.shared.plan.output.debug.deltasum == 0 {
            return;
        }
        let s = self.summary();
        self.info(format!(
            "total: matches={}  hash_hits={}  false_alarms={} data={}",
            s.matches, s.hash_hits, s.false_alarms, s.literal
        ));
    }
}
