//! The owner of a topic, as it is stored with the topic in the brokers' metadata.
//!
//! It holds all that is needed after the resource is gone: whose the topic was, what is to become
//! of it, and since when nobody wants it.

use millrace_crds::DeletionPolicy;
use serde::{Deserialize, Serialize};

use crate::resource::Key;

/// The owner of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// The resource's uid: another resource of the same name is another owner.
    pub uid: String,
    /// The resource's namespace.
    pub namespace: String,
    /// The resource's name.
    pub name: String,
    /// What becomes of the topic when the resource is deleted.
    pub policy: DeletionPolicy,
    /// How long the topic outlives the resource, in seconds.
    pub grace_seconds: u64,
    /// When the resource was first missed, in milliseconds since 1970; none while it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed_at_ms: Option<i64>,
}

impl Owner {
    /// Reads an owner; none if it is somebody else's way of naming one.
    pub fn read(text: &str) -> Option<Owner> {
        serde_json::from_str(text).ok()
    }

    /// The text that is stored.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Where the resource is, or was.
    pub fn key(&self) -> Key {
        Key { namespace: self.namespace.clone(), name: self.name.clone() }
    }

    /// When the topic goes, in milliseconds since 1970, if its resource is missed.
    pub fn goes_at_ms(&self) -> Option<i64> {
        let grace_ms = i64::try_from(self.grace_seconds).ok()?.checked_mul(1_000)?;
        self.missed_at_ms?.checked_add(grace_ms)
    }
}

/// The seconds of a text such as `30s`, `15m`, `1h`, `7d`.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use millrace_crds::DeletionPolicy;

    use super::{Owner, seconds};

    #[test]
    fn an_owner_is_stored_as_text_and_read_back() {
        let owner = Owner {
            uid: "1".to_owned(),
            namespace: "shop".to_owned(),
            name: "orders".to_owned(),
            policy: DeletionPolicy::Delete,
            grace_seconds: 60,
            missed_at_ms: Some(5_000),
        };
        assert_eq!(Owner::read(&owner.text()), Some(owner.clone()));
        assert_eq!(owner.goes_at_ms(), Some(65_000));
        assert_eq!(Owner::read("somebody else"), None);
    }

    #[test]
    fn graces_have_units() {
        let rows = [("30s", Some(30)), ("2d", Some(172_800)), ("m", None), ("5", None), ("", None)];
        for (text, expected) in rows {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }
}
