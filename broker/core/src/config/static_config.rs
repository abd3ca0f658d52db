//! The configs that a broker is started with, from its file, flags and environment.

use super::broker::BrokerConfig;
use super::definition::Area;
use super::error::ConfigError;
use super::layers::{Layers, Values};
use super::lookup::find_of_broker;

/// What the start gave, checked. The layer below all dynamic ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StaticConfig {
    values: Values,
    passed_over: Values,
}

/// What becomes of a config without effect whose value is not Kafka's default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WithoutEffect {
    Refused,
    PassedOver,
}

impl StaticConfig {
    /// Takes names and values, the later over the earlier of the same name.
    ///
    /// # Errors
    /// Lists everything that is wrong, so that it is mended in one go.
    pub fn new(
        pairs: impl IntoIterator<Item = (String, String)>,
    ) -> Result<StaticConfig, Vec<ConfigError>> {
        StaticConfig::build(pairs.into_iter().collect(), WithoutEffect::Refused)
    }

    /// The same from a file that may have been written for Apache Kafka: what has no effect here is
    /// passed over, unless the broker would be more open without it.
    ///
    /// # Errors
    /// Lists everything that is wrong, so that a file is mended in one go.
    pub fn from_kafka(
        pairs: impl IntoIterator<Item = (String, String)>,
    ) -> Result<StaticConfig, Vec<ConfigError>> {
        StaticConfig::build(pairs.into_iter().collect(), WithoutEffect::PassedOver)
    }

    fn build(pairs: Values, rule: WithoutEffect) -> Result<StaticConfig, Vec<ConfigError>> {
        let mut config = StaticConfig::default();
        let mut errors = Vec::new();
        for (name, text) in pairs {
            let found = find_of_broker(&name);
            let area = found.as_ref().ok().and_then(|definition| definition.without_effect);
            let can_pass = rule == WithoutEffect::PassedOver && area != Some(Area::Guard);
            match found.and_then(|definition| definition.parse(&text)) {
                Err(ConfigError::NoEffect { .. }) if can_pass => {
                    config.passed_over.insert(name, text);
                }
                Err(error) => errors.push(error),
                Ok(_) if area.is_some() => drop(config.passed_over.insert(name, text)),
                Ok(_) => drop(config.values.insert(name, text)),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        match BrokerConfig::resolve(&config.layers()) {
            Ok(_) => Ok(config),
            Err(error) => Err(vec![error]),
        }
    }

    /// The values by name.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// What was given and has no effect, by name.
    pub fn passed_over(&self) -> &Values {
        &self.passed_over
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
    use crate::config::listener::Endpoint;
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

    fn check_of_kafka(text: &str, expected: &Expect) {
        let properties = properties::parse(text).unwrap();
        let pairs = properties.into_iter().map(|property| (property.name, property.value));
        let answer = match StaticConfig::from_kafka(pairs) {
            Ok(config) => {
                let network = BrokerConfig::resolve(&config.layers()).unwrap().network;
                let texts = |endpoints: &[Endpoint]| {
                    endpoints.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
                };
                let (listeners, advertised) = (&network.listeners, &network.advertised_listeners);
                let passed_over = config.passed_over();
                format!("{} {} {passed_over:?}", texts(listeners), texts(advertised))
            }
            Err(errors) => errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        };
        expected.assert_eq(&answer);
    }

    #[test]
    fn a_file_of_kafka_keeps_what_has_an_effect() {
        check_of_kafka(
            "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@a:9093\n\
             listeners=PLAINTEXT://:9092,CONTROLLER://:9093\n\
             advertised.listeners=PLAINTEXT://a:9092,CONTROLLER://a:9093\n\
             controller.listener.names=controller\nnum.io.threads=8\nssl.client.auth=none",
            &expect![[
                r#"PLAINTEXT://:9092 PLAINTEXT://a:9092 {"controller.quorum.voters": "1@a:9093", "num.io.threads": "8", "ssl.client.auth": "none"}"#
            ]],
        );
    }

    #[test]
    fn what_would_keep_somebody_out_is_not_passed_over() {
        check_of_kafka(
            "node.id=1\nauthorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
             super.users=User:admin\nlistener.name.sasl_ssl.ssl.client.auth=required\n\
             sasl.jaas.config=secret\nnum.io.thread=8\nnum.network.threads=many\n\
             max.connections.per.ip.overrides=10.0.0.1:0",
            &expect![[r#"
                config authorizer.class.name has no effect in Millrace: nothing would enforce it, and the broker would be more open than asked; leave it out
                config listener.name.sasl_ssl.ssl.client.auth has no effect in Millrace: a listener has no configs of its own yet; leave it out
                config max.connections.per.ip.overrides has no effect in Millrace: nothing would enforce it, and the broker would be more open than asked; leave it out
                unknown config "num.io.thread"; did you mean num.io.threads?
                invalid value "many" for config num.network.threads: expected a whole number from -2147483648 to 2147483647
                config sasl.jaas.config has no effect in Millrace: nothing would enforce it, and the broker would be more open than asked; leave it out
                config super.users has no effect in Millrace: nothing would enforce it, and the broker would be more open than asked; leave it out"#]],
        );
        check_of_kafka(
            "node.id=1\nlisteners=PLAINTEXT://:9092,CLIENTS://:9093\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CLIENTS:SASL_SSL",
            &expect![[
                r#"invalid value "CLIENTS://:9093" for config listeners: must be of a name whose protocol in listener.security.protocol.map is PLAINTEXT; SASL_SSL is not served"#
            ]],
        );
    }

    #[test]
    fn a_node_for_controllers_alone_is_none() {
        check_of_kafka(
            "node.id=1\nprocess.roles=controller",
            &expect![[
                r#"invalid value "controller" for config process.roles: must be a list with broker: there are no processes for controllers alone"#
            ]],
        );
        check_of_kafka(
            "node.id=1\nlisteners=CONTROLLER://:9093\ncontroller.listener.names=CONTROLLER",
            &expect![[
                r#"invalid value "CONTROLLER://:9093" for config listeners: must be a list with a name that controller.listener.names does not have"#
            ]],
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
