//! How a change of dynamic configs is applied to the values that are set, before it is stored.
//!
//! Source: Kafka's `ConfigurationControlManager.incrementalAlterConfigResource` and
//! `ConfigAdminManager`. Differs from Kafka: `append` and `subtract` without a value set start
//! from the value that has effect, not from the default of the software.

use std::collections::BTreeSet;

use super::TOPIC_CONFIGS;
use super::broker::BrokerConfig;
use super::definition::{Definition, Kind, Update};
use super::error::ConfigError;
use super::layers::{Layers, Setting, Values, effective};
use super::lookup::{find, find_of_broker};
use super::topic;
use super::value::elements;

/// What is done to one config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Gives it a value.
    Set,
    /// Takes its value away, so that it falls back to the next layer.
    Delete,
    /// Adds elements to a list.
    Append,
    /// Takes elements from a list.
    Subtract,
}

impl Operation {
    /// Reads the number. Source: Kafka's `AlterConfigOp.OpType`.
    pub const fn from_wire(number: i8) -> Option<Operation> {
        match number {
            0 => Some(Operation::Set),
            1 => Some(Operation::Delete),
            2 => Some(Operation::Append),
            3 => Some(Operation::Subtract),
            _ => None,
        }
    }
}

/// A change of one config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The name.
    pub name: String,
    /// What is done.
    pub operation: Operation,
    /// The value; only `Delete` goes without.
    pub value: Option<String>,
}

/// Whose configs are changed.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// One topic's.
    Topic,
    /// This broker's.
    Broker,
    /// All brokers'.
    Cluster,
}

/// The values that are set once the changes are made, checked.
///
/// `current` are the values of the target; `layers` what lies below and beside them.
///
/// # Errors
/// Names the config, its value and what is allowed; nothing is changed then.
pub fn incremental(
    target: Target,
    current: &Values,
    changes: &[Change],
    layers: &Layers<'_>,
) -> Result<Values, ConfigError> {
    let mut values = current.clone();
    let mut named = BTreeSet::new();
    for change in changes {
        if !named.insert(change.name.as_str()) {
            return Err(ConfigError::Duplicate { name: change.name.clone() });
        }
        if change.operation == Operation::Delete {
            // Also a name that is not known any more can be deleted, or it would stay for ever.
            values.remove(&change.name);
            continue;
        }
        let missing = || ConfigError::Missing { name: change.name.clone() };
        let text = change.value.as_deref().ok_or_else(missing)?;
        let definition = target.find(&change.name)?;
        let text = match change.operation {
            // Spaces around it do not count, and may be many.
            Operation::Set | Operation::Delete => text.trim().to_owned(),
            Operation::Append => {
                let mut list = list_of(target, definition, "append", &values, layers)?;
                let mut known: BTreeSet<String> = list.iter().cloned().collect();
                list.extend(elements(text).into_iter().filter(|new| known.insert(new.clone())));
                list.join(",")
            }
            Operation::Subtract => {
                let mut list = list_of(target, definition, "subtract", &values, layers)?;
                let gone: BTreeSet<String> = elements(text).into_iter().collect();
                list.retain(|element| !gone.contains(element));
                list.join(",")
            }
        };
        values.insert(change.name.clone(), text);
    }
    check(target, current, &values, layers)?;
    Ok(values)
}

/// The values that are set once these replace all that were, checked (the legacy AlterConfigs).
///
/// # Errors
/// Names the config, its value and what is allowed; nothing is changed then.
pub fn replace(
    target: Target,
    current: &Values,
    wanted: &[(String, Option<String>)],
    layers: &Layers<'_>,
) -> Result<Values, ConfigError> {
    let mut values = Values::new();
    for (name, text) in wanted {
        let missing = || ConfigError::Missing { name: name.clone() };
        let text = text.as_deref().ok_or_else(missing)?;
        if values.insert(name.clone(), text.trim().to_owned()).is_some() {
            return Err(ConfigError::Duplicate { name: name.clone() });
        }
    }
    check(target, current, &values, layers)?;
    Ok(values)
}

impl Target {
    fn find(self, name: &str) -> Result<&'static Definition, ConfigError> {
        match self {
            Target::Topic => find(TOPIC_CONFIGS, name),
            Target::Broker | Target::Cluster => find_of_broker(name),
        }
    }
}

/// The elements that a list has now, from the target or from below it.
fn list_of(
    target: Target,
    definition: &'static Definition,
    operation: &'static str,
    values: &Values,
    layers: &Layers<'_>,
) -> Result<Vec<String>, ConfigError> {
    if definition.kind != Kind::List {
        return Err(ConfigError::NotList { name: definition.name, operation });
    }
    let settings: Vec<Setting<'_>> = match target {
        Target::Topic => layers.topic_settings(values, definition),
        Target::Broker => Layers { broker: values, ..*layers }.settings(definition),
        Target::Cluster => Layers { cluster: values, ..*layers }.settings(definition),
    };
    let value = effective(definition, &settings).map(|(value, _)| value.to_string());
    Ok(elements(&value.unwrap_or_default()))
}

