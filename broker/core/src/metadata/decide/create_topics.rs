//! CreateTopics: names, partitions, replicas and configs of new topics.
//!
//! Source: Kafka's `ReplicationControlManager.createTopics` and `ControllerApis.createTopics`.
//! Differs from Kafka: more partitions in one request than allowed refuse the topics that do not
//! fit any more, not the whole request.

use std::collections::BTreeMap;

use millrace_types::{ErrorCode, InvalidTopicName, TopicId, TopicName};

use super::{Context, Decision};
use crate::config::{ConfigError, Values, topic};
use crate::limits::{PARTITIONS_MAX, PARTITIONS_PER_REQUEST_MAX};
use crate::metadata::image::Image;
use crate::metadata::placement::{PlacementError, assign, place};
use crate::metadata::record::{ConfigOwner, Record};
use crate::metadata::state::Partition;
use crate::metadata::topic_rules::CLUSTER_METADATA;
use crate::metadata::touched::Touched;

/// Creates topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateTopics {
    /// The topics.
    pub topics: Vec<NewTopic>,
    /// Whether it is only asked if they could be created.
    pub is_validate_only: bool,
}

/// A topic to create, as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// The name.
    pub name: String,
    /// The id that it gets: chosen by chance, for this topic alone.
    pub id: TopicId,
    /// How many partitions; -1 for the default or where `assignments` say it.
    pub partitions: i32,
    /// How many replicas; -1 for the default or where `assignments` say it.
    pub replication_factor: i16,
    /// The brokers of each partition, where the client chooses them.
    pub assignments: Vec<NewAssignment>,
    /// The configs that are set on it; of a name that stands twice, the later counts.
    pub configs: Vec<(String, Option<String>)>,
}

/// The brokers of one new partition, as chosen by the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAssignment {
    /// The partition.
    pub partition: i32,
    /// The brokers.
    pub brokers: Vec<i32>,
}

/// A topic that was created, or could be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Its id.
    pub id: TopicId,
    /// How many partitions it has.
    pub partitions: usize,
    /// How many replicas each has.
    pub replication_factor: usize,
    /// The configs that are set on it.
    pub values: Values,
}

