//! The records of `__consumer_offsets`, in Kafka's own format, so that Kafka's tools read them and
//! we read what Kafka wrote.
//!
//! ```text
//! key:   int16 type │ group, and by type topic and partition
//!        type 0, 1: an offset   2: a group   3 and above: groups of protocols not served here
//! value: int16 version │ fields (none at all: a tombstone, the thing is gone)
//! ```
//! Source: `GroupCoordinatorRecordHelpers`, `GroupCoordinatorRecordSerde` of Apache Kafka 4.3.

use std::sync::Arc;

use bytes::Bytes;
use millrace_types::{
    GroupId, InvalidTopicName, LeaderEpoch, PartitionIndex, TimestampMs, TopicName,
};
use millrace_wire::messages::coordinator::{
    GroupMetadataKey, GroupMetadataValue, GroupMetadataValueMember, LegacyOffsetCommitKey,
    OffsetCommitKey, OffsetCommitValue,
};
use millrace_wire::{Decode, DecodeError, Encode, EncodeError, Reader};

use super::committed::CommittedOffset;
use super::id::{Generation, InstanceId, MemberId};
use super::request::Client;

/// One record of the offsets topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupRecord {
    /// An offset was committed, or with `None` taken away.
    Offset {
        /// The group.
        group: GroupId,
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: PartitionIndex,
        /// What was committed.
        offset: Option<CommittedOffset>,
    },
    /// A group came to a decision.
    Group(GroupMetadata),
    /// A group is gone.
    GroupTombstone(GroupId),
}

/// What survives of a group when the broker restarts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMetadata {
    /// The group.
    pub group: GroupId,
    /// The kind of group; `None` if it only keeps offsets.
    pub protocol_type: Option<Arc<str>>,
    /// Its generation.
    pub generation: Generation,
    /// The protocol chosen for it.
    pub protocol: Option<Arc<str>>,
    /// The member that decided.
    pub leader: Option<MemberId>,
    /// Since when the group is in its state; old brokers did not write it.
    pub state_since: Option<TimestampMs>,
    /// The members; none means that the group is empty.
    pub members: Vec<MemberMetadata>,
}

/// What survives of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberMetadata {
    /// The member.
    pub member: MemberId,
    /// `group.instance.id` of a static member.
    pub instance: Option<InstanceId>,
    /// Who it is.
    pub client: Client,
    /// How long it may be silent.
    pub session_timeout_ms: u32,
    /// How long it may take to join a rebalance.
    pub rebalance_timeout_ms: u32,
    /// What it said for the protocol that was chosen.
    pub subscription: Bytes,
    /// What the leader assigned to it.
    pub assignment: Bytes,
}

