//! The landing of a file's new data: written to a temporary file or in place, then put in place, delayed, kept as a
//! partial file or dropped. The receiver and the local copier only produce the bytes (spec: transfer 6, 6.1).

use std::fs::File;

use super::compare::Wanted;
use super::dest::{Dest, Failed};
use crate::error::Result;
use crate::report::debug::debug;
use crate::report::say::text;
use crate::report::Reported;
use crate::role::Role;
use crate::tree::{data, Temp};

/// The outcome for a file whose data was asked for. [`Outcome::Again`] and [`Outcome::Failed`] are reported already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a file that is not in place must not count as one"]
pub enum Outcome {
    /// The whole file has its name.
    Placed,
    /// The whole file waits in the partial directory and gets its name at the end of the run (`--delay-updates`).
    Held,
    /// The data differs from the source's: it is asked for once more.
    Again,
    /// The file was not updated.
    Failed,
}

/// A file that is about to be written.
pub(crate) struct NewFile<'a> {
    pub dest: &'a Dest,
    /// Name below the destination.
    pub rel: &'a [u8],
    /// Name in the list, for messages.
    pub name: &'a [u8],
    pub want: &'a Wanted,
    /// Expected length of the data.
    pub size: u64,
    /// Length of the file at the name, if there is one.
    pub existing: Option<u64>,
    /// There is, or may be, a file at the name that needs a backup.
    pub replaces: bool,
    /// The basis is the file in the partial directory, which is not needed afterwards.
    pub from_partial: bool,
    /// This is the second try.
    pub redo: bool,
}

impl<'a> NewFile<'a> {
    /// With --relative and without implied directories, the parents are made when they are needed.
    fn make_parents(&self) {
        let plan = &self.dest.plan;
        if plan.select.relative && !plan.select.implied_dirs {
            self.dest.make_missing_parents(self.rel);
        }
    }

    /// Reserve space (`--preallocate`). `true` when the file has that length now.
    fn preallocate(&self, file: &File, grow: bool) -> bool {
        match data::preallocate(file, self.size, grow) {
            Ok(()) => grow,
            Err(error) => {
                let text = text!["do_fallocate ", &self.dest.display(self.rel)];
                let report = &self.dest.report;
                report.warning(crate::report::sys_line(Role::Receiver, &text, &error));
                false
            }
        }
    }

    /// Make the temporary file for the new data.
    pub(crate) fn begin(self) -> Result<Landing<'a>, Reported> {
        self.make_parents();
        let temp = self.dest.create_temp(self.rel)?;
        let plan = &self.dest.plan;
        let grown = plan.write.preallocate && self.size > 0 && self.preallocate(&temp.file, plan.write.sparse);
        let reserved = if grown { self.size } else { 0 };
        Ok(Landing {
            file: self,
            temp,
            reserved,
        })
    }

    /// Open the file itself, for an update in place.
    pub(crate) fn begin_in_place(self, device: bool) -> Result<InPlace<'a>, Reported> {
        self.make_parents();
        let open = self.dest.open_inplace(self.rel)?;
        // No space is reserved for a sparse file; rsync's update in place does not reserve it either (observed).
        let reserves = self.dest.plan.write.preallocate && !self.dest.plan.write.sparse;
        if reserves && self.size > self.existing.unwrap_or(0) && !device {
            self.preallocate(&open, false);
        }
        Ok(InPlace {
            file: self,
            open,
            device,
        })
    }

    /// Report that the data differs from the source's, and decide what follows.
    ///
    /// spec: protocol 6.4, transfer 6
    fn report_unverified(&self, kept: &str) -> Outcome {
        let (report, plan) = (&self.dest.report, &self.dest.plan);
        if self.redo {
            report.error_xfer(text![
                "ERROR: ",
                self.name,
                " failed verification -- update ",
                kept,
                "."
            ]);
            return Outcome::Failed;
        }
        if plan.output.info.name > 0 || plan.output.itemize {
            let again = if plan.agreed.read_batch { "may" } else { "will" };
            let again = format!("{kept} ({again} try again).");
            report.warning(text!["WARNING: ", self.name, " failed verification -- update ", again]);
        }
        Outcome::Again
    }
}

