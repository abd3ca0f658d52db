//! Record batches, magic 2: a view over the bytes that producers send and disks hold.
//!
//! ```text
//!  0        8      12     16 17   21    23     27       35       43       51   53     57     61
//!  ├────────┼──────┼──────┼─┼────┼──┼────┼────────┼────────┼────────┼────┼──────┼──────┼────────
//!  │ base   │length│leader│m│CRC │at│last│ base   │ max    │producer│prod│base  │record│ records
//!  │ offset │ (*)  │epoch │2│ 32C│tr│offs│ time   │ time   │ id     │epo.│sequ. │count │
//!  └────────┴──────┴──────┴─┴────┴──┴────┴────────┴────────┴────────┴────┴──────┴──────┴────────
//!           (*) bytes after byte 12          └────────────── the CRC covers byte 21 to the end
//!
//!  attributes: bits 0-2 compression, 3 log-append-time, 4 transactional, 5 control,
//!              6 base time is the delete horizon
//!  a record:   length, attributes (0), time delta, offset delta, key, value, headers;
//!              lengths and deltas are zigzag varints, length -1 is null
//! ```
//!
//! The broker gives a batch its base offset and leader epoch: both lie before the CRC, so a batch
//! is stored as it came with 16 other bytes in front ([`BatchHead`]). All numbers are
//! big endian. Source: KIP-98, KIP-101, KIP-534, `DefaultRecordBatch` and `DefaultRecord`.
//!
//! Here: shape, checksum, records, compression. Not here: whether a batch may be appended, which
//! `millrace-core` decides.

mod batch;
mod builder;
mod compression;
mod control;
mod head;
mod header;
mod item;
mod scan;
mod varint;

#[cfg(test)]
mod tests;

pub use batch::{Batch, BatchError, Batches, OpenBatch};
pub use builder::{BatchBuilder, BuildError, NewRecord};
pub use compression::{Codec, Compression, CompressionError, compress, decompress, glance};
pub use control::{ControlError, ControlRecord, EndTxnMarker};
pub use head::BatchHead;
pub use header::{
    Attributes, BatchHeader, BatchProducer, HEADER_BYTES, HeaderError, PREFIX_BYTES, SIZE_BYTES,
    TimestampType,
};
pub use item::{Record, RecordError, RecordHeader, RecordHeaders, Records};
pub use scan::RecordsSummary;
