//! Which of several places gives a config its value, and which others stand behind it.
//!
//! ```text
//! strongest   topic            set on the topic                     DYNAMIC_TOPIC_CONFIG
//!             broker           set on this broker while it runs     DYNAMIC_BROKER_CONFIG
//!             cluster          set on all brokers while they run    DYNAMIC_DEFAULT_BROKER_CONFIG
//!             file             the start's file, flags, environment STATIC_BROKER_CONFIG
//! weakest     default          the table                            DEFAULT_CONFIG
//! ```
//! Within one layer the synonyms of a config are tried in their order: a retention in milliseconds
//! beats one in hours, but an hour set on the broker beats milliseconds in the file.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::definition::{Definition, Synonym, Unit, Update, same};
use super::lookup::find_of_broker;
use super::value::Value;

/// Values as texts, by name.
pub type Values = BTreeMap<String, String>;

/// No values at all.
static NOTHING: Values = Values::new();

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Set on the topic.
    Topic,
    /// Set on this broker while it runs.
    Broker,
    /// Set on all brokers while they run.
    Cluster,
    /// Given at the start.
    File,
    /// Nobody set it.
    Default,
}

impl Source {
    /// The number in DescribeConfigs' `config_source`. Source: Kafka's `ConfigSource`.
    pub const fn to_wire(self) -> i8 {
        match self {
            Source::Topic => 1,
            Source::Broker => 2,
            Source::Cluster => 3,
            Source::File => 4,
            Source::Default => 5,
        }
    }
}

/// The layers below a topic's own values.
#[derive(Clone, Copy, Debug)]
pub struct Layers<'a> {
    /// Set on this broker while it runs.
    pub broker: &'a Values,
    /// Set on all brokers while they run.
    pub cluster: &'a Values,
    /// Given at the start.
    pub file: &'a Values,
}

impl Default for Layers<'_> {
    fn default() -> Self {
        Layers { broker: &NOTHING, cluster: &NOTHING, file: &NOTHING }
    }
}

/// One place that gives a config a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting<'a> {
    /// The name that the value stands under: the config's own or a synonym's.
    pub name: &'static str,
    /// The value as it was set.
    pub text: &'a str,
    /// The layer.
    pub source: Source,
    /// The unit that `name` counts in.
    unit: Unit,
}

impl<'a> Layers<'a> {
    /// Every place that gives this broker config a value, strongest first.
    pub fn settings(&self, definition: &'static Definition) -> Vec<Setting<'a>> {
        let own = [same(definition.name)];
        if definition.synonyms.is_empty() {
            self.behind(&own)
        } else {
            self.behind(definition.synonyms)
        }
    }

    /// Every place that gives this topic config a value, strongest first.
    pub fn topic_settings(
        &self,
        topic: &'a Values,
        definition: &'static Definition,
    ) -> Vec<Setting<'a>> {
        let name = definition.name;
        let mut settings: Vec<Setting<'a>> = topic
            .get(name)
            .map(|text| Setting { name, text, source: Source::Topic, unit: Unit::Same })
            .into_iter()
            .collect();
        settings.extend(self.behind(definition.synonyms));
        settings
    }

    fn behind(&self, synonyms: &[Synonym]) -> Vec<Setting<'a>> {
        let mut settings = Vec::new();
        let layers = [
            (self.broker, Source::Broker),
            (self.cluster, Source::Cluster),
            (self.file, Source::File),
        ];
        for (values, source) in layers {
            for synonym in synonyms {
                let Some(text) = values.get(synonym.name) else { continue };
                if source == Source::File || is_dynamic(synonym.name) {
                    let Synonym { name, unit } = *synonym;
                    settings.push(Setting { name, text, source, unit });
                }
            }
        }
        for synonym in synonyms {
            let known = find_of_broker(synonym.name).ok();
            if let Some(text) = known.and_then(|known| known.default) {
                let Synonym { name, unit } = *synonym;
                settings.push(Setting { name, text, source: Source::Default, unit });
            }
        }
        settings
    }
}

fn is_dynamic(name: &str) -> bool {
    find_of_broker(name).is_ok_and(|definition| definition.update == Update::Dynamic)
}

