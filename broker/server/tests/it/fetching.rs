//! When a fetch is answered: as soon as there is enough, or nothing to wait for.

use std::time::{Duration, Instant};

use millrace_wire::Request;
use millrace_wire::messages::fetch;
use millrace_wire::record::{Batches, Codec};

use crate::support::{Client, SOON, TestBroker, read};
use crate::verbs::{batch, create_topic, produce};

/// A fetch of topic `t` without a session.
struct Fetch {
    /// Partitions with the offsets to read from.
    partitions: Vec<(i32, i64)>,
    bytes_min: i32,
    bytes_max: i32,
    partition_bytes_max: i32,
    wait: Duration,
}

impl Fetch {
    /// Reads from an offset of partition 0.
    fn from(offset: i64) -> Fetch {
        Fetch {
            partitions: vec![(0, offset)],
            bytes_min: 1,
            bytes_max: 50 << 20,
            partition_bytes_max: 1 << 20,
            // Longer than a test takes.
            wait: 10 * SOON,
        }
    }

    /// For each partition of the answer, the base offsets of its batches; and how long it took.
    async fn send(&self, client: &mut Client) -> (Vec<Vec<u64>>, Duration) {
        let partitions =
            self.partitions.iter().map(|(partition, fetch_offset)| fetch::RequestTopicPartition {
                partition: *partition,
                fetch_offset: *fetch_offset,
                partition_max_bytes: self.partition_bytes_max,
                ..fetch::RequestTopicPartition::default()
            });
        let topic = fetch::RequestTopic {
            topic: "t".into(),
            partitions: partitions.collect(),
            ..fetch::RequestTopic::default()
        };
        let request = fetch::Request {
            max_wait_ms: i32::try_from(self.wait.as_millis()).expect("short"),
            min_bytes: self.bytes_min,
            max_bytes: self.bytes_max,
            topics: vec![topic],
            session_epoch: -1,
            ..fetch::Request::default()
        };
        let (version, began) = (11, Instant::now());
        let frame = client.call(version, &request).await;
        let took = began.elapsed();
        let response: fetch::Response<'_> = read(fetch::Request::KEY, version, &frame);
        let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
        let offsets = partitions.map(|partition| {
            assert_eq!(partition.error_code, 0);
            let batches = Batches::new(partition.records.as_deref().unwrap_or_default());
            batches.map(|batch| batch.expect("a batch").header().base_offset.get()).collect()
        });
        (offsets.collect(), took)
    }
}

/// A broker with topic `t`, ten batches of 100 kB to a segment, in two segments and a half.
async fn start() -> (TestBroker, Client) {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.connect().await;
    let configs = [("segment.bytes", "1048576")];
    assert_eq!(create_topic(&mut client, "t", &configs).await, 0);
    for _ in 0..25 {
        let records = [(None, Some(vec![7; 100_000]))];
        assert_eq!(produce(&mut client, "t", batch(&records, Codec::None)).await.0, 0);
    }
    (broker, client)
}

#[tokio::test]
async fn a_fetch_that_cannot_get_more_at_once_does_not_wait() {
    let (_broker, mut client) = start().await;
    let rows = [
        // The next segment begins: who is behind reads on at once. Source: `DelayedFetch`, case F.
        ("the end of a segment", Fetch { bytes_min: 500_000, ..Fetch::from(8) }, 8..10),
        ("the end of the next", Fetch { bytes_min: 500_000, ..Fetch::from(19) }, 19..20),
        // There never would be enough. Source: `KafkaApis.handleFetchRequest`.
        (
            "more than fits into the answer",
            Fetch { bytes_min: 3_000_000, bytes_max: 250_000, ..Fetch::from(20) },
            20..22,
        ),
        // Kafka would cut the last batch in the middle.
        (
            "no whole batch fits any more",
            Fetch { bytes_min: 250_000, partition_bytes_max: 250_000, ..Fetch::from(20) },
            20..22,
        ),
    ];
    for (what, fetch, expected) in rows {
        let (read, _) = fetch.send(&mut client).await;
        assert_eq!(read, [expected.collect::<Vec<_>>()], "{what}");
    }
}

#[tokio::test]
async fn a_fetch_waits_for_what_may_still_come() {
    let (_broker, mut client) = start().await;
    let wait = Duration::from_millis(200);
    let rows = [
        Fetch { bytes_min: 600_000, wait, ..Fetch::from(20) },
        // A partition that may give no more than this is not asked for more. As Kafka.
        Fetch { bytes_min: 600_000, partition_bytes_max: 250_000, wait, ..Fetch::from(20) },
        Fetch { bytes_min: 1, wait, ..Fetch::from(25) },
    ];
    for fetch in rows {
        let (_, took) = fetch.send(&mut client).await;
        assert!(took >= wait, "{took:?}");
    }
}

#[tokio::test]
async fn a_partition_that_is_named_twice_is_read_once() {
    let (_broker, mut client) = start().await;
    let partitions = vec![(0, 0), (0, 3), (0, 9)];
    let (read, _) = Fetch { partitions, ..Fetch::from(0) }.send(&mut client).await;
    assert_eq!(read, [vec![9]], "as the last one says");
}
