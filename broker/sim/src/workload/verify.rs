//! The last reader: tells the history what the broker has in the end.

use std::collections::BTreeMap;
use std::time::Duration;

use millrace_client::{Admin, Router, TopicState};
use millrace_types::ErrorCode;
use millrace_wire::messages::{describe_groups, fetch, list_offsets, offset_fetch};
use millrace_wire::record::Batches;

use super::{Clients, Failure, GROUP, Wire, accepted, within};
use crate::history::{Event, Place};

/// Reads everything. What cannot be read now is [`Event::Stuck`]: there are no faults any more.
pub async fn run(clients: Clients) {
    let mut router = clients.router("verifier");
    let mut admin = Admin::new(clients.router("verifying-admin"));
    match within(async { Ok(admin.topics().await?) }).await {
        Ok(topics) => {
            for (topic, TopicState { partitions, configs }) in topics {
                clients.record(Event::FinalTopic { topic, partitions, configs });
            }
        }
        Err(failure) => stuck(&clients, format!("the topics cannot be read: {failure:?}")),
    }
    for place in clients.places() {
        match within(records(&mut router, &place)).await {
            Ok(records) => clients.record(Event::Final { place, records }),
            Err(failure) => stuck(&clients, format!("{place:?} cannot be read: {failure:?}")),
        }
    }
    if clients.options.members > 0 {
        match within(committed(&mut router, &clients.places())).await {
            Ok(offsets) => {
                for (place, offset) in offsets {
                    let group = GROUP.to_owned();
                    clients.record(Event::FetchedCommit { group, place, offset });
                }
            }
            Err(failure) => stuck(&clients, format!("no committed offsets: {failure:?}")),
        }
        wait_for_empty_group(&clients, &mut router).await;
    }
}

/// Every member has left or is gone for good, so the group must get empty, if only when the last
/// session has run out.
async fn wait_for_empty_group(clients: &Clients, router: &mut Router<Wire>) {
    let mut found = Err(Failure::Unknown);
    for _ in 0..60 {
        found = within(group_size(router)).await;
        if matches!(found, Ok(0)) {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    stuck(clients, format!("all members left a minute ago, the group has {found:?}"));
}

async fn group_size(router: &mut Router<Wire>) -> Result<usize, Failure> {
    let groups = vec![GROUP.into()];
    let request = describe_groups::Request { groups, ..Default::default() };
    let reply = router.coordinator(GROUP).await?.call(&request).await?;
    let response = reply.read::<describe_groups::Request<'_>>()?;
    let group = response.groups.first().ok_or(Failure::Refused(ErrorCode::UnknownServerError))?;
    accepted(group.error_code)?;
    Ok(group.members.len())
}

fn stuck(clients: &Clients, what: String) {
    clients.record(Event::Stuck { what });
}

async fn records(router: &mut Router<Wire>, place: &Place) -> Result<Vec<(i64, Vec<u8>)>, Failure> {
    let mut offset = edge(router, place, -2).await?;
    let end = edge(router, place, -1).await?;
    let mut found = Vec::new();
    while offset < end {
        let next = fetch_from(router, place, offset, &mut found).await?;
        if next <= offset {
            return Err(Failure::Refused(ErrorCode::OffsetNotAvailable));
        }
        offset = next;
    }
    Ok(found)
}

/// The log's start (-2) or end (-1).
async fn edge(router: &mut Router<Wire>, place: &Place, timestamp: i64) -> Result<i64, Failure> {
    let request = list_offsets::Request {
        replica_id: -1,
        topics: vec![list_offsets::RequestTopic {
            name: place.topic.as_str().into(),
            partitions: vec![list_offsets::RequestTopicPartition {
                partition_index: place.partition,
                timestamp,
                ..Default::default()
            }],
        }],
        ..Default::default()
    };
    let reply = router.leader(&place.topic, place.partition).await?.call(&request).await?;
    let response = reply.read::<list_offsets::Request<'_>>()?;
    let answer = response.topics.first().and_then(|topic| topic.partitions.first());
    let answer = answer.ok_or(Failure::Refused(ErrorCode::UnknownServerError))?;
    accepted(answer.error_code)?;
    Ok(answer.offset)
}

/// Reads once; answers the offset behind the last record.
pub(super) async fn fetch_from(
    router: &mut Router<Wire>,
    place: &Place,
    offset: i64,
    found: &mut Vec<(i64, Vec<u8>)>,
) -> Result<i64, Failure> {
    let request = fetch::Request {
        replica_id: -1,
        max_wait_ms: 100,
        min_bytes: 1,
        max_bytes: 1 << 20,
        session_epoch: -1,
        topics: vec![fetch::RequestTopic {
            topic: place.topic.as_str().into(),
            partitions: vec![fetch::RequestTopicPartition {
                partition: place.partition,
                fetch_offset: offset,
                partition_max_bytes: 1 << 16,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    let connection = router.leader(&place.topic, place.partition).await?;
    // Version 12 is the last that names topics.
    connection.send_version(&request, 12).await?;
    let reply = connection.receive().await?;
    let response = reply.read::<fetch::Request<'_>>()?;
    accepted(response.error_code)?;
    let answer = response.responses.first().and_then(|topic| topic.partitions.first());
    let Some(answer) = answer else { return Ok(offset) };
    accepted(answer.error_code)?;
    let mut next = offset;
    for batch in Batches::new(answer.records.as_deref().unwrap_or_default()) {
        let corrupt = |_| Failure::Refused(ErrorCode::CorruptMessage);
        let batch = batch.map_err(corrupt)?;
        batch.verify_crc().map_err(corrupt)?;
        let open = batch.open(1 << 20).map_err(|_| Failure::Refused(ErrorCode::CorruptMessage))?;
        for record in open.records() {
            let record = record.map_err(|_| Failure::Refused(ErrorCode::CorruptMessage))?;
            if record.offset.to_wire() >= offset {
                found.push((record.offset.to_wire(), record.value.unwrap_or_default().to_vec()));
            }
        }
        next = batch.header().next_offset().to_wire();
    }
    Ok(next)
}

/// What the group has committed.
pub(super) async fn committed(
    router: &mut Router<Wire>,
    places: &[Place],
) -> Result<BTreeMap<Place, Option<i64>>, Failure> {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for place in places {
        topics.entry(&place.topic).or_default().push(place.partition);
    }
    let request = offset_fetch::Request {
        groups: vec![offset_fetch::RequestGroup {
            group_id: GROUP.into(),
            topics: Some(
                topics
                    .into_iter()
                    .map(|(name, partition_indexes)| offset_fetch::RequestGroupTopic {
                        name: name.into(),
                        partition_indexes,
                        ..Default::default()
                    })
                    .collect(),
            ),
            ..Default::default()
        }],
        require_stable: true,
        ..Default::default()
    };
    // Version 9 is the last that names topics.
    let connection = router.coordinator(GROUP).await?;
    connection.send_version(&request, 9).await?;
    let reply = connection.receive().await?;
    let response = reply.read::<offset_fetch::Request<'_>>()?;
    let group = response.groups.first().ok_or(Failure::Refused(ErrorCode::UnknownServerError))?;
    accepted(group.error_code)?;
    let mut offsets = BTreeMap::new();
    for topic in &group.topics {
        for found in &topic.partitions {
            accepted(found.error_code)?;
            let place = Place { topic: topic.name.to_string(), partition: found.partition_index };
            let offset = (found.committed_offset >= 0).then_some(found.committed_offset);
            offsets.insert(place, offset);
        }
    }
    Ok(offsets)
}
