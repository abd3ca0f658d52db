//! The one table of the APIs that are served; the way from a frame to its handler is in `dispatch`.
//!
//! A further API is a file in `api/`, its `mod` line and its row in [`TABLE`], nothing else: what
//! ApiVersions tells, what is dispatched and what `docs/compat.md` says all come from the rows. What
//! has no row is not advertised.

use millrace_wire::{ApiKey, Encode};

use crate::net::frame::Frame;
use crate::refusal::Refusal;
use crate::reply::{Outcome, OutcomeFuture, Reply};

mod alter_configs;
mod api_versions;
mod apply_topics;
mod authorized;
pub mod compat;
mod context;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_state;
mod describe_topic_partitions;
mod dispatch;
mod fetch;
mod find_coordinator;
mod group_fields;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_config_resources;
mod list_groups;
mod list_offsets;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod once;
mod permission;
mod produce;
mod sync_group;

pub use context::RequestContext;
pub use permission::{Operation, Permission, Resource};

/// A handler as the table holds it.
type Handler = fn(RequestContext, Frame) -> OutcomeFuture;

/// One row of the table.
#[derive(Debug)]
pub struct Api {
    /// The API; its versions are those that `millrace-wire` reads.
    pub key: ApiKey,
    /// What a client must be allowed to do to be answered.
    pub permission: Permission,
    /// The test that proves the API, as `crate::path` from the root of the workspace.
    pub proof: &'static str,
    /// How the answers differ from Apache Kafka's; empty where they do not.
    pub differs: &'static str,
    handler: Handler,
}

/// A handler `async fn handle(&RequestContext, Request<'_>) -> Result<Response<'_>, Refusal>`, or
/// any value that can be written as the response, that answers without waiting for other clients.
macro_rules! answers {
    ($module:ident) => {
        |context, frame| {
            Box::pin(async move {
                let request = context.decode(&frame.bytes)?;
                let response = $module::handle(&context, request).await?;
                context.reply(&response).map(Outcome::Reply)
            })
        }
    };
}

/// A command to the coordinator of a group that may wait for other clients (joins): `fn command(
/// &RequestContext, &Request<'_>) -> impl Command` and `fn answer` that makes the response of what
/// it answers. Meanwhile the frame and its share of the budget are given back. The wait ends when the
/// client is gone; the next request of the connection is not started before it has ended.
macro_rules! waits {
    ($module:ident) => {
        |context, frame| {
            let reply: crate::reply::ReplyFuture = Box::pin(async move {
                let command = $module::command(&context, &context.decode(&frame.bytes)?);
                drop(frame);
                let answer = group_fields::ask(&context, command).await;
                context.reply(&$module::answer(&context, answer))
            });
            Box::pin(std::future::ready(Ok(Outcome::Wait(reply))))
        }
    };
}

/// A handler `async fn handle(RequestContext, Frame) -> Result<Outcome, Refusal>` that reads and
/// writes the bytes itself: the hot path.
macro_rules! by_hand {
    ($module:ident) => {
        |context, frame| Box::pin($module::handle(context, frame))
    };
}

