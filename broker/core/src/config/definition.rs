//! What one config is: name, type, default, limit, when it may change, and what it falls back to.

use super::error::ConfigError;
use super::kafka_names;

/// The type of a config's value, by Kafka's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`, in any case.
    Boolean,
    /// A whole number of 16 bits.
    Short,
    /// A whole number of 32 bits.
    Int,
    /// A whole number of 64 bits.
    Long,
    /// A finite number with fractions.
    Double,
    /// A text; spaces around it do not count.
    String,
    /// Texts separated by commas; spaces around each do not count.
    List,
}

impl Kind {
    /// The number in DescribeConfigs' `config_type`. Source: Kafka's `ConfigEntry.ConfigType`.
    pub const fn to_wire(self) -> i8 {
        match self {
            Kind::Boolean => 1,
            Kind::String => 2,
            Kind::Int => 3,
            Kind::Short => 4,
            Kind::Long => 5,
            Kind::Double => 6,
            Kind::List => 7,
        }
    }
}

/// What a value must keep to, besides its type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// Nothing.
    None,
    /// A number not below this.
    AtLeast(i64),
    /// A number from the first to the second, both allowed.
    Between(i64, i64),
    /// A number from the first to the second, or the third.
    BetweenOr(i64, i64, i64),
    /// A fraction from 0 to 1.
    Ratio,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A list of these texts, none of them twice.
    EachOf(&'static [&'static str]),
    /// A text or list that is not empty.
    NotEmpty,
}

/// When a config may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// Only by a restart.
    ReadOnly,
    /// At any time, for the cluster or for one broker.
    Dynamic,
}

/// How the number of a synonym becomes that of the config that it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// As it is.
    Same,
    /// Minutes to milliseconds; a negative number becomes -1.
    Minutes,
    /// Hours to milliseconds; a negative number becomes -1.
    Hours,
}

/// A broker config that gives the value where nothing stronger does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synonym {
    /// The name of the broker config.
    pub name: &'static str,
    /// The unit that it counts in.
    pub unit: Unit,
}

/// One config.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// Kafka's name.
    pub name: &'static str,
    /// The type of its value.
    pub kind: Kind,
    /// The value where nobody sets one; `None` where the config may be absent.
    pub default: Option<&'static str>,
    /// What a value must keep to.
    pub limit: Limit,
    /// When it may be changed.
    pub update: Update,
    /// For a topic config, the broker configs that give its default; for a broker config, its
    /// own name and then those that stand in for it. Strongest first.
    pub synonyms: &'static [Synonym],
    /// What it does, in one or two sentences.
    pub documentation: &'static str,
}

impl Definition {
    /// A config that may change at any time and has no limit.
    pub(super) const fn new(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        documentation: &'static str,
    ) -> Definition {
        Definition {
            name,
            kind,
            default: Some(default),
            limit: Limit::None,
            update: Update::Dynamic,
            synonyms: &[],
            documentation,
        }
    }

    /// The same with a limit.
    pub(super) const fn limit(mut self, limit: Limit) -> Definition {
        self.limit = limit;
        self
    }

    /// The same with a smallest number.
    pub(super) const fn at_least(self, smallest: i64) -> Definition {
        self.limit(Limit::AtLeast(smallest))
    }

    /// The same, fixed at the start of the process.
    pub(super) const fn read_only(mut self) -> Definition {
        self.update = Update::ReadOnly;
        self
    }

    /// The same without a default.
    pub(super) const fn optional(mut self) -> Definition {
        self.default = None;
        self
    }

    /// The same with the configs that stand in for it.
    pub(super) const fn from(mut self, synonyms: &'static [Synonym]) -> Definition {
        self.synonyms = synonyms;
        self
    }
}

/// A synonym that counts in the same unit.
pub(super) const fn same(name: &'static str) -> Synonym {
    Synonym { name, unit: Unit::Same }
}

/// A synonym that counts minutes where the config counts milliseconds.
pub(super) const fn minutes(name: &'static str) -> Synonym {
    Synonym { name, unit: Unit::Minutes }
}

/// A synonym that counts hours where the config counts milliseconds.
pub(super) const fn hours(name: &'static str) -> Synonym {
    Synonym { name, unit: Unit::Hours }
}

/// Defines the table of all rows, and each row with a name as a constant for typed access.
///
/// The compiler then says which config nothing reads: such a one would have no effect. Rows named
/// `_` are read as synonyms of topic configs only.
macro_rules! definitions {
    ($($($constant:ident)? $(_)? = $row:expr;)*) => {
        $($(pub(super) static $constant: crate::config::definition::Definition = $row;)?)*
        pub(super) static TABLE: &[crate::config::definition::Definition] = &[$($row),*];
    };
}
pub(super) use definitions;

/// Looks a config up in a table that is sorted by name.
///
/// # Errors
/// Says that the config does nothing here, if Kafka knows it, or names the one that was probably
/// meant.
pub fn find(table: &'static [Definition], name: &str) -> Result<&'static Definition, ConfigError> {
    match table.binary_search_by(|definition| definition.name.cmp(name)) {
        Ok(position) => table.get(position).ok_or_else(|| unknown(table, name)),
        Err(_) => Err(unknown(table, name)),
    }
}

fn unknown(table: &'static [Definition], name: &str) -> ConfigError {
    if kafka_names::WITHOUT_EFFECT.binary_search(&name).is_ok() {
        return ConfigError::NoEffect { name: name.to_owned() };
    }
    let closest = table
        .iter()
        .map(|definition| (distance(name, definition.name), definition.name))
        .min()
        .filter(|(changes, closest)| *changes <= closest.len() / 3)
        .map(|(_, closest)| closest);
    ConfigError::Unknown { name: shortened(name), closest }
}

/// The text, cut where it is too long to be repeated to whoever sent it.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(ECHO_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// How much of a name or value is repeated in an error.
const ECHO_CHARACTERS_MAX: usize = 200;

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
    use super::{ConfigError, distance, find};
    use crate::config::{BROKER_CONFIGS, TOPIC_CONFIGS, kafka_names};

    #[test]
    fn the_tables_are_sorted_and_every_default_keeps_its_own_limit() {
        for table in [TOPIC_CONFIGS, BROKER_CONFIGS] {
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
        assert!(kafka_names::WITHOUT_EFFECT.is_sorted_by(|left, right| left < right));
        for name in kafka_names::WITHOUT_EFFECT {
            assert!(TOPIC_CONFIGS.iter().all(|definition| definition.name != *name), "{name}");
            assert!(BROKER_CONFIGS.iter().all(|definition| definition.name != *name), "{name}");
        }
    }

    #[test]
    fn an_unknown_name_brings_the_one_that_was_meant() {
        for (given, meant) in [
            ("retention.m", Some("retention.ms")),
            ("retentionms", Some("retention.ms")),
            ("cleanup-policy", Some("cleanup.policy")),
            ("foo", None),
        ] {
            assert_eq!(
                find(TOPIC_CONFIGS, given).err(),
                Some(ConfigError::Unknown { name: given.to_owned(), closest: meant })
            );
        }
        assert_eq!(
            find(TOPIC_CONFIGS, "remote.storage.enable").err(),
            Some(ConfigError::NoEffect { name: "remote.storage.enable".to_owned() })
        );
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
