//! The ordered list of rules as it grows from options, files and the wire, before it is compiled for one side.
//! spec: filters 1 to 3, 7.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use super::rule::{base_name, is_space, parse, Kind, Origin, Rule, Style, Template, FROM_FILE};
use super::split::Lines;
use crate::error::{bail, sys_text, Error, Result};

/// Gives the bytes of a rule file. `None`: there is no such file. An error other than "not found" is reported where the
/// user named the file.
pub(crate) type Reader<'a> = dyn FnMut(&[u8]) -> io::Result<Option<Vec<u8>>> + 'a;

/// Merge files may nest this deep.
const DEPTH: usize = 32;
/// A longer pattern (with its trailing slash) is dropped with a warning.
pub(super) const MAX_PATTERN: usize = 4095;

/// The built-in CVS list (spec: filters 7).
const CVS: &str = "RCS SCCS CVS CVS.adm RCSLOG cvslog.* tags TAGS .make.state .nse_depinfo *~ #* .#* ,* _$* *$ *.old \
    *.bak *.BAK *.orig *.rej .del-* *.a *.olb *.o *.obj *.so *.exe *.Z *.elc *.ln core .svn/ .git/ .hg/ .bzr/";

/// What is fixed while a list is built.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// Name in `[role]` of messages: `client`, `sender`, `receiver`, `generator`, `server`.
    pub role: String,
    /// Rule files are separated by NUL (`-0`).
    pub from0: bool,
    /// The built-in CVS rules are perishable from protocol 30 on.
    pub protocol: u8,
    /// `$HOME/.cvsignore` (`/.cvsignore` in a chrooted daemon); `None`: no such file is looked for.
    pub cvs_file: Option<Vec<u8>>,
    /// `$CVSIGNORE`.
    pub cvs_words: Option<Vec<u8>>,
}

impl Default for BuildOptions {
    fn default() -> Self {
        Self {
            role: "client".into(),
            from0: false,
            protocol: 32,
            cvs_file: None,
            cvs_words: None,
        }
    }
}

/// One contribution to the list, in command-line order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `--filter`
    Filter(Vec<u8>),
    /// `--exclude`
    Exclude(Vec<u8>),
    /// `--include`
    Include(Vec<u8>),
    /// `--exclude-from`
    ExcludeFrom(Vec<u8>),
    /// `--include-from`
    IncludeFrom(Vec<u8>),
    /// `--cvs-exclude`: `:C` and the global list.
    Cvs,
    /// `--delete-excluded`: from here on a rule that names no side is written as a sender's rule. (What it does to the
    /// rules before it is decided when they are used: [`super::RuleOptions::delete_excluded`].)
    DeleteExcluded,
    /// `--from0` or `--no-from0`: how the files that follow are separated.
    From0(bool),
}

/// A rule of the list, and the CVS rules that a `-C` stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub rule: Rule,
    /// What `-C` expands to.
    pub cvs: Vec<Rule>,
    /// Added by the option `-C`, which the server has too.
    pub option: bool,
    /// `<rule from F line 3>`: how messages name a per-directory file that was itself named in a file.
    pub shown: Option<String>,
    /// The file that it stands in.
    pub place: Option<Place>,
}

/// Where a rule stands: a file's path as it was opened, and the number of the line, 0 in a file of words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub file: Arc<[u8]>,
    pub line: usize,
}

/// An ordered list of rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleSet {
    pub(super) items: Vec<Item>,
    /// The files of its per-directory merge rules: a second rule for the same one adds nothing.
    per_dir: HashSet<Vec<u8>>,
    /// Warnings for the user, complete lines.
    pub warnings: Vec<String>,
    /// Lines for `--debug=FILTER` with the level that shows them. They hold no text from files.
    pub debug: Vec<(u8, String)>,
    sender_default: bool,
    /// The line that is being read.
    place: Option<Place>,
    /// Whether a `!` cleared the list.
    pub(super) cleared: bool,
}

/// Build a list from option events in order (spec: filters 1).
/// Errors: `Usage` (1) for bad rules, `FileIo` (11) for files that cannot be read or nest too deep.
pub fn build(sources: &[Source], options: &BuildOptions, read: &mut Reader<'_>) -> Result<RuleSet> {
    let mut set = RuleSet::default();
    let mut options = options.clone();
    for source in sources {
        if let Source::From0(on) = source {
            options.from0 = *on;
        }
        set.add(source, &options, read)?;
    }
    Ok(set)
}

