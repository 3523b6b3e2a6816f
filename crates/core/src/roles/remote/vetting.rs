//! The checks on names that a remote sender lists (spec: filters 9).

use crate::error::{bail, Result};
use crate::flist::names::shown;
use crate::flist::{Decoder, FlistOptions, Tables, Vet, Vetted};
use crate::plan::Plan;
use crate::report::Report;
use crate::role::Role;
use crate::roles::filter::read_operator;
use crate::roles::metadata;
use crate::rules::{BuildOptions, Requested, RuleOptions, Rules, Side, Vetting};

struct NameCheck {
    vetting: Vetting,
    /// Takes a line for each rule that includes a name, if the debug level asks for it.
    report: Option<Report>,
}

impl NameCheck {
    /// rsync's generator shows the including rules of the lists that it reads; those that come early were read before it
    /// began (observed).
    fn show(&self, name: &[u8], is_dir: bool) {
        let (Some(report), Some(rules)) = (&self.report, &self.vetting.rules) else {
            return;
        };
        if let Some(found) = rules.find(name, is_dir, false) {
            let kind = if is_dir { "directory" } else { "file" };
            let line = found.debug_line(Side::Receiver, kind, name);
            report.info(format!("[{}] {line}", Role::Generator));
        }
    }
}

impl Vet for NameCheck {
    fn vet(&mut self, name: &[u8], is_dir: bool, early: bool) -> Result<Vetted> {
        if let Some(why) = self.vetting.refuses(name, is_dir) {
            bail!(Unsupported; "ERROR: rejecting {why} file-list name: {}", shown(name));
        }
        if !early && name != b"." {
            self.show(name, is_dir);
        }
        let parent = self
            .vetting
            .requested
            .as_ref()
            .is_some_and(|r| is_dir && !r.allows(name, false));
        Ok(if parent { Vetted::AsParent } else { Vetted::Accept })
    }
}

fn name_check(plan: &Plan, report: &Report) -> Result<Option<NameCheck>> {
    if plan.place.is_server() || plan.place.is_local() || plan.select.trust_sender || plan.agreed.read_batch {
        return Ok(None);
    }
    let requested =
        (!plan.select.requested.is_empty()).then(|| Requested::new(&plan.select.requested, plan.select.relative));
    let mut read = |name: &[u8]| read_operator(name, &plan.place.cwd, plan.place.insecure_links);
    let options = RuleOptions {
        side: Some(Side::Sender),
        delete_excluded: plan.removal.delete_excluded,
        // An absolute rule is matched as if the names were listed in the directory that the program was started in (observed).
        root: plan.place.cwd.clone(),
        build: BuildOptions {
            role: Role::EarlyReceiver.name().into(),
            from0: plan.select.from0,
            protocol: plan.agreed.protocol,
            ..BuildOptions::default()
        },
    };
    let rules = Rules::new(&plan.select.rules, options, &mut read)?;
    let rules = (!rules.has_merge() && !rules.is_empty()).then_some(rules);
    if requested.is_none() && rules.is_none() {
        return Ok(None);
    }
    Ok(Some(NameCheck {
        vetting: Vetting { requested, rules },
        report: (plan.output.debug.filter > 0).then(|| report.clone()),
    }))
}

/// The decoder of the lists that come, with the checks that the plan asks for.
pub(super) fn decoder(plan: &Plan, report: &Report) -> Result<Decoder> {
    let mut decoder = Decoder::new(
        FlistOptions::from_plan(plan)?,
        Tables::default(),
        metadata::id_map(plan, report, metadata::ids_of(plan, report))?,
    );
    if let Some(check) = name_check(plan, report)? {
        decoder.set_vet(Box::new(check));
    }
    Ok(decoder)
}
