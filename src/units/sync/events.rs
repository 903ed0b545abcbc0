//! What is said about events that can't be migrated.

use crate::{
    error::{Code, DmError},
    mysql::{binlog::consts::type_name, position::Location},
};

/// The source lost events, or fears so.
pub fn incident(at: &Location, code: u16, message: &str) -> DmError {
    DmError::new(Code::SyncerGetEvent)
        .msg(format!(
            "the source's binlog has an incident event at {at} (code {code}: {message}): the source lost changes that are \
             in no binlog"
        ))
        .workaround(
            "Please compare the data of source and target. If they are equal, or after loading what differs, start the \
             task behind the event (mode incremental, `meta` at the next transaction, `--remove-meta`); else start it \
             anew with a dump.",
        )
}

/// A type of event that no release known to us writes.
pub fn unknown(at: &Location, event_type: u8) -> DmError {
    DmError::new(Code::SyncerGetEvent)
        .msg(format!(
            "the source's binlog has an event of type {event_type} ({}) at {at}, which is not known and which the source \
             does not mark as one that may be ignored",
            type_name(event_type)
        ))
        .workaround(
            "Please see whether a newer version of this program knows the source's release. If the event holds no change \
             that is migrated, start the task behind it (mode incremental, `meta` at the next transaction, `--remove-meta`).",
        )
}

/// The start position lies within a transaction.
pub fn outside(at: &Location) -> DmError {
    DmError::new(Code::SyncerGetEvent)
        .msg(format!("the binlog has rows outside of a transaction at {at}: the task's start position lies inside one"))
        .workaround("Please start from a position where a transaction begins: see `SHOW BINLOG EVENTS` on the source.")
}
