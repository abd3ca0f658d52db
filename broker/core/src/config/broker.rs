//! What a broker's configs come to, as types, grouped by who works with them.
//!
//! Resolved anew whenever a dynamic config changes; configs of the start are the same each time.

use std::collections::BTreeMap;
use std::path::PathBuf;

use millrace_types::BrokerId;

use super::broker_table as table;
use super::definition::Definition;
use super::error::ConfigError;
use super::layers::{Layers, effective};
use super::listener::{Endpoint, parse_endpoints, parse_protocol_map};
use super::value::Value;

/// The configs of one broker, resolved. Times are in milliseconds and never negative.
#[derive(Clone, Debug, PartialEq)]
pub struct BrokerConfig {
    /// The number of this broker in its cluster.
    pub node_id: BrokerId,
    /// The id that the cluster must have.
    pub cluster_id: Option<String>,
    /// Where the broker stands.
    pub rack: Option<String>,
    /// Where the data is.
    pub log_dir: PathBuf,
    /// Sockets and requests.
    pub network: NetworkConfig,
    /// Creation and deletion of topics.
    pub topics: TopicsConfig,
    /// Groups and their offsets.
    pub groups: GroupsConfig,
    /// What is done for all logs of the broker.
    pub logs: LogsConfig,
    /// Compaction.
    pub cleaner: CleanerConfig,
    /// How many bytes of metadata are logged before a snapshot replaces them.
    pub metadata_bytes_between_snapshots: u64,
}

/// Sockets and requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkConfig {
    /// Addresses to listen on.
    pub listeners: Vec<Endpoint>,
    /// Addresses to tell clients, one for each listener name that clients may use. Where none were
    /// given these are the listeners', whose host may be unspecified: the shell then names the
    /// machine, and the port that was bound.
    pub advertised_listeners: Vec<Endpoint>,
    /// Silence after which a connection is closed; `None` for never.
    pub connections_max_idle_ms: Option<u64>,
    /// Connections at once.
    pub max_connections: u32,
    /// Connections at once from one address.
    pub max_connections_per_ip: u32,
    /// The largest request, in bytes.
    pub request_bytes_max: u64,
    /// Bytes of requests at once; `None` for the broker's own bound.
    pub queued_bytes_max: Option<u64>,
    /// The most that a fetch is answered with, in bytes.
    pub fetch_bytes_max: u64,
    /// Fetch sessions to remember.
    pub fetch_session_slots: u32,
    /// The most partitions that one DescribeTopicPartitions is answered with.
    pub described_partitions_max: u32,
}

/// Creation and deletion of topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicsConfig {
    /// Whether asking for a topic creates it.
    pub is_auto_create_enabled: bool,
    /// Whether topics can be deleted.
    pub is_delete_enabled: bool,
    /// Partitions of a topic whose creator does not say.
    pub partitions: u32,
    /// Replicas of a topic whose creator does not say.
    pub replication_factor: u16,
}

/// Groups and their offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupsConfig {
    /// Wait of a new group for more members.
    pub initial_rebalance_delay_ms: u32,
    /// Shortest session timeout of a member.
    pub session_timeout_ms_min: u32,
    /// Longest session timeout of a member.
    pub session_timeout_ms_max: u32,
    /// Members of a group.
    pub size_max: u32,
    /// Bytes of text with a committed offset.
    pub offset_metadata_bytes_max: u32,
    /// How long offsets outlive their group's last member.
    pub offsets_retention_ms: i64,
    /// How often expired offsets are looked for.
    pub offsets_retention_check_interval_ms: u64,
    /// Partitions of `__consumer_offsets`.
    pub offsets_topic_partitions: u32,
    /// Replicas of `__consumer_offsets`.
    pub offsets_topic_replication_factor: u16,
    /// Segment size of `__consumer_offsets`.
    pub offsets_topic_segment_bytes: u64,
}

/// What is done for all logs of the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogsConfig {
    /// How often old segments are looked for.
    pub retention_check_interval_ms: u64,
    /// How often the recovery points are written down.
    pub recovery_point_checkpoint_interval_ms: u64,
    /// How often the log starts are written down.
    pub log_start_checkpoint_interval_ms: u64,
    /// How often the high watermarks are written down.
    pub high_watermark_checkpoint_interval_ms: u64,
    /// How long a silent producer is remembered.
    pub producer_id_expiration_ms: i64,
}

