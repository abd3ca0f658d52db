//! Why a config is refused: always with its name, the value and what would have been allowed.
//!
//! Which error code that is depends on whose config it is: `metadata/error.rs`.

/// Why a config or its value is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Neither this broker nor Kafka knows the name.
    #[error("unknown config {name:?}{}", hint(*closest))]
    Unknown {
        /// The name as it came.
        name: String,
        /// The known name that is closest to it, if one is close.
        closest: Option<&'static str>,
    },
    /// Kafka knows the name, but the value would do nothing here.
    #[error("config {} has no effect in Millrace: {reason}; leave it out{}",
        setting(name, value.as_deref()), or_default(*default))]
    NoEffect {
        /// The name.
        name: &'static str,
        /// The value as it came; `None` where it may be a secret.
        value: Option<String>,
        /// Why not.
        reason: &'static str,
        /// The value that asks for nothing.
        default: Option<&'static str>,
    },
    /// The name is that of a config for one listener.
    #[error(
        "config {name} has no effect in Millrace: a listener has no configs of its own yet; leave \
         it out"
    )]
    OfListener {
        /// The name as it came.
        name: String,
    },
    /// The value is not of the config's type.
    #[error("invalid value {value:?} for config {name}: expected {expected}")]
    Type {
        /// The name.
        name: &'static str,
        /// The value as it came.
        value: String,
        /// What values of that type look like.
        expected: &'static str,
    },
    /// The value is of the right type but not allowed.
    #[error("invalid value {value:?} for config {name}: must be {limit}")]
    Limit {
        /// The name.
        name: &'static str,
        /// The value as it came.
        value: String,
        /// What is allowed.
        limit: String,
    },
    /// The value is missing where one is needed.
    #[error("config {name} must have a value; to fall back to the default, delete it instead")]
    Missing {
        /// The name.
        name: String,
    },
    /// Two values do not go together.
    #[error("{name}={value} does not go with {other}={other_value}: {rule}")]
    Conflict {
        /// The config that breaks the rule.
        name: &'static str,
        /// Its value.
        value: String,
        /// The config that it must fit.
        other: &'static str,
        /// The value of that.
        other_value: String,
        /// What must hold.
        rule: &'static str,
    },
    /// The config is read once, at the start.
    #[error("config {name} is read when the broker starts and cannot be changed while it runs")]
    ReadOnly {
        /// The name.
        name: &'static str,
    },
    /// The values of one change name a config twice.
    #[error("config {name} is named more than once in one change")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// Elements can be added to and taken from lists only.
    #[error("cannot {operation} a value of config {name}: its type is not list")]
    NotList {
        /// The name.
        name: &'static str,
        /// `append` or `subtract`.
        operation: &'static str,
    },
}

fn hint(closest: Option<&'static str>) -> String {
    closest.map(|name| format!("; did you mean {name}?")).unwrap_or_default()
}

fn setting(name: &str, value: Option<&str>) -> String {
    value.map_or_else(|| name.to_owned(), |value| format!("{name}={value}"))
}

fn or_default(default: Option<&'static str>) -> String {
    default.map(|default| format!(" or at its default {default:?}")).unwrap_or_default()
}
