//! Users and groups: names for ids on the sending side, local ids for names on the receiving one
//! (spec: protocol 5.15, transfer 5.3, options 6.2).

use crate::error::{Error, Result};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Where names and ids of users and groups are looked up. Implementations need not cache; the callers here do.
pub trait IdLookup: Send + Sync {
    /// The name of a user.
    fn user_name(&self, uid: u32) -> Option<Vec<u8>>;
    /// The name of a group.
    fn group_name(&self, gid: u32) -> Option<Vec<u8>>;
    /// The id of a user.
    fn user_id(&self, name: &[u8]) -> Option<u32>;
    /// The id of a group.
    fn group_id(&self, name: &[u8]) -> Option<u32>;
}

/// Users or groups as a table both ways; the first line of a name or id counts.
#[derive(Debug, Clone, Default)]
struct Names {
    by_id: HashMap<u32, Vec<u8>>,
    by_name: HashMap<Vec<u8>, u32>,
}

impl Names {
    /// Lines of `name:password:id:...`, the form of both files.
    fn parse(text: &[u8]) -> Self {
        let mut out = Self::default();
        for line in text.split(|&c| c == b'\n') {
            let mut fields = line.split(|&c| c == b':');
            let (Some(name), Some(_), Some(id)) = (fields.next(), fields.next(), fields.next()) else {
                continue;
            };
            if name.is_empty() || matches!(name[0], b'#' | b'+' | b'-') {
                continue;
            }
            if let Some(id) = number(id) {
                out.by_id.entry(id).or_insert_with(|| name.to_vec());
                out.by_name.entry(name.to_vec()).or_insert(id);
            }
        }
        out
    }
}

/// Lookup in the text of `/etc/passwd` and `/etc/group`.
#[derive(Debug, Clone, Default)]
pub struct IdFiles {
    users: Names,
    groups: Names,
}

impl IdFiles {
    /// The contents of the two files.
    pub fn parse(passwd: &[u8], group: &[u8]) -> Self {
        Self {
            users: Names::parse(passwd),
            groups: Names::parse(group),
        }
    }
}

impl IdLookup for IdFiles {
    fn user_name(&self, uid: u32) -> Option<Vec<u8>> {
        self.users.by_id.get(&uid).cloned()
    }
    fn group_name(&self, gid: u32) -> Option<Vec<u8>> {
        self.groups.by_id.get(&gid).cloned()
    }
    fn user_id(&self, name: &[u8]) -> Option<u32> {
        self.users.by_name.get(name).copied()
    }
    fn group_id(&self, name: &[u8]) -> Option<u32> {
        self.groups.by_name.get(name).copied()
    }
}

fn number(text: &[u8]) -> Option<u32> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Users or groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// A user.
    User,
    /// A group.
    Group,
}

impl Who {
    fn option(self) -> &'static str {
        match self {
            Self::User => "usermap",
            Self::Group => "groupmap",
        }
    }

    fn id(self, lookup: &dyn IdLookup, name: &[u8]) -> Option<u32> {
        match self {
            Self::User => lookup.user_id(name),
            Self::Group => lookup.group_id(name),
        }
    }

    fn name(self, lookup: &dyn IdLookup, id: u32) -> Option<Vec<u8>> {
        match self {
            Self::User => lookup.user_name(id),
            Self::Group => lookup.group_name(id),
        }
    }
}

/// Names for the ids that a sender meets, each looked up once.
pub(super) struct SentNames {
    who: Who,
    lookup: Arc<dyn IdLookup>,
    seen: HashSet<u32>,
    /// In order of mention, for the id lists.
    named: Vec<(u32, Vec<u8>)>,
}

impl SentNames {
    pub(super) fn new(who: Who, lookup: Arc<dyn IdLookup>) -> Self {
        Self {
            who,
            lookup,
            seen: HashSet::new(),
            named: Vec::new(),
        }
    }

    pub(super) fn name(&self, id: u32) -> Option<Vec<u8>> {
        self.who
            .name(&*self.lookup, id)
            .filter(|n| !n.is_empty() && n.len() <= 255)
    }

    /// The name of `id`, at its first mention only.
    pub(super) fn first_mention(&mut self, id: u32) -> Option<Vec<u8>> {
        if self.seen.insert(id) {
            self.name(id)
        } else {
            None
        }
    }

    /// Remember `id` for the list at the end.
    pub(super) fn note(&mut self, id: u32) {
        if self.seen.insert(id) && id != 0 {
            if let Some(name) = self.name(id) {
                self.named.push((id, name));
            }
        }
    }