/// Compaction.
#[derive(Clone, Debug, PartialEq)]
pub struct CleanerConfig {
    /// Rest when there was nothing to do.
    pub backoff_ms: u64,
    /// Memory to remember keys.
    pub dedupe_buffer_bytes: u64,
    /// Bytes read and written in a second; `None` for no limit.
    pub io_bytes_per_second: Option<f64>,
}

impl BrokerConfig {
    /// Resolves the configs and checks those that must fit each other.
    ///
    /// # Errors
    /// Names the config, its value and what is allowed.
    pub fn resolve(layers: &Layers<'_>) -> Result<BrokerConfig, ConfigError> {
        let view = View { layers };
        let groups = view.groups();
        if groups.session_timeout_ms_min > groups.session_timeout_ms_max {
            return Err(ConfigError::Conflict {
                name: table::GROUP_MIN_SESSION_TIMEOUT_MS.name,
                value: groups.session_timeout_ms_min.to_string(),
                other: table::GROUP_MAX_SESSION_TIMEOUT_MS.name,
                other_value: groups.session_timeout_ms_max.to_string(),
                rule: "no session timeout would be allowed",
            });
        }
        view.check_compaction_lag()?;
        view.check_roles()?;
        Ok(BrokerConfig {
            node_id: view.node_id()?,
            cluster_id: view.text(&table::CLUSTER_ID).filter(|id| !id.is_empty()),
            rack: view.text(&table::BROKER_RACK).filter(|rack| !rack.is_empty()),
            log_dir: view.log_dir()?,
            network: view.network()?,
            topics: TopicsConfig {
                is_auto_create_enabled: view.boolean(&table::AUTO_CREATE_TOPICS_ENABLE),
                is_delete_enabled: view.boolean(&table::DELETE_TOPIC_ENABLE),
                partitions: view.number(&table::NUM_PARTITIONS),
                replication_factor: view.number(&table::DEFAULT_REPLICATION_FACTOR),
            },
            groups,
            logs: LogsConfig {
                retention_check_interval_ms: view.number(&table::LOG_RETENTION_CHECK_INTERVAL_MS),
                recovery_point_checkpoint_interval_ms: view
                    .number(&table::LOG_FLUSH_OFFSET_CHECKPOINT_INTERVAL_MS),
                log_start_checkpoint_interval_ms: view
                    .number(&table::LOG_FLUSH_START_OFFSET_CHECKPOINT_INTERVAL_MS),
                high_watermark_checkpoint_interval_ms: view
                    .number(&table::REPLICA_HIGH_WATERMARK_CHECKPOINT_INTERVAL_MS),
                producer_id_expiration_ms: view.number(&table::PRODUCER_ID_EXPIRATION_MS),
            },
            cleaner: CleanerConfig {
                backoff_ms: view.number(&table::LOG_CLEANER_BACKOFF_MS),
                dedupe_buffer_bytes: view.number(&table::LOG_CLEANER_DEDUPE_BUFFER_SIZE),
                io_bytes_per_second: view
                    .double(&table::LOG_CLEANER_IO_MAX_BYTES_PER_SECOND)
                    .filter(|limit| *limit < f64::MAX),
            },
            metadata_bytes_between_snapshots: view
                .number(&table::METADATA_LOG_MAX_RECORD_BYTES_BETWEEN_SNAPSHOTS),
        })
    }
}

/// All layers of one broker, read by definition.
struct View<'a> {
    layers: &'a Layers<'a>,
}

