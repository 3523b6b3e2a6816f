//! The two rule lists that a role consults: the daemon's, which is never overridden, and the user's for this side
//! (spec: filters 1, 4, 5, 6).

use std::io;

use rustix::io::Errno;

use crate::error::{IoErrorExt as _, Result};
use crate::plan::Plan;
use crate::report::Report;
use crate::role::Role;
use crate::rules::{BuildOptions, RuleOptions, Rules, Side, Warning, FROM_FILE};
use crate::tree::operator::{self, Trust};
use crate::tree::Root;
use crate::wire::item::IoErrors;

/// Whether rules with the modifier `p` count. They do not in a directory that is being deleted (spec: filters 2, 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Perishable {
    /// They count.
    Obeyed,
    /// They do not count.
    Ignored,
}

/// Rules of one role, and the directories that it has entered.
pub struct Filters {
    /// The names of this list are absolute: reports show the slash, which rules do not see.
    pub absolute: bool,
    rules: Rules,
    daemon: Rules,
    side: Side,
    insecure: bool,
    confine: Option<Vec<u8>>,
    entered: Vec<Vec<u8>>,
    /// A name is tested against the daemon's rules together with its parents. A receiver tests the name alone, so that a
    /// drop box can be hidden from lists and still accept files (spec: daemon 8; observed).
    parents: bool,
    /// The transfer root inside the module, with a final slash (or empty). The daemon's rules see it in front of names.
    prefix: Vec<u8>,
    module: Option<Vec<u8>>,
    /// Takes the warnings of reading rule files, and what `--debug=FILTER2` shows of them.
    report: Option<Report>,
}

fn build_options(plan: &Plan, role: Role) -> BuildOptions {
    BuildOptions {
        role: role.name().into(),
        from0: plan.select.from0,
        protocol: plan.agreed.protocol,
        ..BuildOptions::default()
    }
}

impl Filters {
    fn new(plan: &Plan, side: Side, root: &[u8]) -> Result<Self> {
        let role = if side == Side::Sender {
            Role::Sender
        } else {
            Role::Generator
        };
        let build = build_options(plan, role);
        let insecure = plan.place.insecure_links;
        let mut read = |name: &[u8]| -> io::Result<Option<Vec<u8>>> { read_operator(name, &plan.place.cwd, insecure) };
        let options = RuleOptions {
            side: Some(side),
            delete_excluded: plan.removal.delete_excluded,
            root: root.to_vec(),
            build: build.clone(),
        };
        let rules = Rules::new(&plan.select.rules, options, &mut read)?;
        let options = RuleOptions {
            side: daemon_side(side == Side::Sender),
            delete_excluded: false,
            root: b"/".to_vec(),
            build,
        };
        let daemon = Rules::new(&plan.select.daemon_rules, options, &mut read)?;
        Ok(Self {
            absolute: false,
            rules,
            daemon,
            parents: side == Side::Sender || plan.select.daemon_parents,
            side,
            insecure,
            confine: plan.place.confine_root.clone(),
            entered: Vec::new(),
            prefix: inside(plan.place.module_root.as_deref(), root),
            module: plan.place.module_root.clone(),
            report: None,
        })
    }

    /// The sender's rules; `root` is the first source directory.
    pub fn sender(plan: &Plan) -> Result<Self> {
        let root = operator::absolute(
            plan.select.sources.first().map_or(&b"."[..], Vec::as_slice),
            &plan.place.cwd,
        )
        .unwrap_or_else(|_| b"/".to_vec());
        Self::new(plan, Side::Sender, &root)
    }

    /// The rules of the receiving side.
    pub fn receiver(plan: &Plan, root: &[u8]) -> Result<Self> {
        Self::new(plan, Side::Receiver, root)
    }

    /// The same, with reports on the rule files that it reads.
    #[must_use]
    pub fn telling(mut self, report: &Report) -> Self {
        self.report = Some(report.clone());
        // The reader of the command line has reported its rules.
        self.rules.take_debug();
        if report.plan().output.debug.filter < 2 {
            self.rules.be_silent();
        }
        self.daemon.be_silent();
        self
    }

    /// Match `/`-modified rules against names below this root from now on.
    pub fn set_root(&mut self, root: &[u8]) {
        self.entered.clear();
        self.rules.set_root(root);
        self.prefix = inside(self.module.as_deref(), root);
    }

    /// The transfer root is the module's own.
    pub fn is_module_root(&self) -> bool {
        self.prefix.is_empty()
    }

    /// Whether there are per-directory rule files.
    pub fn has_merge(&self) -> bool {
        self.rules.has_merge()
    }

    /// Whether a rule includes or excludes the attribute.
    pub fn xattr(&self, name: &[u8]) -> Option<bool> {
        self.rules.check_xattr(name)
    }

