//! IncrementalAlterConfigs and the legacy AlterConfigs, of topics and brokers.
//!
//! Source: Kafka's `ConfigAdminManager`, `ConfigurationControlManager` and
//! `ControllerConfigurationValidator`.

use std::collections::BTreeMap;

use millrace_types::{BrokerId, ErrorCode, InvalidTopicName, TopicName};

use super::{Context, Decision};
use crate::config::alter::{Change, Target, incremental, replace};
use crate::config::{ConfigError, Values};
use crate::limits::CONFIG_CHANGES_PER_REQUEST_MAX;
use crate::metadata::image::Image;
use crate::metadata::record::{ConfigOwner, Record};
use crate::metadata::touched::Touched;

/// Changes configs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterConfigs {
    /// Whose configs, and what changes.
    pub resources: Vec<AlteredResource>,
    /// Whether it is only asked if it could be done.
    pub is_validate_only: bool,
}

/// The change of one resource's configs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlteredResource {
    /// Whose.
    pub resource: Resource,
    /// What changes.
    pub alteration: Alteration,
}

/// A resource that has configs, as a client names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resource {
    /// What it is, as the wire's number.
    pub resource_type: i8,
    /// Its name: of a topic, or the number of a broker; empty for all brokers.
    pub name: String,
}

impl Resource {
    /// The number of topics. Source: Kafka's `ConfigResource.Type`.
    pub const TOPIC: i8 = 2;
    /// The number of brokers.
    pub const BROKER: i8 = 4;
}

/// What changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alteration {
    /// These configs, and no others.
    Incremental(Vec<Change>),
    /// All: those that are not named fall back.
    Replace(Vec<(String, Option<String>)>),
}

/// Why the configs of a resource are not changed, or not told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigResourceError {
    /// The request names it twice.
    #[error("each resource must stand once in a request")]
    Duplicate,
    /// Its configs are not served.
    #[error(
        "resource type {resource_type} has no configs here: only topics (2) and brokers (4) have"
    )]
    Type {
        /// The number.
        resource_type: i8,
    },
    /// No topic can be called that.
    #[error(transparent)]
    Name(#[from] InvalidTopicName),
    /// There is no such topic.
    #[error("topic {name:?} does not exist")]
    UnknownTopic {
        /// The name.
        name: String,
    },
    /// The name is no number.
    #[error("broker {name:?} is not a number")]
    NotANumber {
        /// The name.
        name: String,
    },
    /// The request was sent to another broker than it is about.
    #[error("broker {name} is asked about, but this is broker {expected}: send it there")]
    OtherBroker {
        /// The number asked about.
        name: String,
        /// The number of this broker.
        expected: BrokerId,
    },
    /// Too much at once.
    #[error("{changes} changes are more than the {limit} that one request can make")]
    TooMany {
        /// The changes of this resource and those before it in the request.
        changes: usize,
        /// The largest number allowed.
        limit: usize,
    },
    /// A config of a topic is refused.
    #[error(transparent)]
    Topic(ConfigError),
    /// A config of a broker is refused.
    #[error(transparent)]
    Broker(ConfigError),
}

impl ConfigResourceError {
    /// The error code that Kafka answers with: a wrong value is another error for brokers than for
    /// topics (KAFKA-13609).
    pub const fn code(&self) -> ErrorCode {
        match self {
            ConfigResourceError::Duplicate
            | ConfigResourceError::Type { .. }
            | ConfigResourceError::NotANumber { .. }
            | ConfigResourceError::OtherBroker { .. }
            | ConfigResourceError::Topic(
                ConfigError::Duplicate { .. } | ConfigError::Missing { .. },
            ) => ErrorCode::InvalidRequest,
            ConfigResourceError::Broker(ConfigError::NotList { .. })
            | ConfigResourceError::Topic(_) => ErrorCode::InvalidConfig,
            ConfigResourceError::Broker(_) => ErrorCode::InvalidRequest,
            ConfigResourceError::Name(_) => ErrorCode::InvalidTopicException,
            ConfigResourceError::UnknownTopic { .. } => ErrorCode::UnknownTopicOrPartition,
            ConfigResourceError::TooMany { .. } => ErrorCode::PolicyViolation,
        }
    }
}

/// What became of each resource of the request, in its order.
pub type Reply = Vec<Result<(), ConfigResourceError>>;