/// Every API that is served, by number.
pub static TABLE: &[Api] = &[
    Api {
        key: ApiKey::Produce,
        permission: Permission::to(Operation::Write, Resource::Topic),
        proof: "server::it::data_path",
        differs: "no transactions; compressed records are unpacked only where the topic's configs ask for it: else their head and count are looked at, not each record; a negative timestamp counts as none",
        handler: by_hand!(produce),
    },
    Api {
        key: ApiKey::Fetch,
        permission: Permission::to(Operation::Read, Resource::Topic),
        proof: "server::it::data_path",
        differs: "",
        handler: by_hand!(fetch),
    },
    Api {
        key: ApiKey::ListOffsets,
        permission: Permission::to(Operation::Describe, Resource::Topic),
        proof: "server::it::data_path",
        differs: "",
        handler: answers!(list_offsets),
    },
    Api {
        key: ApiKey::Metadata,
        permission: Permission::to(Operation::Describe, Resource::Topic),
        proof: "server::it::metadata",
        differs: "a missing topic is created before the answer, not after it",
        handler: answers!(metadata),
    },
    Api {
        key: ApiKey::OffsetCommit,
        permission: Permission::to(Operation::Read, Resource::Group),
        proof: "server::it::groups",
        differs: "",
        handler: answers!(offset_commit),
    },
    Api {
        key: ApiKey::OffsetFetch,
        permission: Permission::to(Operation::Describe, Resource::Group),
        proof: "server::it::groups",
        differs: "",
        handler: answers!(offset_fetch),
    },
    Api {
        key: ApiKey::FindCoordinator,
        permission: Permission::to(Operation::Describe, Resource::Named),
        proof: "server::it::groups",
        differs: "only for groups",
        handler: answers!(find_coordinator),
    },
    Api {
        key: ApiKey::JoinGroup,
        permission: Permission::to(Operation::Read, Resource::Group),
        proof: "server::it::groups",
        differs: "",
        handler: waits!(join_group),
    },
    Api {
        key: ApiKey::Heartbeat,
        permission: Permission::to(Operation::Read, Resource::Group),
        proof: "server::it::groups",
        differs: "",
        handler: answers!(heartbeat),
    },
    Api {
        key: ApiKey::LeaveGroup,
        permission: Permission::to(Operation::Read, Resource::Group),
        proof: "server::it::groups",
        differs: "",
        handler: answers!(leave_group),
    },
    Api {
        key: ApiKey::SyncGroup,
        permission: Permission::to(Operation::Read, Resource::Group),
        proof: "server::it::groups",
        differs: "",
        handler: waits!(sync_group),
    },
    Api {
        key: ApiKey::DescribeGroups,
        permission: Permission::to(Operation::Describe, Resource::Group),
        proof: "server::it::groups",
        differs: "",
        handler: answers!(describe_groups),
    },
    Api {
        key: ApiKey::ListGroups,
        permission: Permission::to(Operation::Describe, Resource::Cluster),
        proof: "server::it::groups",
        differs: "",
        handler: answers!(list_groups),
    },
    Api {
        key: ApiKey::ApiVersions,
        permission: Permission::NONE,
        proof: "server::api::api_versions",
        differs: "",
        handler: answers!(api_versions),
    },
    Api {
        key: ApiKey::CreateTopics,
        permission: Permission::to(Operation::Create, Resource::Cluster),
        proof: "server::it::metadata",
        differs: "more partitions than 10,000 refuse the topics beyond, not all",
        handler: answers!(create_topics),
    },
    Api {
        key: ApiKey::DeleteTopics,
        permission: Permission::to(Operation::Delete, Resource::Topic),
        proof: "server::it::metadata",
        differs: "internal topics cannot be deleted",
        handler: answers!(delete_topics),
    },
    Api {
        key: ApiKey::DeleteRecords,
        permission: Permission::to(Operation::Delete, Resource::Topic),
        proof: "server::it::data_path",
        differs: "",
        handler: answers!(delete_records),
    },
    Api {
        key: ApiKey::InitProducerId,
        permission: Permission::to(Operation::IdempotentWrite, Resource::Cluster),
        proof: "server::it::metadata",
        differs: "no transactional ids yet",
        handler: answers!(init_producer_id),
    },
    Api {
        key: ApiKey::OffsetForLeaderEpoch,
        permission: Permission::to(Operation::Describe, Resource::Topic),
        proof: "server::it::data_path",
        differs: "",
        handler: answers!(offset_for_leader_epoch),
    },
    Api {
        key: ApiKey::DescribeConfigs,
        permission: Permission::to(Operation::DescribeConfigs, Resource::Named),
        proof: "server::it::metadata",
        differs: "a broker's configs without effect are listed only where they are set; no broker loggers",
        handler: answers!(describe_configs),
    },
    Api {
        key: ApiKey::AlterConfigs,
        permission: Permission::to(Operation::AlterConfigs, Resource::Named),
        proof: "server::it::metadata",
        differs: "configs without effect are taken only at their default; no broker loggers",
        handler: answers!(alter_configs),
    },
    Api {
        key: ApiKey::DescribeLogDirs,
        permission: Permission::to(Operation::Describe, Resource::Cluster),
        proof: "server::it::describe",
        differs: "a broker has one directory",
        handler: answers!(describe_log_dirs),
    },
    Api {
        key: ApiKey::CreatePartitions,
        permission: Permission::to(Operation::Alter, Resource::Topic),
        proof: "server::it::metadata",
        differs: "internal topics do not grow",
        handler: answers!(create_partitions),
    },
    Api {
        key: ApiKey::DeleteGroups,
        permission: Permission::to(Operation::Delete, Resource::Group),
        proof: "server::it::groups",
        differs: "",
        handler: answers!(delete_groups),
    },
    Api {
        key: ApiKey::IncrementalAlterConfigs,
        permission: Permission::to(Operation::AlterConfigs, Resource::Named),
        proof: "server::it::metadata",
        differs: "configs without effect are taken only at their default; no broker loggers",
        handler: answers!(incremental_alter_configs),
    },
    Api {
        key: ApiKey::OffsetDelete,
        permission: Permission::to(Operation::Delete, Resource::Group),
        proof: "server::it::groups",
        differs: "",
        handler: answers!(offset_delete),
    },
    Api {
        key: ApiKey::DescribeCluster,
        permission: Permission::to(Operation::Describe, Resource::Cluster),
        proof: "server::it::describe",
        differs: "",
        handler: answers!(describe_cluster),
    },
    Api {
        key: ApiKey::DescribeProducers,
        permission: Permission::to(Operation::Read, Resource::Topic),
        proof: "server::it::describe",
        differs: "",
        handler: answers!(describe_producers),
    },
    Api {
        key: ApiKey::ListConfigResources,
        permission: Permission::to(Operation::DescribeConfigs, Resource::Cluster),
        proof: "server::it::describe",
        differs: "no broker loggers",
        handler: answers!(list_config_resources),
    },
    Api {
        key: ApiKey::DescribeTopicPartitions,
        permission: Permission::to(Operation::Describe, Resource::Topic),
        proof: "server::it::describe",
        differs: "no eligible leader replicas beside the ISR",
        handler: answers!(describe_topic_partitions),
    },
    Api {
        key: ApiKey::DescribeState,
        permission: Permission::to(Operation::Describe, Resource::Cluster),
        proof: "server::it::ownership",
        differs: "our own, for the operator",
        handler: answers!(describe_state),
    },
    Api {
        key: ApiKey::ApplyTopics,
        permission: Permission::to(Operation::Alter, Resource::Cluster),
        proof: "server::it::ownership",
        differs: "our own, for the operator",
        handler: answers!(apply_topics),
    },
];

impl Api {
    /// The row of an API.
    pub fn find(key: ApiKey) -> Option<&'static Api> {
        let place = TABLE.binary_search_by_key(&key, |api| api.key).ok()?;
        TABLE.get(place)
    }
}

/// Writes a whole response frame.
fn reply_to(
    key: ApiKey,
    version: i16,
    correlation_id: i32,
    response: &impl Encode,
) -> Result<Reply, Refusal> {
    let mut reply = Reply::begin(key, version, correlation_id);
    response
        .encode(reply.bytes(), version)
        .and_then(|()| reply.seal())
        .map_err(|source| Refusal::Encode { api: key, version, source })?;
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use super::TABLE;

    #[test]
    fn the_table_is_sorted_and_names_each_api_once() {
        assert!(TABLE.is_sorted_by(|a, b| a.key < b.key));
    }
}
