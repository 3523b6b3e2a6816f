//! How this side names things: formats of item lines, paths in messages, the character set of the wire, and the role
//! (spec: output 7, 11, 12).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::item::{Format, ItemStyle};
use super::Report;
use crate::flist::{Charset as Conversion, Iconv};
use crate::plan::Plan;
use crate::role::Role;

pub(super) struct Voice {
    plan: Arc<Plan>,
    pub(super) role: Mutex<Role>,
    /// The local character set, when names are converted.
    charset: Option<Iconv>,
    pub(super) out_format: Option<Format>,
    pub(super) log_format: Option<Format>,
    pub(super) style: ItemStyle,
    /// The directory that names are relative to is below the module's root: messages show a leading slash then.
    below_module: AtomicBool,
    /// Source arguments' paths as typed, by number of their root.
    pub(super) source_names: Mutex<Vec<Arc<[u8]>>>,
    /// Where a daemon's destination lies in its module.
    pub(super) dest_name: Mutex<Arc<[u8]>>,
}

impl Voice {
    pub(super) fn new(plan: Arc<Plan>, sender: bool) -> Self {
        Self {
            role: Mutex::new(if sender { Role::Sender } else { Role::EarlyReceiver }),
            charset: plan.agreed.iconv.as_deref().and_then(Iconv::new),
            out_format: plan
                .output
                .out_format
                .as_deref()
                .filter(|_| !plan.place.is_server())
                .map(Format::new),
            log_format: plan.output.log_format.as_deref().map(Format::new),
            style: ItemStyle {
                sent_to_remote: sender && !plan.place.is_local() && !plan.place.twin,
                keep_times: plan.attrs.times,
                keep_dir_times: plan.attrs.times,
                // -J does not turn `t` into `T` (observed).
                keep_link_times: plan.attrs.times
                    && (plan.place.is_local() || plan.place.twin || plan.agreed.compat_symlink_times || !sender),
            },
            below_module: AtomicBool::new(false),
            source_names: Mutex::default(),
            dest_name: Mutex::new(Arc::from(&b""[..])),
            plan,
        }
    }

    /// The part of an absolute path that lies in the module, without a slash in front.
    pub(super) fn in_module<'a>(&self, path: &'a [u8]) -> &'a [u8] {
        let root = self.plan.place.module_root.as_deref().unwrap_or(b"/");
        let inner = if root == b"/" {
            path
        } else {
            path.strip_prefix(root).unwrap_or(path)
        };
        inner.strip_prefix(b"/").unwrap_or(inner)
    }

    /// A text from the wire in the local character set; `None` where it stays as it is.
    pub(super) fn local_text(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut local = Vec::new();
        let set = self.charset.as_ref()?;
        set.from_wire(text, &mut local).then_some(local)
    }
}

impl Report {
    /// Set the absolute directory that the names of this side are relative to.
    pub fn set_base(&self, path: &[u8]) {
        let root = self.shared.plan.place.module_root.as_deref();
        let below = root.is_some_and(|root| root != b"/" && root != path);
        self.shared.voice.below_module.store(below, Ordering::Relaxed);
    }

    /// A path in a message: absolute, in quotes, with the module named on a daemon (spec: output 12).
    pub fn quoted(&self, path: &[u8]) -> Vec<u8> {
        let mut out = vec![b'"'];
        if self.shared.plan.place.module.is_empty() {
            out.extend_from_slice(path);
            out.push(b'"');
            return out;
        }
        let inner = self.shared.voice.in_module(path);
        if self.shared.plan.place.module_chroot {
            out.push(b'/');
            out.extend_from_slice(inner);
        } else {
            if self.shared.voice.below_module.load(Ordering::Relaxed) && !inner.is_empty() {
                out.push(b'/');
            }
            out.extend_from_slice(if inner.is_empty() { b"." } else { inner });
        }
        out.extend_from_slice(b"\" (in ");
        out.extend_from_slice(&self.shared.plan.place.module);
        out.push(b')');
        out
    }

    /// [`Report::quoted`] for a role whose working directory is `base`: rsync leaves out the leading slash only in the
    /// module's root (observed).
    pub fn quoted_from(&self, base: &[u8], path: &[u8]) -> Vec<u8> {
        let mut out = self.quoted(path);
        let root = self.shared.plan.place.module_root.as_deref();
        let inside = root.is_some_and(|root| root != base && root != b"/");
        if !self.shared.plan.place.module.is_empty()
            && !self.shared.plan.place.module_chroot
            && inside
            && out.get(1) != Some(&b'/')
        {
            out.insert(1, b'/');
        }
        out
    }

    /// A text or name as it travels in a message (spec: protocol 5.16); text that cannot be converted is sent unchanged.
    pub fn to_wire(&self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match &self.shared.voice.charset {
            Some(set) if set.to_wire(text, &mut out) => out,
            _ => text.to_vec(),
        }
    }
}
