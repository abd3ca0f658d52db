//! Steps of a path into a value, and which step leads to an item of a list.

use serde_json::{Map, Value};

use super::{ListKind, Schema};

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A field of an object, or a key of a map.
    Field(String),
    /// An item of a list told apart by keys: the keys as JSON with sorted names.
    Key(String),
    /// A value of a set, as JSON.
    Value(String),
    /// An item by position.
    Index(usize),
}

impl Step {
    /// The step to an item of a list that is no single piece; `None` if a key is missing.
    pub fn to_item(item: &Value, list: &Schema) -> Option<Step> {
        match &list.list {
            ListKind::Atomic => None,
            ListKind::Set => Some(Step::Value(item.to_string())),
            ListKind::Map(names) => {
                let mut keys = Map::new();
                for name in names {
                    let default = || list.item().field(name).0.default.clone();
                    if let Some(value) = item.get(name).cloned().or_else(default) {
                        keys.insert(name.clone(), value);
                    }
                }
                (!keys.is_empty()).then(|| Step::Key(Value::Object(keys).to_string()))
            }
        }
    }
}
