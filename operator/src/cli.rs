//! The command line of `millrace-operator`.

use std::net::SocketAddr;

use clap::{Parser, ValueEnum};

/// Makes Kubernetes run what Cluster and Topic resources say.
#[derive(Debug, Parser)]
#[command(name = "millrace-operator", version)]
pub struct Cli {
    /// A namespace to look after; may stand several times. By default all.
    #[arg(long = "namespace", env = "MILLRACE_NAMESPACES", value_delimiter = ',')]
    pub namespaces: Vec<String>,
    /// The brokers' image where a Cluster does not say.
    #[arg(long, env = "MILLRACE_BROKER_IMAGE")]
    pub broker_image: Option<String>,
    /// Leaves brokers' users and groups to the platform: OpenShift gives each namespace its own, and
    /// refuses others. Without it they are 65532.
    #[arg(long, env = "MILLRACE_LEAVE_USERS")]
    pub leave_users: bool,
    /// Where /livez, /readyz and /metrics are served; `[::]` is every address, IPv4's too.
    #[arg(long, env = "MILLRACE_HTTP", default_value = "[::]:8080")]
    pub http: SocketAddr,
    /// The namespace of the lease that says which operator acts; without one this one does.
    #[arg(long, env = "MILLRACE_LEASE_NAMESPACE")]
    pub lease_namespace: Option<String>,
    /// The name of that lease.
    #[arg(long, env = "MILLRACE_LEASE_NAME", default_value = "millrace-operator")]
    pub lease_name: String,
    /// The name of this operator's pod, to be read in the lease.
    #[arg(long, env = "MILLRACE_POD_NAME", default_value = "operator")]
    pub pod_name: String,
    /// Which log lines are written, such as `info` or `info,millrace_operator=debug`.
    #[arg(long, env = "MILLRACE_LOG", default_value = "info")]
    pub log: String,
    /// What a log line looks like.
    #[arg(long, value_enum, env = "MILLRACE_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// What a log line looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::Cli;

    #[test]
    fn the_flags_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn namespaces_are_a_list_or_all() {
        let all = Cli::try_parse_from(["millrace-operator"]).unwrap();
        assert!(all.namespaces.is_empty());
        let some = Cli::try_parse_from(["millrace-operator", "--namespace=a,b"]).unwrap();
        assert_eq!(some.namespaces, ["a", "b"]);
    }
}