/// Why bytes of the offsets topic are no record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The bytes are no such message.
    #[error("record of the offsets topic cannot be read")]
    Decode(#[from] DecodeError),
    /// The topic of an offset cannot exist.
    #[error("offset of an impossible topic")]
    Topic(#[from] InvalidTopicName),
    /// The partition of an offset cannot exist.
    #[error("offset of partition {partition}")]
    Partition {
        /// The number as it came.
        partition: i32,
    },
    /// A member without a name.
    #[error("group {group} has a member without id")]
    Member {
        /// The group.
        group: GroupId,
    },
}

/// The version in which offsets are written: the last.
const OFFSET_VERSION: i16 = 4;
/// The version in which an offset with a time of expiry is written: the only one that has it.
const OFFSET_WITH_EXPIRY_VERSION: i16 = 1;
/// The version in which groups are written: the last before the flexible one, as Kafka does.
const GROUP_VERSION: i16 = 3;

impl GroupRecord {
    /// The group that the record is about.
    pub fn group(&self) -> &GroupId {
        match self {
            GroupRecord::Offset { group, .. } | GroupRecord::GroupTombstone(group) => group,
            GroupRecord::Group(metadata) => &metadata.group,
        }
    }

    /// Key and value for the log; without value it is a tombstone.
    ///
    /// # Errors
    /// A text is longer than Kafka's 32767 bytes, which no request can bring.
    pub fn encode(&self) -> Result<(Vec<u8>, Option<Vec<u8>>), EncodeError> {
        match self {
            GroupRecord::Offset { group, topic, partition, offset } => {
                let key = OffsetCommitKey {
                    group: group.as_str().into(),
                    topic: topic.as_str().into(),
                    partition: partition.to_wire(),
                };
                let key = numbered(OffsetCommitKey::RECORD_TYPE, &key, 0)?;
                Ok((key, offset.as_ref().map(encode_offset).transpose()?))
            }
            GroupRecord::Group(metadata) => {
                Ok((encode_group_key(&metadata.group)?, Some(encode_group(metadata)?)))
            }
            GroupRecord::GroupTombstone(group) => Ok((encode_group_key(group)?, None)),
        }
    }

    /// Reads a record of the log; `None` if it belongs to a protocol that is not served here.
    ///
    /// # Errors
    /// The bytes are no such record.
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<GroupRecord>, RecordError> {
        let mut reader = Reader::new(key);
        match reader.int16("record type")? {
            LegacyOffsetCommitKey::RECORD_TYPE | OffsetCommitKey::RECORD_TYPE => {
                // The two types differ in their number only.
                let key = OffsetCommitKey::decode(&mut reader, 0)?;
                let partition = key.partition;
                Ok(Some(GroupRecord::Offset {
                    group: GroupId::new(&key.group),
                    topic: TopicName::parse(&key.topic)?,
                    partition: PartitionIndex::from_wire(partition)
                        .ok_or(RecordError::Partition { partition })?,
                    offset: value.map(decode_offset).transpose()?,
                }))
            }
            GroupMetadataKey::RECORD_TYPE => {
                let group = GroupId::new(&GroupMetadataKey::decode(&mut reader, 0)?.group);
                Ok(Some(match value {
                    Some(value) => GroupRecord::Group(decode_group(group, value)?),
                    None => GroupRecord::GroupTombstone(group),
                }))
            }
            _ => Ok(None),
        }
    }
}

impl GroupMetadata {
    /// The most bytes that the record can take.
    pub(crate) fn size_bytes_max(&self) -> usize {
        let text = |text: &str| text.len().saturating_add(2);
        let member = |member: &MemberMetadata| {
            [
                text(member.member.as_str()),
                text(member.instance.as_ref().map_or("", InstanceId::as_str)),
                text(&member.client.id),
                text(&member.client.host),
                member.subscription.len().saturating_add(8),
                member.assignment.len().saturating_add(8),
            ]
            .iter()
            .fold(0_usize, |sum, part| sum.saturating_add(*part))
        };
        let names = [
            // Once in the key, once for whatever else there is.
            text(self.group.as_str()),
            text(self.protocol_type.as_deref().unwrap_or_default()),
            text(self.protocol.as_deref().unwrap_or_default()),
            text(self.leader.as_ref().map_or("", MemberId::as_str)),
        ];
        let fixed = 32_usize;
        let names = names.iter().fold(fixed, |sum, part| sum.saturating_add(*part));
        self.members.iter().map(member).fold(names, usize::saturating_add)
    }
}

/// A message with the number in front that tells what it is.
fn numbered(number: i16, message: &impl Encode, version: i16) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = number.to_be_bytes().to_vec();
    message.encode(&mut bytes, version)?;
    Ok(bytes)
}

fn encode_group_key(group: &GroupId) -> Result<Vec<u8>, EncodeError> {
    let key = GroupMetadataKey { group: group.as_str().into() };
    numbered(GroupMetadataKey::RECORD_TYPE, &key, 0)
}

fn encode_offset(offset: &CommittedOffset) -> Result<Vec<u8>, EncodeError> {
    let value = OffsetCommitValue {
        offset: offset.offset,
        leader_epoch: offset.leader_epoch.map_or(-1, LeaderEpoch::to_wire),
        metadata: (&*offset.metadata).into(),
        commit_timestamp: offset.committed_at.to_wire(),
        expire_timestamp: offset.expires_at.map_or(-1, TimestampMs::to_wire),
        topic_id: offset.topic_id,
    };
    let has_expiry = offset.expires_at.is_some();
    let version = if has_expiry { OFFSET_WITH_EXPIRY_VERSION } else { OFFSET_VERSION };
    numbered(version, &value, version)
}

