//! Where a sender's data goes: to the receiver, and into a batch that is being written (spec: protocol 11).

use std::sync::Arc;

use crate::error::{sys_text, Error, Result};
use crate::plan::Plan;
use crate::role::Role;
use crate::wire::link::Writer;
use crate::wire::record::Record;

/// The record that a client's plan asks for. Errors: `Ipc` when the descriptor cannot be duplicated.
pub fn record_of(plan: &Plan, role: Role) -> Result<Option<Arc<Record>>> {
    let Some(handle) = &plan.write_batch_handle else {
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
pub struct Outlet {
    writer: Writer,
    record: Option<Arc<Record>>,
    /// `--only-write-batch`: the data of files goes nowhere else.
    data_only: bool,
}

impl Outlet {
    pub fn new(plan: &Plan, writer: Writer) -> Result<Self> {
        let record = record_of(plan, Role::Sender)?;
        Ok(Self {
            writer,
            data_only: plan.only_write_batch && record.is_some(),
            record,
        })
    }

    /// A batch is being written.
    pub fn records(&self) -> bool {
        self.record.is_some()
    }

    /// The receiver gets no data of files.
    pub fn withholds_data(&self) -> bool {
        self.data_only
    }

    /// Into the batch alone; nowhere if there is none.
    pub fn record(&self, data: &[u8]) -> Result<()> {
        self.record.as_ref().map_or(Ok(()), |record| record.put(data))
    }

    /// Lists, items, and the ends of phases.
    pub fn put(&self, data: &[u8]) -> Result<()> {
        self.record(data)?;
        self.writer.put(data)
    }

    /// See [`Writer::put_owned`].
    pub fn put_owned(&self, data: Vec<u8>) -> Result<()> {
        self.record(&data)?;
        self.writer.put_owned(data)
    }

    /// Heads, tokens and sums.
    pub fn put_data(&self, data: &[u8]) -> Result<()> {
        self.record(data)?;
        if self.data_only {
            return Ok(());
        }
        self.writer.put(data)
    }

    /// The same without a copy.
    pub fn put_data_owned(&self, data: Vec<u8>) -> Result<()> {
        self.record(&data)?;
        if self.data_only {
            return Ok(());
        }
        self.writer.put_owned(data)
    }

    /// The batch is complete.
    pub fn finish(&self) -> Result<()> {
        self.record.as_ref().map_or(Ok(()), |record| record.finish())
    }
}
