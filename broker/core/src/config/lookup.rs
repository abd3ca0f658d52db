//! Finds a config by its name, or the name that was probably meant.

use super::definition::{Definition, ECHO_CHARACTERS_MAX, shortened};
use super::error::ConfigError;
use super::{broker_table, without_effect};

/// Looks a config up in a table that is sorted by name.
///
/// # Errors
/// Names the one that was probably meant.
pub fn find(table: &'static [Definition], name: &str) -> Result<&'static Definition, ConfigError> {
    search(table, name).ok_or_else(|| unknown(table.iter(), name))
}

/// Looks a config of the broker up, also among those without effect.
///
/// # Errors
/// Names the one that was probably meant.
pub fn find_of_broker(name: &str) -> Result<&'static Definition, ConfigError> {
    search(broker_table::TABLE, name)
        .or_else(|| search(without_effect::TABLE, name))
        .ok_or_else(|| unknown(broker_table::TABLE.iter().chain(without_effect::TABLE), name))
}

fn search(table: &'static [Definition], name: &str) -> Option<&'static Definition> {
    let position = table.binary_search_by(|definition| definition.name.cmp(name)).ok()?;
    table.get(position)
}

fn unknown(known: impl Iterator<Item = &'static Definition>, name: &str) -> ConfigError {
    if name.starts_with("listener.name.") {
        return ConfigError::OfListener { name: shortened(name) };
    }
    let closest = known
        .map(|definition| (distance(name, definition.name), definition.name))
        .min()
        .filter(|(changes, closest)| *changes <= closest.len() / 3)
        .map(|(_, closest)| closest);
    ConfigError::Unknown { name: shortened(name), closest }
}

/// How many letters must be added, dropped or changed to make `left` of `right` (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    if left.len() > ECHO_CHARACTERS_MAX {
        return usize::MAX;
    }
    let right: Vec<char> = right.chars().collect();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (row, from) in left.chars().enumerate() {
        let mut diagonal = row;
        let mut before = row + 1;
        for (cell, to) in above.iter_mut().skip(1).zip(&right) {
            let changed = diagonal + usize::from(from != *to);
            diagonal = *cell;
            before = changed.min(before + 1).min(*cell + 1);
            *cell = before;
        }
        if let Some(first) = above.first_mut() {
            *first = row + 1;
        }
    }
    above.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::{ConfigError, distance, find, find_of_broker};
    use crate::config::{BROKER_CONFIGS, TOPIC_CONFIGS, without_effect};

    #[test]
    fn the_tables_are_sorted_and_every_default_keeps_its_own_limit() {
        for table in [TOPIC_CONFIGS, BROKER_CONFIGS, without_effect::TABLE] {
            assert!(table.is_sorted_by(|left, right| left.name < right.name));
            for definition in table {
                if let Some(default) = definition.default {
                    let parsed = definition.parse(default);
                    assert_eq!(parsed.map(|value| value.to_string()), Ok(default.to_owned()));
                }
                for synonym in definition.synonyms {
                    assert!(find(BROKER_CONFIGS, synonym.name).is_ok(), "{}", synonym.name);
                }
                assert!(definition.documentation.ends_with('.'), "{}", definition.name);
            }
        }
    }

    #[test]
    fn a_config_is_either_served_or_without_effect() {
        for definition in without_effect::TABLE {
            let name = definition.name;
            assert!(find(BROKER_CONFIGS, name).is_err(), "{name}");
            assert!(definition.without_effect.is_some(), "{name}");
        }
    }

    #[test]
    fn a_config_without_effect_is_taken_where_it_asks_for_nothing() {
        let parse = |name: &str, text: &str| {
            let definition = find(TOPIC_CONFIGS, name).or_else(|_| find_of_broker(name)).unwrap();
            definition.parse(text).map_err(|error| error.to_string())
        };
        for (name, text) in [
            ("unclean.leader.election.enable", "FALSE"),
            ("local.retention.ms", "-2"),
            ("leader.replication.throttled.replicas", ""),
            ("log.cleaner.io.buffer.load.factor", "0.90"),
            ("group.consumer.assignors", "uniform, range"),
            ("ssl.keystore.location", ""),
            ("leader.replication.throttled.rate", "9223372036854775807"),
        ] {
            assert!(parse(name, text).is_ok(), "{name}");
        }
        for (name, text, refusal) in [
            (
                "preallocate",
                "true",
                "config preallocate=true has no effect in Millrace: it tunes a part of Apache \
                 Kafka that is not here; leave it out or at its default \"false\"",
            ),
            (
                "num.replica.alter.log.dirs.threads",
                "2",
                "config num.replica.alter.log.dirs.threads=2 has no effect in Millrace: brokers do \
                 not replicate to each other yet; leave it out",
            ),
            (
                "ssl.key.password",
                "secret",
                "config ssl.key.password has no effect in Millrace: nothing would enforce it, and \
                 the broker would be more open than asked; leave it out",
            ),
            (
                "preallocate",
                "perhaps",
                "invalid value \"perhaps\" for config preallocate: expected true or false",
            ),
        ] {
            assert_eq!(parse(name, text), Err(refusal.to_owned()));
        }
    }

    #[test]
    fn an_unknown_name_brings_the_one_that_was_meant() {
        for (given, meant) in [
            ("retention.m", Some("retention.ms")),
            ("retentionms", Some("retention.ms")),
            ("cleanup-policy", Some("cleanup.policy")),
            ("num.io.threads", None),
            ("foo", None),
        ] {
            assert_eq!(
                find(TOPIC_CONFIGS, given).err(),
                Some(ConfigError::Unknown { name: given.to_owned(), closest: meant })
            );
        }
        let meant = find_of_broker("num.io.thread").unwrap_err().to_string();
        assert_eq!(meant, "unknown config \"num.io.thread\"; did you mean num.io.threads?");
    }

    #[test]
    fn distance_counts_the_letters_to_change() {
        for (left, right, changes) in
            [("", "", 0), ("", "ab", 2), ("ab", "", 2), ("kitten", "sitting", 3), ("abc", "abc", 0)]
        {
            assert_eq!(distance(left, right), changes, "{left} {right}");
        }
    }
}