/// A file being read: its place in messages, and how deep it is.
#[derive(Debug, Clone)]
pub(super) struct FileContext {
    /// `F`, or `a file named at F line 3`.
    pub place: String,
    /// The name was given outright, so that line numbers are shown.
    pub direct: bool,
    pub depth: usize,
    /// Put before relative names in it (with a slash at its end, or empty).
    pub dir: Vec<u8>,
    /// Suffix of debug lines: ` [per-dir .rules]`.
    pub list: String,
}

impl FileContext {
    pub(super) fn top() -> Self {
        Self {
            place: String::new(),
            direct: true,
            depth: 0,
            dir: Vec::new(),
            list: String::new(),
        }
    }

    fn origin(&self, line: Option<usize>) -> Origin {
        match line {
            Some(line) if self.direct => Origin::File(format!("{} line {line}", self.place)),
            _ => Origin::File(self.place.clone()),
        }
    }

    /// The context of a file that a rule of `origin` names.
    fn nested(&self, name: &[u8], origin: &Origin) -> Self {
        let (place, direct) = match origin {
            Origin::Text => (String::from_utf8_lossy(name).into_owned(), true),
            Origin::File(place) => (format!("a file named at {place}"), false),
        };
        Self {
            place,
            direct,
            depth: self.depth + 1,
            dir: self.dir.clone(),
            list: self.list.clone(),
        }
    }
}

impl RuleSet {
    /// Add what one option gives.
    pub fn add(&mut self, source: &Source, options: &BuildOptions, read: &mut Reader<'_>) -> Result<()> {
        match source {
            Source::Filter(text) => self.add_rule_text(text, &Template::new_style(), options, read),
            Source::Exclude(text) => self.add_old_style(text, false),
            Source::Include(text) => self.add_old_style(text, true),
            Source::ExcludeFrom(name) => self.add_file(name, &Template::old_style(false), options, read),
            Source::IncludeFrom(name) => self.add_file(name, &Template::old_style(true), options, read),
            Source::Cvs => self.add_cvs(options, read),
            Source::DeleteExcluded => {
                self.sender_default = true;
                Ok(())
            }
            Source::From0(_) => Ok(()),
        }
    }

    /// Add one rule text as written on a command line or received over the wire; merges read their file now.
    pub fn add_rule_text(
        &mut self,
        text: &[u8],
        template: &Template,
        options: &BuildOptions,
        read: &mut Reader<'_>,
    ) -> Result<()> {
        self.add_text(text, template, &Origin::Text, &FileContext::top(), options, read)
    }

    /// Add a pattern of `--exclude` or `--include` (spec: filters 2.2).
    pub fn add_old_style(&mut self, pattern: &[u8], include: bool) -> Result<()> {
        // Old-style text cannot name a file.
        let mut none = |_: &[u8]| Ok(None);
        self.add_rule_text(
            pattern,
            &Template::old_style(include),
            &BuildOptions::default(),
            &mut none,
        )
    }

    /// Read a file of rules that was named outright.
    pub fn add_file(
        &mut self,
        name: &[u8],
        template: &Template,
        options: &BuildOptions,
        read: &mut Reader<'_>,
    ) -> Result<()> {
        self.read_file(name, template, &Origin::Text, &FileContext::top(), options, read)
    }

    /// Append what `-C` adds: `:C` and the global list (spec: filters 7).
    pub fn add_cvs(&mut self, options: &BuildOptions, read: &mut Reader<'_>) -> Result<()> {
        for text in [&b":C"[..], b"-C"] {
            let before = self.items.len();
            self.add_rule_text(text, &Template::new_style(), options, read)?;
            for item in &mut self.items[before..] {
                item.option = true;
            }
        }
        Ok(())
    }

