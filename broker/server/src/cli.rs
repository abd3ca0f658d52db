//! The command line of `millrace-broker`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::dev::DevArgs;
use crate::telemetry::LogFormat;

/// A broker that every Kafka client takes for Kafka.
#[derive(Debug, Parser)]
#[command(name = "millrace-broker", version)]
pub struct Cli {
    /// What a log line looks like.
    #[arg(long, global = true, value_enum, default_value = "text", env = "MILLRACE_LOG_FORMAT")]
    pub log_format: LogFormat,
    /// Which log lines are written, such as `info` or `info,millrace_server::net=debug`; by
    /// default `info`, and `warn` in laptop mode.
    #[arg(long, global = true, env = "MILLRACE_LOG")]
    pub log: Option<String>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the binary can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Starts one broker.
    Start(StartArgs),
    /// Starts one broker on this machine from a manifest, with its topics.
    Dev(DevArgs),
}

/// How to start one broker.
#[derive(Debug, Args)]
pub struct StartArgs {
    /// Configs in the syntax of Kafka's server.properties. An environment variable such as
    /// `MILLRACE_LOG_DIRS` comes before the file's `log.dirs`.
    #[arg(long, env = "MILLRACE_CONFIG")]
    pub config: Option<PathBuf>,
    /// One config that comes before file and environment.
    #[arg(long = "override", value_name = "KEY=VALUE", value_parser = key_value)]
    pub overrides: Vec<(String, String)>,
    /// Where /livez, /readyz and /metrics are served; nowhere by default.
    #[arg(long, value_name = "ADDRESS:PORT", env = "MILLRACE_HTTP")]
    pub http: Option<SocketAddr>,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("expected KEY=VALUE, such as log.dirs=/data".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::{Cli, Command};

    #[test]
    fn the_flags_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn overrides_are_keys_with_values() {
        let arguments = ["millrace-broker", "start", "--override", "log.dirs = /a=b"];
        let Command::Start(start) = Cli::try_parse_from(arguments).unwrap().command else {
            panic!("another command");
        };
        assert_eq!(start.overrides, [("log.dirs".to_owned(), "/a=b".to_owned())]);
        for wrong in ["log.dirs", "=1"] {
            assert!(
                Cli::try_parse_from(["millrace-broker", "start", "--override", wrong]).is_err()
            );
        }
    }
}