/// Finds whose configs a client means.
///
/// # Errors
/// If there is no such resource, or it is another broker's to answer for.
pub fn find_owner(
    image: &Image,
    resource: &Resource,
    broker: BrokerId,
) -> Result<ConfigOwner, ConfigResourceError> {
    let name = &resource.name;
    match resource.resource_type {
        Resource::TOPIC => match image.topic(name) {
            Some(topic) => Ok(ConfigOwner::Topic(topic.id)),
            None => {
                TopicName::parse(name)?;
                Err(ConfigResourceError::UnknownTopic { name: name.clone() })
            }
        },
        Resource::BROKER if name.is_empty() => Ok(ConfigOwner::Cluster),
        Resource::BROKER => {
            let not_a_number = |_| ConfigResourceError::NotANumber { name: name.clone() };
            let number: i32 = name.parse().map_err(not_a_number)?;
            if number != broker.to_wire() {
                let (name, expected) = (name.clone(), broker);
                return Err(ConfigResourceError::OtherBroker { name, expected });
            }
            Ok(ConfigOwner::Broker(broker))
        }
        resource_type => Err(ConfigResourceError::Type { resource_type }),
    }
}

/// Decides which configs change.
pub fn decide(image: &Image, command: &AlterConfigs, context: Context<'_>) -> Decision<Reply> {
    let mut named: BTreeMap<&Resource, usize> = BTreeMap::new();
    for altered in &command.resources {
        *named.entry(&altered.resource).or_default() += 1;
    }
    // Later resources of the request are compared with the earlier ones in place: what a broker has
    // must fit what all brokers have.
    let mut image = image.clone();
    let mut records = Vec::new();
    let mut reply = Vec::new();
    for altered in &command.resources {
        let decided = if named.get(&altered.resource).is_some_and(|times| *times > 1) {
            Err(ConfigResourceError::Duplicate)
        } else {
            alter(&image, altered, context)
        };
        let decided = decided.and_then(|changes| {
            let total = records.len().saturating_add(changes.len());
            if total > CONFIG_CHANGES_PER_REQUEST_MAX {
                let limit = CONFIG_CHANGES_PER_REQUEST_MAX;
                return Err(ConfigResourceError::TooMany { changes: total, limit });
            }
            for record in &changes {
                image.apply(record, &mut Touched::default());
            }
            records.extend(changes);
            Ok(())
        });
        reply.push(decided);
    }
    if command.is_validate_only {
        records.clear();
    }
    Decision { records, reply }
}