impl View<'_> {
    fn value(&self, definition: &'static Definition) -> Option<Value> {
        effective(definition, &self.layers.settings(definition)).map(|(value, _)| value)
    }

    /// A number that the config's limit keeps inside the type; the type's least if it does not.
    fn number<T: TryFrom<i64> + Default>(&self, definition: &'static Definition) -> T {
        self.integer(definition).and_then(|number| T::try_from(number).ok()).unwrap_or_default()
    }

    fn integer(&self, definition: &'static Definition) -> Option<i64> {
        match self.value(definition)? {
            Value::Integer(number) => Some(number),
            Value::Boolean(_) | Value::Double(_) | Value::Text(_) | Value::List(_) => None,
        }
    }

    fn boolean(&self, definition: &'static Definition) -> bool {
        self.value(definition) == Some(Value::Boolean(true))
    }

    fn double(&self, definition: &'static Definition) -> Option<f64> {
        match self.value(definition)? {
            Value::Double(number) => Some(number),
            Value::Boolean(_) | Value::Integer(_) | Value::Text(_) | Value::List(_) => None,
        }
    }

    fn text(&self, definition: &'static Definition) -> Option<String> {
        self.value(definition).map(|value| value.to_string())
    }

    fn list(&self, definition: &'static Definition) -> Option<Vec<String>> {
        match self.value(definition)? {
            Value::List(elements) => Some(elements),
            Value::Boolean(_) | Value::Integer(_) | Value::Double(_) | Value::Text(_) => None,
        }
    }

    fn node_id(&self) -> Result<BrokerId, ConfigError> {
        let missing = || ConfigError::Missing { name: table::NODE_ID.name.to_owned() };
        let number = self.integer(&table::NODE_ID).ok_or_else(missing)?;
        i32::try_from(number).ok().and_then(BrokerId::from_wire).ok_or_else(missing)
    }

    fn log_dir(&self) -> Result<PathBuf, ConfigError> {
        let (definition, dirs) = match self.list(&table::LOG_DIRS) {
            Some(dirs) => (&table::LOG_DIRS, dirs),
            None => (&table::LOG_DIR, self.list(&table::LOG_DIR).unwrap_or_default()),
        };
        match dirs.as_slice() {
            [dir] => Ok(PathBuf::from(dir)),
            _ => Err(ConfigError::Limit {
                name: definition.name,
                value: dirs.join(","),
                limit: "one directory: several are not supported".to_owned(),
            }),
        }
    }

    fn groups(&self) -> GroupsConfig {
        let minutes: i64 = self.number(&table::OFFSETS_RETENTION_MINUTES);
        GroupsConfig {
            initial_rebalance_delay_ms: self.number(&table::GROUP_INITIAL_REBALANCE_DELAY_MS),
            session_timeout_ms_min: self.number(&table::GROUP_MIN_SESSION_TIMEOUT_MS),
            session_timeout_ms_max: self.number(&table::GROUP_MAX_SESSION_TIMEOUT_MS),
            size_max: self.number(&table::GROUP_MAX_SIZE),
            offset_metadata_bytes_max: self.number(&table::OFFSET_METADATA_MAX_BYTES),
            offsets_retention_ms: minutes.saturating_mul(60_000),
            offsets_retention_check_interval_ms: self
                .number(&table::OFFSETS_RETENTION_CHECK_INTERVAL_MS),
            offsets_topic_partitions: self.number(&table::OFFSETS_TOPIC_NUM_PARTITIONS),
            offsets_topic_replication_factor: self.number(&table::OFFSETS_TOPIC_REPLICATION_FACTOR),
            offsets_topic_segment_bytes: self.number(&table::OFFSETS_TOPIC_SEGMENT_BYTES),
        }
    }

    fn network(&self) -> Result<NetworkConfig, ConfigError> {
        let listeners = self.listeners()?;
        let advertised_listeners = self.advertised_listeners(&listeners)?;
        let request_bytes_max: u64 = self.number(&table::SOCKET_REQUEST_MAX_BYTES);
        let queued: Option<i64> =
            self.integer(&table::QUEUED_MAX_REQUEST_BYTES).filter(|bytes| *bytes > 0);
        let queued_bytes_max = queued.map(i64::unsigned_abs);
        if let Some(queued) = queued_bytes_max.filter(|queued| *queued < request_bytes_max) {
            return Err(ConfigError::Conflict {
                name: table::QUEUED_MAX_REQUEST_BYTES.name,
                value: queued.to_string(),
                other: table::SOCKET_REQUEST_MAX_BYTES.name,
                other_value: request_bytes_max.to_string(),
                rule: "the largest request would never be read",
            });
        }
        Ok(NetworkConfig {
            listeners,
            advertised_listeners,
            connections_max_idle_ms: self
                .integer(&table::CONNECTIONS_MAX_IDLE_MS)
                .and_then(|ms| u64::try_from(ms).ok()),
            max_connections: self.number(&table::MAX_CONNECTIONS),
            max_connections_per_ip: self.number(&table::MAX_CONNECTIONS_PER_IP),
            request_bytes_max,
            queued_bytes_max,
            fetch_bytes_max: self.number(&table::FETCH_MAX_BYTES),
            fetch_session_slots: self.number(&table::MAX_INCREMENTAL_FETCH_SESSION_CACHE_SLOTS),
            described_partitions_max: self.number(&table::MAX_REQUEST_PARTITION_SIZE_LIMIT),
        })
    }

    fn listeners(&self) -> Result<Vec<Endpoint>, ConfigError> {
        let name = table::LISTENERS.name;
        let all = parse_endpoints(name, &self.list(&table::LISTENERS).unwrap_or_default())?;
        let listeners = self.without_controllers(all);
        if listeners.is_empty() {
            let value = self.text(&table::LISTENERS).unwrap_or_default();
            let controllers = table::CONTROLLER_LISTENER_NAMES.name;
            let limit = format!("a list with a name that {controllers} does not have");
            return Err(ConfigError::Limit { name, value, limit });
        }
        let mut ports = BTreeMap::new();
        let map = table::LISTENER_SECURITY_PROTOCOL_MAP.name;
        let protocols = self.list(&table::LISTENER_SECURITY_PROTOCOL_MAP).unwrap_or_default();
        let protocols = parse_protocol_map(map, &protocols)?;
        for endpoint in &listeners {
            let refused =
                |limit: String| ConfigError::Limit { name, value: endpoint.to_string(), limit };
            match protocols.get(&endpoint.listener) {
                Some(&"PLAINTEXT") => {}
                Some(protocol) => {
                    return Err(refused(format!(
                        "of a name whose protocol in {map} is PLAINTEXT; {protocol} is not served"
                    )));
                }
                None => {
                    return Err(refused(format!("of a name that {map} gives a protocol")));
                }
            }
            let address = (endpoint.host.as_str(), endpoint.port);
            if endpoint.port != 0 && ports.insert(address, ()).is_some() {
                return Err(refused("on an address and port of its own".to_owned()));
            }
        }
        Ok(listeners)
    }

    fn advertised_listeners(&self, listeners: &[Endpoint]) -> Result<Vec<Endpoint>, ConfigError> {
        let name = table::ADVERTISED_LISTENERS.name;
        let Some(elements) = self.list(&table::ADVERTISED_LISTENERS) else {
            return Ok(listeners.to_vec());
        };
        let advertised = self.without_controllers(parse_endpoints(name, &elements)?);
        for endpoint in &advertised {
            let refused =
                |limit| Err(ConfigError::Limit { name, value: endpoint.to_string(), limit });
            if !listeners.iter().any(|listener| listener.listener == endpoint.listener) {
                return refused(format!("of a name that stands in {}", table::LISTENERS.name));
            }
            if endpoint.is_unspecified() {
                return refused("an address that clients can connect to".to_owned());
            }
        }
        Ok(advertised)
    }

    /// What is for clients: the broker does not listen for other controllers.
    fn without_controllers(&self, mut endpoints: Vec<Endpoint>) -> Vec<Endpoint> {
        let controllers = self.list(&table::CONTROLLER_LISTENER_NAMES).unwrap_or_default();
        let is_one = |name: &str| controllers.iter().any(|other| other.eq_ignore_ascii_case(name));
        endpoints.retain(|endpoint| !is_one(&endpoint.listener));
        endpoints
    }

    fn check_roles(&self) -> Result<(), ConfigError> {
        let definition = &table::PROCESS_ROLES;
        match self.list(definition) {
            Some(roles) if !roles.iter().any(|role| role == "broker") => Err(ConfigError::Limit {
                name: definition.name,
                value: roles.join(","),
                limit: "a list with broker: there are no processes for controllers alone"
                    .to_owned(),
            }),
            Some(_) | None => Ok(()),
        }
    }

    fn check_compaction_lag(&self) -> Result<(), ConfigError> {
        let (smallest, largest) =
            (&table::LOG_CLEANER_MIN_COMPACTION_LAG_MS, &table::LOG_CLEANER_MAX_COMPACTION_LAG_MS);
        let (value, other_value): (i64, i64) = (self.number(smallest), self.number(largest));
        if value > other_value {
            return Err(ConfigError::Conflict {
                name: smallest.name,
                value: value.to_string(),
                other: largest.name,
                other_value: other_value.to_string(),
                rule: "a record cannot be too young and too old for compaction at once",
            });
        }
        Ok(())
    }
}
