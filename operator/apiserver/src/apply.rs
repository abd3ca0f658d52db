//! Who owns which field: the field manager behind server-side apply and every other write.
//!
//! A port of `sigs.k8s.io/structured-merge-diff` v6 and `k8s.io/apimachinery/pkg/util/managedfields`
//! without conversion between versions.

pub mod compare;
pub mod managers;
pub mod merge;
pub mod set;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::schema::Schema;
use crate::status::ApiError;
use compare::{compare, field_set, without};
use managers::{Managers, Writer};
use set::{FieldSet, path_text};

/// What is written and how: the shape, the writer, and the fields that this endpoint ignores.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The object's shape.
    pub schema: &'a Schema,
    /// Who writes.
    pub writer: &'a Writer,
    /// Fields that this endpoint resets: nobody comes to own them here.
    pub ignored: &'a FieldSet,
    /// The time now.
    pub now: &'a str,
}

/// Records who owns what after an ordinary write took `live` to `new`; both without managed fields.
pub fn updated(
    context: Context<'_>,
    live: &Value,
    new: &Value,
    mut managers: Managers,
) -> Managers {
    let compared = compare(live, new, context.schema).excluding(context.ignored);
    let changed = compared.modified.union(&compared.added);
    managers.give_up_all(&changed.union(&compared.removed), None);
    let gained = changed.without_system_fields();
    if !gained.is_empty() {
        let entry = managers.entry(context.writer);
        entry.set = entry.set.union(&gained);
        entry.time = Some(context.now.to_owned());
    }
    managers
}

/// Merges an applied configuration into the live object; both without managed fields.
///
/// Returns the new object and who owns what in it.
///
/// # Errors
/// 409 with each field that another manager owns and that would change, unless `is_forced`.
pub fn applied(
    context: Context<'_>,
    live: &Value,
    config: &Value,
    mut managers: Managers,
    is_forced: bool,
) -> Result<(Value, Managers), ApiError> {
    let schema = context.schema;
    let merged = merge::merged(live, config, schema).map_err(ApiError::unknown)?;
    let set = field_set(config, schema).recursive_difference(context.ignored);
    let last = managers.get(context.writer).map(|entry| entry.set.clone()).unwrap_or_default();
    managers.entry(context.writer).set = set.without_system_fields();
    let new = pruned(&merged, schema, &managers, &set, &last);
    let compared = compare(live, &new, schema).excluding(context.ignored);
    let changed = compared.modified.union(&compared.added);
    let conflicts = managers.owners_of(&changed, context.writer);
    if !is_forced && !conflicts.is_empty() {
        return Err(refusal(&conflicts));
    }
    managers.give_up_all(&changed.union(&compared.removed), Some(context.writer));
    let has_changed = new != *live;
    let entry = managers.entry(context.writer);
    if has_changed || entry.time.is_none() {
        entry.time = Some(context.now.to_owned());
    }
    managers.drop_empty();
    Ok((new, managers))
}

/// Takes away what the writer applied last time and not this time, and that nobody else owns.
fn pruned(
    merged: &Value,
    schema: &Schema,
    managers: &Managers,
    applied: &FieldSet,
    last: &FieldSet,
) -> Value {
    if last.is_empty() {
        return merged.clone();
    }
    let last = last.with_named_fields(schema);
    let mut pruned = without(merged, &last, schema);
    let merged_set = field_set(merged, schema).with_named_fields(schema);
    let owned = managers.everything().union(applied).with_named_fields(schema);
    // Back comes what anybody owns, ...
    let pruned_set = field_set(&pruned, schema).with_named_fields(schema);
    let lost = merged_set.difference(&pruned_set).difference(&owned);
    pruned = without(merged, &lost, schema);
    // ... and what went only because something around it went.
    let pruned_set = field_set(&pruned, schema).with_named_fields(schema);
    let lost = merged_set.difference(&pruned_set).intersection(&last);
    without(merged, &lost, schema)
}

/// The refusal with a cause for each field, in the words of the real server.
fn refusal(conflicts: &[(String, FieldSet)]) -> ApiError {
    let mut causes = Vec::new();
    let mut by_manager: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (manager, set) in conflicts {
        for path in set.paths() {
            let path = path_text(&path);
            by_manager.entry(manager).or_default().push(path.clone());
            causes.push((manager.clone(), path));
        }
    }
    let message = match causes.as_slice() {
        [(manager, path)] => {
            format!("Apply failed with 1 conflict: conflict with {manager}: {path}")
        }
        _ => {
            let mut lines = Vec::new();
            for (manager, paths) in by_manager {
                lines.push(format!("conflicts with {manager}:"));
                lines.extend(paths.iter().map(|path| format!("- {path}")));
            }
            format!("Apply failed with {} conflicts: {}", causes.len(), lines.join("\n"))
        }
    };
    ApiError::apply_conflict(message, &causes)
}
