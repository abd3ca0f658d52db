//! An applied configuration laid over the live object.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::set::is_associative;
use crate::schema::Schema;
use crate::schema::step::Step;

/// The live value with the configuration laid over it.
///
/// # Errors
/// If the configuration names an item of a list twice, or without its keys.
pub fn merged(live: &Value, config: &Value, schema: &Schema) -> Result<Value, String> {
    match (live, config) {
        (Value::Object(old), Value::Object(new)) if !schema.is_atomic => {
            let mut all: Map<String, Value> = old.clone();
            for (key, value) in new {
                let below = schema.field(key).0;
                let value = merged(old.get(key).unwrap_or(&Value::Null), value, below)?;
                all.insert(key.clone(), value);
            }
            Ok(Value::Object(all))
        }
        (Value::Null, Value::Object(new)) if !schema.is_atomic => {
            let mut all = Map::new();
            for (key, value) in new {
                all.insert(key.clone(), merged(&Value::Null, value, schema.field(key).0)?);
            }
            Ok(Value::Object(all))
        }
        (_, Value::Array(new)) if is_associative(schema) => {
            let old = live.as_array().map(Vec::as_slice).unwrap_or_default();
            merged_items(old, new, schema).map(Value::Array)
        }
        _ => Ok(config.clone()),
    }
}

/// Both lists' items: the configuration's order rules, other items keep their place among them.
///
/// Source: `mergingWalker.visitListItems` of structured-merge-diff.
fn merged_items(old: &[Value], new: &[Value], schema: &Schema) -> Result<Vec<Value>, String> {
    let olds: Vec<(Step, &Value)> =
        old.iter().filter_map(|item| Some((Step::to_item(item, schema)?, item))).collect();
    let mut news: Vec<(Step, &Value)> = Vec::new();
    for (index, item) in new.iter().enumerate() {
        let Some(step) = Step::to_item(item, schema) else {
            return Err(format!(
                "element {index}: associative list with keys has an element that \
                                omits key fields"
            ));
        };
        if news.iter().any(|(seen, _)| *seen == step) {
            let path = super::set::path_text(std::slice::from_ref(&step));
            return Err(format!("duplicate entries for key {path}"));
        }
        news.push((step, item));
    }
    let old_by: BTreeMap<&Step, &Value> = olds.iter().map(|(step, item)| (step, *item)).collect();
    let is_new = |step: &Step| news.iter().any(|(seen, _)| seen == step);
    let mut shared = news.iter().map(|(step, _)| step).filter(|step| old_by.contains_key(step));
    let mut next_shared = shared.next();
    let (mut out, mut left, mut right) = (Vec::new(), 0, 0);
    let mut done: Vec<&Step> = Vec::new();
    while left < olds.len() || right < news.len() {
        if let Some((step, item)) = olds.get(left) {
            if !is_new(step) {
                out.push((*item).clone());
                left += 1;
                continue;
            }
            // An item of both lists waits for its turn in the configuration's order.
            if done.contains(&step) || next_shared.is_some_and(|next| next != step) {
                left += 1;
                continue;
            }
        }
        let Some((step, item)) = news.get(right) else {
            left += 1;
            continue;
        };
        let before = old_by.get(step).copied().unwrap_or(&Value::Null);
        out.push(merged(before, item, schema.item())?);
        done.push(step);
        right += 1;
        if next_shared == Some(step) {
            next_shared = shared.next();
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::merged;
    use crate::schema::{Kind, ListKind, Schema};
    use serde_json::{Value, json};

    #[test]
    fn orders_a_set_as_the_configuration_does_and_keeps_the_others() {
        let set = Schema { list: ListKind::Set, ..Schema::of(Kind::Array) };
        let rows = [
            (json!(["a", "b", "c"]), json!(["c", "a"]), json!(["b", "c", "a"])),
            (json!(["a", "b"]), json!(["x", "b"]), json!(["a", "x", "b"])),
            (json!([]), json!(["b", "a"]), json!(["b", "a"])),
            (json!(["a"]), json!([]), json!(["a"])),
        ];
        for (live, config, expected) in rows {
            assert_eq!(merged(&live, &config, &set), Ok(expected), "{live} <- {config}");
        }
        assert!(merged(&Value::Null, &json!(["a", "a"]), &set).is_err());
    }
}
