//! The answer to a fetch: bytes around slices of files.

use std::io;
use std::sync::Arc;

use millrace_core::limits;
use millrace_core::replication::fetch_session::{Begun, FetchTarget, Finished, TopicRef};
use millrace_log::Slice;
use millrace_log::disk::{File, InMemory};
use millrace_types::{ErrorCode, Uuid};
use millrace_wire::EncodeError;
use millrace_wire::hot::fetch::FetchWriter;
use millrace_wire::messages::fetch::{
    Response, ResponseResponsePartition, ResponseResponsePartitionAbortedTransaction,
    ResponseResponsePartitionDivergingEpoch,
};

use super::poll::{Poll, Read, outcome};
use super::{RequestContext, moment};
use crate::refusal::Refusal;
use crate::reply::{FileSlice, Reply};

/// One partition of the answer.
struct Row<'a> {
    name: &'a FetchTarget,
    read: &'a Read,
}

/// Writes the answer; the session remembers what the client is told.
pub(super) fn reply(
    context: &RequestContext,
    begun: &Begun,
    poll: &Poll,
) -> Result<Reply, Refusal> {
    let outcomes: Vec<_> = poll.reads().iter().map(outcome).collect();
    let finished = context.broker.fetch_sessions().finish(begun, &outcomes, moment(context));
    let (head, rows) = match finished {
        Ok(finished) => {
            let rows = rows(begun, poll, &finished);
            (Response { session_id: finished.session_id, ..Response::default() }, rows)
        }
        Err(error) => {
            context.count(error.error_code());
            let error_code = error.error_code().code();
            (Response { error_code, ..Response::default() }, Vec::new())
        }
    };
    rows.iter().filter_map(|row| row.read.as_ref().err()).for_each(|code| context.count(*code));
    let mut reply = context.begin_reply();
    write(context.version, &head, &rows, &mut reply)
        .and_then(|()| reply.seal())
        .map_err(|source| context.unwritable(source))?;
    Ok(reply)
}

fn rows<'a>(begun: &'a Begun, poll: &'a Poll, finished: &Finished) -> Vec<Row<'a>> {
    let names = begun.partitions.iter().map(|(name, _)| name);
    let all = names.zip(poll.reads()).map(|(name, read)| Row { name, read });
    let included = all.zip(&finished.included).filter(|(_, is_included)| **is_included);
    included.map(|(row, _)| row).collect()
}

fn write(
    version: i16,
    head: &Response<'_>,
    rows: &[Row<'_>],
    reply: &mut Reply,
) -> Result<(), EncodeError> {
    let topics = || rows.chunk_by(|one, other| one.name.topic == other.name.topic);
    let writer = FetchWriter::begin(reply.bytes(), version, head, topics().count())?;
    let mut copies = Copies::default();
    for topic in topics() {
        let (name, id) = match topic.first().map(|row| &row.name.topic) {
            Some(TopicRef::Name(name)) => (&**name, Uuid::ZERO),
            Some(TopicRef::Id(id)) => ("", *id),
            None => continue,
        };
        writer.topic(reply.bytes(), name, id, topic.len())?;
        for row in topic {
            write_partition(writer, row, &mut copies, reply)?;
        }
        writer.end_topic(reply.bytes());
    }
    writer.end(reply.bytes(), head)
}

fn write_partition(
    writer: FetchWriter,
    row: &Row<'_>,
    copies: &mut Copies,
    reply: &mut Reply,
) -> Result<(), EncodeError> {
    let start = reply.bytes().len();
    let slice = row.read.as_ref().ok().and_then(|read| read.slice.as_ref());
    let length = slice.map_or(0, |slice| slice.length);
    let mut partition = partition(row.name.partition, row.read);
    writer.partition(reply.bytes(), &partition, Some(length))?;
    if let Some(slice) = slice
        && let Err(error) = copies.put(slice, reply)
    {
        tracing::error!(%error, "records cannot be read");
        reply.bytes().truncate(start);
        partition = refused(row.name.partition, ErrorCode::KafkaStorageError);
        writer.partition(reply.bytes(), &partition, Some(0))?;
    }
    writer.end_partition(reply.bytes(), &partition)
}

/// How many bytes of records may still be copied into an answer.
struct Copies {
    left_bytes: usize,
}

impl Default for Copies {
    fn default() -> Copies {
        Copies { left_bytes: limits::FETCH_ANSWER_COPIED_BYTES_MAX }
    }
}

impl Copies {
    /// Puts records behind the bytes so far: few, if they are in memory, cost less to copy than to
    /// send by themselves.
    fn put(&mut self, slice: &Slice, reply: &mut Reply) -> io::Result<()> {
        if slice.length <= limits::FETCH_COPIED_BYTES_MAX.min(self.left_bytes) {
            let bytes = reply.bytes();
            let start = bytes.len();
            bytes.resize(start.saturating_add(slice.length), 0);
            let target = bytes.get_mut(start..).unwrap_or_default();
            match InMemory(Arc::clone(&slice.file)).read_exact_at(target, slice.position) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => bytes.truncate(start),
                done => {
                    self.left_bytes = self.left_bytes.saturating_sub(slice.length);
                    return done;
                }
            }
        }
        let (file, position, length) = (Arc::clone(&slice.file), slice.position, slice.length);
        reply.push_file(FileSlice { file, position, length });
        Ok(())
    }
}

