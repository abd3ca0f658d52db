//! A Produce request as one flat list of partitions, its records borrowed from the frame.
//!
//! ```text
//!  transactional id | acks int16 | timeout int32 | [ topic | [ index int32 | records ] ]
//!  topic: the name up to version 12, then the id; flexible from version 9
//! ```

use std::borrow::Cow;

use millrace_types::Uuid;

use crate::{ApiKey, DecodeError, Reader};

const FLEXIBLE_MIN: i16 = 9;
const TOPIC_ID_MIN: i16 = 13;

/// A Produce request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProduceRequest<'a> {
    /// The transaction's owner; `None` outside of one.
    pub transactional_id: Option<Cow<'a, str>>,
    /// How many replicas to wait for: 0, 1 or -1.
    pub acks: i16,
    /// How long to wait for them, in milliseconds.
    pub timeout_ms: i32,
    /// All partitions, in the order of the request; those of a topic stand together.
    pub partitions: Vec<ProducePartition<'a>>,
}

/// What is sent to one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducePartition<'a> {
    /// The topic.
    pub topic: ProduceTopic<'a>,
    /// The partition's number as it came.
    pub index: i32,
    /// One record batch, if the client does it right.
    pub records: Option<&'a [u8]>,
}

/// A topic as the request names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProduceTopic<'a> {
    /// By name, up to version 12.
    Name(Cow<'a, str>),
    /// By id, from version 13 on.
    Id(Uuid),
}

impl<'a> ProduceRequest<'a> {
    /// Reads the request from the front of `reader`.
    ///
    /// # Errors
    /// If `version` does not exist or the bytes are not such a message.
    pub fn decode(reader: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let (first, last) = (ApiKey::Produce.version_min(), ApiKey::Produce.version_max());
        if !(first..=last).contains(&version) {
            return Err(DecodeError::Version { message: "Produce request", version, first, last });
        }
        let flexible = version >= FLEXIBLE_MIN;
        let transactional_id =
            reader.nullable_string("Produce request.transactional_id", flexible)?;
        let acks = reader.int16("Produce request.acks")?;
        let timeout_ms = reader.int32("Produce request.timeout_ms")?;
        let mut partitions = Vec::new();
        let topics = reader.count("Produce request.topic_data", flexible, 2)?;
        for _ in 0..topics {
            read_topic(reader, version, &mut partitions)?;
        }
        if flexible {
            reader.skip_tagged_fields("Produce request")?;
        }
        Ok(ProduceRequest { transactional_id, acks, timeout_ms, partitions })
    }
}

fn read_topic<'a>(
    reader: &mut Reader<'a>,
    version: i16,
    partitions: &mut Vec<ProducePartition<'a>>,
) -> Result<(), DecodeError> {
    let flexible = version >= FLEXIBLE_MIN;
    let topic = if version >= TOPIC_ID_MIN {
        ProduceTopic::Id(reader.uuid("Produce request.topic_data.topic_id")?)
    } else {
        ProduceTopic::Name(reader.string("Produce request.topic_data.name", flexible)?)
    };
    let field = "Produce request.topic_data.partition_data";
    let count = reader.count(field, flexible, PARTITION_BYTES_MIN)?;
    reader.reserve(field, count, partitions)?;
    for _ in 0..count {
        let index = reader.int32("Produce request.topic_data.partition_data.index")?;
        let records = reader.blob("Produce request.topic_data.partition_data.records", flexible)?;
        if flexible {
            reader.skip_tagged_fields("Produce request.topic_data.partition_data")?;
        }
        partitions.push(ProducePartition { topic: topic.clone(), index, records });
    }
    if flexible {
        reader.skip_tagged_fields("Produce request.topic_data")?;
    }
    Ok(())
}

/// The index, and the length of absent records.
const PARTITION_BYTES_MIN: usize = 5;