    pub(super) fn add_text(
        &mut self,
        text: &[u8],
        template: &Template,
        origin: &Origin,
        context: &FileContext,
        options: &BuildOptions,
        read: &mut Reader<'_>,
    ) -> Result<()> {
        let Some(mut rule) = parse(text, template, origin)? else {
            return Ok(());
        };
        let role = &options.role;
        if rule.kind == Kind::Clear {
            self.debug
                .push((2, format!("[{role}] clearing filter list{}", context.list)));
            self.items.clear();
            self.per_dir.clear();
            self.cleared = true;
            return Ok(());
        }
        let length = rule.pattern.len() + usize::from(rule.dir_only);
        if length > MAX_PATTERN {
            let shown = origin.show(&rule.pattern_text());
            self.warnings.push(format!("discarding over-long filter: {shown}"));
            return Ok(());
        }
        if rule.exclude_self {
            // The file's own name is excluded by a rule of its own, which is also what goes over the wire.
            rule.exclude_self = false;
            let mut own = Rule::plain(base_name(&rule.pattern), false);
            own.from_file = rule.from_file;
            self.push(own, Vec::new(), origin, context, options);
        }
        match rule.kind {
            Kind::Merge => {
                let template = Template::of_merge(&rule);
                self.read_file(&rule.pattern, &template, origin, context, options, read)
            }
            Kind::CvsList => {
                let cvs = cvs_rules(&rule, options, read)?;
                self.push(rule, cvs, origin, context, options);
                Ok(())
            }
            Kind::PerDir => {
                if self.per_dir.insert(rule.base_name().to_vec()) {
                    self.push(rule, Vec::new(), origin, context, options);
                }
                Ok(())
            }
            _ => {
                if self.sender_default && !rule.sender && !rule.receiver {
                    rule.sender = true;
                }
                self.push(rule, Vec::new(), origin, context, options);
                Ok(())
            }
        }
    }

    fn push(&mut self, rule: Rule, cvs: Vec<Rule>, origin: &Origin, context: &FileContext, options: &BuildOptions) {
        let role = &options.role;
        let shown = origin.show(&rule.text());
        let list = &context.list;
        if rule.pattern.last().is_some_and(|c| is_space(*c)) && rule.kind != Kind::CvsList {
            let line = format!("[{role}] add_rule({shown}){list} -- CAUTION: trailing whitespace!");
            self.debug.push((1, line));
        } else {
            self.debug.push((2, format!("[{role}] add_rule({shown}){list}")));
        }
        for rule in &cvs {
            let text = if rule.from_file {
                FROM_FILE.into()
            } else {
                lossy(&rule.text())
            };
            self.debug.push((2, format!("[{role}] add_rule({text}) [global CVS]")));
        }
        let shown = rule.from_file.then_some(shown);
        self.items.push(Item {
            rule,
            cvs,
            option: false,
            shown,
            place: self.place.clone(),
        });
    }

    /// `name` as the rule has it; the file is looked for in the directory of the context.
    fn read_file(
        &mut self,
        name: &[u8],
        template: &Template,
        origin: &Origin,
        context: &FileContext,
        options: &BuildOptions,
        read: &mut Reader<'_>,
    ) -> Result<()> {
        let role = &options.role;
        if context.depth >= DEPTH {
            let shown = origin.show(name);
            bail!(FileIo; "[{role}] merge-file include depth limit ({DEPTH}) exceeded at {shown}");
        }
        let path = if name.starts_with(b"/") {
            name.to_vec()
        } else {
            [&context.dir, name].concat()
        };
        let missing = || io::Error::from_raw_os_error(2);
        let content = match read(&path).and_then(|content| content.ok_or_else(missing)) {
            Ok(content) => content,
            // A directory reads as an empty file.
            Err(error) if error.raw_os_error() == Some(21) => Vec::new(),
            Err(error) => {
                let kind = if template.include { "include" } else { "exclude" };
                return Err(Error::FileIo(match origin {
                    Origin::Text => {
                        let name = lossy(name);
                        format!(
                            "rsync: [{role}] failed to open {kind} file {name}: {}",
                            sys_text(&error)
                        )
                    }
                    Origin::File(_) => {
                        format!("failed to open {kind} file {}", origin.show(name))
                    }
                }));
            }
        };
        let inner = context.nested(name, origin);
        let outer = self.place.take();
        let result = self.add_content(&content, &path, template, &inner, options, read);
        self.place = outer;
        result
    }

    /// Add the rules of a file's content (spec: filters 3); `file` is its path.
    pub(super) fn add_content(
        &mut self,
        content: &[u8],
        file: &[u8],
        template: &Template,
        context: &FileContext,
        options: &BuildOptions,
        read: &mut Reader<'_>,
    ) -> Result<()> {
        let file: Arc<[u8]> = file.into();
        if template.word_split {
            let origin = context.origin(None);
            self.place = Some(Place { file, line: 0 });
            for word in content.split(|c| is_space(*c) || (options.from0 && *c == 0)) {
                self.add_text(word, template, &origin, context, options, read)?;
            }
            return Ok(());
        }
        for (number, line) in (Lines {
            rest: content,
            nul: options.from0,
        })
        .enumerate()
        {
            // A NUL that does not end a rule ends what of it is read (observed).
            let line = line.split(|&c| c == 0).next().unwrap_or_default();
            if !matches!(line.first(), None | Some(b'#' | b';')) {
                let origin = context.origin(Some(number + 1));
                self.place = Some(Place {
                    file: Arc::clone(&file),
                    line: number + 1,
                });
                self.add_text(line, template, &origin, context, options, read)?;
            }
        }
        Ok(())
    }

