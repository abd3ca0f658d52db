//! The configs of a topic or a broker as DescribeConfigs tells them: value, source, synonyms.
//!
//! Source: Kafka's `ConfigHelper`. Differs from Kafka: a value that comes from a synonym with
//! another unit (`log.retention.hours`) is told with its true source and synonym; Kafka calls it a
//! default and lists none.

use super::definition::{Definition, Kind, Update};
use super::layers::{Layers, Setting, Source, Values, effective};
use super::{BROKER_CONFIGS, TOPIC_CONFIGS, without_effect};

/// One config and how it came to its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry<'a> {
    /// The name.
    pub name: &'static str,
    /// The value in effect; `None` where there is none.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: Source,
    /// Whether it can only be changed by a restart.
    pub is_read_only: bool,
    /// Its type.
    pub kind: Kind,
    /// What it does.
    pub documentation: &'static str,
    /// Every place that gives it a value, strongest first.
    pub synonyms: Vec<Setting<'a>>,
}

/// All configs of a topic with these own values.
pub fn topic<'a>(topic: &'a Values, layers: &Layers<'a>) -> Vec<Entry<'a>> {
    TOPIC_CONFIGS
        .iter()
        .map(|definition| entry(definition, layers.topic_settings(topic, definition)))
        .collect()
}

/// All configs of a broker; of those without effect, what is set while it runs.
pub fn broker<'a>(layers: &Layers<'a>) -> Vec<Entry<'a>> {
    let is_set = |definition: &&Definition| {
        [layers.broker, layers.cluster].iter().any(|set| set.contains_key(definition.name))
    };
    let without_effect = without_effect::TABLE.iter().filter(is_set);
    let mut entries: Vec<Entry<'a>> = BROKER_CONFIGS
        .iter()
        .chain(without_effect)
        .map(|definition| entry(definition, layers.settings(definition)))
        .collect();
    entries.sort_by_key(|entry| entry.name);
    entries
}

/// What is set on all brokers while they run, and nothing else.
pub fn cluster(cluster: &Values) -> Vec<Entry<'_>> {
    let layers = Layers { cluster, ..Layers::default() };
    let mut entries = broker(&layers);
    entries.retain_mut(|entry| {
        entry.synonyms.retain(|setting| setting.source == Source::Cluster);
        cluster.contains_key(entry.name)
    });
    entries
}

fn entry<'a>(definition: &'static Definition, synonyms: Vec<Setting<'a>>) -> Entry<'a> {
    // Where a broker config has no value of its own, it has none: its stand-ins only count for
    // topics, but are listed.
    let is_set = definition.default.is_some()
        || synonyms.iter().any(|setting| setting.name == definition.name);
    let (value, source) = match effective(definition, &synonyms).filter(|_| is_set) {
        Some((value, source)) => (Some(value.to_string()), source),
        None => (None, Source::Default),
    };
    Entry {
        name: definition.name,
        value,
        source,
        is_read_only: definition.update == Update::ReadOnly,
        kind: definition.kind,
        documentation: definition.documentation,
        synonyms,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::{Entry, broker, cluster, topic};
    use crate::config::{Layers, Values};

    fn values(pairs: &[(&str, &str)]) -> Values {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn check(entries: &[Entry<'_>], names: &[&str], expected: &Expect) {
        let mut lines = String::new();
        for entry in entries.iter().filter(|entry| names.contains(&entry.name)) {
            let synonyms: Vec<String> = entry
                .synonyms
                .iter()
                .map(|setting| format!("{:?}:{}={}", setting.source, setting.name, setting.text))
                .collect();
            let value = entry.value.as_deref().unwrap_or("-");
            lines += &format!("{}={value} {:?} {synonyms:?}\n", entry.name, entry.source);
        }
        expected.assert_eq(&lines);
    }

    #[test]
    fn each_value_is_told_with_its_source() {
        let own = values(&[("retention.ms", " 5 ")]);
        let file = values(&[("log.roll.hours", "1"), ("compression.type", "lz4")]);
        let in_cluster = values(&[("compression.type", "zstd")]);
        let layers = Layers { file: &file, cluster: &in_cluster, ..Layers::default() };
        check(
            &topic(&own, &layers),
            &["retention.ms", "segment.ms", "compression.type", "flush.ms"],
            &expect![[r#"
                compression.type=zstd Cluster ["Cluster:compression.type=zstd", "File:compression.type=lz4", "Default:compression.type=producer"]
                flush.ms=9223372036854775807 Default ["Default:log.flush.scheduler.interval.ms=9223372036854775807"]
                retention.ms=5 Topic ["Topic:retention.ms= 5 ", "Default:log.retention.hours=168"]
                segment.ms=3600000 File ["File:log.roll.hours=1", "Default:log.roll.hours=168"]
            "#]],
        );
        check(
            &broker(&layers),
            &["log.roll.ms", "log.roll.hours", "compression.type"],
            &expect![[r#"
                compression.type=zstd Cluster ["Cluster:compression.type=zstd", "File:compression.type=lz4", "Default:compression.type=producer"]
                log.roll.hours=1 File ["File:log.roll.hours=1", "Default:log.roll.hours=168"]
                log.roll.ms=- Default ["File:log.roll.hours=1", "Default:log.roll.hours=168"]
            "#]],
        );
        check(
            &cluster(&in_cluster),
            &["compression.type", "log.roll.hours"],
            &expect![[r#"
                compression.type=zstd Cluster ["Cluster:compression.type=zstd"]
            "#]],
        );
    }

    #[test]
    fn what_has_no_effect_is_told_where_it_was_set() {
        let own = values(&[("preallocate", "false")]);
        let in_cluster = values(&[("num.io.threads", "8")]);
        let layers = Layers { cluster: &in_cluster, ..Layers::default() };
        check(
            &topic(&own, &layers),
            &["preallocate", "remote.storage.enable"],
            &expect![[r#"
                preallocate=false Topic ["Topic:preallocate=false"]
                remote.storage.enable=false Default []
            "#]],
        );
        check(
            &broker(&layers),
            &["num.io.threads", "num.network.threads"],
            &expect![[r#"
                num.io.threads=8 Cluster ["Cluster:num.io.threads=8", "Default:num.io.threads=8"]
            "#]],
        );
        check(
            &cluster(&in_cluster),
            &["num.io.threads", "num.network.threads"],
            &expect![[r#"
                num.io.threads=8 Cluster ["Cluster:num.io.threads=8"]
            "#]],
        );
    }
}
