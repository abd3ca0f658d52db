//! Which broker to ask: any of them, the leader of a partition, the coordinator of a group.

use std::collections::BTreeMap;

use millrace_types::ErrorCode;
use millrace_wire::ApiKey;
use millrace_wire::messages::{find_coordinator, metadata};

use crate::connection::refuse;
use crate::{ClientError, Connect, Connection};

/// Connections to the brokers of one cluster, opened when they are first needed.
///
/// After any error the caller says [`Router::forget`] and asks again: what was known of leaders and
/// coordinators may be old, and the connection may be broken.
#[derive(Debug)]
pub struct Router<C: Connect> {
    connect: C,
    client_id: String,
    bootstrap: Vec<String>,
    connections: BTreeMap<String, Connection<C::Stream>>,
    leaders: BTreeMap<(String, i32), String>,
    coordinators: BTreeMap<String, String>,
}

impl<C: Connect> Router<C> {
    /// Makes a router that knows the addresses (`host:port`) of some brokers. Nothing is sent yet.
    pub fn new(connect: C, client_id: &str, bootstrap: Vec<String>) -> Router<C> {
        Router {
            connect,
            client_id: client_id.to_owned(),
            bootstrap,
            connections: BTreeMap::new(),
            leaders: BTreeMap::new(),
            coordinators: BTreeMap::new(),
        }
    }

    /// Drops all connections and all that was learnt.
    pub fn forget(&mut self) {
        self.connections.clear();
        self.leaders.clear();
        self.coordinators.clear();
    }

    /// A connection to a broker that can be reached.
    ///
    /// # Errors
    /// The last broker's error, if none can be reached.
    pub async fn any(&mut self) -> Result<&mut Connection<C::Stream>, ClientError> {
        let mut address = String::new();
        let mut failure = None;
        for candidate in self.bootstrap.clone() {
            match self.to(&candidate).await {
                Ok(_) => {
                    address = candidate;
                    failure = None;
                    break;
                }
                Err(error) => failure = Some(error),
            }
        }
        match failure {
            Some(error) => Err(error),
            None => self.to(&address).await,
        }
    }

    /// A connection to the leader of a partition.
    ///
    /// # Errors
    /// If it cannot be found (`UNKNOWN_TOPIC_OR_PARTITION`, `LEADER_NOT_AVAILABLE`) or reached.
    pub async fn leader(
        &mut self,
        topic: &str,
        partition: i32,
    ) -> Result<&mut Connection<C::Stream>, ClientError> {
        let place = (topic.to_owned(), partition);
        let address = match self.leaders.get(&place).cloned() {
            Some(address) => address,
            None => self.find_leader(topic, partition).await?,
        };
        self.leaders.insert(place, address.clone());
        self.to(&address).await
    }

    /// A connection to the coordinator of a consumer group.
    ///
    /// # Errors
    /// If it cannot be found (`COORDINATOR_NOT_AVAILABLE`) or reached.
    pub async fn coordinator(
        &mut self,
        group: &str,
    ) -> Result<&mut Connection<C::Stream>, ClientError> {
        let address = match self.coordinators.get(group).cloned() {
            Some(address) => address,
            None => self.find_coordinator(group).await?,
        };
        self.coordinators.insert(group.to_owned(), address.clone());
        self.to(&address).await
    }

    async fn to(&mut self, address: &str) -> Result<&mut Connection<C::Stream>, ClientError> {
        if !self.connections.contains_key(address) {
            let opened = Connection::open(&self.connect, address, &self.client_id).await?;
            self.connections.insert(address.to_owned(), opened);
        }
        self.connections.get_mut(address).ok_or_else(|| ClientError::Io {
            address: address.to_owned(),
            source: std::io::ErrorKind::NotConnected.into(),
        })
    }

    async fn find_leader(&mut self, topic: &str, partition: i32) -> Result<String, ClientError> {
        let request = metadata::Request {
            topics: Some(vec![metadata::RequestTopic {
                name: Some(topic.into()),
                ..Default::default()
            }]),
            allow_auto_topic_creation: false,
            ..Default::default()
        };
        let reply = self.any().await?.call(&request).await?;
        let response = reply.read::<metadata::Request<'_>>()?;
        let found = response.topics.first();
        refuse(ApiKey::Metadata, found.map_or(0, |found| found.error_code))?;
        let placed = found
            .into_iter()
            .flat_map(|found| &found.partitions)
            .find(|placed| placed.partition_index == partition);
        let Some(placed) = placed else {
            let code = ErrorCode::UnknownTopicOrPartition;
            return Err(ClientError::refused(ApiKey::Metadata, code));
        };
        refuse(ApiKey::Metadata, placed.error_code)?;
        let leader = response.brokers.iter().find(|broker| broker.node_id == placed.leader_id);
        leader
            .map(|broker| format!("{}:{}", broker.host, broker.port))
            .ok_or_else(|| ClientError::refused(ApiKey::Metadata, ErrorCode::LeaderNotAvailable))
    }

    async fn find_coordinator(&mut self, group: &str) -> Result<String, ClientError> {
        let request = find_coordinator::Request {
            key: group.into(),
            coordinator_keys: vec![group.into()],
            ..Default::default()
        };
        let reply = self.any().await?.call(&request).await?;
        let response = reply.read::<find_coordinator::Request<'_>>()?;
        match response.coordinators.first() {
            Some(found) => {
                refuse(ApiKey::FindCoordinator, found.error_code)?;
                Ok(format!("{}:{}", found.host, found.port))
            }
            None => {
                refuse(ApiKey::FindCoordinator, response.error_code)?;
                Ok(format!("{}:{}", response.host, response.port))
            }
        }
    }
}
