//! An admin: topics of its own that come, grow, change and go.

use std::collections::BTreeMap;
use std::time::Duration;

use millrace_client::{Admin, Configs};
use millrace_types::ErrorCode;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Clients, Failure, Wire, within};
use crate::history::Event;

/// Makes the topics that producers write to, before anything else happens.
pub async fn create_workload_topics(clients: &Clients) {
    let mut admin = Admin::new(clients.router("admin"));
    for topic in clients.topics() {
        let configs: Configs =
            [("segment.bytes".to_owned(), clients.options.segment_bytes.to_string())].into();
        let partitions = clients.options.partitions;
        create(clients, &mut admin, &topic, partitions, &configs).await;
        clients.record(Event::TopicChanged { topic, partitions, configs });
    }
}

/// Works until it is told to finish.
pub async fn run(clients: Clients, number: u32) {
    let mut rng =
        ChaCha8Rng::seed_from_u64(clients.options.seed ^ (u64::from(number) << 32) ^ 0xad);
    let mut admin = Admin::new(clients.router(&format!("admin-{number}")));
    for life in 0.. {
        // A name is used once: a late twin of its creation cannot bring it back.
        let topic = format!("admin-{number}-{life}");
        let mut partitions = rng.random_range(1..4);
        let mut configs = BTreeMap::new();
        create(&clients, &mut admin, &topic, partitions, &configs).await;
        let changed = |partitions, configs: &Configs| Event::TopicChanged {
            topic: topic.clone(),
            partitions,
            configs: configs.clone(),
        };
        clients.record(changed(partitions, &configs));
        for _ in 0..rng.random_range(0..4) {
            if rng.random_bool(0.5) {
                partitions += rng.random_range(1..3);
                grow(&clients, &mut admin, &topic, partitions).await;
            } else {
                let value = rng.random_range(60_000..1_000_000).to_string();
                configs.insert("retention.ms".to_owned(), value);
                configure(&clients, &mut admin, &topic, &configs).await;
            }
            clients.record(changed(partitions, &configs));
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..500))).await;
        }
        if rng.random_bool(0.6) {
            clients.record(Event::TopicDeleting { topic: topic.clone() });
            delete(&clients, &mut admin, &topic).await;
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
    ($clients:expr, $admin:expr, $done:expr, $attempt:expr) => {
        loop {
            match within(async { Ok($attempt.await?) }).await {
                Ok(()) => return,
                Err(Failure::Refused(code)) if code == $done => return,
                Err(failure) => $clients.note(|| format!("admin tries again: {failure:?}")),
            }
            $admin.forget();
            $clients.settle().await;
        }
    };
}

async fn create(
    clients: &Clients,
    admin: &mut Admin<Wire>,
    topic: &str,
    partitions: i32,
    configs: &Configs,
) {
    let done = ErrorCode::TopicAlreadyExists;
    until_done!(clients, admin, done, admin.create_topic(topic, partitions, configs));
}

async fn grow(clients: &Clients, admin: &mut Admin<Wire>, topic: &str, partitions: i32) {
    // Kafka answers a count that is already there with this code.
    let done = ErrorCode::InvalidPartitions;
    until_done!(clients, admin, done, admin.grow_topic(topic, partitions));
}

async fn configure(clients: &Clients, admin: &mut Admin<Wire>, topic: &str, configs: &Configs) {
    until_done!(clients, admin, ErrorCode::None, admin.set_topic_configs(topic, configs));
}

async fn delete(clients: &Clients, admin: &mut Admin<Wire>, topic: &str) {
    let done = ErrorCode::UnknownTopicOrPartition;
    until_done!(clients, admin, done, admin.delete_topic(topic));
}
