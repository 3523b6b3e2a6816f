//! The verified cases of spec filters 13, and the texts, files and wire forms around them.

use std::collections::BTreeMap;
use std::io;

use super::*;
use crate::error::{Error, Result};

#[derive(Debug)]
enum Want {
    Sent,
    Excluded,
    Error(&'static str),
}
use Want::{Error as Fails, Excluded, Sent};

/// Rules, the path in the source, whether the source is given as `src` (without a slash), and what happens.
/// spec: filters 13, row by row.
#[rustfmt::skip]
const CASES: &[(&[&str], &str, bool, Want)] = &[
    (&["- foo"], "foo", false, Excluded),
    (&["- foo"], "a/foo", false, Excluded),
    (&["- foo"], "foo/", false, Excluded),
    (&["- foo"], "foo/bar", false, Excluded),
    (&["- foo"], "foobar", false, Sent),
    (&["- foo/"], "foo", false, Sent),
    (&["- foo/"], "foo/", false, Excluded),
    (&["- foo/"], "a/foo/x", false, Excluded),
    (&["- /foo"], "foo", false, Excluded),
    (&["- /foo"], "a/foo", false, Sent),
    (&["- /foo"], "foo", true, Sent),
    (&["- /src/foo"], "foo", true, Excluded),
    (&["- src/foo"], "foo", true, Excluded),
    (&["- /a/foo"], "a/foo", false, Excluded),
    (&["- a/foo"], "a/foo", false, Excluded),
    (&["- a/foo"], "b/a/foo", false, Excluded),
    (&["- a/foo"], "ba/foo", false, Sent),
    (&["- a/foo"], "a/b/foo", false, Sent),
    (&["- *.o"], "x.o", false, Excluded),
    (&["- *.o"], "a/b/x.o", false, Excluded),
    (&["- *.o"], ".o", false, Excluded),
    (&["- *"], ".hid", false, Excluded),
    (&["- /*"], "a", false, Excluded),
    (&["- /*/"], "a", false, Sent),
    (&["- /*/"], "a/", false, Excluded),
    (&["- */"], "a/b", false, Excluded),
    (&["- a/*"], "a/b", false, Excluded),
    (&["- a/*"], "a/b/c", false, Excluded),
    (&["- a/*"], "x/a/b", false, Excluded),
    (&["- a/*/c"], "a/b/c", false, Excluded),
    (&["- a/*/c"], "a/b/b/c", false, Sent),
    (&["- a/**/c"], "a/b/b/c", false, Excluded),
    (&["- a/**/c"], "a/c", false, Sent),
    (&["- a/**/c"], "x/a/b/c", false, Excluded),
    (&["- /a/**/c"], "x/a/b/c", false, Sent),
    (&["- a/**"], "a/b", false, Excluded),
    (&["- a/**"], "a/", false, Sent),
    (&["- a/***"], "a/", false, Excluded),
    (&["- a/***"], "a/b/c", false, Excluded),
    (&["- /a/***"], "b/a/", false, Sent),
    (&["- **/foo"], "foo", false, Excluded),
    (&["- **/foo"], "a/b/foo", false, Excluded),
    (&["- **foo"], "a/bfoo", false, Excluded),
    (&["- foo**bar"], "fooxbar", false, Excluded),
    (&["- foo**bar"], "foo/x/bar", false, Excluded),
    (&["- foo**bar"], "a/foo/x/bar", false, Excluded),
    (&["- /foo**bar"], "a/foo/x/bar", false, Sent),
    (&["- **/a/**"], "x/a/y", false, Excluded),
    (&["- **/a/**"], "a/y", false, Excluded),
    (&["- /**/foo"], "foo", false, Sent),
    (&["- /**/foo"], "a/foo", false, Excluded),
    (&["- f?o"], "foo", false, Excluded),
    (&["- f?o"], "f/o", false, Sent),
    (&["- f*o"], "f/o", false, Sent),
    (&["- f[aeo]o"], "foo", false, Excluded),
    (&["- f[!o]o"], "foo", false, Sent),
    (&["- f[^o]o"], "fao", false, Excluded),
    (&["- f[a-p]o"], "foo", false, Excluded),
    (&["- f[[:alpha:]]o"], "foo", false, Excluded),
    (&["- f[[:digit:]]o"], "foo", false, Sent),
    (&["- f[[:bogus:]]o"], "foo", false, Sent),
    (&["- f[]o]o"], "f]o", false, Excluded),
    (&[r"- f[a\]]o"], "f]o", false, Excluded),
    (&["- f[!]]o"], "f]o", false, Sent),
    (&["- f[-a]o"], "f-o", false, Excluded),
    (&[r"- f\*o"], "f*o", false, Excluded),
    (&[r"- f\*o"], r"f\*o", false, Sent),
    (&[r"- f\[o"], "f[o", false, Excluded),
    (&[r"- fo\o"], "foo", false, Sent),
    (&[r"- fo\o"], r"fo\o", false, Excluded),
    (&[r"- fo\o*"], "foo", false, Excluded),
    (&[r"- f*\o"], "foo", false, Excluded),
    (&["- f[o"], "f[o", false, Sent),
    (&[r"- foo\"], r"foo\", false, Excluded),
    (&[r"- foo\*"], r"foo\", false, Sent),
    (&["- [/]foo"], "foo", false, Sent),
    (&["- a[/]b"], "a/b", false, Sent),
    (&["- A"], "a", false, Sent),
    (&["-! foo"], "foo", false, Sent),
    (&["-! foo"], "bar", false, Excluded),
    (&["-! */"], "foo", false, Excluded),
    (&["-! */"], "d/", false, Sent),
    (&["-! *.c"], "d/x.c", false, Excluded),
    (&["-/ /foo"], "foo", false, Sent),
    (&["-s foo"], "foo", false, Excluded),
    (&["-r foo"], "foo", false, Sent),
    (&["H foo"], "foo", false, Excluded),
    (&["P foo"], "foo", false, Sent),
    (&["hide foo"], "foo", false, Excluded),
    (&["hide,s foo"], "foo", false, Fails("invalid modifier 's' at position 5 in filter rule: hide,s foo")),
    (&["exclude foo"], "foo", false, Excluded),
    (&["exclude,! bar"], "foo", false, Excluded),
    (&["exclude_foo"], "foo", false, Excluded),
    (&["-_foo"], "foo", false, Excluded),
    (&["-,! bar"], "foo", false, Excluded),
    (&["-foo"], "foo", false, Fails("invalid modifier 'f' at position 1 in filter rule: -foo")),
    (&["- foo "], "foo", false, Sent),
    (&["-  foo"], " foo", false, Excluded),
    (&["+ foo", "- *"], "foo", false, Sent),
    (&["- *", "+ foo"], "foo", false, Excluded),
    (&["+ a/b", "- *"], "a/b", false, Excluded),
    (&["+ a/", "+ a/b", "- *"], "a/b", false, Sent),
    (&["+ */", "- *"], "a/b/", false, Sent),
    (&["+ */", "+ *.c", "- *"], "a/b/x.c", false, Sent),
    (&["+ a/***", "- *"], "a/b/c", false, Sent),
    (&["- foo", "!"], "foo", false, Sent),
    (&["- foo", "clear"], "foo", false, Sent),
    (&["! x"], "foo", false, Fails("'!' rule has trailing characters: ! x")),
    (&["show foo", "- foo"], "foo", false, Sent),
    (&["S foo", "- foo"], "foo", false, Sent),
    (&["R foo", "- foo"], "foo", false, Excluded),
    (&["Z foo"], "foo", false, Fails("Unknown filter rule: Z foo")),
    (&["-q foo"], "foo", false, Fails("invalid modifier 'q' at position 1 in filter rule: -q foo")),
    (&["-"], "foo", false, Fails("unexpected end of filter rule: -")),
    (&["-x foo"], "foo", false, Sent),
    (&["-p foo"], "foo", false, Excluded),
    (&["-C"], "x.o", false, Excluded),
    (&["-C"], "CVS/", false, Excluded),
    (&["-C"], "core", false, Excluded),
];

/// Files by the path that the reader is asked for.
type Files = BTreeMap<Vec<u8>, Vec<u8>>;

fn files(list: &[(&str, &str)]) -> Files {
    list.iter()
        .map(|(name, content)| (name.as_bytes().to_vec(), content.as_bytes().to_vec()))
        .collect()
}

fn reader(files: &Files) -> impl FnMut(&[u8]) -> io::Result<Option<Vec<u8>>> + '_ {
    |name| Ok(files.get(name).cloned())
}

fn filters(rules: &[&str]) -> Vec<Source> {
    rules
        .iter()
        .map(|text| Source::Filter(text.as_bytes().to_vec()))
        .collect()
}

/// Walk `tree` (directories end in a slash and stand before what they hold) as a sender does; gives what is left out.
fn hidden(sources: &[Source], options: &RuleOptions, files: &Files, tree: &[&str]) -> Result<Vec<String>> {
    let set = build(sources, &options.build, &mut reader(files))?;
    let mut rules = Rules::from_set(&set, options.clone());
    let mut out = Vec::new();
    let mut stack: Vec<&str> = Vec::new();
    rules.enter_dir(b"", &mut reader(files))?;
    for path in tree {
        let name = path.trim_end_matches('/');
        while stack.last().is_some_and(|dir| !name.starts_with(&format!("{dir}/"))) {
            stack.pop();
            rules.leave_dir();
        }
        let parent = name.rfind('/').map_or("", |at| &name[..at]);
        if stack.last().copied().unwrap_or("") != parent {
            continue;
        }
        let is_dir = path.ends_with('/');
        if rules.check(name.as_bytes(), is_dir) == Verdict::Exclude {
            out.push((*path).to_string());
        } else if is_dir {
            rules.enter_dir(name.as_bytes(), &mut reader(files))?;
            stack.push(name);
        }
    }
    Ok(out)
}

fn sender(root: &str) -> RuleOptions {
    RuleOptions {
        side: Some(Side::Sender),
        root: root.into(),
        ..RuleOptions::default()
    }
}

#[test]
fn verified_cases() {
    for (number, (rules, path, with_src, want)) in CASES.iter().enumerate() {
        let number = number + 1;
        let path = if *with_src {
            format!("src/{path}")
        } else {
            (*path).to_string()
        };
        let mut tree: Vec<String> = path
            .match_indices('/')
            .map(|(at, _)| path[..=at].to_string())
            .filter(|dir| *dir != path)
            .collect();
        tree.push(path.clone());
        let tree: Vec<&str> = tree.iter().map(String::as_str).collect();
        let root = if *with_src { "/m" } else { "/m/src" };
        let got = hidden(&filters(rules), &sender(root), &Files::new(), &tree);
        match (want, got) {
            (Sent, Ok(list)) => {
                assert!(list.is_empty(), "case {number} {rules:?} {path}: {list:?}");
            }
            (Excluded, Ok(list)) => assert_eq!(list.len(), 1, "case {number} {rules:?} {path}"),
            (Fails(text), Err(error)) => {
                assert_eq!(error, Error::Usage((*text).into()), "case {number}");
            }
            (want, got) => panic!("case {number} {rules:?}: want {want:?}, got {got:?}"),
        }
    }
    assert_eq!(CASES.len(), 119);
}

const TREE: &[&str] = &[
    "a.o", "b", "top", "d/", "d/.rules", "d/a.o", "d/b", "d/q", "d/top", "d/e/", "d/e/a.o", "d/e/b", "d/e/q", "f/",
    "f/a.o",
];

fn exclude_from(name: &str) -> Vec<Source> {
    vec![Source::ExcludeFrom(name.into())]
}

fn words(kind: fn(Vec<u8>) -> Source, list: &[&str]) -> Vec<Source> {
    list.iter().map(|text| kind(text.as_bytes().to_vec())).collect()
}

/// spec: filters 13.1, row by row: rules, files, what is not transferred.
#[test]
#[allow(clippy::too_many_lines)] // one table
fn verified_merge_cases() {
    let every_o: &[&str] = &["a.o", "d/a.o", "d/e/a.o", "f/a.o"];
    let f = filters;
    type Row<'a> = (Vec<Source>, &'a [(&'a str, &'a str)], &'a [&'a str]);
    let rows: Vec<Row<'_>> = vec![
        (f(&[": .rules"]), &[("d/.rules", "- *.o\n")], &["d/a.o", "d/e/a.o"]),
        (f(&[":n .rules"]), &[("d/.rules", "- *.o\n")], &["d/a.o"]),
        (
            f(&[":e .rules"]),
            &[("d/.rules", "- *.o\n")],
            &["d/.rules", "d/a.o", "d/e/a.o"],
        ),
        (f(&[": .rules"]), &[("d/.rules", "- /b\n")], &["d/b"]),
        (f(&[": .rules"]), &[("d/.rules", "- e/q\n")], &["d/e/q"]),
        (f(&[": .rules"]), &[("d/.rules", "- /e/q\n")], &["d/e/q"]),
        (f(&[": .rules"]), &[("d/.rules", "- d/q\n")], &["d/q"]),
        (f(&[": .rules", "- *.o"]), &[("d/.rules", "+ *.o\n")], &["a.o", "f/a.o"]),
        (f(&["- *.o", ": .rules"]), &[("d/.rules", "+ *.o\n")], every_o),
        (f(&[":- .rules"]), &[("d/.rules", "a.o b\n")], &[]),
        (
            f(&[":w- .rules"]),
            &[("d/.rules", "a.o b\n")],
            &["d/a.o", "d/b", "d/e/a.o", "d/e/b"],
        ),
        (
            f(&[": .rules"]),
            &[(".rules", "- *.o\n"), ("d/.rules", "!\n- q\n")],
            &["a.o", "d/q", "d/e/q", "f/a.o"],
        ),
        (f(&[":C"]), &[("d/.cvsignore", "*.o q\n")], &["d/a.o", "d/q"]),
        (f(&[": ../.up"]), &[("/m/.up", "- *.o\n")], every_o),
        (f(&[": nofile"]), &[], &[]),
        (words(Source::Exclude, &["b", "!"]), &[], &[]),
        (words(Source::Exclude, &["H b"]), &[], &[]),
        (
            [words(Source::Include, &["- b"]), words(Source::Exclude, &[""])].concat(),
            &[],
            &["b", "d/b", "d/e/b"],
        ),
        (words(Source::Exclude, &["+ b", "*"]), &[], &["a.o", "top", "d/", "f/"]),
        (f(&["merge,r F"]), &[("F", "- b\n")], &[]),
        (
            exclude_from("F"),
            &[("F", "q\r\nb\r\n")],
            &["b", "d/b", "d/q", "d/e/b", "d/e/q"],
        ),
        (
            f(&[": /.rsync-filter"]),
            &[(".rsync-filter", "- top\n")],
            &["top", "d/top"],
        ),
        (f(&["-/ src/d/q"]), &[], &["d/q"]),
        (f(&["-/ /m/src/d/q"]), &[], &["d/q"]),
        (f(&["-/ /n/src/d/q"]), &[], &[]),
        // More cases, seen with the real program.
        (f(&["-/ **/m/src/b"]), &[], &[]),
        (f(&["-/ **/src/b"]), &[], &["b"]),
        (f(&["-/ src/**/b"]), &[], &["d/b", "d/e/b"]),
        // A lone backslash at the end of a wildcard pattern matches nothing.
        (f(&["- to?\\"]), &[], &[]),
        // A slash in a set counts as one: a name with fewer components does not match.
        (f(&["- [a/b]"]), &[], &[]),
        (f(&["+C", "- *"]), &[], &["b", "top", "d/", "f/"]),
        (
            f(&[": .rules"]),
            &[("d/.rules", "- /b\n: .x\n-/ /m/src/d/top\n"), ("d/.x", "- a.o\n")],
            &["d/a.o", "d/b", "d/top", "d/e/a.o"],
        ),
        (
            f(&[": .rules"]),
            &[("d/.rules", ". y\n"), ("d/y", "- q\n. z/w\n"), ("d/z/w", "- b\n")],
            &["d/b", "d/q", "d/e/b", "d/e/q"],
        ),
        (
            f(&[": .rules", "-_f"]),
            &[("d/.rules", "#- b\n;- b\n\n- #- b\n")],
            &["f/"],
        ),
        (f(&[".C F"]), &[("F", "a.o b\n!\nq")], &["d/q", "d/e/q"]),
        (
            f(&[".w- F"]),
            &[("F", "a.o b\n!\nq")],
            &["a.o", "b", "d/a.o", "d/b", "d/q", "d/e/a.o", "d/e/b", "d/e/q", "f/a.o"],
        ),
        (
            exclude_from("F"),
            &[("F", "a.o\n!x\n- b\n+ q\n")],
            &["a.o", "b", "d/a.o", "d/b", "d/e/a.o", "d/e/b", "f/a.o"],
        ),
        (f(&[".- F"]), &[("F", "a.o\n!x\n- b\n+ q\n")], every_o),
        (
            f(&[": .up", ":n .up", ":- x/.up"]),
            &[(".up", "- b\n")],
            &["b", "d/b", "d/e/b"],
        ),
        (
            f(&["-! */", "-C"]),
            &[],
            &[
                "a.o", "b", "top", "d/.rules", "d/a.o", "d/b", "d/q", "d/top", "d/e/a.o", "d/e/b", "d/e/q", "f/a.o",
            ],
        ),
    ];
    for (number, (sources, list, want)) in rows.into_iter().enumerate() {
        let got = hidden(&sources, &sender("/m/src"), &files(list), TREE);
        assert_eq!(got.unwrap(), want, "row {number}: {sources:?}");
    }
}