/// Why a topic is not created.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreateTopicError {
    /// The request names it twice.
    #[error("topic {name:?} is named more than once in one request")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// The name is reserved for the cluster itself.
    #[error("topic name {name} is reserved")]
    Reserved {
        /// The name.
        name: String,
    },
    /// The name is none.
    #[error(transparent)]
    Name(#[from] InvalidTopicName),
    /// There is a topic of this name.
    #[error("topic '{name}' already exists")]
    Exists {
        /// The name.
        name: TopicName,
    },
    /// Metrics could not tell the names apart.
    #[error("topic '{name}' collides with existing topic '{existing}': '.' and '_' count as one")]
    Collides {
        /// The name.
        name: TopicName,
        /// The topic that is there.
        existing: TopicName,
    },
    /// The id is not free; chance should have prevented that.
    #[error("topic id {id} is not free")]
    IdTaken {
        /// The id.
        id: TopicId,
    },
    /// No such number of partitions is possible.
    #[error("number of partitions is {partitions}, must be at least 1, or -1 for the default")]
    Partitions {
        /// The number.
        partitions: i32,
    },
    /// No such number of replicas is possible.
    #[error(
        "replication factor is {replication_factor}, must be at least 1, or -1 for the default"
    )]
    ReplicationFactor {
        /// The number.
        replication_factor: i16,
    },
    /// Too much at once.
    #[error("{partitions} partitions are more than the {limit} that one request can create")]
    TooMany {
        /// The partitions of this topic and those before it in the request.
        partitions: usize,
        /// The largest number allowed.
        limit: usize,
    },
    /// Too much in all.
    #[error("{partitions} partitions are more than the {limit} that a cluster can have")]
    ClusterFull {
        /// The partitions that there would be.
        partitions: usize,
        /// The largest number allowed.
        limit: usize,
    },
    /// The client chooses brokers and gives a number besides.
    #[error("replicas were assigned by hand, so {field} must be -1, but is {value}")]
    CountWithAssignment {
        /// `num_partitions` or `replication_factor`.
        field: &'static str,
        /// Its value.
        value: i32,
    },
    /// The partitions assigned are not 0, 1, 2, ...
    #[error(
        "replicas were assigned by hand to {assigned} partitions, so these must be 0 to {} without \
         gap, but one is {partition}",
        .assigned.saturating_sub(1)
    )]
    Gap {
        /// How many assignments there are.
        assigned: usize,
        /// A partition that is not among the first so many, or is there twice.
        partition: i32,
    },
    /// The partitions cannot be placed.
    #[error(transparent)]
    Placement(#[from] PlacementError),
    /// A config is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl CreateTopicError {
    /// The error code that Kafka answers with.
    pub const fn code(&self) -> ErrorCode {
        match self {
            CreateTopicError::Duplicate { .. } | CreateTopicError::CountWithAssignment { .. } => {
                ErrorCode::InvalidRequest
            }
            CreateTopicError::Reserved { .. } => ErrorCode::TopicAuthorizationFailed,
            CreateTopicError::Name(_) | CreateTopicError::Collides { .. } => {
                ErrorCode::InvalidTopicException
            }
            CreateTopicError::Exists { .. } => ErrorCode::TopicAlreadyExists,
            CreateTopicError::IdTaken { .. } => ErrorCode::UnknownServerError,
            CreateTopicError::Partitions { .. } => ErrorCode::InvalidPartitions,
            CreateTopicError::ReplicationFactor { .. } => ErrorCode::InvalidReplicationFactor,
            CreateTopicError::TooMany { .. } | CreateTopicError::ClusterFull { .. } => {
                ErrorCode::PolicyViolation
            }
            CreateTopicError::Gap { .. } => ErrorCode::InvalidReplicaAssignment,
            CreateTopicError::Placement(error) => error.code(),
            CreateTopicError::Config(_) => ErrorCode::InvalidConfig,
        }
    }
}

/// What became of each topic of the request, in its order.
pub type Reply = Vec<Result<CreatedTopic, CreateTopicError>>;

/// Decides which topics are created.
pub fn decide(image: &Image, command: &CreateTopics, context: Context<'_>) -> Decision<Reply> {
    let mut named: BTreeMap<&str, usize> = BTreeMap::new();
    for topic in &command.topics {
        *named.entry(&topic.name).or_default() += 1;
    }
    // Later topics of the request are placed and compared with the earlier ones in place.
    let mut image = image.clone();
    let mut records = Vec::new();
    let mut reply = Vec::new();
    let mut created_partitions = 0;
    for topic in &command.topics {
        let is_duplicate = named.get(topic.name.as_str()).is_some_and(|times| *times > 1);
        let decided = if is_duplicate {
            Err(CreateTopicError::Duplicate { name: topic.name.clone() })
        } else {
            create(&image, topic, context, created_partitions)
        };
        reply.push(decided.map(|(created, of_topic)| {
            created_partitions += created.partitions;
            for record in &of_topic {
                image.apply(record, &mut Touched::default());
            }
            records.extend(of_topic);
            created
        }));
    }
    if command.is_validate_only {
        records.clear();
    }
    Decision { records, reply }
}

fn create(
    image: &Image,
    topic: &NewTopic,
    context: Context<'_>,
    created_partitions: usize,
) -> Result<(CreatedTopic, Vec<Record>), CreateTopicError> {
    let name = free_name(image, &topic.name)?;
    if crate::metadata::record::is_reserved(topic.id) || image.topic_by_id(topic.id).is_some() {
        return Err(CreateTopicError::IdTaken { id: topic.id });
    }
    let wanted = values(&topic.configs)?;
    topic::check(&wanted, &image.layers(context.broker, context.file))?;
    let partitions = partitions(image, topic, context, created_partitions)?;
    let created = CreatedTopic {
        id: topic.id,
        partitions: partitions.len(),
        replication_factor: partitions.first().map_or(0, |partition| partition.replicas.len()),
        values: wanted,
    };
    let mut records = vec![Record::TopicCreated { topic_id: topic.id, name, partitions }];
    records.extend(created.values.iter().map(|(name, value)| Record::ConfigChanged {
        owner: ConfigOwner::Topic(topic.id),
        name: name.clone(),
        value: Some(value.clone()),
    }));
    Ok((created, records))
}

