//! The configs of a start, gathered from file, environment and flags.

use std::path::PathBuf;

use millrace_core::config::properties::{self, PropertiesError};
use millrace_core::config::{ConfigError, StaticConfig};

use crate::variables;

/// Why there are no configs to start with.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file is no properties file.
    #[error("{}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: PropertiesError,
    },
    /// Configs are wrong: all of them, one a line.
    #[error("{}", lines(.0))]
    Configs(Vec<ConfigError>),
}

fn lines(errors: &[ConfigError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Gathers the configs: the file's, over them the environment's, over them the flags'.
///
/// # Errors
/// See [`SettingsError`].
pub fn gather(
    file: Option<PathBuf>,
    environment: impl IntoIterator<Item = (String, String)>,
    overrides: Vec<(String, String)>,
) -> Result<StaticConfig, SettingsError> {
    let mut pairs = match file {
        None => Vec::new(),
        Some(path) => match std::fs::read_to_string(&path) {
            Err(source) => return Err(SettingsError::Read { path, source }),
            Ok(text) => match properties::parse(&text) {
                Err(source) => return Err(SettingsError::Syntax { path, source }),
                Ok(found) => found.into_iter().map(|found| (found.name, found.value)).collect(),
            },
        },
    };
    let configs = variables::configs();
    pairs.extend(
        environment
            .into_iter()
            .filter_map(|(variable, value)| Some(((*configs.get(&variable)?).to_owned(), value))),
    );
    pairs.extend(overrides);
    StaticConfig::from_kafka(pairs).map_err(SettingsError::Configs)
}

#[cfg(test)]
mod tests {
    use millrace_core::config::BrokerConfig;

    use super::{SettingsError, gather};

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn flags_beat_the_environment_and_that_beats_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("server.properties");
        std::fs::write(&file, "node.id=1\nlog.dirs=/file\nbroker.rack=file\n").unwrap();
        let environment = [
            pair("MILLRACE_LOG_DIRS", "/environment"),
            pair("MILLRACE_NODE_ID", "2"),
            pair("MILLRACE_SERVICE_HOST", "10.0.0.1"),
            pair("LOG_DIRS", "/other"),
        ];
        let config = gather(Some(file), environment, vec![pair("node.id", "3")]).unwrap();
        let values: Vec<_> =
            config.values().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            values,
            [("broker.rack", "file"), ("log.dirs", "/environment"), ("node.id", "3")]
        );
    }

    #[test]
    fn the_file_that_kafka_comes_with_is_taken() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/server.properties");
        let config = gather(Some(file.into()), [], vec![]).unwrap();
        let names: Vec<&str> = config.passed_over().keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "controller.quorum.bootstrap.servers",
                "inter.broker.listener.name",
                "num.io.threads",
                "num.network.threads",
                "num.recovery.threads.per.data.dir",
                "share.coordinator.state.topic.min.isr",
                "share.coordinator.state.topic.replication.factor",
                "socket.receive.buffer.bytes",
                "socket.send.buffer.bytes",
                "transaction.state.log.min.isr",
                "transaction.state.log.replication.factor",
            ]
        );
        let listeners = BrokerConfig::resolve(&config.layers()).unwrap().network.listeners;
        assert_eq!(listeners.first().unwrap().to_string(), "PLAINTEXT://:9092");
        assert_eq!(listeners.len(), 1);
    }

    #[test]
    fn what_is_wrong_is_told_with_the_file() {
        let missing = gather(Some("/no/such/file".into()), [], vec![]).unwrap_err();
        assert_eq!(missing.to_string(), "cannot read /no/such/file");
        let wrong = gather(None, [], vec![pair("node.id", "x"), pair("nod.id", "1")]).unwrap_err();
        assert!(matches!(&wrong, SettingsError::Configs(errors) if errors.len() == 2), "{wrong}");
    }
}
