//! A config's value as a type: parsed by Kafka's rules, checked against its limit, and written
//! back the way Kafka writes it.
//!
//! Source: Kafka's `ConfigDef.parseType` and `ConfigDef.convertToString`.

use std::fmt;

use super::definition::{Area, Definition, Kind, Limit, shortened};
use super::error::ConfigError;

/// A value that keeps its config's type and limit.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of [`Kind::Boolean`].
    Boolean(bool),
    /// Of [`Kind::Short`], [`Kind::Int`] and [`Kind::Long`].
    Integer(i64),
    /// Of [`Kind::Double`]; finite.
    Double(f64),
    /// Of [`Kind::String`].
    Text(String),
    /// Of [`Kind::List`].
    List(Vec<String>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Boolean(value) => value.fmt(f),
            Value::Integer(value) => value.fmt(f),
            Value::Double(value) => write_double(*value, f),
            Value::Text(value) => value.fmt(f),
            Value::List(values) => f.write_str(&values.join(",")),
        }
    }
}

/// Writes a number as Java does: `1.0`, `0.5`, `1.7976931348623157E308`.
fn write_double(value: f64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let size = value.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        return write!(f, "{value:?}");
    }
    let text = format!("{value:E}");
    match text.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => write!(f, "{digits}.0E{exponent}"),
        Some(_) | None => f.write_str(&text),
    }
}

impl Definition {
    /// Reads a value of this config.
    ///
    /// # Errors
    /// Names the config, the value and what is allowed.
    pub fn parse(&self, text: &str) -> Result<Value, ConfigError> {
        if text.len() > VALUE_BYTES_MAX {
            let limit = format!("of at most {VALUE_BYTES_MAX} bytes, but has {}", text.len());
            return Err(ConfigError::Limit { name: self.name, value: shortened(text), limit });
        }
        let text = text.trim();
        let value = self.read(text)?;
        if let Some(area) = self.without_effect.filter(|_| !self.is_default(&value)) {
            let (name, default) = (self.name, self.default.filter(|default| !default.is_empty()));
            let value = (area != Area::Guard).then(|| shortened(text));
            return Err(ConfigError::NoEffect { name, value, reason: area.reason(), default });
        }
        if self.limit.allows(&value) {
            Ok(value)
        } else {
            let limit = self.limit.to_string();
            Err(ConfigError::Limit { name: self.name, value: shortened(text), limit })
        }
    }

    /// Whether a value is the one where nobody sets one; an empty text is as good as none.
    fn is_default(&self, value: &Value) -> bool {
        match self.default {
            Some(default) => self.read(default).as_ref() == Ok(value),
            None => match value {
                Value::Text(text) => text.is_empty(),
                Value::List(elements) => elements.is_empty(),
                Value::Boolean(_) | Value::Integer(_) | Value::Double(_) => false,
            },
        }
    }

    /// Reads a text as the config's type.
    fn read(&self, text: &str) -> Result<Value, ConfigError> {
        let wrong =
            |expected| ConfigError::Type { name: self.name, value: shortened(text), expected };
        Ok(match self.kind {
            Kind::Boolean if text.eq_ignore_ascii_case("true") => Value::Boolean(true),
            Kind::Boolean if text.eq_ignore_ascii_case("false") => Value::Boolean(false),
            Kind::Boolean => return Err(wrong("true or false")),
            Kind::Short => {
                let number: i16 = text.parse().map_err(|_| wrong(SHORT))?;
                Value::Integer(number.into())
            }
            Kind::Int => {
                let number: i32 = text.parse().map_err(|_| wrong(INT))?;
                Value::Integer(number.into())
            }
            Kind::Long => Value::Integer(text.parse().map_err(|_| wrong(LONG))?),
            Kind::Double => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Value::Double(number),
                Ok(_) | Err(_) => return Err(wrong("a number")),
            },
            Kind::String => Value::Text(text.to_owned()),
            Kind::List => Value::List(elements(text)),
        })
    }
}

/// The longest text of a value. Source: Kafka's `ConfigurationControlManager`, which allows
/// `Short.MAX_VALUE` characters.
const VALUE_BYTES_MAX: usize = 32_767;

const SHORT: &str = "a whole number from -32768 to 32767";
const INT: &str = "a whole number from -2147483648 to 2147483647";
const LONG: &str = "a whole number from -9223372036854775808 to 9223372036854775807";

/// The elements of a list; an empty text is the empty list.
pub(super) fn elements(text: &str) -> Vec<String> {
    let text = text.trim();
    if text.is_empty() {
        return Vec::new();
    }
    text.split(',').map(|element| element.trim().to_owned()).collect()
}

