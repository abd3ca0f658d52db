//! The configs that a broker is started with, from its file, flags and environment.

use super::broker::BrokerConfig;
use super::error::ConfigError;
use super::layers::{Layers, Values};
use super::lookup::find_of_broker;

/// What the start gave, checked. The layer below all dynamic ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StaticConfig {
    values: Values,
}

impl StaticConfig {
    /// Takes names and values, the later over the earlier of the same name.
    ///
    /// # Errors
    /// Lists everything that is wrong, so that a file is mended in one go.
    pub fn new(
        pairs: impl IntoIterator<Item = (String, String)>,
    ) -> Result<StaticConfig, Vec<ConfigError>> {
        let pairs: Values = pairs.into_iter().collect();
        let mut values = Values::new();
        let mut errors = Vec::new();
        for (name, text) in pairs {
            match find_of_broker(&name).and_then(|found| found.parse(&text).map(|_| found)) {
                // What asks for nothing is nothing.
                Ok(definition) if definition.without_effect.is_some() => {}
                Ok(_) => drop(values.insert(name, text)),
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let config = StaticConfig { values };
        match BrokerConfig::resolve(&config.layers()) {
            Ok(_) => Ok(config),
            Err(error) => Err(vec![error]),
        }
    }

    /// The values by name.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// The layers with nothing above the start.
    pub fn layers(&self) -> Layers<'_> {
        Layers { file: &self.values, ..Layers::default() }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::StaticConfig;
    use crate::config::{BrokerConfig, properties};

    fn check(text: &str, expected: &Expect) {
        let properties = properties::parse(text).unwrap();
        let pairs = properties.into_iter().map(|property| (property.name, property.value));
        let answer = match StaticConfig::new(pairs) {
            Ok(config) => {
                let broker = BrokerConfig::resolve(&config.layers()).unwrap();
                format!("{} {:?} {:?}", broker.node_id, broker.log_dir, broker.network.listeners)
            }
            Err(errors) => {
                let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
                lines.join("\n")
            }
        };
        expected.assert_eq(&answer);
    }

    #[test]
    fn a_small_file_is_enough() {
        check(
            "node.id=1\nlog.dirs=/data\n",
            &expect![[r#"1 "/data" [Endpoint { listener: "PLAINTEXT", host: "", port: 9092 }]"#]],
        );
    }

    #[test]
    fn every_mistake_of_a_file_is_told_at_once() {
        check(
            "node.id=-1\nlog.retension.ms=5\nnum.network.threads=4\nsocket.request.max.bytes=0\n",
            &expect![[r#"
                unknown config "log.retension.ms"; did you mean log.retention.ms?
                invalid value "-1" for config node.id: must be at least 0
                config num.network.threads=4 has no effect in Millrace: it tunes a part of Apache Kafka that is not here; leave it out or at its default "3"
                invalid value "0" for config socket.request.max.bytes: must be at least 1"#]],
        );
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        check(
            "log.dirs=/a",
            &expect![
                "config node.id must have a value; to fall back to the default, delete it instead"
            ],
        );
        check(
            "node.id=1\nlog.dirs=/a,/b",
            &expect![[
                r#"invalid value "/a,/b" for config log.dirs: must be one directory: several are not supported"#
            ]],
        );
        check(
            "node.id=1\nlisteners=SSL://:9093",
            &expect![[
                r#"invalid value "SSL://:9093" for config listeners: must be of a name whose protocol in listener.security.protocol.map is PLAINTEXT; SSL is not served"#
            ]],
        );
        check(
            "node.id=1\nlisteners=INTERNAL://:9093",
            &expect![[
                r#"invalid value "INTERNAL://:9093" for config listeners: must be of a name that listener.security.protocol.map gives a protocol"#
            ]],
        );
        check(
            "node.id=1\nlisteners=A://:1,B://:1\nlistener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT",
            &expect![[
                r#"invalid value "B://:1" for config listeners: must be on an address and port of its own"#
            ]],
        );
        check(
            "node.id=1\nadvertised.listeners=PLAINTEXT://0.0.0.0:9092",
            &expect![[
                r#"invalid value "PLAINTEXT://0.0.0.0:9092" for config advertised.listeners: must be an address that clients can connect to"#
            ]],
        );
        check(
            "node.id=1\nadvertised.listeners=OTHER://a:9092",
            &expect![[
                r#"invalid value "OTHER://a:9092" for config advertised.listeners: must be of a name that stands in listeners"#
            ]],
        );
        check(
            "node.id=1\nqueued.max.request.bytes=1000",
            &expect![
                "queued.max.request.bytes=1000 does not go with socket.request.max.bytes=104857600: the largest request would never be read"
            ],
        );
        check(
            "node.id=1\ngroup.min.session.timeout.ms=10\ngroup.max.session.timeout.ms=9",
            &expect![
                "group.min.session.timeout.ms=10 does not go with group.max.session.timeout.ms=9: no session timeout would be allowed"
            ],
        );
    }
}