    /// Whether there are rules for attributes.
    pub fn has_xattr_rules(&self) -> bool {
        self.rules.has_xattr_rules()
    }

    /// Whether a daemon's own list hides the name. Then it does not exist for the client.
    pub fn daemon_hides(&self, name: &[u8], is_dir: bool) -> bool {
        if name == b"." {
            // The root of a transfer has no name in the list: a sender tests its path in the module, and the destination
            // was tested before the transfer.
            return self.side == Side::Sender
                && !self.prefix.is_empty()
                && hides(&self.daemon, self.parents, &self.prefix[..self.prefix.len() - 1], true);
        }
        if self.daemon.is_empty() || self.prefix.is_empty() {
            return hides(&self.daemon, self.parents, name, is_dir);
        }
        hides(&self.daemon, self.parents, &[&self.prefix, name].concat(), is_dir)
    }

    /// Whether a daemon's own list hides the name beneath another directory than the destination, or a directory above it.
    /// A hidden file is not read for a client that guesses its name (spec: security SEC-13, SEC-15).
    pub fn daemon_hides_in(&self, root: &Root, name: &[u8], is_dir: bool) -> bool {
        if self.daemon.is_empty() {
            return false;
        }
        let path = [inside(self.module.as_deref(), root.path()), name.to_vec()].concat();
        hides(&self.daemon, true, &path, is_dir)
    }

    /// Whether the user's rules leave the name out of the list.
    pub fn hides(&self, name: &[u8], is_dir: bool, report: &Report) -> bool {
        self.verdict(name, is_dir, Perishable::Obeyed, report)
    }

    /// Whether the rules protect the name from deletion.
    pub fn protects(&self, name: &[u8], is_dir: bool, perishable: Perishable, report: &Report) -> bool {
        self.daemon_hides(name, is_dir) || self.verdict(name, is_dir, perishable, report)
    }

    fn verdict(&self, name: &[u8], is_dir: bool, perishable: Perishable, report: &Report) -> bool {
        if self.rules.is_empty() {
            return false;
        }
        let Some(found) = self.rules.find(name, is_dir, perishable == Perishable::Ignored) else {
            return false;
        };
        if report.plan().output.debug.filter > 0 {
            let role = if self.side == Side::Sender {
                Role::Sender
            } else {
                Role::Generator
            };
            let kind = if is_dir { "directory" } else { "file" };
            let shown = [if self.absolute { b"/".as_slice() } else { b"" }, name].concat();
            report.info(format!("[{role}] {}", found.debug_line(self.side, kind, &shown)));
        }
        let excluded = found.verdict().is_exclude();
        if excluded && self.side == Side::Sender {
            report.excluded(name, is_dir, found);
        }
        excluded
    }

    /// Read the per-directory files of `dir`. Each call needs one [`Filters::leave_dir`].
    pub fn enter_dir(&mut self, root: &Root, dir: &[u8], insecure: bool) -> Result<()> {
        let root = root.clone();
        let confine = self.confine.clone();
        let base = root.path().to_vec();
        let (daemon, prefix, module, parents) = (&self.daemon, &self.prefix, self.module.as_deref(), self.parents);
        let mut read = |name: &[u8]| -> io::Result<Option<Vec<u8>>> {
            // Rules may name any file; a file that the daemon hides counts as missing (spec: daemon 8, security SEC-13).
            let path = if name.first() == Some(&b'/') {
                inside(module, name)
            } else {
                [prefix.as_slice(), name].concat()
            };
            if hides(daemon, parents, &super::paths::confine(&path), false) {
                return Ok(None);
            }
            operator_file(name, &base, insecure, confine.as_deref())
        };
        let entered = self.rules.enter_dir(dir, &mut read);
        if let Some(report) = &self.report {
            for (level, line) in self.rules.take_debug() {
                if level <= report.plan().output.debug.filter {
                    report.info(line);
                }
            }
            for warning in self.rules.take_warnings() {
                let path = match warning {
                    Warning::Text(line) => {
                        report.error(line);
                        continue;
                    }
                    Warning::LongDirectory(path) => path,
                };
                let shown = path.map_or_else(|| FROM_FILE.into(), |path| report.quoted(&path));
                let text = b"cannot add local filter rules in long-named directory: ".as_slice();
                report.error([text, &shown].concat());
                // Without the rules it is unknown what is hidden or protected here.
                if self.side == Side::Sender {
                    report.set_listing_error(IoErrors::GENERAL);
                } else {
                    report.set_io_error(IoErrors::GENERAL);
                }
            }
        }
        entered
    }

