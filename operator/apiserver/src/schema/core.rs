//! The built-in kinds' shapes, read from `schema/core.txt`.
//!
//! The table lists each type with its fields: `s` text, `n` number, `b` boolean, `q` quantity, `i`
//! number or text, `t` time, `any` anything, `[T]` an atomic list, `[T set]` a set, `[T by a+b]` a
//! list told apart by keys, `{T}` a map, `!` behind a map or a type: owned as one piece, `=x`
//! behind a field: its default where server-side apply needs it as a key. It was derived from the
//! schema of `k8s.io/client-go` v0.36.3 (Apache-2.0), `applyconfigurations/internal`.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde_json::Value;

use super::{Kind, ListKind, Schema};

static TABLE: &str = include_str!("../../schema/core.txt");

static TYPES: LazyLock<BTreeMap<String, Arc<Schema>>> = LazyLock::new(read);

/// The shape of a type of the table, such as `Pod` or `apps.StatefulSet`.
///
/// # Panics
/// If the table has no such type.
pub fn named(name: &str) -> Arc<Schema> {
    let schema = TYPES.get(name);
    schema.unwrap_or_else(|| panic!("no type {name} in schema/core.txt")).clone()
}

type Rows = BTreeMap<&'static str, (bool, &'static str)>;

fn read() -> BTreeMap<String, Arc<Schema>> {
    let mut bodies: BTreeMap<&str, (bool, String)> = BTreeMap::new();
    let mut current = "";
    for line in TABLE.lines() {
        if line.starts_with(' ') {
            bodies.entry(current).or_default().1.push_str(line);
        } else {
            let name = line.trim_end_matches(':');
            current = name.trim_end_matches('!');
            bodies.insert(current, (name.ends_with('!'), String::new()));
        }
    }
    let rows: Rows = bodies
        .into_iter()
        .map(|(name, (is_atomic, body))| (name, (is_atomic, &*body.leak())))
        .collect();
    let mut done = BTreeMap::new();
    for name in rows.keys() {
        resolve(name, &rows, &mut done);
    }
    done
}

fn resolve(name: &str, rows: &Rows, done: &mut BTreeMap<String, Arc<Schema>>) -> Arc<Schema> {
    if let Some(schema) = done.get(name) {
        return schema.clone();
    }
    let (is_atomic, body) = rows.get(name).unwrap_or_else(|| panic!("no type {name}"));
    let mut schema = Schema { is_atomic: *is_atomic, ..Schema::of(Kind::Object) };
    for field in body.split(';').map(str::trim).filter(|field| !field.is_empty()) {
        let (key, shape) = field.split_once(' ').unwrap_or((field, "any"));
        let (shape, default) = match shape.split_once('=') {
            Some((shape, default)) => (shape, Some(Value::from(default))),
            None => (shape, None),
        };
        let mut shape = shape_of(shape, rows, done);
        if default.is_some() {
            shape = Arc::new(Schema { default, ..(*shape).clone() });
        }
        schema.fields.insert(key.to_owned(), shape);
    }
    let schema = Arc::new(schema);
    done.insert(name.to_owned(), schema.clone());
    schema
}

fn shape_of(text: &str, rows: &Rows, done: &mut BTreeMap<String, Arc<Schema>>) -> Arc<Schema> {
    let kind = match text {
        "s" | "t" => Kind::String,
        "n" => Kind::Number,
        "b" => Kind::Boolean,
        "q" => Kind::Quantity,
        "i" => Kind::IntOrString,
        "any" | "?" | "?atomic" => Kind::Any,
        _ => return compound(text, rows, done),
    };
    Arc::new(Schema { keeps_unknown: kind == Kind::Any, ..Schema::of(kind) })
}

fn compound(text: &str, rows: &Rows, done: &mut BTreeMap<String, Arc<Schema>>) -> Arc<Schema> {
    let (shape, is_atomic) = match text.strip_suffix('!') {
        Some(shape) => (shape, true),
        None => (text, false),
    };
    if let Some(inner) = shape.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')) {
        let values = Some(shape_of(inner, rows, done));
        return Arc::new(Schema { values, is_atomic, ..Schema::of(Kind::Object) });
    }
    if let Some(inner) = shape.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
        let (inner, list) = match inner.split_once(' ') {
            None => (inner, ListKind::Atomic),
            Some((inner, "set")) => (inner, ListKind::Set),
            Some((inner, keys)) => {
                let keys = keys.trim_start_matches("by ").split('+');
                (inner, ListKind::Map(keys.map(str::to_owned).collect()))
            }
        };
        let items = Some(shape_of(inner, rows, done));
        return Arc::new(Schema { items, list, ..Schema::of(Kind::Array) });
    }
    let schema = resolve(shape, rows, done);
    if is_atomic { Arc::new(Schema { is_atomic, ..(*schema).clone() }) } else { schema }
}

#[cfg(test)]
mod tests {
    use super::{ListKind, named};

    #[test]
    fn tells_containers_apart_by_name_and_their_ports_by_number_and_protocol() {
        let pod = named("Pod");
        let containers = pod.field("spec").0.field("containers").0;
        assert_eq!(containers.list, ListKind::Map(vec!["name".to_owned()]));
        let ports = containers.item().field("ports").0;
        let keys = vec!["containerPort".to_owned(), "protocol".to_owned()];
        assert_eq!(ports.list, ListKind::Map(keys));
        assert_eq!(ports.item().field("protocol").0.default, Some("TCP".into()));
        let templates = named("apps.StatefulSet");
        let templates = templates.field("spec").0.field("volumeClaimTemplates").0;
        assert_eq!(templates.list, ListKind::Atomic);
    }
}