fn check(
    target: Target,
    current: &Values,
    values: &Values,
    layers: &Layers<'_>,
) -> Result<(), ConfigError> {
    // A value that stays as it is was allowed when it was set.
    for (name, text) in values.iter().filter(|(name, text)| current.get(*name) != Some(text)) {
        let definition = target.find(name)?;
        definition.parse(text)?;
        if definition.update == Update::ReadOnly {
            return Err(ConfigError::ReadOnly { name: definition.name });
        }
    }
    match target {
        Target::Topic => topic::check_together(values, layers),
        Target::Broker => BrokerConfig::resolve(&Layers { broker: values, ..*layers }).map(|_| ()),
        Target::Cluster => {
            BrokerConfig::resolve(&Layers { cluster: values, ..*layers }).map(|_| ())
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::{Change, Operation, Target, incremental, replace};
    use crate::config::{Layers, Values};

    fn values(pairs: &[(&str, &str)]) -> Values {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    type Row<'a> = (&'a str, Operation, Option<&'a str>);

    fn check(target: Target, current: &[(&str, &str)], rows: &[Row<'_>], expected: &Expect) {
        let changes: Vec<Change> = rows
            .iter()
            .map(|(name, operation, value)| Change {
                name: (*name).to_owned(),
                operation: *operation,
                value: value.map(str::to_owned),
            })
            .collect();
        let file = values(&[("node.id", "1"), ("log.cleanup.policy", "compact")]);
        let layers = Layers { file: &file, ..Layers::default() };
        let answer = match incremental(target, &values(current), &changes, &layers) {
            Ok(values) => format!("{values:?}"),
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&answer);
    }

    const SET: Operation = Operation::Set;
    const CLUSTER: Target = Target::Cluster;

    #[test]
    fn values_are_set_and_deleted() {
        check(
            Target::Topic,
            &[("segment.ms", "5")],
            &[("retention.ms", SET, Some(" 7 ")), ("segment.ms", Operation::Delete, None)],
            &expect![[r#"{"retention.ms": "7"}"#]],
        );
        check(
            Target::Topic,
            &[("gone", "5")],
            &[("gone", Operation::Delete, None)],
            &expect!["{}"],
        );
    }

    #[test]
    fn lists_grow_and_shrink_from_the_value_in_effect() {
        let append = |value| [("cleanup.policy", Operation::Append, Some(value))];
        check(
            Target::Topic,
            &[],
            &append("delete"),
            &expect![[r#"{"cleanup.policy": "compact,delete"}"#]],
        );
        check(
            Target::Topic,
            &[("cleanup.policy", "delete")],
            &append("delete,compact"),
            &expect![[r#"{"cleanup.policy": "delete,compact"}"#]],
        );
        check(
            Target::Topic,
            &[("cleanup.policy", "delete,compact")],
            &[("cleanup.policy", Operation::Subtract, Some("delete"))],
            &expect![[r#"{"cleanup.policy": "compact"}"#]],
        );
        check(
            CLUSTER,
            &[],
            &[("log.cleanup.policy", Operation::Append, Some("delete"))],
            &expect![[r#"{"log.cleanup.policy": "compact,delete"}"#]],
        );
    }

    #[test]
    fn a_value_that_a_newer_version_does_not_allow_hinders_no_other_change() {
        check(
            Target::Topic,
            &[("segment.ms", "-9"), ("gone", "x")],
            &[("retention.ms", SET, Some("7"))],
            &expect![[r#"{"gone": "x", "retention.ms": "7", "segment.ms": "-9"}"#]],
        );
    }

    #[test]
    fn what_is_not_allowed_is_refused() {
        check(
            Target::Topic,
            &[],
            &[("segment.ms", Operation::Append, Some("1"))],
            &expect!["cannot append a value of config segment.ms: its type is not list"],
        );
        check(
            Target::Topic,
            &[],
            &[("segment.ms", SET, None)],
            &expect![
                "config segment.ms must have a value; to fall back to the default, delete it instead"
            ],
        );
        check(
            Target::Topic,
            &[],
            &[("segment.ms", SET, Some("1")), ("segment.ms", SET, Some("2"))],
            &expect!["config segment.ms is named more than once in one change"],
        );
        check(
            Target::Broker,
            &[],
            &[("num.partitions", SET, Some("2"))],
            &expect![
                "config num.partitions is read when the broker starts and cannot be changed while it runs"
            ],
        );
        check(
            CLUSTER,
            &[("log.cleaner.max.compaction.lag.ms", "5")],
            &[("log.cleaner.min.compaction.lag.ms", SET, Some("6"))],
            &expect![
                "log.cleaner.min.compaction.lag.ms=6 does not go with log.cleaner.max.compaction.lag.ms=5: a record cannot be too young and too old for compaction at once"
            ],
        );
    }

    #[test]
    fn what_asks_for_nothing_is_kept_and_read_back() {
        check(
            Target::Topic,
            &[],
            &[("preallocate", SET, Some("false")), ("local.retention.ms", SET, Some(" -2 "))],
            &expect![[r#"{"local.retention.ms": "-2", "preallocate": "false"}"#]],
        );
        check(
            CLUSTER,
            &[],
            &[("log.cleaner.threads", SET, Some("1"))],
            &expect![[r#"{"log.cleaner.threads": "1"}"#]],
        );
    }

    #[test]
    fn what_would_have_no_effect_is_refused_with_the_reason() {
        check(
            CLUSTER,
            &[],
            &[("log.cleaner.threads", SET, Some("2"))],
            &expect![[
                r#"config log.cleaner.threads=2 has no effect in Millrace: it tunes a part of Apache Kafka that is not here; leave it out or at its default "1""#
            ]],
        );
        check(
            Target::Topic,
            &[],
            &[("follower.replication.throttled.replicas", Operation::Append, Some("0:1"))],
            &expect![
                "config follower.replication.throttled.replicas=0:1 has no effect in Millrace: brokers do not replicate to each other yet; leave it out"
            ],
        );
    }

    #[test]
    fn a_replacement_forgets_what_it_does_not_name() {
        let current = values(&[("segment.ms", "5")]);
        let wanted = [("retention.ms".to_owned(), Some("7".to_owned()))];
        let replaced = replace(Target::Topic, &current, &wanted, &Layers::default());
        assert_eq!(replaced, Ok(values(&[("retention.ms", "7")])));
    }
}
