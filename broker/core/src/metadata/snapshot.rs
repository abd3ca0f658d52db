//! An image as records: what a snapshot of the metadata holds in place of all records before it.

use super::image::Image;
use super::record::{ConfigOwner, Record, decode_all, encode_all};
use super::record_error::RecordError;
use super::touched::Touched;

/// The records that make the image out of nothing, in the order of its maps.
pub fn records(image: &Image) -> Vec<Record> {
    let mut records = Vec::new();
    if let Some(cluster_id) = image.cluster_id() {
        records.push(Record::ClusterNamed { cluster_id: cluster_id.to_owned() });
    }
    for (broker_id, broker) in image.brokers() {
        let (broker_id, broker) = (*broker_id, broker.clone());
        records.push(Record::BrokerRegistered { broker_id, broker });
    }
    let set = |owner: &ConfigOwner, (name, value): (&String, &String)| Record::ConfigChanged {
        owner: owner.clone(),
        name: name.clone(),
        value: Some(value.clone()),
    };
    records.extend(image.cluster_values().iter().map(|pair| set(&ConfigOwner::Cluster, pair)));
    for (broker, values) in image.brokers_with_values() {
        records.extend(values.iter().map(|pair| set(&ConfigOwner::Broker(*broker), pair)));
    }
    for topic in image.topics() {
        records.push(Record::TopicCreated {
            topic_id: topic.id,
            name: topic.name.clone(),
            partitions: topic.partitions.clone(),
        });
        if topic.owner.is_some() {
            records.push(Record::TopicOwned { topic_id: topic.id, owner: topic.owner.clone() });
        }
        let owner = ConfigOwner::Topic(topic.id);
        records.extend(topic.values.iter().map(|pair| set(&owner, pair)));
    }
    if let Some((broker_id, _)) = image.brokers().first_key_value() {
        records.push(Record::ProducerIdsAllocated {
            broker_id: *broker_id,
            next_producer_id: image.next_producer_id(),
        });
    }
    records
}

/// The bytes of a snapshot.
pub fn encode(image: &Image) -> Vec<u8> {
    encode_all(&records(image))
}

/// The image that a snapshot holds.
///
/// # Errors
/// If the bytes are not what [`encode`] writes.
pub fn decode(bytes: &[u8]) -> Result<Image, RecordError> {
    let mut image = Image::default();
    for record in decode_all(bytes)? {
        image.apply(&record, &mut Touched::default());
    }
    Ok(image)
}
