//! A batch on its way into a log: its header as it will be stored, its records as they came.

use millrace_wire::record::{Batch, BatchHead, BatchHeader, ControlRecord, HEADER_BYTES};

use crate::producer_state::{Marker, ProducerBatch, ProducerBatchKind};

/// A checked batch with its place in the log. The records are borrowed and stored verbatim.
#[derive(Clone, Copy, Debug)]
pub struct NewBatch<'a> {
    head: BatchHead,
    payload: &'a [u8],
    marker: Option<Marker>,
}

impl<'a> NewBatch<'a> {
    /// Records of a client behind a header that was given its place. Markers come by
    /// [`NewBatch::stored`].
    pub const fn placed(head: BatchHead, payload: &'a [u8]) -> NewBatch<'a> {
        NewBatch { head, payload, marker: None }
    }

    /// A batch that keeps the place that it says it has.
    pub fn stored(batch: &Batch<'a>) -> NewBatch<'a> {
        let marker = marker_of(batch);
        NewBatch { head: BatchHead::of(batch), payload: batch.payload(), marker }
    }

    /// The header as it will be stored.
    pub const fn header(&self) -> &BatchHeader {
        self.head.header()
    }

    /// What the producers' state is told of it; `None` if no idempotent producer wrote it.
    pub fn producer_batch(&self) -> Option<ProducerBatch> {
        facts(self.header(), self.marker)
    }

    pub(crate) const fn head(&self) -> &[u8; HEADER_BYTES] {
        self.head.bytes()
    }

    pub(crate) const fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// What the producers' state is told of a batch read back from the log.
pub(crate) fn producer_batch_of(batch: &Batch<'_>) -> Option<ProducerBatch> {
    batch.header().producer?;
    facts(batch.header(), marker_of(batch))
}

fn facts(header: &BatchHeader, marker: Option<Marker>) -> Option<ProducerBatch> {
    let producer = header.producer?;
    let kind = match marker {
        Some(marker) => ProducerBatchKind::Marker(marker),
        None if header.attributes.is_control() => ProducerBatchKind::EmptyControl,
        None if header.attributes.is_transactional() => ProducerBatchKind::Transactional,
        None => ProducerBatchKind::Plain,
    };
    Some(ProducerBatch {
        producer_id: producer.id,
        epoch: producer.epoch,
        first_sequence: producer.base_sequence,
        base_offset: header.base_offset,
        last_offset: header.last_offset(),
        timestamp: header.max_timestamp,
        kind,
    })
}

/// The end of a transaction, if that is what the batch is.
fn marker_of(batch: &Batch<'_>) -> Option<Marker> {
    /// A marker is some 20 bytes.
    const RECORDS_BYTES_MAX: usize = 1 << 16;

    if !batch.header().attributes.is_control() {
        return None;
    }
    let open = batch.open(RECORDS_BYTES_MAX).ok()?;
    let record = open.records().next()?.ok()?;
    match ControlRecord::parse(&record).ok()? {
        ControlRecord::EndTxn(marker) => Some(Marker {
            is_abort: !marker.is_commit,
            coordinator_epoch: u32::try_from(marker.coordinator_epoch).ok(),
        }),
        ControlRecord::Other { .. } => None,
    }
}
