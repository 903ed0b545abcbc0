//! What is said about events that can't be migrated.

use crate::{
    error::{Code, DmError},
    mysql::{binlog::consts::type_name, position::Location},
};

/// The source lost events, or fears so.
pub fn incident(code: u16, message: &str) -> DmError {
    DmError::new(Code::SyncerGetEvent)
        .msg(format!(
            "the source's binlog has an incident event (code {code}: {message}): the source lost changes that are in no \
             binlog"
        ))
        .workaround(
            "Please compare the data of source and target: changes of tables of engines without transactions may be \
             missing. Load what differs, or start the task anew with a dump.",
        )
}

/// A type of event that no release known to us writes.
pub fn unknown(event_type: u8) -> DmError {
    DmError::new(Code::SyncerGetEvent)
        .msg(format!(
            "the source's binlog has an event of type {event_type} ({}), which is not known and which the source does not \
             mark as one that may be ignored",
            type_name(event_type)
        ))
        .workaround(
            "Please see whether a newer version of this program knows the source's release. If the event holds no change \
             that is migrated, it may be passed.",
        )
}

/// The start position lies within a transaction.
pub fn outside(at: &Location) -> DmError {
    DmError::new(Code::SyncerGetEvent)
        .msg(format!("the binlog has rows outside of a transaction at {at}: the task's start position lies inside one"))
        .workaround("Please start from a position where a transaction begins: see `SHOW BINLOG EVENTS` on the source.")
}
