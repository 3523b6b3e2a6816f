//! Filter rules: texts of options, a list from the wire, files of rules, the names that a sender claims, and what they
//! say about names (spec: filters).
#![no_main]

use libfuzzer_sys::fuzz_target;
use tain_core::rules::{build, BuildOptions, Requested, RuleOptions, RuleSet, Rules, Side, Source, Vetting};
use tain_fuzz::Choices;

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices(data);
    let protocol = choices.protocol();
    let flags = choices.byte();
    let options = BuildOptions {
        from0: flags & 1 != 0,
        protocol,
        cvs_file: (flags & 2 != 0).then(|| b"/.cvsignore".to_vec()),
        cvs_words: (flags & 4 != 0).then(|| choices.short().to_vec()),
        ..BuildOptions::default()
    };
    // Every rule file that is asked for has the same contents, its own name among them more often than not.
    let file = choices.short();
    let name = choices.short();
    let mut reads = 0;
    let mut read = |_: &[u8]| {
        reads += 1;
        Ok((reads < 200).then(|| file.to_vec()))
    };
    let set = if flags & 8 != 0 {
        let texts: Vec<Vec<u8>> = choices.rest().split(|&byte| byte == 0).map(<[u8]>::to_vec).collect();
        RuleSet::from_wire(&texts, &options, &mut read)
    } else {
        let mut sources = Vec::new();
        while !choices.0.is_empty() && sources.len() < 32 {
            let what = choices.byte();
            let text = choices.short().to_vec();
            sources.push(match what % 7 {
                0 => Source::Filter(text),
                1 => Source::Exclude(text),
                2 => Source::Include(text),
                3 => Source::ExcludeFrom(text),
                4 => Source::IncludeFrom(text),
                5 => Source::Cvs,
                _ => Source::DeleteExcluded,
            });
        }
        build(&sources, &options, &mut read)
    };
    let Ok(set) = set else { return };
    for side in [Side::Sender, Side::Receiver] {
        let _ = set.to_wire(protocol, side, flags & 16 != 0);
    }
    let side = [None, Some(Side::Sender), Some(Side::Receiver)][usize::from(flags >> 5) % 3];
    let rule_options = RuleOptions {
        side,
        delete_excluded: flags & 16 != 0,
        root: b"/some/root".to_vec(),
        build: options.clone(),
    };
    let plan_texts = set.plan_texts();
    let mut rules = Rules::from_set(&set, rule_options.clone());
    let look = |rules: &Rules| {
        for dir in [false, true] {
            let _ = (
                rules.check(name, dir),
                rules.find(name, dir, true),
                rules.check_path(name, dir),
            );
            if let Some(found) = rules.find(name, dir, false) {
                let _ = (found.pattern(), found.debug_line(Side::Sender, "file", name));
            }
        }
        let _ = rules.check_xattr(name);
    };
    look(&rules);
    for dir in [&b"."[..], b"d", b"d/e"] {
        if rules.enter_dir(dir, &mut read).is_err() {
            return;
        }
        look(&rules);
    }
    for _ in 0..3 {
        rules.leave_dir();
    }
    let _ = (rules.take_debug(), rules.take_warnings());
    if let Ok(rules) = Rules::new(&plan_texts, rule_options, &mut read) {
        look(&rules);
        let vetting = Vetting {
            requested: Some(Requested::new(&[file.to_vec(), name.to_vec()], flags & 1 != 0)),
            rules: Some(rules),
        };
        let _ = (vetting.refuses(name, false), vetting.refuses(file, true));
    }
});
