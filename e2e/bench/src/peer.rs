//! A client that costs next to nothing: blocking sockets, requests made once, answers thrown away.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use millrace_types::{ErrorCode, Offset, TimestampMs};
use millrace_wire::messages::{create_topics, delete_topics, fetch, list_offsets, produce};
use millrace_wire::record::{BatchBuilder, Codec, NewRecord};
use millrace_wire::{ApiKey, Decode, Reader, Request, ResponseHeader, frame};

/// The last version of Produce that names topics.
pub const PRODUCE_VERSION: i16 = 12;
/// The last version of Fetch whose fields have fixed widths.
pub const FETCH_VERSION: i16 = 11;

/// A blocking connection.
pub struct Peer {
    /// The socket.
    pub stream: TcpStream,
}

impl Peer {
    /// Connects.
    pub fn connect(address: &str) -> Result<Peer> {
        let stream =
            TcpStream::connect(address).with_context(|| format!("no broker at {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        Ok(Peer { stream })
    }

    /// Sends one request and gives its answer, without its header, to `read`.
    pub fn call<R, T>(
        &mut self,
        version: i16,
        request: &R,
        read: impl FnOnce(R::Response<'_>) -> Result<T>,
    ) -> Result<T>
    where
        R: Request,
    {
        self.stream.write_all(&frame::request(version, 1, Some("bench"), request)?)?;
        let bytes = self.answer()?;
        let mut reader = Reader::new(&bytes);
        ResponseHeader::decode(&mut reader, R::KEY, version)?;
        read(R::Response::decode(&mut reader, version)?)
    }

    /// Reads one frame.
    pub fn answer(&mut self) -> Result<Vec<u8>> {
        let mut prefix = [0; 4];
        self.stream.read_exact(&mut prefix)?;
        let mut bytes = vec![0; frame::length(prefix, 256 << 20)?];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Makes a topic and waits until every partition answers.
    pub fn create_topic(&mut self, name: &str, partitions: i32) -> Result<()> {
        let topic = create_topics::RequestTopic {
            name: name.into(),
            num_partitions: partitions,
            replication_factor: 1,
            ..Default::default()
        };
        self.create_topics(vec![topic])?;
        self.wait_until_led(name, partitions)
    }

    /// Makes topics.
    pub fn create_topics(&mut self, topics: Vec<create_topics::RequestTopic<'_>>) -> Result<()> {
        let request = create_topics::Request { topics, timeout_ms: 60_000, validate_only: false };
        self.call(5, &request, |response| {
            response
                .topics
                .iter()
                .try_for_each(|topic| accept(ApiKey::CreateTopics, topic.error_code))
        })
    }

    /// Waits until every partition of a topic answers its leader's requests. That the metadata names
    /// a leader is not enough: Kafka's own broker learns of it a little later.
    pub fn wait_until_led(&mut self, name: &str, partitions: i32) -> Result<()> {
        let partition = |partition_index| list_offsets::RequestTopicPartition {
            partition_index,
            current_leader_epoch: -1,
            timestamp: -1,
        };
        let topic = list_offsets::RequestTopic {
            name: name.into(),
            partitions: (0..partitions).map(partition).collect(),
        };
        let request =
            list_offsets::Request { replica_id: -1, topics: vec![topic], ..Default::default() };
        for _ in 0..30_000 {
            let led = self.call(5, &request, |response| {
                let answers = response.topics.iter().flat_map(|topic| &topic.partitions);
                Ok(answers.filter(|answer| answer.error_code == 0).count())
            })?;
            if i32::try_from(led)? == partitions {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        bail!("topic {name} has no leaders after a minute")
    }

    /// Deletes a topic.
    pub fn delete_topic(&mut self, name: &str) -> Result<()> {
        let topic_names = vec![name.into()];
        let request =
            delete_topics::Request { topic_names, timeout_ms: 60_000, ..Default::default() };
        self.call(5, &request, |response| {
            let codes = response.responses.iter().map(|topic| topic.error_code);
            codes.into_iter().try_for_each(|code| accept(ApiKey::DeleteTopics, code))
        })
    }
}

/// Fails unless the code is that of success.
pub fn accept(api: ApiKey, code: i16) -> Result<()> {
    match ErrorCode::from_wire(code) {
        Some(ErrorCode::None) => Ok(()),
        Some(refusal) => bail!("{api}: {refusal}"),
        None => bail!("{api}: error code {code}"),
    }
}

/// The shape of what is produced.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Bytes of each record's value.
    pub value_bytes: usize,
    /// Bytes of values in a batch, at least one record.
    pub batch_bytes: usize,
    /// How batches are compressed; compressible values go with it.
    pub codec: Codec,
    /// 1 or -1.
    pub acks: i16,
}

impl Load {
    /// Records in a batch.
    pub fn records(&self) -> usize {
        (self.batch_bytes / self.value_bytes).max(1)
    }

    /// Bytes of values in a batch.
    pub fn batch_value_bytes(&self) -> usize {
        self.records() * self.value_bytes
    }

    /// A batch, from offset 0.
    pub fn batch(&self) -> Result<Vec<u8>> {
        let mut builder = BatchBuilder::new(Offset::ZERO).with_codec(self.codec);
        let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
        let mut value = vec![0; self.value_bytes];
        for _ in 0..self.records() {
            noise.fill(&mut value, self.codec == Codec::None);
            let timestamp = Some(TimestampMs::new(now_ms()));
            builder.push(&NewRecord { timestamp, value: Some(&value), ..Default::default() })?;
        }
        Ok(builder.build()?)
    }

    /// A produce request for one partition, with correlation id 0.
    pub fn request(&self, topic: &str, partition: i32) -> Result<Vec<u8>> {
        produce_frame(topic, partition, self.acks, &self.batch()?)
    }
}

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A produce request with one batch.
pub fn produce_frame(topic: &str, partition: i32, acks: i16, batch: &[u8]) -> Result<Vec<u8>> {
    let request = produce::Request {
        acks,
        timeout_ms: 60_000,
        topic_data: vec![produce::RequestTopicData {
            name: topic.into(),
            partition_data: vec![produce::RequestTopicDataPartitionData {
                index: partition,
                records: Some(batch.into()),
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    Ok(frame::request(PRODUCE_VERSION, 0, Some("bench"), &request)?)
}

/// Reads the answer to [`produce_frame`] and fails if it is a refusal.
pub fn check_produced(answer: &[u8]) -> Result<()> {
    let mut reader = Reader::new(answer);
    ResponseHeader::decode(&mut reader, ApiKey::Produce, PRODUCE_VERSION)?;
    let response = produce::Response::decode(&mut reader, PRODUCE_VERSION)?;
    let answers = response.responses.iter().flat_map(|topic| &topic.partition_responses);
    answers.into_iter().try_for_each(|answer| accept(ApiKey::Produce, answer.error_code))
}

/// A fetch request for one partition, of at most a mebibyte; waits for the first byte.
pub fn fetch_frame(topic: &str, partition: i32, offset: i64) -> Result<Vec<u8>> {
    let request = fetch::Request {
        replica_id: -1,
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: 50 << 20,
        session_epoch: -1,
        topics: vec![fetch::RequestTopic {
            topic: topic.into(),
            partitions: vec![fetch::RequestTopicPartition {
                partition,
                fetch_offset: offset,
                partition_max_bytes: 1 << 20,
                current_leader_epoch: -1,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    Ok(frame::request(FETCH_VERSION, 0, Some("bench"), &request)?)
}

/// Numbers that look like noise and are the same in each run.
struct Noise(u64);

impl Noise {
    /// Fills the value: with noise, or with text that compresses to about a quarter.
    fn fill(&mut self, value: &mut [u8], is_dense: bool) {
        for chunk in value.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            let word =
                if is_dense || self.0.is_multiple_of(5) { self.0 } else { 0x6c6c_6972_6163_6520 };
            for (byte, noise) in chunk.iter_mut().zip(word.to_le_bytes()) {
                *byte = noise;
            }
        }
    }
}