fn alter(
    image: &Image,
    altered: &AlteredResource,
    context: Context<'_>,
) -> Result<Vec<Record>, ConfigResourceError> {
    let owner = find_owner(image, &altered.resource, context.broker)?;
    let layers = image.layers(context.broker, context.file);
    let nothing = Values::new();
    let (target, current) = match &owner {
        ConfigOwner::Topic(id) => {
            (Target::Topic, image.topic_by_id(*id).map_or(&nothing, |topic| &topic.values))
        }
        ConfigOwner::Broker(broker) => (Target::Broker, image.broker_values(*broker)),
        ConfigOwner::Cluster => (Target::Cluster, image.cluster_values()),
    };
    let wanted = match &altered.alteration {
        Alteration::Incremental(changes) => incremental(target, current, changes, &layers),
        Alteration::Replace(wanted) => replace(target, current, wanted, &layers),
    };
    let wanted = wanted.map_err(|error| match owner {
        ConfigOwner::Topic(_) => ConfigResourceError::Topic(error),
        ConfigOwner::Broker(_) | ConfigOwner::Cluster => ConfigResourceError::Broker(error),
    })?;
    let changed = |name: &String, value: Option<&String>| Record::ConfigChanged {
        owner: owner.clone(),
        name: name.clone(),
        value: value.cloned(),
    };
    let mut records = Vec::new();
    for name in current.keys().filter(|name| !wanted.contains_key(*name)) {
        records.push(changed(name, None));
    }
    for (name, value) in wanted.iter().filter(|(name, value)| current.get(*name) != Some(value)) {
        records.push(changed(name, Some(value)));
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::{AlterConfigs, Alteration, AlteredResource, Resource, decide};
    use crate::config::alter::{Change, Operation};
    use crate::metadata::fixture::Fixture;

    fn set(resource_type: i8, resource: &str, configs: &[(&str, &str)]) -> AlteredResource {
        let change = |(name, value): &(&str, &str)| Change {
            name: (*name).to_owned(),
            operation: Operation::Set,
            value: Some((*value).to_owned()),
        };
        AlteredResource {
            resource: Resource { resource_type, name: resource.to_owned() },
            alteration: Alteration::Incremental(configs.iter().map(change).collect()),
        }
    }

    fn check(fixture: &Fixture, resources: Vec<AlteredResource>, expected: &Expect) {
        let command = AlterConfigs { resources, is_validate_only: false };
        let decision = decide(&fixture.image, &command, fixture.context());
        let mut lines = String::new();
        for result in &decision.reply {
            lines += &match result {
                Ok(()) => "ok\n".to_owned(),
                Err(error) => format!("{}: {error}\n", error.code()),
            };
        }
        for record in &decision.records {
            lines += &format!("{record:?}\n");
        }
        expected.assert_eq(&lines);
    }

    #[test]
    fn each_resource_is_answered_for_itself() {
        let mut fixture = Fixture::new(1, &[]);
        fixture.create("a", 1, 1);
        check(
            &fixture,
            vec![
                set(Resource::TOPIC, "a", &[("retention.ms", "5")]),
                set(Resource::TOPIC, "b", &[("retention.ms", "5")]),
                set(Resource::TOPIC, "b c", &[("retention.ms", "5")]),
                set(Resource::BROKER, "", &[("log.retention.ms", "6")]),
                set(Resource::BROKER, "1", &[("max.connections", "7")]),
                set(Resource::BROKER, "2", &[("max.connections", "7")]),
                set(Resource::BROKER, "x", &[("max.connections", "7")]),
                set(8, "1", &[("org.apache", "DEBUG")]),
            ],
            &expect![[r#"
                ok
                UNKNOWN_TOPIC_OR_PARTITION: topic "b" does not exist
                INVALID_TOPIC_EXCEPTION: topic name "b c" holds ' '; allowed are ASCII letters, digits, '.', '_' and '-'
                ok
                ok
                INVALID_REQUEST: broker 2 is asked about, but this is broker 1: send it there
                INVALID_REQUEST: broker "x" is not a number
                INVALID_REQUEST: resource type 8 has no configs here: only topics (2) and brokers (4) have
                ConfigChanged { owner: Topic(AQEBAQEBAQEBAQEBAQEBAQ), name: "retention.ms", value: Some("5") }
                ConfigChanged { owner: Cluster, name: "log.retention.ms", value: Some("6") }
                ConfigChanged { owner: Broker(BrokerId(1)), name: "max.connections", value: Some("7") }
            "#]],
        );
    }

    #[test]
    fn wrong_values_are_an_invalid_config_of_topics_and_an_invalid_request_to_brokers() {
        let mut fixture = Fixture::new(1, &[]);
        fixture.create("a", 1, 1);
        check(
            &fixture,
            vec![
                set(Resource::TOPIC, "a", &[("retention.ms", "x")]),
                set(Resource::BROKER, "", &[("log.retention.ms", "x")]),
                set(Resource::BROKER, "1", &[("num.partitions", "2")]),
            ],
            &expect![[r#"
                INVALID_CONFIG: invalid value "x" for config retention.ms: expected a whole number from -9223372036854775808 to 9223372036854775807
                INVALID_REQUEST: invalid value "x" for config log.retention.ms: expected a whole number from -9223372036854775808 to 9223372036854775807
                INVALID_REQUEST: config num.partitions is read when the broker starts and cannot be changed while it runs
            "#]],
        );
        let twice = set(Resource::TOPIC, "a", &[]);
        check(
            &fixture,
            vec![twice.clone(), twice],
            &expect![[r#"
            INVALID_REQUEST: each resource must stand once in a request
            INVALID_REQUEST: each resource must stand once in a request
        "#]],
        );
    }

    #[test]
    fn resources_of_one_request_must_fit_each_other() {
        check(
            &Fixture::new(1, &[]),
            vec![
                set(Resource::BROKER, "", &[("log.cleaner.max.compaction.lag.ms", "5")]),
                set(Resource::BROKER, "1", &[("log.cleaner.min.compaction.lag.ms", "6")]),
            ],
            &expect![[r#"
                ok
                INVALID_REQUEST: log.cleaner.min.compaction.lag.ms=6 does not go with log.cleaner.max.compaction.lag.ms=5: a record cannot be too young and too old for compaction at once
                ConfigChanged { owner: Cluster, name: "log.cleaner.max.compaction.lag.ms", value: Some("5") }
            "#]],
        );
    }

    #[test]
    fn a_replacement_takes_away_what_it_does_not_name() {
        let mut fixture = Fixture::new(1, &[]);
        fixture.create("a", 1, 1);
        let resources = vec![set(Resource::TOPIC, "a", &[("segment.ms", "5"), ("flush.ms", "6")])];
        let command = AlterConfigs { resources, is_validate_only: false };
        let records = decide(&fixture.image, &command, fixture.context()).records;
        let delta = fixture.apply(&records);
        assert_eq!(delta.reconfigured.len(), 1);
        let wanted = [("flush.ms", "6"), ("retention.ms", "7")];
        let wanted = wanted.map(|(name, value)| (name.to_owned(), Some(value.to_owned())));
        let replaced = AlteredResource {
            resource: Resource { resource_type: Resource::TOPIC, name: "a".to_owned() },
            alteration: Alteration::Replace(wanted.to_vec()),
        };
        check(
            &fixture,
            vec![replaced],
            &expect![[r#"
            ok
            ConfigChanged { owner: Topic(AQEBAQEBAQEBAQEBAQEBAQ), name: "segment.ms", value: None }
            ConfigChanged { owner: Topic(AQEBAQEBAQEBAQEBAQEBAQ), name: "retention.ms", value: Some("7") }
        "#]],
        );
    }
}
