//! What a value may look like and how its parts are owned: one form for the built-in kinds (read
//! from a table) and for custom resources (read from their definitions).

pub mod cel;
pub mod core;
pub mod custom;
pub mod fill;
pub mod quantity;
pub mod step;
pub mod validate;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

/// The shape of one value.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    /// What the value is.
    pub kind: Kind,
    /// The named fields of an object.
    pub fields: BTreeMap<String, Arc<Schema>>,
    /// What an object's other keys hold (`additionalProperties`).
    pub values: Option<Arc<Schema>>,
    /// What an array holds.
    pub items: Option<Arc<Schema>>,
    /// How an array's items are told apart by server-side apply.
    pub list: ListKind,
    /// Whether an object is owned as one piece.
    pub is_atomic: bool,
    /// Whether fields that nobody declared are kept.
    pub keeps_unknown: bool,
    /// Whether null is a value.
    pub is_nullable: bool,
    /// Whether this is a whole object with `apiVersion`, `kind` and `metadata`.
    pub is_embedded: bool,
    /// What stands here if nothing is said.
    pub default: Option<Value>,
    /// What the value is held to; none of a built-in kind.
    pub checks: Option<Box<Checks>>,
}

/// What a value is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// An object: a struct, a map, or both.
    Object,
    /// An array.
    Array,
    /// A text.
    String,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A number or a text, such as `25%`.
    IntOrString,
    /// An amount such as `500m`; kept in its canonical form.
    Quantity,
    /// Anything at all.
    #[default]
    Any,
}

/// How server-side apply sees an array (`x-kubernetes-list-type`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ListKind {
    /// One piece, replaced whole.
    #[default]
    Atomic,
    /// Each value at most once.
    Set,
    /// Objects told apart by these keys.
    Map(Vec<String>),
}

/// The value validation of a custom resource's field.
#[derive(Clone, Debug, Default)]
pub struct Checks {
    /// Fields that must be there.
    pub required: Vec<String>,
    /// The allowed values; any if empty.
    pub one_of: Vec<Value>,
    /// The least number, and whether it itself is refused.
    pub minimum: Option<(f64, bool)>,
    /// The greatest number, and whether it itself is refused.
    pub maximum: Option<(f64, bool)>,
    /// What a number must be a multiple of.
    pub multiple_of: Option<f64>,
    /// What a text must match somewhere.
    pub pattern: Option<String>,
    /// Characters of a text.
    pub min_length: Option<u64>,
    /// Characters of a text.
    pub max_length: Option<u64>,
    /// Items of an array.
    pub min_items: Option<u64>,
    /// Items of an array.
    pub max_items: Option<u64>,
    /// Keys of an object.
    pub min_properties: Option<u64>,
    /// Keys of an object.
    pub max_properties: Option<u64>,
    /// Value validation of which all, any, one or none must hold.
    pub all_of: Vec<Schema>,
    /// At least one of these must hold; any if empty.
    pub any_of: Vec<Schema>,
    /// Exactly one of these must hold; any if empty.
    pub exactly_one_of: Vec<Schema>,
    /// This must not hold.
    pub not: Option<Schema>,
    /// `x-kubernetes-validations`.
    pub rules: Vec<cel::Rule>,
}

impl Schema {
    /// A schema of one kind and nothing more.
    pub fn of(kind: Kind) -> Schema {
        Schema { kind, ..Schema::default() }
    }

    /// The shape of an object's field, with whether the field is one of the named ones.
    pub fn field(&self, name: &str) -> (&Schema, bool) {
        match self.fields.get(name) {
            Some(schema) => (schema, true),
            None => (self.values.as_deref().unwrap_or(&ANY), false),
        }
    }

    /// The shape of an array's items.
    pub fn item(&self) -> &Schema {
        self.items.as_deref().unwrap_or(&ANY)
    }

    /// Whether a field that is not named here may stay.
    pub fn takes_any_field(&self) -> bool {
        self.keeps_unknown || self.values.is_some() || self.kind == Kind::Any
    }
}

/// The shape of what nobody described: maps by key, arrays and scalars whole.
pub static ANY: Schema = Schema {
    kind: Kind::Any,
    fields: BTreeMap::new(),
    values: None,
    items: None,
    list: ListKind::Atomic,
    is_atomic: false,
    keeps_unknown: true,
    is_nullable: true,
    is_embedded: false,
    default: None,
    checks: None,
};

/// The value as an object, or an empty one.
pub fn entries(value: &Value) -> &Map<String, Value> {
    static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    value.as_object().unwrap_or(&EMPTY)
}