fn decode_offset(value: &[u8]) -> Result<CommittedOffset, RecordError> {
    let mut reader = Reader::new(value);
    let version = reader.int16("value version")?;
    let value = OffsetCommitValue::decode(&mut reader, version)?;
    Ok(CommittedOffset {
        offset: value.offset,
        leader_epoch: LeaderEpoch::from_wire(value.leader_epoch),
        metadata: (&*value.metadata).into(),
        committed_at: TimestampMs::new(value.commit_timestamp),
        expires_at: TimestampMs::from_wire(value.expire_timestamp),
        topic_id: value.topic_id,
    })
}

fn encode_group(metadata: &GroupMetadata) -> Result<Vec<u8>, EncodeError> {
    let value = GroupMetadataValue {
        protocol_type: metadata.protocol_type.as_deref().unwrap_or_default().into(),
        generation: metadata.generation.to_wire(),
        protocol: metadata.protocol.as_deref().map(Into::into),
        leader: metadata.leader.as_ref().map(|leader| leader.as_str().into()),
        current_state_timestamp: metadata.state_since.map_or(-1, TimestampMs::to_wire),
        members: metadata.members.iter().map(encode_member).collect(),
    };
    numbered(GROUP_VERSION, &value, GROUP_VERSION)
}

fn encode_member(member: &MemberMetadata) -> GroupMetadataValueMember<'_> {
    let milliseconds = |timeout_ms: u32| i32::try_from(timeout_ms).unwrap_or(i32::MAX);
    GroupMetadataValueMember {
        member_id: member.member.as_str().into(),
        group_instance_id: member.instance.as_ref().map(|instance| instance.as_str().into()),
        client_id: (&*member.client.id).into(),
        client_host: (&*member.client.host).into(),
        rebalance_timeout: milliseconds(member.rebalance_timeout_ms),
        session_timeout: milliseconds(member.session_timeout_ms),
        subscription: (&*member.subscription).into(),
        assignment: (&*member.assignment).into(),
    }
}

fn decode_group(group: GroupId, value: &[u8]) -> Result<GroupMetadata, RecordError> {
    let mut reader = Reader::new(value);
    let version = reader.int16("value version")?;
    let value = GroupMetadataValue::decode(&mut reader, version)?;
    let members = value.members.iter().map(decode_member).collect::<Option<_>>();
    let Some(members) = members else { return Err(RecordError::Member { group }) };
    Ok(GroupMetadata {
        group,
        protocol_type: Some(&*value.protocol_type).filter(|t| !t.is_empty()).map(Arc::from),
        generation: Generation::from_wire(value.generation).unwrap_or_default(),
        protocol: value.protocol.as_deref().map(Arc::from),
        leader: value.leader.as_deref().and_then(MemberId::from_wire),
        state_since: TimestampMs::from_wire(value.current_state_timestamp),
        members,
    })
}

fn decode_member(member: &GroupMetadataValueMember<'_>) -> Option<MemberMetadata> {
    let milliseconds = |timeout_ms: i32| u32::try_from(timeout_ms).ok();
    let session_timeout_ms = milliseconds(member.session_timeout).unwrap_or(0);
    Some(MemberMetadata {
        member: MemberId::from_wire(&member.member_id)?,
        instance: member.group_instance_id.as_deref().and_then(InstanceId::from_wire),
        client: Client { id: (&*member.client_id).into(), host: (&*member.client_host).into() },
        session_timeout_ms,
        // Version 0 had one timeout for both.
        rebalance_timeout_ms: milliseconds(member.rebalance_timeout).unwrap_or(session_timeout_ms),
        subscription: Bytes::copy_from_slice(&member.subscription),
        assignment: Bytes::copy_from_slice(&member.assignment),
    })
}
