//! Records on the command line, where no other client is at hand, such as in a broker's own pod:
//! `produce` and `consume`, and `try`, which does both to see whether a cluster serves.

use std::io::{self, BufRead as _, Write as _};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail, ensure};
use clap::Args;
use millrace_client::{ClientError, Router, Tcp};
use millrace_types::{ErrorCode, Offset, TimestampMs};
use millrace_wire::ApiKey;
use millrace_wire::messages::{fetch, list_offsets, metadata, produce};
use millrace_wire::record::{BatchBuilder, Batches, NewRecord};

/// How long a broker may take over one request.
const TIMEOUT_MS: i32 = 30_000;
/// How much one answer may hold.
const FETCH_BYTES: i32 = 1 << 20;
/// How much one batch may hold unpacked.
const BATCH_BYTES_MAX: usize = 256 << 20;
/// The latest versions of Produce and Fetch that name topics.
const NAMING: i16 = 12;
/// `ListOffsetsRequest.EARLIEST_TIMESTAMP` of Kafka.
const EARLIEST: i64 = -2;
/// How long to wait before the next attempt.
const PAUSE: Duration = Duration::from_millis(200);

/// Which topic of which cluster.
#[derive(Debug, Args)]
pub struct Place {
    /// Host and port of any broker.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9092")]
    pub bootstrap: String,
    /// The topic.
    pub topic: String,
}

/// How long to try.
#[derive(Debug, Args)]
pub struct TryArgs {
    /// Where to.
    #[command(flatten)]
    pub place: Place,
    /// How many seconds the first success may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub wait: u64,
}

/// Writes each line of the standard input as a record, on all partitions in turn.
///
/// # Errors
/// A record is not acknowledged.
pub async fn produce(place: Place) -> anyhow::Result<()> {
    let mut client = Client::new(&place);
    let partitions = client.partitions().await?;
    let mut count: usize = 0;
    for (line, partition) in io::stdin().lock().lines().zip(partitions.iter().cycle()) {
        let line = line.context("cannot read the standard input")?;
        client.write(*partition, line.as_bytes()).await?;
        count += 1;
    }
    say(format!("{count} records written to {}", place.topic).as_bytes())
}

/// Prints the values of all records that are there, oldest first in each partition.
///
/// # Errors
/// A partition cannot be read.
pub async fn consume(place: Place) -> anyhow::Result<()> {
    let mut client = Client::new(&place);
    for partition in client.partitions().await? {
        let mut offset = Some(client.start(partition).await?);
        while let Some(from) = offset {
            offset = client.read(partition, from, &mut |_, value| say(value)).await?;
        }
    }
    Ok(())
}

/// Writes a record and reads it back, again and again until that succeeds.
///
/// # Errors
/// It does not succeed in time; what the last attempt met.
pub async fn try_out(args: TryArgs) -> anyhow::Result<()> {
    let start = Instant::now();
    loop {
        match round_trip(&args.place).await {
            Ok(offset) => {
                let topic = &args.place.topic;
                return say(format!("a record of {topic} came back, offset {offset}").as_bytes());
            }
            Err(error) if start.elapsed() > Duration::from_secs(args.wait) => {
                return Err(error.context(format!("no success within {} s", args.wait)));
            }
            Err(error) => tracing::info!(error = format!("{error:#}"), "not yet"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn round_trip(place: &Place) -> anyhow::Result<i64> {
    let mut client = Client::new(place);
    let partition = *client.partitions().await?.first().context("the topic has no partition")?;
    let value = format!("tried at {:?}", SystemTime::now().duration_since(UNIX_EPOCH)?);
    let offset = client.write(partition, value.as_bytes()).await?;
    let (mut is_back, mut next) = (false, Some(offset));
    while let Some(from) = next.filter(|_| !is_back) {
        let mut look = |at: i64, found: &[u8]| {
            is_back = is_back || (at == offset && found == value.as_bytes());
            Ok(())
        };
        next = client.read(partition, from, &mut look).await?;
    }
    ensure!(is_back, "offset {offset} was acknowledged, but cannot be read");
    Ok(offset)
}

fn say(line: &[u8]) -> anyhow::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(line)?;
    output.write_all(b"\n")?;
    Ok(output.flush()?)
}

/// A client of one topic.
struct Client {
    router: Router<Tcp>,
    topic: String,
}

impl Client {
    fn new(place: &Place) -> Client {
        let router = Router::new(Tcp, "millrace-console", vec![place.bootstrap.clone()]);
        Client { router, topic: place.topic.clone() }
    }

    /// The numbers of the topic's partitions.
    async fn partitions(&mut self) -> anyhow::Result<Vec<i32>> {
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

    /// Writes a record; the offset under which it was acknowledged.
    async fn write(&mut self, partition: i32, value: &[u8]) -> anyhow::Result<i64> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        let timestamp = TimestampMs::from_wire(i64::try_from(now)?);
        let mut batch = BatchBuilder::new(Offset::ZERO);
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
            timeout_ms: TIMEOUT_MS,
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
        Ok(answer.base_offset)
    }

    /// The offset of a partition's first record.
    async fn start(&mut self, partition: i32) -> anyhow::Result<i64> {
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

    /// Reads some records from an offset on; where to go on, none at the end.
    async fn read(
        &mut self,
        partition: i32,
        from: i64,
        take: &mut dyn FnMut(i64, &[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<Option<i64>> {
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
        let mut next = from;
        for batch in Batches::new(answer.records.as_deref().unwrap_or_default()) {
            let batch = batch?;
            batch.verify_crc()?;
            let open = batch.open(BATCH_BYTES_MAX)?;
            for record in open.records() {
                let record = record?;
                let offset = record.offset.to_wire();
                if offset >= from {
                    take(offset, record.value.unwrap_or_default())?;
                }
            }
            next = batch.header().next_offset().to_wire();
        }
        Ok((next < answer.high_watermark && next > from).then_some(next))
    }
}

fn accepted(api: ApiKey, code: i16) -> anyhow::Result<()> {
    let code = ErrorCode::from_wire(code).unwrap_or(ErrorCode::UnknownServerError);
    if !code.is_none() {
        bail!(ClientError::Refused { api, code, message: None });
    }
    Ok(())
}
