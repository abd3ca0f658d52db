//! The environment variables that are the broker's: those of the command line, those that stand for a
//! config, and those that Kubernetes makes.

use std::collections::{BTreeMap, BTreeSet};

use millrace_core::config;

/// The broker's variables begin so.
const PREFIX: &str = "MILLRACE_";

/// The operator tells a broker of its pod in variables that begin so; configs name them.
const OF_POD: &str = "MILLRACE_POD_";

/// The config that each variable stands for: `MILLRACE_LOG_DIRS` is `log.dirs`.
pub fn configs() -> BTreeMap<String, &'static str> {
    let variable = |name: &str| format!("{PREFIX}{}", name.to_ascii_uppercase().replace('.', "_"));
    config::broker_names().map(|name| (variable(name), name)).collect()
}

/// Of these variables those that begin as ours do and mean nothing: most likely typing errors.
/// `of_command_line` are those that the command line reads.
pub fn unknown(
    names: impl IntoIterator<Item = String>,
    of_command_line: &BTreeSet<String>,
) -> Vec<String> {
    let configs = configs();
    names
        .into_iter()
        .filter(|name| name.starts_with(PREFIX))
        .filter(|name| !configs.contains_key(name) && !of_command_line.contains(name))
        .filter(|name| !is_of_kubernetes(name) && !name.starts_with(OF_POD))
        .collect()
}

/// Whether Kubernetes makes such variables, for each service whose name begins with `millrace`:
/// `X_SERVICE_HOST`, `X_SERVICE_PORT`, `X_SERVICE_PORT_name`, `X_PORT`, `X_PORT_9092_TCP...`.
fn is_of_kubernetes(name: &str) -> bool {
    let Some(service) = name.strip_prefix("MILLRACE") else { return false };
    service.ends_with("_SERVICE_HOST")
        || service.ends_with("_SERVICE_PORT")
        || service.contains("_SERVICE_PORT_")
        || service.ends_with("_PORT")
        || service.contains("_PORT_")
}

#[cfg(test)]
mod tests {
    use super::{configs, unknown};

    #[test]
    fn a_variable_that_means_nothing_is_found() {
        for (name, is_unknown) in [
            ("MILLRACE_LOG_DIR", false),
            ("MILLRACE_NUM_IO_THREADS", false),
            ("MILLRACE_CONFIG", false),
            ("MILLRACE_LOG_FORMAT", false),
            ("MILLRACE_LOG", false),
            ("MILLRACE_HTTP", false),
            ("MILLRACE_SERVICE_HOST", false),
            ("MILLRACE_SERVICE_PORT", false),
            ("MILLRACE_PORT", false),
            ("MILLRACE_PORT_9092_TCP_ADDR", false),
            ("MILLRACE_BROKERS_SERVICE_HOST", false),
            ("MILLRACE_BROKERS_SERVICE_PORT_KAFKA", false),
            ("LOG_DIRZ", false),
            ("MILLRACE_POD_ZONE", false),
            ("MILLRACE_LOG_DIRZ", true),
            ("MILLRACE_LOG_RETENSION_MS", true),
            ("MILLRACE_", true),
        ] {
            let of_command_line = crate::cli::variables();
            let found = unknown([name.to_owned()], &of_command_line);
            assert_eq!(!found.is_empty(), is_unknown, "{name}");
        }
    }

    #[test]
    fn each_config_has_a_variable_of_its_own() {
        let configs = configs();
        assert_eq!(configs.get("MILLRACE_LOG_DIRS"), Some(&"log.dirs"));
        assert_eq!(configs.len(), millrace_core::config::broker_names().count());
    }
}