fn partition(index: i32, read: &Read) -> ResponseResponsePartition<'static> {
    let read = match read {
        Ok(read) => read,
        Err(code) => return refused(index, *code),
    };
    let aborted = read.aborted.as_ref().map(|transactions| {
        transactions
            .iter()
            .map(|transaction| ResponseResponsePartitionAbortedTransaction {
                producer_id: transaction.producer_id.to_wire(),
                first_offset: transaction.first_offset.to_wire(),
            })
            .collect()
    });
    let diverging = read.diverging.map_or_else(Default::default, |(epoch, end)| {
        ResponseResponsePartitionDivergingEpoch {
            epoch: epoch.to_wire(),
            end_offset: end.to_wire(),
        }
    });
    ResponseResponsePartition {
        partition_index: index,
        high_watermark: read.bounds.high_watermark.to_wire(),
        last_stable_offset: read.bounds.last_stable.to_wire(),
        log_start_offset: read.bounds.start.to_wire(),
        aborted_transactions: aborted,
        diverging_epoch: diverging,
        ..ResponseResponsePartition::default()
    }
}

fn refused(index: i32, code: ErrorCode) -> ResponseResponsePartition<'static> {
    ResponseResponsePartition {
        partition_index: index,
        error_code: code.code(),
        high_watermark: -1,
        last_stable_offset: -1,
        log_start_offset: -1,
        aborted_transactions: None,
        ..ResponseResponsePartition::default()
    }
}

#[cfg(test)]
mod tests {
    use millrace_core::limits;
    use millrace_log::Slice;
    use millrace_log::disk::{Disk, OpenMode, RealDisk};
    use millrace_types::Offset;

    use super::Copies;
    use crate::reply::Reply;

    #[test]
    fn few_records_are_copied_and_many_are_not_even_in_small_pieces() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::fs::write(&path, vec![7; 2 * limits::FETCH_COPIED_BYTES_MAX]).unwrap();
        let slice = |length| Slice {
            file: RealDisk.open(&path, OpenMode::Read).unwrap(),
            position: 0,
            length,
            base_offset: Offset::ZERO,
            next_offset: Offset::new(1),
            has_later_segment: false,
        };
        let piece = limits::FETCH_COPIED_BYTES_MAX;
        let (mut copies, mut reply) = (Copies::default(), Reply::default());
        copies.put(&slice(piece + 1), &mut reply).unwrap();
        assert_eq!((reply.bytes().len(), reply.parts().1.len()), (0, 1));
        let copied = limits::FETCH_ANSWER_COPIED_BYTES_MAX / piece;
        for _ in 0..copied + 1_000 {
            copies.put(&slice(piece), &mut reply).unwrap();
        }
        assert_eq!((reply.bytes().len(), reply.parts().1.len()), (copied * piece, 1_001));
        assert_eq!(reply.len(), piece + 1 + (copied + 1_000) * piece);
    }
}