#[test]
fn nul_separated_files() {
    let mut options = sender("/m/src");
    options.build.from0 = true;
    let list = files(&[("F", "- q\0- b\0#x\0")]);
    let got = hidden(&exclude_from("F"), &options, &list, TREE).unwrap();
    assert_eq!(got, ["b", "d/b", "d/q", "d/e/b", "d/e/q"]);
}

/// spec: filters 2.1. Each was seen with the real program.
#[test]
fn error_texts() {
    let list = files(&[
        ("Q", "- b\n-q x\n"),
        ("CR", "\r\n\r\n#x\n\n-q x\n"),
        ("S", "- b\nH q\n"),
        ("N", ". M\n"),
        ("M", "- ok\n-q d/b\n"),
        ("O", ". none\n"),
        ("L", ". L\n"),
        ("d/.w", "- a.o - b"),
    ]);
    let usage = |text: &str| Error::Usage(text.into());
    for (rule, want) in [
        ("excludex foo", usage("Unknown filter rule: excludex foo")),
        (
            "exclude,q foo",
            usage("invalid modifier 'q' at position 8 in filter rule: exclude,q foo"),
        ),
        (
            "H,s foo",
            usage("invalid modifier 's' at position 2 in filter rule: H,s foo"),
        ),
        (".! x", usage("invalid modifier '!' at position 1 in filter rule: .! x")),
        (
            ".-C x",
            usage("invalid modifier 'C' at position 2 in filter rule: .-C x"),
        ),
        (
            ":C- x",
            usage("invalid modifier '-' at position 2 in filter rule: :C- x"),
        ),
        (
            ":-+ x",
            usage("invalid modifier '+' at position 2 in filter rule: :-+ x"),
        ),
        (
            "-,,! b",
            usage("invalid modifier ',' at position 2 in filter rule: -,,! b"),
        ),
        (
            "exclude\tb",
            usage("invalid modifier '\t' at position 7 in filter rule: exclude\tb"),
        ),
        ("HC b", usage("invalid modifier 'C' at position 1 in filter rule: HC b")),
        ("-n b", usage("invalid modifier 'n' at position 1 in filter rule: -n b")),
        ("- ", usage("unexpected end of filter rule: - ")),
        ("merge", usage("unexpected end of filter rule: merge")),
        ("exclude,", usage("unexpected end of filter rule: exclude,")),
        ("! ", usage("'!' rule has trailing characters: ! ")),
        ("clear x", usage("'!' rule has trailing characters: clear x")),
        (" - foo", usage("Unknown filter rule:  - foo")),
        (". Q", usage("invalid modifier in filter rule: <rule from Q line 2>")),
        (". CR", usage("invalid modifier in filter rule: <rule from CR line 5>")),
        (".w Q", usage("unexpected end of filter rule: <rule from Q>")),
        (
            ".s S",
            usage("specified-side merge file contains specified-side filter: <rule from S line 2>"),
        ),
        (
            ". N",
            usage("invalid modifier in filter rule: <rule from a file named at N line 1>"),
        ),
        (":w .w", usage("unexpected end of filter rule: <rule from /m/src/d/.w>")),
        (
            ".C",
            Error::FileIo(
                "rsync: [client] failed to open exclude file .cvsignore: No such file or directory (2)".into(),
            ),
        ),
        (
            ".+ nof",
            Error::FileIo("rsync: [client] failed to open include file nof: No such file or directory (2)".into()),
        ),
        (
            ". O",
            Error::FileIo("failed to open exclude file <rule from O line 1>".into()),
        ),
        (
            ". L",
            Error::FileIo(format!(
                "[client] merge-file include depth limit (32) exceeded at <rule from {}L line 1>",
                "a file named at ".repeat(31)
            )),
        ),
    ] {
        assert_eq!(
            hidden(&filters(&[rule]), &sender("/m/src"), &list, TREE),
            Err(want),
            "{rule}"
        );
    }
    let none = Files::new();
    let got = build(
        &words(Source::Exclude, &["- "]),
        &BuildOptions::default(),
        &mut reader(&none),
    );
    assert_eq!(got, Err(usage("unexpected end of filter rule: - ")));
}

