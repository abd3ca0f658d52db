//! How the bench writes down answers and records.

use millrace_core::group::{
    CommittedOffset, DescribedGroup, GroupError, GroupRecord, InstanceId, Joined, MemberId, Reply,
};
use millrace_types::ErrorCode;

/// Writes member ids of the bench by their last two digits.
pub fn shorten(line: &str) -> String {
    line.replace("-00000000-0000-4000-8000-0000000000", "-")
}

/// An answer in one line.
pub fn reply(reply: &Reply) -> String {
    match reply {
        Reply::Join { member, result: Err(error) } => {
            format!("{} (member {})", refusal(error), id(member.as_ref()))
        }
        Reply::Join { member, result: Ok(joined) } => joined_text(member.as_ref(), joined),
        Reply::Sync(Ok(synced)) => format!("assigned {:?}", text(&synced.assignment)),
        Reply::Heartbeat(Ok(())) => "alive".to_owned(),
        Reply::Leave(Ok(results)) => format!("left {}", all(results)),
        Reply::OffsetCommit(Ok(results)) => format!("committed {}", all(results)),
        Reply::OffsetDelete(Ok(results)) => format!("offsets deleted {}", all(results)),
        Reply::Delete(Ok(())) => "deleted".to_owned(),
        Reply::OffsetFetch(Ok(topics)) => {
            let offsets: Vec<String> = topics
                .iter()
                .flat_map(|topic| topic.partitions.iter().map(move |p| (&topic.topic, p)))
                .map(|(topic, (partition, offset))| {
                    format!("{topic}-{partition}={}", offset_text(offset.as_ref()))
                })
                .collect();
            format!("offsets [{}]", offsets.join(" "))
        }
        Reply::List(Ok(groups)) => {
            let lines: Vec<String> = groups
                .iter()
                .map(|group| {
                    let kind = group.protocol_type.as_deref().unwrap_or("-");
                    format!("{}:{}:{}", group.group, kind, group.phase)
                })
                .collect();
            format!("groups [{}]", lines.join(" "))
        }
        Reply::Describe(Ok(group)) => described_text(group),
        Reply::Sync(Err(error))
        | Reply::Heartbeat(Err(error))
        | Reply::Leave(Err(error))
        | Reply::OffsetCommit(Err(error))
        | Reply::OffsetFetch(Err(error))
        | Reply::OffsetDelete(Err(error))
        | Reply::List(Err(error))
        | Reply::Describe(Err(error))
        | Reply::Delete(Err(error)) => refusal(error),
    }
}

fn joined_text(member: Option<&MemberId>, joined: &Joined) -> String {
    let members: Vec<String> = joined
        .members
        .iter()
        .map(|m| format!("{}={}", named(&m.member, m.instance.as_ref()), text(&m.metadata)))
        .collect();
    format!(
        "joined as {} in generation {}, {} of {}, leader {}{}{}",
        id(member),
        joined.generation,
        joined.protocol.as_deref().unwrap_or("-"),
        joined.protocol_type.as_deref().unwrap_or("-"),
        id(joined.leader.as_ref()),
        if joined.skip_assignment { ", skip" } else { "" },
        if members.is_empty() { String::new() } else { format!(" [{}]", members.join(" ")) },
    )
}

fn described_text(group: &DescribedGroup) -> String {
    let members: Vec<String> = group
        .members
        .iter()
        .map(|m| {
            let name = named(&m.member, m.instance.as_ref());
            let (said, got) = (text(&m.metadata), text(&m.assignment));
            format!("{name}@{}{}={said:?}>{got:?}", m.client_id, m.client_host)
        })
        .collect();
    format!(
        "{} {} {} [{}]",
        group.phase,
        group.protocol_type.as_deref().unwrap_or("-"),
        group.protocol.as_deref().unwrap_or("-"),
        members.join(" ")
    )
}

/// A record in one line.
pub fn record(record: &GroupRecord) -> String {
    match record {
        GroupRecord::Offset { group, topic, partition, offset: Some(offset) } => {
            format!("{group}: {topic}-{partition}={}", offset_text(Some(offset)))
        }
        GroupRecord::Offset { group, topic, partition, offset: None } => {
            format!("{group}: {topic}-{partition} gone")
        }
        GroupRecord::GroupTombstone(group) => format!("{group} gone"),
        GroupRecord::Group(metadata) => {
            let members: Vec<String> = metadata
                .members
                .iter()
                .map(|m| {
                    let name = named(&m.member, m.instance.as_ref());
                    format!("{name}={}>{}", text(&m.subscription), text(&m.assignment))
                })
                .collect();
            format!("{} generation {} [{}]", metadata.group, metadata.generation, members.join(" "))
        }
    }
}

fn refusal(error: &GroupError) -> String {
    format!("{}: {error}", ErrorCode::from(error))
}

fn all(results: &[Result<(), GroupError>]) -> String {
    let words: Vec<&str> = results
        .iter()
        .map(|result| match result {
            Ok(()) => "ok",
            Err(error) => ErrorCode::from(error).name(),
        })
        .collect();
    format!("[{}]", words.join(" "))
}

fn offset_text(offset: Option<&CommittedOffset>) -> String {
    let Some(offset) = offset else { return "none".to_owned() };
    let epoch = offset.leader_epoch.map(|epoch| format!("@{epoch}")).unwrap_or_default();
    let metadata =
        if offset.metadata.is_empty() { String::new() } else { format!(" {:?}", offset.metadata) };
    format!("{}{epoch}{metadata}", offset.offset)
}

fn named(member: &MemberId, instance: Option<&InstanceId>) -> String {
    instance.map_or_else(|| member.to_string(), |instance| format!("{member}#{instance}"))
}

fn id(member: Option<&MemberId>) -> String {
    member.map_or_else(|| "-".to_owned(), MemberId::to_string)
}

fn text(bytes: &[u8]) -> String {
    bytes.iter().filter(|byte| byte.is_ascii_graphic()).map(|byte| char::from(*byte)).collect()
}
