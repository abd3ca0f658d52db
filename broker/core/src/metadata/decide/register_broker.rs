//! A broker has started: where it is, and that it leads its partitions anew.
//!
//! The leader epoch of every partition that it leads goes up, also when nobody else could have led
//! in between: after a crash the end of the log may be gone, and a consumer that read it must find
//! that what follows was written in a later epoch. Source: KIP-101, KIP-320.

use millrace_types::{BrokerId, Uuid};

use super::Decision;
use crate::config::listener::Endpoint;
use crate::metadata::image::Image;
use crate::metadata::record::Record;
use crate::metadata::state::Broker;

/// Registers a broker at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterBroker {
    /// Its number.
    pub broker_id: BrokerId,
    /// Chosen by chance at each start.
    pub incarnation: Uuid,
    /// The id of its log directory.
    pub directory_id: Uuid,
    /// Where it stands.
    pub rack: Option<String>,
    /// Where clients reach it.
    pub endpoints: Vec<Endpoint>,
}

/// The broker runs on another disk than it did before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "broker {broker_id} runs on the disk with directory.id={found}, but the cluster knows it by \
     the one with {expected}"
)]
pub struct ForeignDirectory {
    /// The broker.
    pub broker_id: BrokerId,
    /// The id of its disk.
    pub found: Uuid,
    /// The id that it registered with before.
    pub expected: Uuid,
}

/// Decides on the registration; the reply is the broker's epoch.
///
/// # Errors
/// If the broker has another disk than before.
pub fn decide(image: &Image, command: &RegisterBroker) -> Result<Decision<u64>, ForeignDirectory> {
    let broker_id = command.broker_id;
    let found = command.directory_id;
    if let Some(before) = image.brokers().get(&broker_id) {
        let expected = before.directory_id;
        if found != expected {
            return Err(ForeignDirectory { broker_id, found, expected });
        }
        if before.incarnation == command.incarnation {
            return Ok(Decision { records: Vec::new(), reply: before.epoch });
        }
    }
    let last = image.brokers().values().map(|broker| broker.epoch).max();
    let broker = Broker {
        epoch: last.map_or(0, |epoch| epoch.saturating_add(1)),
        incarnation: command.incarnation,
        directory_id: found,
        rack: command.rack.clone(),
        endpoints: command.endpoints.clone(),
    };
    let reply = broker.epoch;
    let mut records = vec![Record::BrokerRegistered { broker_id, broker }];
    for topic in image.topics() {
        for (partition, state) in topic.indexed() {
            if state.leader == Some(broker_id) {
                records.push(Record::LeaderElected {
                    topic_id: topic.id,
                    partition,
                    leader: broker_id,
                    isr: state.isr.clone(),
                });
            }
        }
    }
    Ok(Decision { records, reply })
}

#[cfg(test)]
mod tests {
    use super::{RegisterBroker, decide};
    use crate::metadata::fixture::{Fixture, id, registration};

    #[test]
    fn a_restart_leads_every_partition_in_a_new_epoch() {
        let mut fixture = Fixture::new(1, &[]);
        fixture.create("a", 1, 2);
        let decision = decide(&fixture.image, &registration(1, 2)).unwrap();
        assert_eq!(decision.reply, 1);
        let delta = fixture.apply(&decision.records);
        let changed: Vec<(String, String)> = delta
            .changed
            .iter()
            .map(|state| (state.partition.to_string(), state.leader_epoch.to_string()))
            .collect();
        assert_eq!(changed, [("a-0".into(), "1".into()), ("a-1".into(), "1".into())]);
        let again = decide(&fixture.image, &registration(1, 2)).unwrap();
        assert_eq!((again.records, again.reply), (Vec::new(), 1));
    }

    #[test]
    fn another_disk_is_refused_with_both_ids() {
        let fixture = Fixture::new(1, &[]);
        let command = RegisterBroker { directory_id: id(3), ..registration(1, 2) };
        assert_eq!(
            decide(&fixture.image, &command).unwrap_err().to_string(),
            "broker 1 runs on the disk with directory.id=AwMDAwMDAwMDAwMDAwMDAw, but the cluster \
             knows it by the one with ZWVlZWVlZWVlZWVlZWVlZQ"
        );
    }
}
