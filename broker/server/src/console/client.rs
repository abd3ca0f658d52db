//! A client of one topic: its requests, each one attempt, and the will to repeat them.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use millrace_client::{ClientError, Router, Tcp};
use millrace_types::{ErrorCode, Offset, ProducerEpoch, ProducerId, Sequence, TimestampMs};
use millrace_wire::ApiKey;
use millrace_wire::messages::{fetch, init_producer_id, list_offsets, metadata, produce};
use millrace_wire::record::{BatchBuilder, BatchProducer, Batches, NewRecord};
use tokio::time::{Instant, sleep, timeout};

use super::Place;

/// How long one attempt may take; what has been a broker's address may answer nothing at all.
const ATTEMPT: Duration = Duration::from_secs(10);
/// How long a broker may take over one write.
const WRITE_TIMEOUT_MS: i32 = 10_000;
/// How long to wait before the next attempt.
const PAUSE: Duration = Duration::from_millis(200);
/// How much one answer may hold.
const FETCH_BYTES: i32 = 1 << 20;
/// How much one batch may hold unpacked.
const BATCH_BYTES_MAX: usize = 256 << 20;
/// The latest versions of Produce and Fetch that name topics.
const NAMING: i16 = 12;
/// `ListOffsetsRequest.EARLIEST_TIMESTAMP` of Kafka.
const EARLIEST: i64 = -2;

/// A client of one topic.
pub(super) struct Client {
    router: Router<Tcp>,
    bootstrap: String,
    topic: String,
    /// The id that the cluster gave this client, once it has written.
    producer: Option<(ProducerId, ProducerEpoch)>,
    /// What each partition's next record is numbered with.
    sequences: BTreeMap<i32, Sequence>,
}

/// What one read found.
pub(super) struct Found {
    /// Offsets and values.
    pub(super) records: Vec<(i64, Vec<u8>)>,
    /// Where to go on; none at the end.
    pub(super) next: Option<i64>,
}

impl Client {
    pub(super) fn new(place: &Place) -> Client {
        let router = Router::new(Tcp, "millrace-console", vec![place.bootstrap.clone()]);
        Client {
            router,
            bootstrap: place.bootstrap.clone(),
            topic: place.topic.clone(),
            producer: None,
            sequences: BTreeMap::new(),
        }
    }