#[test]
fn over_long_patterns_are_dropped() {
    let none = Files::new();
    let at_limit = format!("- {}/", "0".repeat(4094));
    let over = format!("- {}", "0".repeat(4096));
    let set = build(
        &filters(&[&at_limit, &over]),
        &BuildOptions::default(),
        &mut reader(&none),
    )
    .unwrap();
    assert_eq!(set.plan_texts().len(), 1);
    assert_eq!(
        set.warnings,
        [format!("discarding over-long filter: {}", "0".repeat(4096))]
    );
}

/// The parent scan runs once; what it found stays for later source arguments.
#[test]
fn parent_scan_happens_once() {
    let list = files(&[("/m/src/.up", "- a.o\n- /d/b\n")]);
    let set = build(&filters(&[": ../.up"]), &BuildOptions::default(), &mut reader(&list)).unwrap();
    let mut rules = Rules::from_set(&set, sender("/m/src"));
    for dir in ["d", "f"] {
        rules.enter_dir(dir.as_bytes(), &mut reader(&list)).unwrap();
        assert_eq!(rules.check(format!("{dir}/a.o").as_bytes(), false), Verdict::Exclude);
        rules.leave_dir();
    }
    rules.enter_dir(b"d", &mut reader(&list)).unwrap();
    assert_eq!(rules.check(b"d/b", false), Verdict::Exclude);
    assert_eq!(rules.check(b"d/d/b", false), Verdict::NoMatch);
    let lines: Vec<_> = rules
        .take_debug()
        .into_iter()
        .filter(|(_, line)| line.contains("/m/src/.up)"))
        .collect();
    assert_eq!(lines, [(2, "[client] parse_filter_file(/m/src/.up)".to_string())]);
}

