//! A Fetch response written around its records, which stay where they are: in memory or in a file.
//!
//! ```text
//!  begin │ topic │ partition ░░ records ░░ end_partition │ ... │ end_topic │ ... │ end
//!                            └ put there by the caller, as many bytes as announced
//! ```
//!
//! The values are those of the generated codec; their `responses`, `partitions` and `records` are
//! left empty and not looked at.

use millrace_types::Uuid;

use crate::messages::fetch::{
    Response, ResponseResponsePartition, ResponseResponsePartitionCurrentLeader,
    ResponseResponsePartitionDivergingEpoch, ResponseResponsePartitionSnapshotId,
};
use crate::{ApiKey, EncodeError, write};

const FLEXIBLE_MIN: i16 = 12;

/// Writes one Fetch response; the calls are to be made in the order of the drawing above.
#[derive(Clone, Copy, Debug)]
pub struct FetchWriter {
    version: i16,
    flexible: bool,
}

impl FetchWriter {
    /// Writes what stands before the topics, and how many will follow.
    ///
    /// # Errors
    /// If `version` does not exist or there are more than 2^31 topics.
    pub fn begin(
        out: &mut Vec<u8>,
        version: i16,
        head: &Response<'_>,
        topics: usize,
    ) -> Result<FetchWriter, EncodeError> {
        let (first, last) = (ApiKey::Fetch.version_min(), ApiKey::Fetch.version_max());
        if !(first..=last).contains(&version) {
            return Err(EncodeError::Version { message: "Fetch response", version, first, last });
        }
        let writer = FetchWriter { version, flexible: version >= FLEXIBLE_MIN };
        out.extend_from_slice(&head.throttle_time_ms.to_be_bytes());
        if version >= 7 {
            out.extend_from_slice(&head.error_code.to_be_bytes());
            out.extend_from_slice(&head.session_id.to_be_bytes());
        }
        writer.count(out, "Fetch response.responses", Some(topics))?;
        Ok(writer)
    }

    /// Writes which topic follows and how many partitions of it. Versions before 13 take the name,
    /// later ones the id.
    ///
    /// # Errors
    /// If the name is too long for a string, or there are more than 2^31 partitions.
    pub fn topic(
        self,
        out: &mut Vec<u8>,
        name: &str,
        id: Uuid,
        partitions: usize,
    ) -> Result<(), EncodeError> {
        if self.version >= 13 {
            out.extend_from_slice(id.as_bytes());
        } else {
            write::string(out, "Fetch response.responses.topic", self.flexible, Some(name))?;
        }
        self.count(out, "Fetch response.responses.partitions", Some(partitions))
    }

    /// Writes what stands before a partition's records; `records_bytes` of records have to follow,
    /// none if they are `None` (null).
    ///
    /// # Errors
    /// If a length does not fit its field.
    pub fn partition(
        self,
        out: &mut Vec<u8>,
        partition: &ResponseResponsePartition<'_>,
        records_bytes: Option<usize>,
    ) -> Result<(), EncodeError> {
        out.extend_from_slice(&partition.partition_index.to_be_bytes());
        out.extend_from_slice(&partition.error_code.to_be_bytes());
        out.extend_from_slice(&partition.high_watermark.to_be_bytes());
        out.extend_from_slice(&partition.last_stable_offset.to_be_bytes());
        if self.version >= 5 {
            out.extend_from_slice(&partition.log_start_offset.to_be_bytes());
        }
        let aborted = partition.aborted_transactions.as_deref();
        let field = "Fetch response.responses.partitions.aborted_transactions";
        self.count(out, field, aborted.map(<[_]>::len))?;
        for transaction in aborted.unwrap_or_default() {
            out.extend_from_slice(&transaction.producer_id.to_be_bytes());
            out.extend_from_slice(&transaction.first_offset.to_be_bytes());
            self.no_tagged_fields(out);
        }
        if self.version >= 11 {
            out.extend_from_slice(&partition.preferred_read_replica.to_be_bytes());
        }
        self.count(out, "Fetch response.responses.partitions.records", records_bytes)
    }

    /// Writes what stands behind a partition's records.
    ///
    /// # Errors
    /// If a length does not fit its field.
    pub fn end_partition(
        self,
        out: &mut Vec<u8>,
        partition: &ResponseResponsePartition<'_>,
    ) -> Result<(), EncodeError> {
        if !self.flexible {
            return Ok(());
        }
        let diverging = &partition.diverging_epoch;
        let leader = &partition.current_leader;
        let snapshot = &partition.snapshot_id;
        let has_diverging = *diverging != ResponseResponsePartitionDivergingEpoch::default();
        let has_leader = *leader != ResponseResponsePartitionCurrentLeader::default();
        let has_snapshot = *snapshot != ResponseResponsePartitionSnapshotId::default();
        let tags = u32::from(has_diverging) + u32::from(has_leader) + u32::from(has_snapshot);
        write::unsigned_varint(out, tags);
        if has_diverging {
            tag(out, 0, &diverging.epoch.to_be_bytes(), &diverging.end_offset.to_be_bytes());
        }
        if has_leader {
            tag(out, 1, &leader.leader_id.to_be_bytes(), &leader.leader_epoch.to_be_bytes());
        }
        if has_snapshot {
            tag(out, 2, &snapshot.end_offset.to_be_bytes(), &snapshot.epoch.to_be_bytes());
        }
        Ok(())
    }

    /// Writes what stands behind a topic's partitions.
    pub fn end_topic(self, out: &mut Vec<u8>) {
        self.no_tagged_fields(out);
    }

    /// Writes what stands behind the topics.
    ///
    /// # Errors
    /// If a length does not fit its field.
    pub fn end(self, out: &mut Vec<u8>, head: &Response<'_>) -> Result<(), EncodeError> {
        if !self.flexible {
            return Ok(());
        }
        if self.version < 16 || head.node_endpoints.is_empty() {
            self.no_tagged_fields(out);
            return Ok(());
        }
        write::unsigned_varint(out, 1);
        write::tagged(out, "Fetch response.node_endpoints", 0, |out| {
            let field = "Fetch response.node_endpoints";
            self.count(out, field, Some(head.node_endpoints.len()))?;
            for node in &head.node_endpoints {
                out.extend_from_slice(&node.node_id.to_be_bytes());
                write::string(out, "Fetch response.node_endpoints.host", true, Some(&node.host))?;
                out.extend_from_slice(&node.port.to_be_bytes());
                let rack = node.rack.as_deref();
                write::string(out, "Fetch response.node_endpoints.rack", true, rack)?;
                self.no_tagged_fields(out);
            }
            Ok(())
        })
    }

    fn count(
        self,
        out: &mut Vec<u8>,
        field: &'static str,
        count: Option<usize>,
    ) -> Result<(), EncodeError> {
        write::length(out, field, self.flexible, count)
    }

    fn no_tagged_fields(self, out: &mut Vec<u8>) {
        if self.flexible {
            out.push(0);
        }
    }
}

/// Writes a tagged struct of two numbers, which has no tagged fields itself.
fn tag(out: &mut Vec<u8>, number: u8, first: &[u8], second: &[u8]) {
    let size = u8::try_from(first.len() + second.len() + 1).unwrap_or(u8::MAX);
    out.extend_from_slice(&[number, size]);
    out.extend_from_slice(first);
    out.extend_from_slice(second);
    out.push(0);
}