fn free_name(image: &Image, name: &str) -> Result<TopicName, CreateTopicError> {
    if name == CLUSTER_METADATA {
        return Err(CreateTopicError::Reserved { name: name.to_owned() });
    }
    let name = TopicName::parse(name)?;
    if image.topic(name.as_str()).is_some() {
        return Err(CreateTopicError::Exists { name });
    }
    if let Some(existing) = image.colliding(&name).cloned() {
        return Err(CreateTopicError::Collides { name, existing });
    }
    Ok(name)
}

fn values(configs: &[(String, Option<String>)]) -> Result<Values, ConfigError> {
    let mut values = Values::new();
    for (name, value) in configs {
        let missing = || ConfigError::Missing { name: name.clone() };
        values.insert(name.clone(), value.as_deref().ok_or_else(missing)?.trim().to_owned());
    }
    Ok(values)
}

fn partitions(
    image: &Image,
    topic: &NewTopic,
    context: Context<'_>,
    created_partitions: usize,
) -> Result<Vec<Partition>, CreateTopicError> {
    if !topic.assignments.is_empty() {
        let sorted = sorted_assignments(topic)?;
        check_total(image, sorted.len(), created_partitions)?;
        return Ok(assign(image, &sorted, 0, None)?);
    }
    let defaults = &context.config.topics;
    let replication_factor = match topic.replication_factor {
        -1 => defaults.replication_factor,
        given => u16::try_from(given)
            .ok()
            .filter(|factor| *factor > 0)
            .ok_or(CreateTopicError::ReplicationFactor { replication_factor: given })?,
    };
    let count = match topic.partitions {
        -1 => defaults.partitions,
        given => u32::try_from(given)
            .ok()
            .filter(|count| *count > 0)
            .ok_or(CreateTopicError::Partitions { partitions: given })?,
    };
    check_total(image, usize::try_from(count).unwrap_or(usize::MAX), created_partitions)?;
    Ok(place(image, count, replication_factor)?)
}

fn check_total(
    image: &Image,
    partitions: usize,
    created_partitions: usize,
) -> Result<(), CreateTopicError> {
    let in_request = partitions.saturating_add(created_partitions);
    if in_request > PARTITIONS_PER_REQUEST_MAX {
        let limit = PARTITIONS_PER_REQUEST_MAX;
        return Err(CreateTopicError::TooMany { partitions: in_request, limit });
    }
    let in_cluster = partitions.saturating_add(image.partitions_count());
    if in_cluster > PARTITIONS_MAX {
        return Err(CreateTopicError::ClusterFull {
            partitions: in_cluster,
            limit: PARTITIONS_MAX,
        });
    }
    Ok(())
}

/// The brokers of partition 0, 1, 2, ...
fn sorted_assignments(topic: &NewTopic) -> Result<Vec<Vec<i32>>, CreateTopicError> {
    for (field, value) in [
        ("replication_factor", i32::from(topic.replication_factor)),
        ("num_partitions", topic.partitions),
    ] {
        if value != -1 {
            return Err(CreateTopicError::CountWithAssignment { field, value });
        }
    }
    let mut sorted: Vec<&NewAssignment> = topic.assignments.iter().collect();
    sorted.sort_by_key(|assignment| assignment.partition);
    let assigned = sorted.len();
    for (expected, assignment) in (0_i32..).zip(&sorted) {
        let partition = assignment.partition;
        if partition != expected {
            return Err(CreateTopicError::Gap { assigned, partition });
        }
    }
    Ok(sorted.into_iter().map(|assignment| assignment.brokers.clone()).collect())
}

#[cfg(test)]
mod tests;