    /// Attempts something until it succeeds, meets an error that does not pass, or `limit` is over;
    /// at least once. What goes wrong on the way is told as soon as it is something new.
    ///
    /// # Errors
    /// That of the last attempt.
    pub(super) async fn insist<T>(
        &mut self,
        limit: Duration,
        is_passing: impl Fn(&anyhow::Error) -> bool,
        attempt: impl AsyncFn(&mut Client) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let until = Instant::now() + limit;
        let mut told = String::new();
        loop {
            let error = match timeout(ATTEMPT, attempt(self)).await {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(error)) => error,
                Err(_) => self.silence().into(),
            };
            if !is_passing(&error) || Instant::now() >= until {
                return Err(error);
            }
            self.router.forget();
            let words = format!("{error:#}");
            if words != told {
                tracing::warn!(error = words, "trying again");
                told = words;
            }
            sleep(PAUSE).await;
        }
    }

    fn silence(&self) -> ClientError {
        let words = format!("no answer within {} s", ATTEMPT.as_secs());
        let source = io::Error::new(io::ErrorKind::TimedOut, words);
        ClientError::Io { address: self.bootstrap.clone(), source }
    }

    /// The numbers of the topic's partitions.
    pub(super) async fn partitions(&mut self) -> anyhow::Result<Vec<i32>> {
        let name = Some(self.topic.as_str().into());
        let topic = metadata::RequestTopic { name, ..Default::default() };
        let request = metadata::Request {
            topics: Some(vec![topic]),
            allow_auto_topic_creation: false,
            ..Default::default()
        };
        let reply = self.router.any().await?.call(&request).await?;
        let response = reply.read::<metadata::Request<'_>>()?;
        let found = response.topics.first().context("the broker told of no topic")?;
        accepted(ApiKey::Metadata, found.error_code)?;
        let mut all: Vec<i32> = found.partitions.iter().map(|it| it.partition_index).collect();
        all.sort_unstable();
        Ok(all)
    }

    /// Writes a record; the offset under which it was acknowledged. The same record written again
    /// after an attempt whose outcome is unknown is there once (KIP-98).
    pub(super) async fn write(&mut self, partition: i32, value: &[u8]) -> anyhow::Result<i64> {
        let (id, epoch) = self.producer().await?;
        let sequence = self.sequences.get(&partition).copied().unwrap_or(Sequence::ZERO);
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        let timestamp = TimestampMs::from_wire(i64::try_from(now)?);
        let producer = BatchProducer { id, epoch, base_sequence: Some(sequence) };
        let mut batch = BatchBuilder::new(Offset::ZERO).with_producer(producer);
        batch.push(&NewRecord { timestamp, value: Some(value), ..NewRecord::default() })?;
        let records = Some(batch.build()?.into());
        let data = produce::RequestTopicDataPartitionData { index: partition, records };
        let topic = produce::RequestTopicData {
            name: self.topic.as_str().into(),
            partition_data: vec![data],
            ..Default::default()
        };
        let request = produce::Request {
            acks: -1,
            timeout_ms: WRITE_TIMEOUT_MS,
            topic_data: vec![topic],
            ..Default::default()
        };
        let leader = self.router.leader(&self.topic, partition).await?;
        leader.send_version(&request, NAMING).await?;
        let reply = leader.receive().await?;
        let response = reply.read::<produce::Request<'_>>()?;
        let answer = response.responses.first().and_then(|it| it.partition_responses.first());
        let answer = answer.context("the broker told of no partition")?;
        accepted(ApiKey::Produce, answer.error_code)?;
        self.sequences.insert(partition, sequence.plus(1));
        Ok(answer.base_offset)
    }

    /// The id under which this client writes.
    async fn producer(&mut self) -> anyhow::Result<(ProducerId, ProducerEpoch)> {
        if let Some(known) = self.producer {
            return Ok(known);
        }
        let request = init_producer_id::Request { transactional_id: None, ..Default::default() };
        let reply = self.router.any().await?.call(&request).await?;
        let response = reply.read::<init_producer_id::Request<'_>>()?;
        accepted(ApiKey::InitProducerId, response.error_code)?;
        let id = ProducerId::from_wire(response.producer_id).context("the producer id is -1")?;
        let epoch = ProducerEpoch::from_wire(response.producer_epoch).context("the epoch is -1")?;
        self.producer = Some((id, epoch));
        Ok((id, epoch))
    }

    /// The offset of a partition's first record.
    pub(super) async fn start(&mut self, partition: i32) -> anyhow::Result<i64> {
        let asked = list_offsets::RequestTopicPartition {
            partition_index: partition,
            timestamp: EARLIEST,
            ..Default::default()
        };
        let topic = list_offsets::RequestTopic {
            name: self.topic.as_str().into(),
            partitions: vec![asked],
        };
        let request =
            list_offsets::Request { replica_id: -1, topics: vec![topic], ..Default::default() };
        let leader = self.router.leader(&self.topic, partition).await?;
        let reply = leader.call(&request).await?;
        let response = reply.read::<list_offsets::Request<'_>>()?;
        let answer = response.topics.first().and_then(|it| it.partitions.first());
        let answer = answer.context("the broker told of no partition")?;
        accepted(ApiKey::ListOffsets, answer.error_code)?;
        Ok(answer.offset)
    }

    /// Reads some records from an offset on.
    pub(super) async fn read(&mut self, partition: i32, from: i64) -> anyhow::Result<Found> {
        let asked = fetch::RequestTopicPartition {
            partition,
            fetch_offset: from,
            partition_max_bytes: FETCH_BYTES,
            ..Default::default()
        };
        let topic = fetch::RequestTopic {
            topic: self.topic.as_str().into(),
            partitions: vec![asked],
            ..Default::default()
        };
        let request = fetch::Request {
            replica_id: -1,
            max_bytes: FETCH_BYTES,
            session_epoch: -1,
            topics: vec![topic],
            ..Default::default()
        };
        let leader = self.router.leader(&self.topic, partition).await?;
        leader.send_version(&request, NAMING).await?;
        let reply = leader.receive().await?;
        let response = reply.read::<fetch::Request<'_>>()?;
        accepted(ApiKey::Fetch, response.error_code)?;
        let answer = response.responses.first().and_then(|it| it.partitions.first());
        let answer = answer.context("the broker told of no partition")?;
        accepted(ApiKey::Fetch, answer.error_code)?;
        let mut records = Vec::new();
        let mut next = from;
        for batch in Batches::new(answer.records.as_deref().unwrap_or_default()) {
            let batch = batch?;
            batch.verify_crc()?;
            let open = batch.open(BATCH_BYTES_MAX)?;
            for record in open.records() {
                let record = record?;
                let offset = record.offset.to_wire();
                if offset >= from {
                    records.push((offset, record.value.unwrap_or_default().to_vec()));
                }
            }
            next = batch.header().next_offset().to_wire();
        }
        let next = (next < answer.high_watermark && next > from).then_some(next);
        Ok(Found { records, next })
    }
}

fn accepted(api: ApiKey, code: i16) -> anyhow::Result<()> {
    let code = ErrorCode::from_wire(code).unwrap_or(ErrorCode::UnknownServerError);
    if !code.is_none() {
        bail!(ClientError::Refused { api, code, message: None });
    }
    Ok(())
}
