//! The records of control batches: what the brokers tell each other inside a partition's log.
//!
//! ```text
//!  key:   version int16 (0) | type int16: 0 abort, 1 commit, 2 and above: the metadata quorum's
//!  value of types 0 and 1: version int16 (0) | coordinator epoch int32
//! ```
//! Source: KIP-98, `ControlRecordType` and `EndTransactionMarker`.

use super::item::Record;

/// A control record, understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlRecord {
    /// The end of a producer's transaction in this partition.
    EndTxn(EndTxnMarker),
    /// A type that has no meaning in a partition's log; readers pass over it.
    Other {
        /// The type's number.
        kind: i16,
    },
}

/// The end of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndTxnMarker {
    /// Whether the transaction's records count; otherwise readers of committed records skip them.
    pub is_commit: bool,
    /// Epoch of the transaction coordinator that wrote the marker.
    pub coordinator_epoch: i32,
}

/// Why a record of a control batch is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// The key is null or too short.
    #[error("control record has a key of {key_bytes} bytes, at least 4 are needed")]
    Key {
        /// Its length.
        key_bytes: usize,
    },
    /// The value of an end-of-transaction marker is null or too short.
    #[error("end-of-transaction marker has a value of {value_bytes} bytes, at least 6 are needed")]
    Value {
        /// Its length.
        value_bytes: usize,
    },
    /// The key's or value's version is negative.
    #[error("control record has version {version}")]
    Version {
        /// The field's value.
        version: i16,
    },
}

impl ControlRecord {
    /// Reads a record of a control batch. Later versions are read as version 0, whose fields they keep.
    ///
    /// # Errors
    /// Says what is missing.
    pub fn parse(record: &Record<'_>) -> Result<ControlRecord, ControlError> {
        let key = record.key.unwrap_or_default();
        let Some(&[a, b, c, d]) = key.first_chunk() else {
            return Err(ControlError::Key { key_bytes: key.len() });
        };
        check_version(i16::from_be_bytes([a, b]))?;
        let is_commit = match i16::from_be_bytes([c, d]) {
            0 => false,
            1 => true,
            kind => return Ok(ControlRecord::Other { kind }),
        };
        let value = record.value.unwrap_or_default();
        let Some(&[a, b, epoch @ ..]) = value.first_chunk::<6>() else {
            return Err(ControlError::Value { value_bytes: value.len() });
        };
        check_version(i16::from_be_bytes([a, b]))?;
        let coordinator_epoch = i32::from_be_bytes(epoch);
        Ok(ControlRecord::EndTxn(EndTxnMarker { is_commit, coordinator_epoch }))
    }
}

impl EndTxnMarker {
    /// The record's key.
    pub fn key(&self) -> [u8; 4] {
        [0, 0, 0, u8::from(self.is_commit)]
    }

    /// The record's value.
    pub fn value(&self) -> [u8; 6] {
        let [a, b, c, d] = self.coordinator_epoch.to_be_bytes();
        [0, 0, a, b, c, d]
    }
}

fn check_version(version: i16) -> Result<(), ControlError> {
    if version < 0 { Err(ControlError::Version { version }) } else { Ok(()) }
}
