//! Every message that the kafka-protocol crate knows, in every version that both know.
//!
//! That crate has the schemas of Kafka 4.1, so a few later versions stay to `java_codec.rs` alone;
//! the test names them all, so that the list cannot grow unseen.

#[path = "harness/samples.rs"]
mod samples;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::RangeInclusive;

use kafka_protocol::messages as theirs;
use kafka_protocol::protocol::{Decodable, Encodable, Message as TheirMessage};
use samples::{Message, Random};

/// Random values of each message and version.
const ROUNDS: u64 = 50;

#[test]
fn what_the_other_crate_writes_we_read_and_write_the_same() {
    let table = table();
    let mut beyond = Vec::new();
    for (message, version) in Message::each_version() {
        let known = table.get(message.java.trim_end_matches("Data"));
        let Some(other) = known.filter(|other| other.versions.contains(&version)) else {
            if message.key.is_some_and(|key| !key.is_own()) {
                beyond.push(format!("{} {version}", message.name));
            }
            continue;
        };
        for round in 0..ROUNDS {
            let what = format!("{} {version} round {round}", message.name);
            let seed = message.seed(version, round);
            let bytes = (message.sample)(&mut Random::new(seed), version);
            let theirs = (other.again)(&bytes, version).unwrap_or_else(|e| panic!("{what}: {e}"));
            assert_eq!(theirs, bytes, "{what}: ours to theirs");
            assert_eq!(message.again(&theirs, version).as_ref(), Ok(&theirs), "{what}: back");
        }
    }
    assert_eq!(beyond, BEYOND);
}

/// What the other crate does not have. It has none of the coordinator's records.
const BEYOND: &[&str] = &[
    "ListOffsets request 11",
    "ListOffsets response 11",
    "OffsetCommit request 10",
    "OffsetFetch request 10",
    "DescribeLogDirs request 5",
    "DescribeLogDirs response 5",
];

/// One message of the other crate.
struct Theirs {
    versions: RangeInclusive<i16>,
    /// Decodes and encodes again.
    again: fn(&[u8], i16) -> Result<Vec<u8>, String>,
}

fn again<M: TheirMessage + Decodable + Encodable + PartialEq + Debug>(
    bytes: &[u8],
    version: i16,
) -> Result<Vec<u8>, String> {
    let mut rest = bytes;
    let value = M::decode(&mut rest, version).map_err(|error| error.to_string())?;
    if !rest.is_empty() {
        return Err(format!("{} bytes remain", rest.len()));
    }
    let mut out = Vec::new();
    value.encode(&mut out, version).map_err(|error| error.to_string())?;
    Ok(out)
}

macro_rules! table {
    ($($message:ident)*) => {
        /// The other crate's messages by the names of Kafka's classes, without `Data`.
        fn table() -> BTreeMap<&'static str, Theirs> {
            BTreeMap::from([$((
                stringify!($message),
                Theirs {
                    versions: <theirs::$message as TheirMessage>::VERSIONS.min
                        ..=<theirs::$message as TheirMessage>::VERSIONS.max,
                    again: again::<theirs::$message>,
                },
            )),*])
        }
    };
}

table! {
    ProduceRequest ProduceResponse
    FetchRequest FetchResponse
    ListOffsetsRequest ListOffsetsResponse
    MetadataRequest MetadataResponse
    OffsetCommitRequest OffsetCommitResponse
    OffsetFetchRequest OffsetFetchResponse
    FindCoordinatorRequest FindCoordinatorResponse
    JoinGroupRequest JoinGroupResponse
    HeartbeatRequest HeartbeatResponse
    LeaveGroupRequest LeaveGroupResponse
    SyncGroupRequest SyncGroupResponse
    DescribeGroupsRequest DescribeGroupsResponse
    ListGroupsRequest ListGroupsResponse
    ApiVersionsRequest ApiVersionsResponse
    CreateTopicsRequest CreateTopicsResponse
    DeleteTopicsRequest DeleteTopicsResponse
    DeleteRecordsRequest DeleteRecordsResponse
    InitProducerIdRequest InitProducerIdResponse
    OffsetForLeaderEpochRequest OffsetForLeaderEpochResponse
    DescribeConfigsRequest DescribeConfigsResponse
    AlterConfigsRequest AlterConfigsResponse
    DescribeLogDirsRequest DescribeLogDirsResponse
    CreatePartitionsRequest CreatePartitionsResponse
    DeleteGroupsRequest DeleteGroupsResponse
    IncrementalAlterConfigsRequest IncrementalAlterConfigsResponse
    OffsetDeleteRequest OffsetDeleteResponse
    DescribeClusterRequest DescribeClusterResponse
    DescribeProducersRequest DescribeProducersResponse
    ListConfigResourcesRequest ListConfigResourcesResponse
    DescribeTopicPartitionsRequest DescribeTopicPartitionsResponse
    ConsumerProtocolSubscription ConsumerProtocolAssignment
}