fn wire(rules: &[&str], protocol: u8, server: Side, delete_excluded: bool) -> Result<Vec<String>> {
    let list = files(&[("F", "l1\n l2 \n")]);
    let sources: Vec<Source> = rules
        .iter()
        .map(|text| match *text {
            "--cvs" => Source::Cvs,
            "--delete-excluded" => Source::DeleteExcluded,
            _ => match (text.strip_prefix("--exclude="), text.strip_prefix("--include=")) {
                (Some(pattern), _) => Source::Exclude(pattern.into()),
                (_, Some(pattern)) => Source::Include(pattern.into()),
                _ => Source::Filter(text.as_bytes().to_vec()),
            },
        })
        .collect();
    let options = BuildOptions {
        protocol,
        ..BuildOptions::default()
    };
    let texts = build(&sources, &options, &mut reader(&list))?.to_wire(protocol, server, delete_excluded)?;
    Ok(texts.into_iter().map(|text| String::from_utf8(text).unwrap()).collect())
}

/// spec: filters 11.2 and 11.3, row by row, and captures of the real program.
#[test]
#[allow(clippy::too_many_lines)] // one table
fn wire_texts() {
    const PUSH: Side = Side::Receiver;
    const PULL: Side = Side::Sender;
    type Row<'a> = (&'a [&'a str], u8, Side, bool, &'a [&'a str]);
    let rows: &[Row<'_>] = &[
        (&["- foo/", "+ /bar"], 31, PUSH, false, &["- foo/", "+ /bar"]),
        (&["P x*", "H y"], 31, PUSH, false, &["-r x*"]),
        (&["P x*", "H y"], 31, PULL, false, &["-s y"]),
        (&["S bar", "R q"], 31, PULL, false, &["+s bar"]),
        (
            &[": .rf", ":n- .ex", ":C", "-! */", "-/ /abs"],
            31,
            PULL,
            false,
            &[": .rf", ":n- .ex", ":C .cvsignore", "-! */", "-/ /abs"],
        ),
        (&["-pxs f/"], 31, PULL, false, &["-xsp f/"]),
        (&["-pxs f/"], 29, PULL, false, &["-xs f/"]),
        (&["merge,- F"], 31, PUSH, false, &["- l1", "-  l2 "]),
        (&["- a"], 31, PUSH, true, &[]),
        (&["--delete-excluded", "- a"], 31, PULL, true, &["-s a"]),
        (&["- a", "--delete-excluded"], 31, PULL, true, &["- a"]),
        (
            &[
                "--delete-excluded",
                ": .x",
                ":- .y",
                "-r b",
                "- c",
                ":-r .qq",
                ":r .qq2",
            ],
            31,
            PUSH,
            true,
            &[": .x", "-r b", ":-r .qq", ":r .qq2"],
        ),
        (
            &[
                ": .x",
                ":- .y",
                "-r b",
                "- c",
                "--delete-excluded",
                "- d",
                ":- .yy",
                ":s .ss",
            ],
            31,
            PULL,
            true,
            &[": .x", ":- .y", "- c", "-s d", ":- .yy", ":s .ss"],
        ),
        (&["-rs b"], 31, PULL, false, &["-sr b"]),
        (
            &[":er .rf", ":sr .q", ":s- .zz", ":w .ww", ":ep- .ppp", "+C", "- last"],
            31,
            PULL,
            false,
            &[
                "- .rf", ":sr .q", ":-s .zz", ":w .ww", "- .ppp", ":-p .ppp", "+C ", "- last",
            ],
        ),
        (&["-sC", "-!C"], 31, PULL, false, &["-Cs ", "-!C "]),
        (
            &[": .up", ":n .up", ":- x/.up", ":e a/.rf"],
            31,
            PUSH,
            false,
            &[": .up", "- .rf", ": a/.rf"],
        ),
        (&["--cvs", "P z"], 31, PULL, false, &[]),
        (
            &["--exclude=- x", "- y", "- + y", "+ z", "--cvs"],
            28,
            PULL,
            false,
            &["x", "y", "- + y", "+ z"],
        ),
        (
            &["P + y", "-_foo", "- a/", "- ! x", "--exclude=-r x"],
            28,
            PUSH,
            false,
            &["- + y", "foo", "a/", "! x", "-r x"],
        ),
        (&["-s b", "-r c"], 28, PULL, false, &["b"]),
    ];
    for (rules, protocol, server, delete_excluded, want) in rows {
        let got = wire(rules, *protocol, *server, *delete_excluded).unwrap();
        assert_eq!(&got, want, "{rules:?} {protocol} {server:?}");
    }
    let push = wire(&["--cvs"], 31, PUSH, false).unwrap();
    assert_eq!(push[..3], [":C .cvsignore", "-p RCS", "-p SCCS"]);
    assert_eq!(push.last().unwrap(), "-p .bzr/");
    assert_eq!(push.len(), 37);
    assert_eq!(wire(&["--cvs"], 28, PUSH, false).unwrap()[..2], ["RCS", "SCCS"]);
    assert_eq!(wire(&["-rC"], 31, PUSH, false).unwrap()[0], "-rp RCS");
    assert_eq!(wire(&["-sC"], 31, PUSH, false).unwrap().len(), 0);
    let too_modern = Err(Error::Protocol("filter rules are too modern for remote rsync.".into()));
    assert_eq!(wire(&["-! y"], 28, PUSH, false), too_modern);
    assert_eq!(wire(&["-p zz"], 29, PUSH, false), too_modern);
    assert_eq!(wire(&[":C"], 28, PULL, false), too_modern);
    // PRO-90
    let rules = [
        "--include=+x",
        "--include=a?",
        "--exclude=*.o",
        "--exclude=dir/",
        "--exclude=/top",
        "--exclude=- odd",
    ];
    let want = ["+ +x", "+ a?", "*.o", "dir/", "/top", "odd"];
    for server in [PULL, PUSH] {
        assert_eq!(wire(&rules, 26, server, false).unwrap(), want);
    }
    // PRO-109: an old reader refuses rules of 4096 bytes.
    let long = |protocol, option: &str, n| {
        let texts = wire(&[&format!("{option}={}", "x".repeat(n))], protocol, PULL, false);
        texts.map(|texts| texts[0].len()).map_err(|error| error.code())
    };
    assert_eq!(long(26, "--exclude", 4095), Ok(4095));
    assert_eq!(long(26, "--include", 4093), Ok(4095));
    assert_eq!(long(26, "--include", 4094), Err(2));
    assert_eq!(long(27, "--include", 4094), Ok(4096));
}

#[test]
fn wire_lists() {
    // From protocol 29 prefixes are parsed, before that only the old ones.
    let none = Files::new();
    let texts = [b"- a".to_vec(), b"H b".to_vec(), b"!".to_vec(), b"hide_c".to_vec()];
    for (protocol, want) in [(31, "-s c"), (28, "- hide_c")] {
        let options = BuildOptions {
            protocol,
            ..BuildOptions::default()
        };
        let set = RuleSet::from_wire(&texts, &options, &mut reader(&none)).unwrap();
        assert_eq!(set.plan_texts(), [want.as_bytes()]);
    }
}

#[test]
fn texts_come_back_as_they_went() {
    let list = files(&[("F", "- x\n:s .y\n")]);
    let options = BuildOptions {
        cvs_words: Some(b"! *.tmp".to_vec()),
        ..BuildOptions::default()
    };
    let rules = ["-/!xsrp a b/", ":nw+ .f", "+ **/c", ". F", "-C", "- //", "- \\*"];
    let set = build(&filters(&rules), &options, &mut reader(&list)).unwrap();
    let texts = set.plan_texts();
    let again = RuleSet::from_plan_texts(&texts, &options, &mut reader(&list)).unwrap();
    assert_eq!(again.plan_texts(), texts);
    let shown: Vec<_> = texts.iter().map(|t| String::from_utf8_lossy(t)).collect();
    assert_eq!(
        shown,
        [
            "-/!xsrp a b/",
            ":nw+ .f",
            "+ **/c",
            "\0f- x\0\u{31}\0F",
            "\0f:s .y\0\u{32}\0F",
            "\0g- *.tmp",
            "- //",
            "- \\*"
        ]
    );
}

#[test]
fn sides_deletion_and_xattrs() {
    let texts: Vec<Vec<u8>> = ["-s a", "-r b", "- c", "-p d", "+r e", "-x user.q*", "- e"]
        .iter()
        .map(|t| t.as_bytes().to_vec())
        .collect();
    let none = Files::new();
    let check = |side, delete_excluded, name: &str, ignore: bool| {
        let options = RuleOptions {
            side: Some(side),
            delete_excluded,
            ..RuleOptions::default()
        };
        let rules = Rules::new(&texts, options, &mut reader(&none)).unwrap();
        assert_eq!(
            rules.check_xattr(b"user.qq"),
            (side == Side::Sender || !delete_excluded).then_some(false)
        );
        assert_eq!(rules.check_xattr(b"c"), None);
        let found = rules.find(name.as_bytes(), false, ignore);
        found.map_or(Verdict::NoMatch, |rule| rule.verdict())
    };
    use Verdict::{Exclude, Include, NoMatch};
    assert_eq!(check(Side::Sender, false, "a", false), Exclude);
    assert_eq!(check(Side::Receiver, false, "a", false), NoMatch);
    assert_eq!(check(Side::Sender, false, "b", false), NoMatch);
    assert_eq!(check(Side::Receiver, true, "b", false), Exclude);
    assert_eq!(check(Side::Receiver, false, "c", false), Exclude);
    assert_eq!(check(Side::Receiver, true, "c", false), NoMatch);
    assert_eq!(check(Side::Sender, true, "c", false), Exclude);
    assert_eq!(check(Side::Receiver, false, "d", false), Exclude);
    assert_eq!(check(Side::Receiver, false, "d", true), NoMatch);
    assert_eq!(check(Side::Receiver, false, "e", false), Include);
}

/// spec: filters 12.
#[test]
fn debug_texts() {
    let list = files(&[("F", "- b\n"), (".r", "- /x\n")]);
    let set = build(
        &filters(&["- d/", ". F", ": .r", "-C", "- foo "]),
        &BuildOptions::default(),
        &mut reader(&list),
    )
    .unwrap();
    assert_eq!(set.debug[0], (2, "[client] add_rule(- d/)".into()));
    assert_eq!(set.debug[1], (2, "[client] add_rule(<rule from F line 1>)".into()));
    assert_eq!(
        set.debug.last().unwrap(),
        &(1, "[client] add_rule(- foo ) -- CAUTION: trailing whitespace!".into())
    );
    let mut rules = Rules::from_set(&set, sender("/m"));
    rules.enter_dir(b"", &mut reader(&list)).unwrap();
    let line = |name: &str, is_dir, kind: &str, side| {
        let found = rules.find(name.as_bytes(), is_dir, false).unwrap();
        found.debug_line(side, kind, name.as_bytes())
    };
    assert_eq!(
        line("d", true, "directory", Side::Sender),
        "hiding directory d because of pattern d/"
    );
    assert_eq!(
        line("b", false, "file", Side::Receiver),
        "protecting file b because of pattern <rule from a file read earlier>"
    );
    assert_eq!(
        line("x", false, "file", Side::Sender),
        "hiding file x because of pattern <rule from a file read earlier> [per-dir .r]"
    );
    assert_eq!(
        line("x.o", false, "file", Side::Sender),
        "hiding file x.o because of pattern *.o [global CVS]"
    );
}

/// spec: filters 9.
#[test]
fn requested_names() {
    let allows = |args: &[&str], relative: bool, name: &str, is_dir: bool| {
        let args: Vec<Vec<u8>> = args.iter().map(|a| a.as_bytes().to_vec()).collect();
        Requested::new(&args, relative).allows(name.as_bytes(), is_dir)
    };
    assert!(allows(&["a/b*"], false, "bc", false));
    assert!(allows(&["a/b*"], false, "bc/d/e", false));
    assert!(!allows(&["a/b*"], false, "a", true));
    assert!(!allows(&["a/b"], false, ".", true));
    for contents in ["a/", "", ".", "a/.", "a/.."] {
        assert!(allows(&[contents], false, "any", false), "{contents}");
    }
    assert!(allows(&["a/b/c"], true, "a", true));
    assert!(allows(&["a/b/c"], true, "a/b", true));
    assert!(!allows(&["a/b/c"], true, "a/b", false));
    assert!(!allows(&["a/b/c"], true, "a/x", true));
    assert!(allows(&["a/b/c"], true, "a/b/c/d", false));
    assert!(allows(&["x/./b/"], true, "b/c", false));
    assert!(!allows(&["x/./b"], true, "x", true));
    // Several arguments, of which one is the start of another, and a wildcard beside the same name as it is.
    let several = ["a/b", "a/*/c", "a/b/c/d", "[x]/y", "\\z"];
    for (name, is_dir, want) in [
        ("a/b/q", false, true),
        ("a/q/c", false, true),
        ("a/q", true, true),
        ("a/q", false, false),
        ("a/q/d", true, false),
        ("[x]/y", false, true),
        ("x/y/z", false, true),
        ("z", false, true),
        ("\\z", false, true),
    ] {
        assert_eq!(allows(&several, true, name, is_dir), want, "{name}");
    }
    let vetting = Vetting {
        requested: Some(Requested::new(&[b"d".to_vec()], false)),
        rules: None,
    };
    assert_eq!(vetting.refuses(b"evil", false), Some("unrequested"));
    assert_eq!(vetting.refuses(b"d", false), None);
}
