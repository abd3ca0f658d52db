//! The clients that others wrote, and how their programs are started.

use std::process::Command;

use anyhow::Result;
use millrace_peers::toolchain::Toolchain;
use millrace_peers::{clients_dir, go, java, node, python};

use crate::feature;
use crate::program::Program;

/// A client library of another project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Client {
    /// librdkafka, in C, through Python's confluent-kafka.
    ConfluentKafka,
    /// Apache Kafka's own, in Java.
    Java,
    /// franz-go, in Go.
    FranzGo,
    /// kafkajs, for Node.js.
    Kafkajs,
    /// aiokafka, in Python.
    Aiokafka,
    /// kafka-python, in Python.
    KafkaPython,
}

impl Client {
    /// All of them, in the order of the matrix's columns.
    pub const ALL: [Client; 6] = [
        Client::ConfluentKafka,
        Client::Java,
        Client::FranzGo,
        Client::Kafkajs,
        Client::Aiokafka,
        Client::KafkaPython,
    ];

    /// Its name, which its topics start with.
    pub fn name(self) -> &'static str {
        match self {
            Client::ConfluentKafka => "confluent-kafka",
            Client::Java => "java",
            Client::FranzGo => "franz-go",
            Client::Kafkajs => "kafkajs",
            Client::Aiokafka => "aiokafka",
            Client::KafkaPython => "kafka-python",
        }
    }

    /// What its programs need.
    pub fn toolchain(self) -> Toolchain {
        match self {
            Client::ConfluentKafka | Client::Aiokafka | Client::KafkaPython => Toolchain::Python,
            Client::Java => Toolchain::Java,
            Client::FranzGo => Toolchain::Go,
            Client::Kafkajs => Toolchain::Node,
        }
    }

    /// What the client itself has not, with the reason: these features are not asked of it.
    pub fn lacks(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Client::ConfluentKafka => &[("admin-more", "the client has none of these requests")],
            Client::Java | Client::FranzGo | Client::KafkaPython => &[],
            Client::Kafkajs => &[
                ("admin-more", "the client has none of these requests"),
                ("group-static", "the client knows no static members"),
                ("group-static-double", "the client knows no static members"),
                ("group-cooperative", "the client knows only eager rebalances"),
            ],
            Client::Aiokafka => &[
                ("admin-more", "the client has none of these requests"),
                ("group-cooperative", "the client knows only eager rebalances"),
                ("group-static-double", "the client's heartbeats do not tell its instance id"),
            ],
        }
    }

    /// What of a feature the client has not, though it has the rest.
    pub fn lacks_part(self, feature: &str) -> Option<&'static str> {
        match (self, feature) {
            (Client::Aiokafka, "admin-groups") => {
                Some("the client cannot delete groups, nor alter or delete their offsets")
            }
            (Client::Aiokafka | Client::Kafkajs, "admin-configs") => {
                Some("the client only replaces all configs of a topic at once")
            }
            (Client::KafkaPython | Client::Aiokafka | Client::Kafkajs, "headers") => {
                Some("the client sends no null header")
            }
            (Client::KafkaPython | Client::Aiokafka, "auto-create") => {
                Some("creating only: the client's producers cannot forbid it")
            }
            _ => None,
        }
    }

    /// The features that its own program checks.
    pub fn suite(self) -> Vec<&'static str> {
        let lacks = |name: &str| self.lacks().iter().any(|(lacked, _)| *lacked == name);
        feature::SUITE.iter().map(|(name, _)| *name).filter(|name| !lacks(name)).collect()
    }

    /// Whether the client has a feature of either list.
    pub fn has(self, feature: &str) -> bool {
        !self.lacks().iter().any(|(lacked, _)| *lacked == feature)
    }

    /// Starts the program that checks features; the caller adds their names.
    ///
    /// # Errors
    /// What the program needs cannot be fetched.
    pub fn suite_command(self) -> Result<Command> {
        match self {
            Client::ConfluentKafka => python::command("confluent_client.py"),
            Client::Aiokafka => python::command("aiokafka_client.py"),
            Client::KafkaPython => python::command("kafka_python_client.py"),
            Client::Java => {
                Ok(java::command(&java::compile(&clients_dir().join("java"))?, "Suite"))
            }
            Client::Kafkajs => node::command("client.js"),
            Client::FranzGo => {
                let mut command = Command::new(go::binary()?);
                command.arg("suite");
                Ok(command)
            }
        }
    }

    /// Starts one of the verbs `member`, `feed` and `dump`; `clients/python/roles.py` tells of them.
    ///
    /// # Errors
    /// What the program needs cannot be fetched, or it cannot be started.
    pub fn verb(self, name: &str, verb: &str, words: &[&str]) -> Result<Program> {
        let mut command = match self {
            Client::ConfluentKafka => python::command("confluent_verbs.py")?,
            Client::Aiokafka => python::command("aiokafka_verbs.py")?,
            Client::KafkaPython => python::command("kafka_python_verbs.py")?,
            Client::Java => java::command(&java::compile(&clients_dir().join("java"))?, "Verbs"),
            Client::Kafkajs => node::command("verbs.js")?,
            Client::FranzGo => Command::new(go::binary()?),
        };
        Program::start(&format!("{} {verb} {name}", self.name()), command.arg(verb).args(words))
    }
}
