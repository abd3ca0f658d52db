//! Random values of every message, for tests and examples, and the table that drives them.

use super::{guarded, line};
use crate::model::{Field, Kind, Message, Schema, Struct};

/// The text of `samples.rs`.
pub fn file(schemas: &[Schema]) -> String {
    let mut text = String::new();
    line(&mut text, "/// Every message.\npub const MESSAGES: &[Message] = &[");
    for (schema, message) in all(schemas) {
        let (module, root) = (&schema.module, &message.root);
        let key = match &schema.api {
            Some(api) => format!("Some(ApiKey::{})", api.name),
            None => "None".into(),
        };
        line(
            &mut text,
            &format!(
                "Message {{ name: {:?}, java: {:?}, key: {key}, versions: {}..={}, \
                 sample: |random, version| {{ let value = {}(random, version); \
                 let bytes = encode(&value, version); let mut reader = Reader::new(&bytes); \
                 let back = messages::{module}::{}::decode(&mut reader, version); \
                 assert_eq!(back.as_ref(), Ok(&value), \"version {{version}}\"); bytes }}, \
                 recode: |bytes, from, to| recode::<messages::{module}::{}>(bytes, from, to), \
                 layout: {} }},",
                message.title,
                message.java,
                message.versions.first,
                message.versions.last,
                function(schema, root),
                root.name,
                root.rust("'_"),
                function(schema, root).replacen("sample", "layout", 1),
            ),
        );
    }
    line(&mut text, "];");
    for (schema, message) in all(schemas) {
        message.root.walk(&mut |structure| {
            sample(&mut text, schema, message, structure);
            layout(&mut text, schema, message, structure);
        });
    }
    text
}

fn all(schemas: &[Schema]) -> impl Iterator<Item = (&Schema, &Message)> {
    schemas.iter().flat_map(|schema| schema.messages.iter().map(move |message| (schema, message)))
}

fn function(schema: &Schema, structure: &Struct) -> String {
    format!("sample_{}_{}", schema.module, structure.name.to_lowercase())
}

/// The function that makes a random value of one struct, as some version could carry it.
fn sample(text: &mut String, schema: &Schema, message: &Message, structure: &Struct) {
    let (function, module) = (function(schema, structure), &schema.module);
    let rust = structure.rust("'static");
    line(
        text,
        &format!(
            "fn {function}(random: &mut Random, version: i16) -> messages::{module}::{rust} {{"
        ),
    );
    line(text, &format!("messages::{module}::{} {{", structure.name));
    for field in &structure.fields {
        let (name, value) = (&field.name, value(schema, field));
        let mut default = field.default_value();
        if let Kind::Struct(inner) = &field.kind {
            default = default.replace(&inner.name, &format!("messages::{module}::{}", inner.name));
        }
        // Tagged fields are left out when they have their default: be it half of the time.
        let present = match (field.versions.condition(message.versions), field.tag) {
            (Some(condition), Some(_)) => Some(format!("{condition} && random.one_in(2)")),
            (None, Some(_)) => Some("random.one_in(2)".into()),
            (condition, None) => condition,
        };
        line(
            text,
            &match present {
                Some(condition) => {
                    format!("{name}: if {condition} {{ {value} }} else {{ {default} }},")
                }
                None => format!("{name}: {value},"),
            },
        );
    }
    line(text, "}\n}");
}

/// The expression of a random value in a version that has the field.
fn value(schema: &Schema, field: &Field) -> String {
    let one = match &field.kind {
        Kind::Boolean => "random.one_in(2)".into(),
        Kind::Int8 => "random.int8()".into(),
        Kind::Int16 => "random.int16()".into(),
        Kind::Int32 => "random.int32()".into(),
        Kind::Int64 => "random.int64()".into(),
        Kind::Uuid => "random.uuid()".into(),
        Kind::String => "random.string().into()".into(),
        Kind::Bytes => "random.blob().into()".into(),
        Kind::Struct(inner) => format!("{}(random, version)", function(schema, inner)),
    };
    let value = if field.is_array { format!("random.array(|random| {one})") } else { one };
    match field.nullable.map(|nullable| nullable.condition(field.versions)) {
        None => value,
        Some(None) => format!("random.nullable(|random| {value})"),
        Some(Some(condition)) => {
            format!(
                "if {condition} {{ random.nullable(|random| {value}) }} else {{ Some({value}) }}"
            )
        }
    }
}

/// The function that tells the fields of one struct in some version, as the Java program does.
fn layout(text: &mut String, schema: &Schema, message: &Message, structure: &Struct) {
    let function = function(schema, structure).replacen("sample", "layout", 1);
    line(text, &format!("fn {function}(version: i16) -> String {{"));
    line(text, "let mut text = String::from(\"{\");");
    let ordinary = structure.fields.iter().filter(|field| field.tag.is_none());
    for field in ordinary.chain(structure.tagged()) {
        let tag = field.tag.map(|tag| format!("#{tag} ")).unwrap_or_default();
        let mut push = format!("text.push_str(\"{} {tag}\");", field.name);
        let (open, close) = if field.is_array { ("[", "]") } else { ("", "") };
        let element = if let Kind::Struct(inner) = &field.kind {
            format!("&{}(version)", self::function(schema, inner).replacen("sample", "layout", 1))
        } else {
            format!("{:?}", field.kind.name())
        };
        push.push_str(&format!(
            "text.push_str(\"{open}\"); text.push_str({element}); text.push_str(\"{close}\");"
        ));
        if let Some(nullable) = field.nullable {
            push.push_str(&guarded(nullable.condition(field.versions), "text.push('?');"));
        }
        push.push_str("text.push_str(\", \");");
        line(text, &guarded(field.versions.condition(message.versions), &push));
    }
    line(text, "text.push('}');\ntext\n}");
}
