//! The configs of a start, gathered from file, environment and flags.

use std::collections::BTreeMap;
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
    /// A value names an environment variable that is not there.
    #[error("{}: config {name} needs the environment variable {variable}", path.display())]
    Variable {
        /// The file.
        path: PathBuf,
        /// The config.
        name: String,
        /// The variable.
        variable: String,
    },
    /// Configs are wrong: all of them, one a line.
    #[error("{}", lines(.0))]
    Configs(Vec<ConfigError>),
}

fn lines(errors: &[ConfigError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Gathers the configs: the files', the later over the earlier, over them the environment's, over
/// them the flags'.
///
/// # Errors
/// See [`SettingsError`].
pub fn gather(
    files: Vec<PathBuf>,
    environment: impl IntoIterator<Item = (String, String)>,
    overrides: Vec<(String, String)>,
) -> Result<StaticConfig, SettingsError> {
    let environment: BTreeMap<String, String> = environment.into_iter().collect();
    let mut pairs = Vec::new();
    for path in files {
        pairs.extend(from_file(path, &environment)?);
    }
    let configs = variables::configs();
    pairs.extend(
        environment
            .into_iter()
            .filter_map(|(variable, value)| Some(((*configs.get(&variable)?).to_owned(), value))),
    );
    pairs.extend(overrides);
    StaticConfig::from_kafka(pairs).map_err(SettingsError::Configs)
}

/// The pairs of one file, with the variables that its values name filled in.
fn from_file(
    path: PathBuf,
    environment: &BTreeMap<String, String>,
) -> Result<Vec<(String, String)>, SettingsError> {
    let text = match std::fs::read_to_string(&path) {
        Err(source) => return Err(SettingsError::Read { path, source }),
        Ok(text) => text,
    };
    let found = match properties::parse(&text) {
        Err(source) => return Err(SettingsError::Syntax { path, source }),
        Ok(found) => found,
    };
    found
        .into_iter()
        .map(|found| match filled_in(&found.value, environment) {
            Ok(value) => Ok((found.name, value)),
            Err(variable) => {
                Err(SettingsError::Variable { path: path.clone(), name: found.name, variable })
            }
        })
        .collect()
}

/// The value with each `${env:NAME}` replaced, or the name of a variable that is not there.
///
/// Source: KIP-887, `EnvVarConfigProvider`.
fn filled_in(value: &str, environment: &BTreeMap<String, String>) -> Result<String, String> {
    let mut whole = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("${env:") {
        let Some((name, behind)) = after.split_once('}') else { break };
        let found = environment.get(name).ok_or_else(|| name.to_owned())?;
        whole.push_str(before);
        whole.push_str(found);
        rest = behind;
    }
    whole.push_str(rest);
    Ok(whole)
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
        let config = gather(vec![file], environment, vec![pair("node.id", "3")]).unwrap();
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
        let config = gather(vec![file.into()], [], vec![]).unwrap();
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
    fn later_files_beat_earlier_ones_and_may_name_variables() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let file = dir.path().join(name);
            std::fs::write(&file, text).unwrap();
            file
        };
        let all = write("all", "node.id=1\nbroker.rack=x-${env:ZONE}\n");
        let own = write("own", "node.id=7\n");
        let config = gather(vec![all.clone(), own], [pair("ZONE", "a")], vec![]).unwrap();
        let values: Vec<_> = config.values().values().map(String::as_str).collect();
        assert_eq!(values, ["x-a", "7"]);
        let missing = gather(vec![all], [], vec![]).unwrap_err().to_string();
        assert!(missing.ends_with("config broker.rack needs the environment variable ZONE"));
    }

    #[test]
    fn what_is_wrong_is_told_with_the_file() {
        let missing = gather(vec!["/no/such/file".into()], [], vec![]).unwrap_err();
        assert_eq!(missing.to_string(), "cannot read /no/such/file");
        let wrong =
            gather(vec![], [], vec![pair("node.id", "x"), pair("nod.id", "1")]).unwrap_err();
        assert!(matches!(&wrong, SettingsError::Configs(errors) if errors.len() == 2), "{wrong}");
    }
}
