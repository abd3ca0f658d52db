//! The command line of `millrace-broker`.

use std::collections::BTreeSet;

use clap::{CommandFactory, Parser, Subcommand};

use crate::console::Place;
use crate::dev::DevArgs;
use crate::process::StartArgs;
use crate::telemetry::LogFormat;

/// A broker that every Kafka client takes for Kafka.
#[derive(Debug, Parser)]
#[command(name = "millrace-broker", version)]
pub struct Cli {
    /// What a log line looks like.
    #[arg(long, global = true, value_enum, default_value = "text", env = "MILLRACE_LOG_FORMAT")]
    pub log_format: LogFormat,
    /// Which log lines are written, such as `info` or `info,millrace_server::net=debug`; by
    /// default `info`, and `warn` in laptop mode and for clients.
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
    /// Checks the configs of a start, and starts nothing.
    Check(StartArgs),
    /// Starts one broker on this machine from a manifest, with its topics.
    Dev(DevArgs),
    /// Writes each line of the standard input as a record of a topic.
    Produce(Place),
    /// Prints all records of a topic that are there.
    Consume(Place),
    /// Writes a record to a topic and reads it back, again and again until that succeeds.
    Try(Place),
}

/// The environment variables that stand for a flag.
pub fn variables() -> BTreeSet<String> {
    of_command(&Cli::command())
}

fn of_command(command: &clap::Command) -> BTreeSet<String> {
    let own = command.get_arguments().filter_map(clap::Arg::get_env);
    let mut names: BTreeSet<String> = own.map(|name| name.to_string_lossy().into_owned()).collect();
    names.extend(command.get_subcommands().flat_map(of_command));
    names
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