    /// The texts for `Plan::rules`: as [`Rule::text`] writes them, with a mark (NUL and a letter) in front of those whose text
    /// must not be shown or that belong to the global CVS list, so that messages stay right on the other side. A NUL, the
    /// line, a NUL and the file end a text whose place is known.
    pub fn plan_texts(&self) -> Vec<Vec<u8>> {
        let mark = |rule: &Rule| match (rule.from_file, rule.global_cvs) {
            (false, false) => &b""[..],
            (true, false) => b"\0f",
            (false, true) => b"\0g",
            (true, true) => b"\0h",
        };
        let text = |(item, rule): (&Item, &Rule)| {
            let mut text = [mark(rule), &rule.text()].concat();
            if let Some(place) = item.place.as_ref().filter(|_| rule.from_file && !rule.global_cvs) {
                text.extend_from_slice(format!("\0{}\0", place.line).as_bytes());
                text.extend_from_slice(&place.file);
            }
            text
        };
        self.flat().map(text).collect()
    }

    /// Read back what [`RuleSet::plan_texts`] wrote.
    pub fn from_plan_texts(texts: &[Vec<u8>], options: &BuildOptions, read: &mut Reader<'_>) -> Result<Self> {
        let mut set = Self::default();
        for text in texts {
            let (mark, text) = match text.as_slice() {
                [0, mark, rest @ ..] => (*mark, rest),
                plain => (0, plain),
            };
            let mut parts = text.splitn(3, |&byte| byte == 0);
            let text = parts.next().unwrap_or_default();
            let line = parts
                .next()
                .and_then(|line| std::str::from_utf8(line).ok()?.parse().ok());
            set.place = line.zip(parts.next()).map(|(line, file)| Place {
                file: file.into(),
                line,
            });
            let origin = match mark {
                b'f' | b'h' => Origin::File("a file read earlier".into()),
                _ => Origin::Text,
            };
            let before = set.items.len();
            set.add_text(
                text,
                &Template::new_style(),
                &origin,
                &FileContext::top(),
                options,
                read,
            )?;
            if matches!(mark, b'g' | b'h') {
                for item in set.items.iter_mut().skip(before) {
                    item.rule.global_cvs = true;
                }
            }
        }
        Ok(set)
    }

    /// All rules, `-C` expanded.
    fn flat(&self) -> impl Iterator<Item = (&Item, &Rule)> {
        self.items.iter().flat_map(|item| {
            let own = (item.rule.kind != Kind::CvsList).then_some(&item.rule);
            own.into_iter().chain(&item.cvs).map(move |rule| (item, rule))
        })
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The global CVS list with the qualities of the `-C` rule that inserts it.
fn cvs_rules(parent: &Rule, options: &BuildOptions, read: &mut Reader<'_>) -> Result<Vec<Rule>> {
    let template = Template {
        style: Style::Bare,
        include: parent.include,
        word_split: true,
        cvs: true,
        absolute: parent.absolute,
        perishable: parent.perishable,
        xattr: parent.xattr,
        sender: parent.sender,
        receiver: parent.receiver,
    };
    let mut list = RuleSet::default();
    let mut words = |content: &[u8], template: &Template, origin: &Origin| -> Result<()> {
        let mut none = |_: &[u8]| Ok(None);
        for word in content.split(|c| is_space(*c)) {
            list.add_text(word, template, origin, &FileContext::top(), options, &mut none)?;
        }
        Ok(())
    };
    let built_in = Template {
        perishable: parent.perishable || options.protocol >= 30,
        ..template
    };
    words(CVS.as_bytes(), &built_in, &Origin::Text)?;
    if let Some(name) = &options.cvs_file {
        // A file that is missing or cannot be read adds nothing.
        if let Ok(Some(content)) = read(name) {
            words(&content, &template, &Origin::File(lossy(name)))?;
        }
    }
    if let Some(content) = &options.cvs_words {
        words(content, &template, &Origin::Text)?;
    }
    Ok(list
        .items
        .into_iter()
        .map(|item| Rule {
            global_cvs: true,
            ..item.rule
        })
        .collect())
}
