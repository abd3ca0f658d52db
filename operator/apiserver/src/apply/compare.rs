//! Values and field sets: which fields a value has, what differs between two, and a value without
//! some of its fields.

use serde_json::{Map, Value};

use super::set::{FieldSet, is_associative};
use crate::schema::step::Step;
use crate::schema::{Schema, entries};

/// What changed between two values.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// Only in the second.
    pub added: FieldSet,
    /// In both, and different.
    pub modified: FieldSet,
    /// Only in the first.
    pub removed: FieldSet,
}

impl Comparison {
    /// The same, without some fields and all below them.
    pub fn excluding(&self, fields: &FieldSet) -> Comparison {
        Comparison {
            added: self.added.recursive_difference(fields),
            modified: self.modified.recursive_difference(fields),
            removed: self.removed.recursive_difference(fields),
        }
    }
}

/// The fields that a value has.
pub fn field_set(value: &Value, schema: &Schema) -> FieldSet {
    let mut set = FieldSet::default();
    collect(value, schema, &mut Vec::new(), &mut set);
    set
}

fn collect(value: &Value, schema: &Schema, path: &mut Vec<Step>, set: &mut FieldSet) {
    match value {
        Value::Object(map) if !schema.is_atomic => {
            for (key, child) in map {
                let (below, is_named) = schema.field(key);
                path.push(Step::Field(key.clone()));
                collect(child, below, path, set);
                let is_empty = child.as_object().is_some_and(Map::is_empty);
                if child.is_null() || is_empty || !is_named {
                    set.insert(path);
                }
                path.pop();
            }
        }
        Value::Array(items) if is_associative(schema) => {
            for item in items {
                let Some(step) = Step::to_item(item, schema) else { continue };
                path.push(step);
                collect(item, schema.item(), path, set);
                set.insert(path);
                path.pop();
            }
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => set.insert(path),
    }
}

/// What changed from `old` to `new`.
pub fn compare(old: &Value, new: &Value, schema: &Schema) -> Comparison {
    let mut compared = Comparison::default();
    walk(Some(old), Some(new), schema, &mut Vec::new(), &mut compared);
    compared
}

fn walk(
    old: Option<&Value>,
    new: Option<&Value>,
    schema: &Schema,
    path: &mut Vec<Step>,
    compared: &mut Comparison,
) {
    // A leaf is compared whole; anything else adds itself when one side has none of it.
    if !descend(old, new, schema, path, compared) && old.is_some() && new.is_some() {
        if old != new {
            compared.modified.insert(path);
        }
        return;
    }
    match (old, new) {
        (None, Some(_)) => compared.added.insert(path),
        (Some(_), None) => compared.removed.insert(path),
        (Some(_), Some(_)) | (None, None) => {}
    }
}

/// Compares part by part if the two are values with parts; says whether they are.
fn descend(
    old: Option<&Value>,
    new: Option<&Value>,
    schema: &Schema,
    path: &mut Vec<Step>,
    compared: &mut Comparison,
) -> bool {
    let has_parts = |value: Option<&Value>| match value {
        None | Some(Value::Null) => None,
        Some(Value::Object(map)) => Some(!map.is_empty() && !schema.is_atomic),
        Some(Value::Array(items)) => Some(!items.is_empty() && is_associative(schema)),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_)) => Some(false),
    };
    let parted = [has_parts(old), has_parts(new)];
    if !parted.contains(&Some(true)) {
        return false;
    }
    let is_list = [old, new].iter().any(|side| side.is_some_and(Value::is_array));
    if is_list {
        for (step, old, new) in paired_items(old, new, schema) {
            path.push(step);
            walk(old, new, schema.item(), path, compared);
            path.pop();
        }
        return true;
    }
    let (old, new) = (old.map(entries), new.map(entries));
    let keys = old.iter().flat_map(|map| map.keys());
    let more = new.iter().flat_map(|map| map.keys());
    let only_new = more.filter(|key| !old.is_some_and(|map| map.contains_key(*key)));
    for key in keys.chain(only_new) {
        let side = |map: Option<&'_ Map<String, Value>>| map.and_then(|map| map.get(key)).cloned();
        let (left, right) = (side(old), side(new));
        path.push(Step::Field(key.clone()));
        walk(left.as_ref(), right.as_ref(), schema.field(key).0, path, compared);
        path.pop();
    }
    true
}

type Paired<'a> = (Step, Option<&'a Value>, Option<&'a Value>);

fn paired_items<'a>(
    old: Option<&'a Value>,
    new: Option<&'a Value>,
    schema: &Schema,
) -> Vec<Paired<'a>> {
    let mut all: Vec<Paired<'a>> = Vec::new();
    let items = |side: Option<&'a Value>| side.and_then(Value::as_array).into_iter().flatten();
    for item in items(old) {
        if let Some(step) = Step::to_item(item, schema) {
            all.push((step, Some(item), None));
        }
    }
    for item in items(new) {
        let Some(step) = Step::to_item(item, schema) else { continue };
        match all.iter_mut().find(|(seen, _, right)| *seen == step && right.is_none()) {
            Some((_, _, right)) => *right = Some(item),
            None => all.push((step, None, Some(item))),
        }
    }
    all
}

/// The value without the fields of a set.
pub fn without(value: &Value, set: &FieldSet, schema: &Schema) -> Value {
    match value {
        Value::Object(map) if !schema.is_atomic => {
            let mut kept = Map::new();
            for (key, child) in map {
                let step = Step::Field(key.clone());
                if !set.has(&step) {
                    kept.insert(key.clone(), thinned(child, set, &step, schema.field(key).0));
                }
            }
            Value::Object(kept)
        }
        Value::Array(items) if is_associative(schema) => {
            let kept = items.iter().filter_map(|item| match Step::to_item(item, schema) {
                None => Some(item.clone()),
                Some(step) if set.has(&step) => None,
                Some(step) => Some(thinned(item, set, &step, schema.item())),
            });
            Value::Array(kept.collect())
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => value.clone(),
    }
}

fn thinned(value: &Value, set: &FieldSet, step: &Step, schema: &Schema) -> Value {
    match set.below(step) {
        Some(below) => without(value, below, schema),
        None => value.clone(),
    }
}
