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
    (&[r#"- f[a\]]o"#], "f]o", false, Excluded),
    (&["- f[!]]o"], "f]o", false, Sent),
    (&["- f[-a]o"], "f-o", false, Excluded),
    (&[r#"- f\*o"#], "f*o", false, Excluded),
    (&[r#"- f\*o"#], r#"f\*o"#, false, Sent),
    (&[r#"- f\[o"#], "f[o", false, Excluded),
    (&[r#"- fo\o"#], "foo", false, Sent),
    (&[r#"- fo\o"#], r#"fo\o"#, false, Excluded),
    (&[r#"- fo\o*"#], "foo", false, Excluded),
    (&[r#"- f*\o"#], "foo", false, Excluded),
    (&["- f[o"], "f[o", false, Sent),
    (&[r#"- foo\"#], r#"foo\"#, false, Excluded),
    (&[r#"- foo\*"#], r#"foo\"#, false, Sent),
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
fn hidden(
    sources: &[Source],
    options: &RuleOptions,
    files: &Files,
    tree: &[&str],
) -> Result<Vec<String>> {
    let set = build(sources, &options.build, &mut reader(files))?;
    let mut rules = Rules::from_set(&set, options.clone());
    let mut out = Vec::new();
    let mut stack: Vec<&str> = Vec::new();
    rules.enter_dir(b"", &mut reader(files))?;
    for path in tree {
        let name = path.trim_end_matches('/');
        while stack
            .last()
            .is_some_and(|dir| !name.starts_with(&format!("{dir}/")))
        {
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
                assert!(list.is_empty(), "case {number} {rules:?} {path}: {list:?}")
            }
            (Excluded, Ok(list)) => assert_eq!(list.len(), 1, "case {number} {rules:?} {path}"),
            (Fails(text), Err(error)) => {
                assert_eq!(error, Error::Usage((*text).into()), "case {number}")
            }
            (want, got) => panic!("case {number} {rules:?}: want {want:?}, got {got:?}"),
        }
    }
    assert_eq!(CASES.len(), 119);
}
