//! Reading for Fetch: which bytes of the log, and what the reader is told with them.

use millrace_core::replication::divergence::{Divergence, divergence};
use millrace_core::replication::fetch_session::FetchWant;
use millrace_core::replication::last_stable::{Isolation, LogBounds, Reader};
use millrace_log::disk::Patience;
use millrace_log::txn_index::AbortedTransaction;
use millrace_log::{ReadError, ReadRequest, Slice};
use millrace_types::{LeaderEpoch, Offset};

use super::{Partition, PartitionError};

/// What a fetch may take of one partition.
#[derive(Clone, Copy, Debug)]
pub struct ReadWant {
    /// What the client asks for.
    pub want: FetchWant,
    /// Who reads.
    pub reader: Reader,
    /// How many bytes there is still room for in the answer.
    pub bytes_max: usize,
    /// Whether the first batch is given even if it is larger.
    pub needs_one_batch: bool,
    /// Whether it may wait for the disk.
    pub patience: Patience,
}

/// What was read of a partition.
#[derive(Clone, Debug)]
pub struct PartitionRead {
    /// What is told of the log.
    pub bounds: LogBounds,
    /// The records, if there are any.
    pub slice: Option<Slice>,
    /// For readers of committed records: the transactions among them that were aborted.
    pub aborted: Option<Vec<AbortedTransaction>>,
    /// The reader's log went another way: to which epoch and offset it must be cut.
    pub diverging: Option<(LeaderEpoch, Offset)>,
    /// What counts towards `fetch.min.bytes`, at least the bytes of the records. Where a batch was
    /// left out because it does not fit, that is all there was room for: Kafka cuts it in the middle.
    pub counted_bytes: usize,
}

impl PartitionRead {
    /// Bytes of records.
    pub fn size_bytes(&self) -> usize {
        self.slice.as_ref().map_or(0, |slice| slice.length)
    }

    /// Whether the reader need not wait for more, however little there is: its log goes another way,
    /// or it is a segment behind. Source: Kafka's `DelayedFetch`, cases E and F.
    pub fn is_urgent(&self) -> bool {
        self.diverging.is_some() || self.slice.as_ref().is_some_and(|slice| slice.has_later_segment)
    }
}

impl Partition {
    /// Reads for a fetch.
    ///
    /// # Errors
    /// See [`PartitionError`].
    pub fn read(&self, read: &ReadWant) -> Result<PartitionRead, PartitionError> {
        let want = &read.want;
        self.check_leader(want.current_leader_epoch)?;
        let bounds = self.bounds();
        let nothing =
            PartitionRead { bounds, slice: None, aborted: None, diverging: None, counted_bytes: 0 };
        let Some(offset) = want.offset else {
            return Err(self.out_of_range(Offset::ZERO, &bounds));
        };
        if let Some(last_fetched) = want.last_fetched_epoch {
            match divergence(last_fetched, offset, self.reader.epoch_end(last_fetched)) {
                Divergence::None => {}
                Divergence::At { epoch, end } => {
                    return Ok(PartitionRead { diverging: Some((epoch, end)), ..nothing });
                }
                Divergence::Unknown => return Err(self.out_of_range(offset, &bounds)),
            }
        }
        let upper_bound = bounds.upper_bound(read.reader);
        let bytes_max = usize::try_from(want.bytes_max).unwrap_or(0).min(read.bytes_max);
        let slice = if offset == upper_bound {
            // The tail of the log, where most fetches wait.
            None
        } else {
            self.reader.read(&ReadRequest {
                offset,
                bytes_max,
                upper_bound,
                needs_one_batch: read.needs_one_batch,
                patience: read.patience,
            })?
        };
        let aborted = self.aborted(read.reader, offset, slice.as_ref())?;
        let counted_bytes = match &slice {
            Some(slice) if slice.next_offset < upper_bound => slice.length.max(bytes_max),
            Some(slice) => slice.length,
            // What others have left of the answer is too small for the first batch.
            None if offset < upper_bound && !read.needs_one_batch => bytes_max,
            None => 0,
        };
        Ok(PartitionRead { slice, aborted, counted_bytes, ..nothing })
    }

    fn aborted(
        &self,
        reader: Reader,
        offset: Offset,
        slice: Option<&Slice>,
    ) -> Result<Option<Vec<AbortedTransaction>>, PartitionError> {
        match (reader, slice) {
            (Reader::Consumer(Isolation::ReadCommitted), Some(slice)) => {
                Ok(Some(self.reader.aborted_transactions(offset, slice.next_offset)?))
            }
            (Reader::Consumer(Isolation::ReadCommitted), None) => Ok(Some(Vec::new())),
            (Reader::Consumer(Isolation::ReadUncommitted) | Reader::Follower, _) => Ok(None),
        }
    }

    fn out_of_range(&self, offset: Offset, bounds: &LogBounds) -> PartitionError {
        let (start_offset, end_offset) = (bounds.start, bounds.end);
        PartitionError::from(ReadError::OutOfRange { offset, start_offset, end_offset })
    }
}
