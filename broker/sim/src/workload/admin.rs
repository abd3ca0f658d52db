//! An admin: topics of its own that come, grow, change and go.

use std::collections::BTreeMap;
use std::time::Duration;

use millrace_client::Router;
use millrace_types::ErrorCode;
use millrace_wire::messages::{
    create_partitions, create_topics, delete_topics, incremental_alter_configs,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Clients, Configs, Failure, Wire, accepted, within};
use crate::history::Event;

/// `ConfigResource.Type.TOPIC` of Kafka.
pub(super) const TOPIC_RESOURCE: i8 = 2;

/// Makes the topics that producers write to, before anything else happens.
pub async fn create_workload_topics(clients: &Clients) {
    let mut router = clients.router("admin");
    for topic in clients.topics() {
        let configs: Configs =
            [("segment.bytes".to_owned(), clients.options.segment_bytes.to_string())].into();
        let partitions = clients.options.partitions;
        create(clients, &mut router, &topic, partitions, &configs).await;
        clients.record(Event::TopicChanged { topic, partitions, configs });
    }
}

/// Works until it is told to finish.
pub async fn run(clients: Clients, number: u32) {
    let mut rng =
        ChaCha8Rng::seed_from_u64(clients.options.seed ^ (u64::from(number) << 32) ^ 0xad);
    let mut router = clients.router(&format!("admin-{number}"));
    for life in 0.. {
        // A name is used once: a late twin of its creation cannot bring it back.
        let topic = format!("admin-{number}-{life}");
        let mut partitions = rng.random_range(1..4);
        let mut configs = BTreeMap::new();
        create(&clients, &mut router, &topic, partitions, &configs).await;
        let changed = |partitions, configs: &Configs| Event::TopicChanged {
            topic: topic.clone(),
            partitions,
            configs: configs.clone(),
        };
        clients.record(changed(partitions, &configs));
        for _ in 0..rng.random_range(0..4) {
            if rng.random_bool(0.5) {
                partitions += rng.random_range(1..3);
                grow(&clients, &mut router, &topic, partitions).await;
            } else {
                let value = rng.random_range(60_000..1_000_000).to_string();
                configs.insert("retention.ms".to_owned(), value.clone());
                configure(&clients, &mut router, &topic, "retention.ms", &value).await;
            }
            clients.record(changed(partitions, &configs));
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..500))).await;
        }
        if rng.random_bool(0.6) {
            clients.record(Event::TopicDeleting { topic: topic.clone() });
            delete(&clients, &mut router, &topic).await;
            clients.record(Event::TopicDeleted { topic });
        }
        if clients.is_finishing() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..1_500))).await;
    }
}

/// Repeats a command until it is done; `done` is the refusal that says it already was.
macro_rules! until_done {
    ($clients:expr, $router:expr, $done:expr, $attempt:expr) => {
        loop {
            match within($attempt).await {
                Ok(()) => return,
                Err(Failure::Refused(code)) if code == $done => return,
                Err(failure) => $clients.note(|| format!("admin tries again: {failure:?}")),
            }
            $router.forget();
            $clients.settle().await;
        }
    };
}

async fn create(
    clients: &Clients,
    router: &mut Router<Wire>,
    topic: &str,
    partitions: i32,
    configs: &Configs,
) {
    let request = create_topics::Request {
        topics: vec![create_topics::RequestTopic {
            name: topic.into(),
            num_partitions: partitions,
            replication_factor: 1,
            configs: configs
                .iter()
                .map(|(name, value)| create_topics::RequestTopicConfig {
                    name: name.as_str().into(),
                    value: Some(value.as_str().into()),
                })
                .collect(),
            ..Default::default()
        }],
        timeout_ms: 10_000,
        validate_only: false,
    };
    until_done!(clients, router, ErrorCode::TopicAlreadyExists, async {
        let reply = router.any().await?.call(&request).await?;
        let response = reply.read::<create_topics::Request<'_>>()?;
        accepted(response.topics.first().map_or(-1, |topic| topic.error_code))
    });
}

async fn grow(clients: &Clients, router: &mut Router<Wire>, topic: &str, partitions: i32) {
    let request = create_partitions::Request {
        topics: vec![create_partitions::RequestTopic {
            name: topic.into(),
            count: partitions,
            assignments: None,
        }],
        timeout_ms: 10_000,
        validate_only: false,
    };
    // Kafka answers a count that is already there with this code.
    until_done!(clients, router, ErrorCode::InvalidPartitions, async {
        let reply = router.any().await?.call(&request).await?;
        let response = reply.read::<create_partitions::Request<'_>>()?;
        accepted(response.results.first().map_or(-1, |result| result.error_code))
    });
}

async fn configure(
    clients: &Clients,
    router: &mut Router<Wire>,
    topic: &str,
    key: &str,
    value: &str,
) {
    let request = incremental_alter_configs::Request {
        resources: vec![incremental_alter_configs::RequestResource {
            resource_type: TOPIC_RESOURCE,
            resource_name: topic.into(),
            configs: vec![incremental_alter_configs::RequestResourceConfig {
                name: key.into(),
                config_operation: 0,
                value: Some(value.into()),
            }],
        }],
        validate_only: false,
    };
    until_done!(clients, router, ErrorCode::None, async {
        let reply = router.any().await?.call(&request).await?;
        let response = reply.read::<incremental_alter_configs::Request<'_>>()?;
        accepted(response.responses.first().map_or(-1, |result| result.error_code))
    });
}

async fn delete(clients: &Clients, router: &mut Router<Wire>, topic: &str) {
    let request = delete_topics::Request {
        topics: vec![delete_topics::RequestTopic {
            name: Some(topic.into()),
            ..Default::default()
        }],
        topic_names: vec![topic.into()],
        timeout_ms: 10_000,
    };
    until_done!(clients, router, ErrorCode::UnknownTopicOrPartition, async {
        let reply = router.any().await?.call(&request).await?;
        let response = reply.read::<delete_topics::Request<'_>>()?;
        accepted(response.responses.first().map_or(-1, |result| result.error_code))
    });
}
