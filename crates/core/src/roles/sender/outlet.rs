//! The outlet of a sender's data: the link, and a batch that is being written (spec: protocol 11).

use std::sync::Arc;

use crate::error::{sys_text, Error, Result};
use crate::plan::Plan;
use crate::role::Role;
use crate::wire::link::Writer;
use crate::wire::record::Record;

/// The record that a client's plan asks for. Errors: `Ipc` when the descriptor cannot be duplicated.
pub(crate) fn record_of(plan: &Plan, role: Role) -> Result<Option<Arc<Record>>> {
    let Some(handle) = &plan.agreed.write_batch_handle else {
        return Ok(None);
    };
    let fd = handle
        .0
        .try_clone()
        .map_err(|e| Error::Ipc(format!("batch file: {}", sys_text(&e))))?;
    Ok(Some(Arc::new(Record::new(fd, role.name()))))
}

/// The outgoing stream, and its copy if there is one.
#[derive(Clone)]
pub(super) struct Outlet {
    writer: Writer,
    record: Option<Arc<Record>>,
    /// `--only-write-batch`: data of files goes into the batch alone.
    data_only: bool,
}

impl Outlet {
    pub(super) fn new(plan: &Plan, writer: Writer) -> Result<Self> {
        let record = record_of(plan, Role::Sender)?;
        Ok(Self {
            writer,
            data_only: plan.agreed.only_write_batch && record.is_some(),
            record,
        })
    }

    /// A batch is being written.
    pub(super) fn records(&self) -> bool {
        self.record.is_some()
    }

    /// The receiver gets no data of files.
    pub(super) fn withholds_data(&self) -> bool {
        self.data_only
    }

    /// Write into the batch alone, if there is one.
    pub(super) fn record(&self, data: &[u8]) -> Result<()> {
        self.record.as_ref().map_or(Ok(()), |record| record.put(data))
    }

    /// Send lists, items, and the ends of phases.
    pub(super) fn put(&self, data: &[u8]) -> Result<()> {
        self.record(data)?;
        self.writer.put(data)
    }

    /// As [`Outlet::put`], for what the receiver can do without for a while; see [`Writer::put_deferred`].
    pub(super) fn put_deferred(&self, data: &[u8]) -> Result<()> {
        self.record(data)?;
        self.writer.put_deferred(data)
    }

    /// See [`Writer::put_owned`].
    pub(super) fn put_owned(&self, data: Vec<u8>) -> Result<()> {
        self.record(&data)?;
        self.writer.put_owned(data)
    }

    /// Send heads, tokens and sums.
    pub(super) fn put_data(&self, data: &[u8]) -> Result<()> {
        self.record(data)?;
        if self.data_only {
            return Ok(());
        }
        self.writer.put(data)
    }

    /// As [`Outlet::put_data`], without a copy.
    pub(super) fn put_data_owned(&self, data: Vec<u8>) -> Result<()> {
        self.record(&data)?;
        if self.data_only {
            return Ok(());
        }
        self.writer.put_owned(data)
    }

    /// The batch is complete.
    pub(super) fn finish(&self) -> Result<()> {
        self.record.as_ref().map_or(Ok(()), |record| record.finish())
    }
}