/// The value that wins and where it comes from.
///
/// A text that does not keep to the config's type and limit is passed over: commands are checked
/// before they are stored, so such a text was stored by a version with other limits, and a broker
/// that is running must not fail on it.
pub fn effective(
    definition: &'static Definition,
    settings: &[Setting<'_>],
) -> Option<(Value, Source)> {
    let parsed = |setting: &Setting<'_>| {
        let text = match setting.unit {
            Unit::Same => Cow::Borrowed(setting.text),
            Unit::Minutes => Cow::Owned(in_milliseconds(setting.text, 60_000)?),
            Unit::Hours => Cow::Owned(in_milliseconds(setting.text, 3_600_000)?),
        };
        Some((definition.parse(&text).ok()?, setting.source))
    };
    settings
        .iter()
        .find_map(parsed)
        .or_else(|| Some((definition.parse(definition.default?).ok()?, Source::Default)))
}

fn in_milliseconds(text: &str, factor: i64) -> Option<String> {
    let number: i64 = text.trim().parse().ok()?;
    let converted = if number < 0 { -1 } else { number.saturating_mul(factor) };
    Some(converted.to_string())
}

#[cfg(test)]
mod tests {
    use super::{Layers, Source, Values, effective};
    use crate::config::lookup::find;
    use crate::config::{TOPIC_CONFIGS, Value};

    fn values(pairs: &[(&str, &str)]) -> Values {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn check(
        layers: [&[(&str, &str)]; 4],
        expected: (i64, Source),
        behind: &[(&str, &str, Source)],
    ) {
        let [topic, broker, cluster, file] = layers.map(values);
        let definition = find(TOPIC_CONFIGS, "retention.ms").unwrap();
        let layers = Layers { broker: &broker, cluster: &cluster, file: &file };
        let settings = layers.topic_settings(&topic, definition);
        let (number, source) = expected;
        assert_eq!(effective(definition, &settings), Some((Value::Integer(number), source)));
        let listed: Vec<_> =
            settings.iter().map(|setting| (setting.name, setting.text, setting.source)).collect();
        assert_eq!(listed, behind);
    }

    const DEFAULT: (&str, &str, Source) = ("log.retention.hours", "168", Source::Default);

    #[test]
    fn the_strongest_layer_wins_and_in_it_the_finest_unit() {
        check([&[], &[], &[], &[]], (604_800_000, Source::Default), &[DEFAULT]);
        check(
            [&[], &[], &[], &[("log.retention.hours", "1"), ("log.retention.minutes", "2")]],
            (120_000, Source::File),
            &[
                ("log.retention.minutes", "2", Source::File),
                ("log.retention.hours", "1", Source::File),
                DEFAULT,
            ],
        );
        check(
            [
                &[],
                &[("log.retention.ms", "5")],
                &[("log.retention.ms", "6")],
                &[("log.retention.ms", "7")],
            ],
            (5, Source::Broker),
            &[
                ("log.retention.ms", "5", Source::Broker),
                ("log.retention.ms", "6", Source::Cluster),
                ("log.retention.ms", "7", Source::File),
                DEFAULT,
            ],
        );
        check(
            [&[("retention.ms", "-1")], &[], &[], &[]],
            (-1, Source::Topic),
            &[("retention.ms", "-1", Source::Topic), DEFAULT],
        );
    }

    #[test]
    fn a_negative_number_of_hours_is_no_limit() {
        check(
            [&[], &[], &[], &[("log.retention.hours", "-5")]],
            (-1, Source::File),
            &[("log.retention.hours", "-5", Source::File), DEFAULT],
        );
    }

    #[test]
    fn a_stored_value_that_is_not_allowed_any_more_is_passed_over() {
        check(
            [&[("retention.ms", "-7")], &[], &[], &[]],
            (604_800_000, Source::Default),
            &[("retention.ms", "-7", Source::Topic), DEFAULT],
        );
    }

    #[test]
    fn a_config_of_the_start_cannot_come_from_a_dynamic_layer() {
        check(
            [&[], &[("log.retention.hours", "1")], &[], &[]],
            (604_800_000, Source::Default),
            &[DEFAULT],
        );
    }
}