    /// Leave the directory that was entered last.
    pub fn leave_dir(&mut self) {
        self.rules.leave_dir();
    }

    /// Enter `dir` and all directories above it, and leave the others: for walks that go depth first.
    pub fn go_to(&mut self, root: &Root, dir: &[u8], insecure: bool) -> Result<()> {
        if !self.has_merge() {
            return Ok(());
        }
        let dir = if dir == b"." { b"" } else { dir };
        while let Some(last) = self.entered.last() {
            if last.is_empty() && !dir.is_empty() || is_below(dir, last) {
                break;
            }
            self.rules.leave_dir();
            self.entered.pop();
        }
        // Directories between the last one and this one.
        let mut wanted: Vec<Vec<u8>> = Vec::new();
        if self.entered.is_empty() {
            wanted.push(Vec::new());
        }
        let from = self
            .entered
            .last()
            .map_or(0, |l| if l.is_empty() { 0 } else { l.len() + 1 });
        let mut at = from;
        while at < dir.len() {
            let end = memchr::memchr(b'/', &dir[at..]).map_or(dir.len(), |n| at + n);
            wanted.push(dir[..end].to_vec());
            at = end + 1;
        }
        for next in wanted {
            if self.entered.last() == Some(&next) {
                continue;
            }
            self.entered.push(next.clone());
            self.enter_dir(root, &next, insecure || self.insecure)?;
        }
        Ok(())
    }
}

/// Which of a daemon's own rules count: all, except that a daemon that receives ignores rules for senders. rsync ignores a
/// hiding rule on both sides, but a hidden file must not be sent.
pub fn daemon_side(sends: bool) -> Option<Side> {
    (!sends).then_some(Side::Receiver)
}

/// Whether a daemon's rules hide `name`, given as a path in the module.
fn hides(daemon: &Rules, parents: bool, name: &[u8], is_dir: bool) -> bool {
    if daemon.is_empty() {
        return false;
    }
    let verdict = if parents {
        daemon.check_path(name, is_dir)
    } else {
        daemon.check(name, is_dir)
    };
    verdict.is_exclude()
}

/// `root` relative to the module, with a final slash; empty for the module's root itself.
fn inside(module: Option<&[u8]>, root: &[u8]) -> Vec<u8> {
    let Some(module) = module else { return Vec::new() };
    let root = super::paths::clean(root);
    let module = super::paths::clean(module);
    let rest = if module == b"/" {
        &root[..]
    } else {
        root.strip_prefix(module.as_slice()).unwrap_or(b"")
    };
    let rest = rest.strip_prefix(b"/").unwrap_or(rest);
    if rest.is_empty() {
        Vec::new()
    } else {
        [rest, b"/"].concat()
    }
}

fn is_below(dir: &[u8], parent: &[u8]) -> bool {
    dir.len() > parent.len() && dir.starts_with(parent) && dir[parent.len()] == b'/'
}

/// Most bytes of a rule file in a module: a client names the file.
const LARGEST_IN_MODULE: u64 = 64 << 20;

fn operator_file(name: &[u8], cwd: &[u8], insecure: bool, confine: Option<&[u8]>) -> io::Result<Option<Vec<u8>>> {
    use std::io::Read;
    let full = operator::absolute(name, cwd)?;
    let trust = Trust {
        uid: None,
        insecure,
        confine_root: confine,
    };
    let mut file = match operator::open_file(&full, trust) {
        Ok(file) => file,
        Err(e) if e.is(Errno::NOENT) => return Ok(None),
        Err(e) => return Err(e),
    };
    let mut data = Vec::new();
    if confine.is_none() {
        file.read_to_end(&mut data)?;
    } else if file.take(LARGEST_IN_MODULE + 1).read_to_end(&mut data)? as u64 > LARGEST_IN_MODULE {
        return Err(io::Error::from(Errno::FBIG));
    }
    Ok(Some(data))
}

/// Read a rule file that a daemon's client names: an absolute name begins at the module's root, and a file outside of
/// it, through `..` or links, is refused (ELOOP). `None`: the file does not exist.
///
/// spec: daemon 7.3
pub fn read_in_module(name: &[u8], module: &[u8], insecure: bool) -> io::Result<Option<Vec<u8>>> {
    let within = module == b"/" || is_below(name, module) || name.first() != Some(&b'/');
    let name = if within { name.to_vec() } else { [module, name].concat() };
    operator_file(&name, module, insecure, (!insecure).then_some(module))
}

/// Read a rule file that the operator named (spec: transfer 16.2). `None`: the file does not exist.
pub fn read_operator(name: &[u8], cwd: &[u8], insecure: bool) -> io::Result<Option<Vec<u8>>> {
    operator_file(name, cwd, insecure, None)
}