impl Limit {
    fn allows(self, value: &Value) -> bool {
        match (self, value) {
            (Limit::None, _) => true,
            (Limit::AtLeast(smallest), Value::Integer(number)) => *number >= smallest,
            (Limit::Between(smallest, largest), Value::Integer(number)) => {
                (smallest..=largest).contains(number)
            }
            (Limit::BetweenOr(smallest, largest, other), Value::Integer(number)) => {
                (smallest..=largest).contains(number) || *number == other
            }
            (Limit::Ratio, Value::Double(number)) => (0.0..=1.0).contains(number),
            (Limit::OneOf(known), Value::Text(text)) => known.contains(&text.as_str()),
            (Limit::EachOf(known), Value::List(elements)) => {
                let mut rest = elements.as_slice();
                let mut allowed = true;
                while let Some((first, others)) = rest.split_first() {
                    allowed &= known.contains(&first.as_str()) && !others.contains(first);
                    rest = others;
                }
                allowed
            }
            (Limit::NotEmpty, Value::Text(text)) => !text.is_empty(),
            (Limit::NotEmpty, Value::List(elements)) => {
                !elements.is_empty() && elements.iter().all(|element| !element.is_empty())
            }
            // A limit of another type than its config's allows nothing, not even the default;
            // the tables' own test finds that.
            (
                Limit::AtLeast(_)
                | Limit::Between(..)
                | Limit::BetweenOr(..)
                | Limit::Ratio
                | Limit::OneOf(_)
                | Limit::EachOf(_)
                | Limit::NotEmpty,
                _,
            ) => false,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limit::None => f.write_str("anything"),
            Limit::AtLeast(smallest) => write!(f, "at least {smallest}"),
            Limit::Between(smallest, largest) => write!(f, "between {smallest} and {largest}"),
            Limit::BetweenOr(smallest, largest, other) => {
                write!(f, "between {smallest} and {largest}, or {other}")
            }
            Limit::Ratio => f.write_str("between 0 and 1"),
            Limit::OneOf(known) => write!(f, "one of {}", known.join(", ")),
            Limit::EachOf(known) => {
                write!(f, "a list of {}, each at most once", known.join(", "))
            }
            Limit::NotEmpty => f.write_str("not empty"),
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use crate::config::lookup::find;
    use crate::config::{BROKER_CONFIGS, TOPIC_CONFIGS};

    fn check(name: &str, text: &str, expected: &Expect) {
        let definition = find(TOPIC_CONFIGS, name).or_else(|_| find(BROKER_CONFIGS, name)).unwrap();
        let answer = match definition.parse(text) {
            Ok(value) => value.to_string(),
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&answer);
    }

    #[test]
    fn values_are_read_by_their_type() {
        check("auto.create.topics.enable", " TRUE ", &expect!["true"]);
        check("segment.bytes", "+1048576", &expect!["1048576"]);
        check("retention.ms", "-1", &expect!["-1"]);
        check("min.cleanable.dirty.ratio", "1", &expect!["1.0"]);
        check("cleanup.policy", " compact ,delete", &expect!["compact,delete"]);
        check("cleanup.policy", "", &expect![""]);
        check("compression.gzip.level", "-1", &expect!["-1"]);
        check("log.cleaner.io.max.bytes.per.second", "1e9", &expect!["1.0E9"]);
    }

    #[test]
    fn a_value_is_no_longer_than_in_kafka() {
        let long = |zeros: usize| format!("{}7", "0".repeat(zeros));
        check("retention.ms", &long(32_766), &expect!["7"]);
        let refused = find(TOPIC_CONFIGS, "retention.ms").unwrap().parse(&long(32_767));
        let text = refused.unwrap_err().to_string();
        assert!(text.ends_with("must be of at most 32767 bytes, but has 32768"), "{text}");
    }

    #[test]
    fn a_refusal_names_the_config_the_value_and_the_limit() {
        check(
            "segment.bytes",
            "1048575",
            &expect![[
                r#"invalid value "1048575" for config segment.bytes: must be at least 1048576"#
            ]],
        );
        check(
            "segment.bytes",
            "1GB",
            &expect![[
                r#"invalid value "1GB" for config segment.bytes: expected a whole number from -2147483648 to 2147483647"#
            ]],
        );
        check(
            "retention.ms",
            "-2",
            &expect![[r#"invalid value "-2" for config retention.ms: must be at least -1"#]],
        );
        check(
            "cleanup.policy",
            "compact,compact",
            &expect![[
                r#"invalid value "compact,compact" for config cleanup.policy: must be a list of compact, delete, each at most once"#
            ]],
        );
        check(
            "compression.gzip.level",
            "0",
            &expect![[
                r#"invalid value "0" for config compression.gzip.level: must be between 1 and 9, or -1"#
            ]],
        );
        check(
            "min.cleanable.dirty.ratio",
            "NaN",
            &expect![[
                r#"invalid value "NaN" for config min.cleanable.dirty.ratio: expected a number"#
            ]],
        );
        check(
            "auto.create.topics.enable",
            "yes",
            &expect![[
                r#"invalid value "yes" for config auto.create.topics.enable: expected true or false"#
            ]],
        );
        check(
            "message.timestamp.type",
            "createtime",
            &expect![[
                r#"invalid value "createtime" for config message.timestamp.type: must be one of CreateTime, LogAppendTime"#
            ]],
        );
    }
}