/// New data that is written to a temporary file. The caller must call one of the three methods that end it.
#[must_use]
pub(crate) struct Landing<'a> {
    file: NewFile<'a>,
    temp: Temp,
    reserved: u64,
}

impl Landing<'_> {
    /// The file to write to.
    pub(crate) fn target(&self) -> &File {
        &self.temp.file
    }

    /// Length that the empty file has already, because space was reserved for a sparse one.
    pub(crate) fn reserved(&self) -> u64 {
        self.reserved
    }

    /// The data is complete and verified: give the file its attributes and its name.
    pub(crate) fn finish(self) -> Result<Outcome> {
        let (dest, rel, want) = (self.file.dest, self.file.rel, self.file.want);
        if let Err(error) = dest.sync(&self.temp.file, rel) {
            self.interrupted(true);
            return Err(error);
        }
        dest.set_attrs_open(&self.temp.file, rel, want, Some(&self.temp.name));
        let Temp { file, name } = self.temp;
        drop(file);
        if dest.plan.write.delay_updates && dest.keeps_partial(rel) {
            return Ok(match dest.keep_in_partial_dir(&name, rel, "completed") {
                Ok(()) => Outcome::Held,
                Err(_) => Outcome::Failed,
            });
        }
        match dest.commit(&name, rel, self.file.replaces) {
            Ok(()) => {
                if self.file.from_partial {
                    dest.drop_partial(rel);
                }
                Ok(Outcome::Placed)
            }
            Err(Failed::File(_)) => Ok(Outcome::Failed),
            Err(Failed::Run(error)) => Err(error),
        }
    }

    /// The data is incomplete, or differs from what was sent. `received`: the file holds new data.
    pub(crate) fn unverified(self, received: bool) -> Outcome {
        let plan = &self.file.dest.plan;
        // After the first try rsync reports "discarded" also when the data is kept for the second (observed).
        let implied = plan.write.delay_updates && plan.write.partial_dir.as_deref() == Some(b".~tmp~");
        let kept = if self.file.redo && plan.write.partial && received && plan.write.partial_dir.is_some() && !implied {
            "put into partial-dir"
        } else {
            "discarded"
        };
        self.file
            .dest
            .keep_or_drop(self.temp, self.file.rel, self.file.want, received);
        self.file.report_unverified(kept)
    }

    /// The run ends: keep the data if that was asked for, else remove it. `received`: the file holds new data.
    pub(crate) fn interrupted(self, received: bool) {
        self.file
            .dest
            .keep_or_drop(self.temp, self.file.rel, self.file.want, received);
    }
}

/// An update in place: a device, or a file whose name stays.
#[must_use]
pub(crate) struct InPlace<'a> {
    file: NewFile<'a>,
    open: File,
    device: bool,
}

impl InPlace<'_> {
    /// The file to write to.
    pub(crate) fn target(&self) -> &File {
        &self.open
    }

    /// The data is complete and verified.
    pub(crate) fn finish(self) -> Result<Outcome> {
        let (dest, rel) = (self.file.dest, self.file.rel);
        dest.sync(&self.open, rel)?;
        debug!(dest.report, recv >= 1; "finishing ", rel);
        if !self.device {
            dest.set_attrs_open(&self.open, rel, self.file.want, None);
        }
        if self.file.from_partial {
            dest.drop_partial(rel);
        }
        Ok(Outcome::Placed)
    }

    /// The data is incomplete, or differs from what was sent; the written part stays.
    pub(crate) fn unverified(self) -> Result<Outcome> {
        self.file.dest.sync(&self.open, self.file.rel)?;
        Ok(self.file.report_unverified("retained"))
    }
}
