//! A small cluster for the tests of this folder.

use millrace_types::{BrokerId, TopicId, Uuid};

use super::decide::create_topics::{CreateTopics, NewTopic};
use super::decide::register_broker::RegisterBroker;
use super::decide::{Context, create_topics, name_cluster, register_broker};
use super::{Delta, Image, Record, Touched};
use crate::config::listener::Endpoint;
use crate::config::{BrokerConfig, StaticConfig};

/// An image with what decisions rest on.
pub(super) struct Fixture {
    pub image: Image,
    pub file: StaticConfig,
    pub config: BrokerConfig,
}

pub(super) fn broker(number: i32) -> BrokerId {
    BrokerId::from_wire(number).unwrap()
}

pub(super) fn id(number: u8) -> Uuid {
    Uuid::from_bytes([number; 16])
}

pub(super) fn registration(number: i32, incarnation: u8) -> RegisterBroker {
    RegisterBroker {
        broker_id: broker(number),
        incarnation: id(incarnation),
        directory_id: id(100 + u8::try_from(number).unwrap()),
        rack: None,
        endpoints: vec![Endpoint {
            listener: "PLAINTEXT".to_owned(),
            host: format!("broker-{number}"),
            port: 9092,
        }],
    }
}

pub(super) fn new_topic(name: &str, topic_id: TopicId, partitions: i32) -> NewTopic {
    NewTopic {
        name: name.to_owned(),
        id: topic_id,
        partitions,
        replication_factor: -1,
        assignments: Vec::new(),
        configs: Vec::new(),
    }
}

impl Fixture {
    /// A cluster of brokers 1 to `brokers`, started with these configs besides.
    pub(super) fn new(brokers: i32, configs: &[(&str, &str)]) -> Fixture {
        let all = [("node.id", "1")].iter().chain(configs);
        let file =
            StaticConfig::new(all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
                .unwrap();
        let config = BrokerConfig::resolve(&file.layers()).unwrap();
        let mut fixture = Fixture { image: Image::default(), file, config };
        let named = name_cluster::decide(&fixture.image, "cluster").unwrap();
        fixture.apply(&named.records);
        for number in 1..=brokers {
            let registered =
                register_broker::decide(&fixture.image, &registration(number, 1)).unwrap();
            fixture.apply(&registered.records);
        }
        fixture
    }

    pub(super) fn context(&self) -> Context<'_> {
        Context { broker: broker(1), file: &self.file, config: &self.config }
    }

    /// Applies records and tells what broker 1 must do.
    pub(super) fn apply(&mut self, records: &[Record]) -> Delta {
        let before = self.image.clone();
        let mut touched = Touched::default();
        for record in records {
            self.image.apply(record, &mut touched);
        }
        Delta::between(&before, &self.image, &touched, broker(1))
    }

    /// Creates a topic that cannot be refused.
    pub(super) fn create(&mut self, name: &str, number: u8, partitions: i32) -> Delta {
        let topics = vec![new_topic(name, id(number), partitions)];
        let command = CreateTopics { topics, is_validate_only: false };
        let decided = create_topics::decide(&self.image, &command, self.context());
        assert!(decided.reply.iter().all(Result::is_ok), "{:?}", decided.reply);
        self.apply(&decided.records)
    }
}