    pub(super) fn named(&self) -> &[(u32, Vec<u8>)] {
        &self.named
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum From {
    /// Ids without a name.
    Nameless,
    Name(Vec<u8>),
    Glob(Vec<u8>),
    Range(u32, u32),
}

impl From {
    fn matches(&self, id: u32, name: &[u8]) -> bool {
        match self {
            Self::Nameless => name.is_empty(),
            Self::Name(n) => n == name,
            Self::Glob(p) => glob(p, name),
            Self::Range(low, high) => (*low..=*high).contains(&id),
        }
    }
}

/// Match a whole name with `*`, `?` and `[...]`, the only wildcards of these maps. Only the last `*` is revisited, so the
/// work is at most the product of the lengths: a client chooses the pattern of a server.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    // Behind the last `*`, and where what follows it was tried.
    let mut star = None;
    while n < name.len() {
        let rest = &pattern[p..];
        if rest.first() == Some(&b'*') {
            p += 1;
            star = Some((p, n));
        } else if let Some(len) = one(rest, name[n]) {
            p += len;
            n += 1;
        } else if let Some((after, tried)) = star {
            p = after;
            n = tried + 1;
            star = Some((after, n));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

/// How many bytes of the pattern stand for the byte `c`; `None` if they do not, or if there are none.
fn one(pattern: &[u8], c: u8) -> Option<usize> {
    let (&p, rest) = pattern.split_first()?;
    match p {
        b'?' => Some(1),
        b'[' => {
            let negated = matches!(rest.first(), Some(b'!' | b'^'));
            let set = &rest[usize::from(negated)..];
            // A `]` in the first place stands for itself.
            let end = set.iter().skip(1).position(|&x| x == b']')? + 1;
            let mut hit = false;
            let mut i = 0;
            while i < end {
                if i + 2 < end && set[i + 1] == b'-' {
                    hit |= (set[i]..=set[i + 2]).contains(&c);
                    i += 3;
                } else {
                    hit |= set[i] == c;
                    i += 1;
                }
            }
            (hit != negated).then_some(2 + usize::from(negated) + end)
        }
        b'\\' if !rest.is_empty() => (rest[0] == c).then_some(2),
        _ => (p == c).then_some(1),
    }
}

/// Rules of `--usermap` or `--groupmap`; the first match counts.
///
/// Errors: `Usage` with rsync's texts. A name after the colon that does not exist here becomes a warning and the rule
/// is left out.
fn parse_rules(who: Who, text: &[u8], lookup: &dyn IdLookup, warnings: &mut Vec<String>) -> Result<Vec<(From, u32)>> {
    let mut rules = Vec::new();
    if text.is_empty() {
        return Ok(rules);
    }
    let option = who.option();
    let lossy = |t: &[u8]| String::from_utf8_lossy(t).into_owned();
    let wrong = |what: &str, shown: &[u8], warnings: &[String]| {
        let mut lines = warnings.to_vec();
        lines.push(format!("{what} --{option}: {}", lossy(shown)));
        Error::Usage(lines.join("\n"))
    };
    // Read from the end, which is the order of the messages; the first match still counts.
    for item in text.rsplit(|&c| c == b',') {
        let Some(colon) = memchr::memchr(b':', item) else {
            return Err(wrong("No colon found in", item, warnings));
        };
        let (from, to) = (&item[..colon], &item[colon + 1..]);
        if to.is_empty() {
            return Err(wrong("No name found after colon", item, warnings));
        }
        for part in [from, to].into_iter().flat_map(|side| side.split(|&c| c == b'-')) {
            if !part.is_empty() && part.iter().all(u8::is_ascii_digit) && number(part).is_none() {
                let mut lines = warnings.clone();
                lines.push(format!("Invalid ID number: {}", lossy(part)));
                return Err(Error::Usage(lines.join("\n")));
            }
        }
        let pattern = if from.is_empty() {
            From::Nameless
        } else if from[0].is_ascii_digit() {
            let (low, high) = match memchr::memchr(b'-', from) {
                Some(at) => (number(&from[..at]), number(&from[at + 1..])),
                None => (number(from), number(from)),
            };
            let (Some(low), Some(high)) = (low, high) else {
                return Err(wrong("Invalid number in", from, warnings));
            };
            From::Range(low, high)
        } else if from.iter().any(|c| b"*?[".contains(c)) {
            From::Glob(from.to_vec())
        } else {
            From::Name(from.to_vec())
        };
        match number(to).or_else(|| who.id(lookup, to)) {
            Some(id) => rules.push((pattern, id)),
            None => warnings.push(format!("Unknown --{option} name on receiver: {}", lossy(to))),
        }
    }
    rules.reverse();
    Ok(rules)
}

/// Ids of one kind, as the receiver maps them.
struct Map {
    who: Who,
    rules: Vec<(From, u32)>,
    known: HashMap<u32, u32>,
    /// The mapping asked for last: neighbours mostly have the same owner.
    last: (u32, u32),
}

impl Map {
    fn new(who: Who, rules: Vec<(From, u32)>) -> Self {
        Self {
            who,
            rules,
            known: HashMap::new(),
            last: (0, 0),
        }
    }

    fn work_out(&self, id: u32, name: &[u8], o: &IdMap) -> u32 {
        let name: &[u8] = if o.numeric {
            b""
        } else if id == 0 && name.is_empty() && !o.id0_names {
            b"root"
        } else {
            name
        };
        if let Some((_, to)) = self.rules.iter().find(|(from, _)| from.matches(id, name)) {
            return *to;
        }
        if id == 0 || name.is_empty() {
            return id;
        }
        self.who.id(&*o.lookup, name).unwrap_or(id)
    }
}

/// Maps the ids of the sender to local ones (spec: transfer 5.3, options 6.2).
pub struct IdMap {
    lookup: Arc<dyn IdLookup>,
    numeric: bool,
    id0_names: bool,
    users: Option<Box<Map>>,
    groups: Option<Box<Map>>,
    /// Groups that this process may give; `None` when it may give any.
    allowed: Option<Vec<u32>>,
    /// Complaints about the maps, one line each, for stderr.
    pub warnings: Vec<String>,
    /// What each received id was mapped to, one line each; `None` if the debug level does not ask for it.
    pub mapped: Option<Vec<Vec<u8>>>,
}

impl IdMap {
    /// `numeric` drops all names; `id0_names` is compat bit 8.
    ///
    /// Errors: `Usage` when a map makes no sense.
    pub fn new(
        lookup: Arc<dyn IdLookup>,
        usermap: &[u8],
        groupmap: &[u8],
        numeric: bool,
        id0_names: bool,
    ) -> Result<Self> {
        let mut warnings = Vec::new();
        let users = parse_rules(Who::User, usermap, &*lookup, &mut warnings)?;
        let groups = parse_rules(Who::Group, groupmap, &*lookup, &mut warnings)?;
        let mut out = Self {
            lookup,
            numeric,
            id0_names,
            users: Some(Box::new(Map::new(Who::User, users))),
            groups: Some(Box::new(Map::new(Who::Group, groups))),
            allowed: None,
            warnings,
            mapped: None,
        };
        for who in [Who::User, Who::Group] {
            // Primes `last`.
            let zero = out.learn(who, 0, b"");
            out.map_mut(who, |m| m.last = (0, zero));
            out.map_mut(who, |m| m.known.clear());
        }
        Ok(out)
    }

    /// Mark entries whose group is not one of these (for a process without super-user powers).
    pub fn restrict_groups(&mut self, groups: Vec<u32>) {
        self.allowed = Some(groups);
    }

    /// This process may set the (local) group.
    pub fn may_set_group(&self, gid: u32) -> bool {
        self.allowed.as_ref().is_none_or(|g| g.contains(&gid))
    }

    fn map_mut<T: Default>(&mut self, who: Who, f: impl FnOnce(&mut Map) -> T) -> T {
        let slot = match who {
            Who::User => &mut self.users,
            Who::Group => &mut self.groups,
        };
        slot.as_mut().map(|m| f(m)).unwrap_or_default()
    }

    /// The sender calls `id` by this name (empty: it has none). Returns the local id.
    pub fn learn(&mut self, who: Who, id: u32, name: &[u8]) -> u32 {
        let slot = |s: &mut Self| match who {
            Who::User => s.users.take(),
            Who::Group => s.groups.take(),
        };
        let Some(mut map) = slot(self) else { return id };
        let to = map.work_out(id, name, self);
        if let Some(mapped) = &mut self.mapped {
            let what = if who == Who::User { "uid" } else { "gid" };
            let (before, behind) = (format!("{what} {id}("), format!(") maps to {to}"));
            mapped.push([before.as_bytes(), name, behind.as_bytes()].concat());
        }
        map.known.insert(id, to);
        map.last = (id, to);
        match who {
            Who::User => self.users = Some(map),
            Who::Group => self.groups = Some(map),
        }
        to
    }

    /// The local id of an id whose name came earlier.
    pub fn known(&mut self, who: Who, id: u32) -> Option<u32> {
        self.map_mut(who, |m| m.known.get(&id).copied())
    }

    /// The local id for an id that came without a name, or whose name came earlier.
    pub fn local(&mut self, who: Who, id: u32) -> u32 {
        let found = self.map_mut(who, |m| {
            if m.last.0 == id {
                return Some(m.last.1);
            }
            let to = *m.known.get(&id)?;
            m.last = (id, to);
            Some(to)
        });
        found.unwrap_or_else(|| self.learn(who, id, b""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Arc<dyn IdLookup> {
        Arc::new(IdFiles::parse(
            b"root:x:0:0:root:/root:/bin/sh\n# no\nalice:x:1001:1001::/:\nbob:x:1002:1::/:\nbad\n+nis::5:\n",
            b"root:x:0:\nstaff:x:50:alice\n",
        ))
    }

    fn user(map: &[u8], numeric: bool, id: u32, name: &[u8]) -> u32 {
        IdMap::new(files(), map, b"", numeric, true)
            .unwrap()
            .learn(Who::User, id, name)
    }

    #[test]
    fn files_are_read() {
        let f = files();
        assert_eq!(f.user_name(1001).as_deref(), Some(&b"alice"[..]));
        assert_eq!(f.user_id(b"bob"), Some(1002));
        assert_eq!(f.group_id(b"staff"), Some(50));
        assert_eq!(f.user_name(5), None);
        assert_eq!(f.group_name(0).as_deref(), Some(&b"root"[..]));
    }

    #[test]
    fn names_win_over_numbers() {
        assert_eq!(user(b"", false, 500, b"alice"), 1001);
        assert_eq!(user(b"", false, 500, b"carol"), 500);
        assert_eq!(user(b"", true, 500, b"alice"), 500);
        assert_eq!(user(b"", false, 0, b"alice"), 0);
    }

    // The cases verified in options 6.2.
    #[test]
    fn verified_maps() {
        for (map, numeric, id, name, want) in [
            ("0:1234", false, 0, "root", 1234),
            ("root:1234", false, 0, "root", 1234),
            ("r*:1234", false, 0, "root", 1234),
            (":1234", false, 0, "root", 0),
            ("*:5", false, 0, "root", 5),
            ("1-5:9,0-3:8", false, 0, "root", 8),
            ("*:5", true, 0, "root", 5),
            (":5", true, 0, "root", 5),
            ("root:5", true, 0, "root", 0),
            (":7", false, 4321, "", 7),
            ("*:7", false, 4321, "", 7),
            ("4000-5000:7,4321:8", false, 4321, "", 7),
            ("x*:7", false, 4321, "", 4321),
            ("[q-s]oo?:alice", false, 0, "root", 1001),
            ("[!r]oot:1", false, 0, "root", 0),
            ("[]r]o*t:1", false, 0, "root", 1),
            ("r*o\\t**:1", false, 0, "root", 1),
            ("*o*o*o*:1", false, 0, "root", 0),
            ("ro[o:1", false, 0, "root", 0),
            ("nobody-here:1,root:bob", false, 0, "root", 1002),
        ] {
            assert_eq!(
                user(map.as_bytes(), numeric, id, name.as_bytes()),
                want,
                "{map} {numeric}"
            );
        }
        // Not sent: the name of id 0 is taken to be root.
        let mut m = IdMap::new(files(), b"root:9", b"", false, false).unwrap();
        assert_eq!(m.local(Who::User, 0), 9);
        let mut m = IdMap::new(files(), b"root:9", b"", false, true).unwrap();
        assert_eq!(m.local(Who::User, 0), 0);
    }

    /// Found by fuzzing: each star doubled the work.
    #[test]
    fn many_stars_take_no_time() {
        let map = ["*".repeat(60).as_str(), "x:1"].concat();
        assert_eq!(user(map.as_bytes(), false, 7, &b"o".repeat(250)), 7);
        let map = ["*o".repeat(60).as_str(), "x:1"].concat();
        assert_eq!(user(map.as_bytes(), false, 7, &b"o".repeat(250)), 7);
    }

    #[test]
    fn bad_maps() {
        let text = |map: &[u8]| match IdMap::new(files(), map, b"", false, true) {
            Err(e) => {
                assert_eq!(e.code(), 1);
                e.to_string()
            }
            Ok(m) => m.warnings.concat(),
        };
        assert_eq!(text(b"a"), "No colon found in --usermap: a");
        assert_eq!(text(b"a:"), "No name found after colon --usermap: a:");
        assert_eq!(text(b"1-x:5"), "Invalid number in --usermap: 1-x");
        assert_eq!(
            text(b"a:nobody-here"),
            "Unknown --usermap name on receiver: nobody-here"
        );
    }

    #[test]
    fn ids_are_cached_by_kind() {
        let mut m = IdMap::new(files(), b"", b"7:8", false, true).unwrap();
        assert_eq!(m.learn(Who::User, 7, b"alice"), 1001);
        assert_eq!(m.local(Who::User, 7), 1001);
        assert_eq!(m.local(Who::Group, 7), 8);
        assert_eq!(m.local(Who::User, 8), 8);
        assert_eq!(m.local(Who::User, 7), 1001);
        m.restrict_groups(vec![8]);
        assert!(m.may_set_group(8) && !m.may_set_group(9));
    }
}
