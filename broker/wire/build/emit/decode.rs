//! `Decode` of a message, and `read` and `size_min` of each of its structs.

use super::{flexible, line};
use crate::model::{Field, Kind, Message, Struct};

/// `impl Decode` for the message itself.
pub fn message(text: &mut String, message: &Message) {
    let (title, versions) = (&message.title, message.versions);
    let root = &message.root;
    line(text, &format!("impl<'a> Decode<'a> for {} {{", root.rust("'a")));
    line(text, "fn decode(reader: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {");
    line(text, &format!("if !({}..={}).contains(&version) {{", versions.first, versions.last));
    line(
        text,
        &format!(
            "return Err(DecodeError::Version {{ message: {title:?}, version, first: {}, last: {} }});",
            versions.first, versions.last
        ),
    );
    line(text, "}\nSelf::read(reader, version)\n}\n}");
}

/// `read` and `size_min` of one struct.
pub fn structure(text: &mut String, message: &Message, structure: &Struct) {
    let (generics, lifetime) = if structure.borrows() { ("<'a>", "'a") } else { ("", "'_") };
    line(text, &format!("impl{generics} {} {{", structure.rust("'a")));
    line(
        text,
        &format!(
            "fn read(reader: &mut Reader<{lifetime}>, version: i16) -> Result<Self, DecodeError> {{"
        ),
    );
    line(text, &flexible(message));
    for field in &structure.fields {
        line(text, &read_field(message, field));
    }
    if message.flexible.is_some() {
        line(text, &format!("if flexible {{ {} }}", tagged_section(message, structure)));
    }
    let names: Vec<&str> = structure.fields.iter().map(|field| field.name.as_str()).collect();
    line(text, &format!("Ok(Self {{ {} }})\n}}", names.join(", ")));

    line(text, "}");
}

/// `size_min` of one struct: needed of those that are elements or parts of others.
pub fn size_min(text: &mut String, message: &Message, structure: &Struct) {
    line(text, &format!("impl {} {{", structure.rust("'_")));
    line(text, "/// Bytes of the smallest such struct on the wire.");
    line(text, "fn size_min(version: i16) -> usize {");
    line(text, &flexible(message));
    let sizes: Vec<String> =
        structure.fields.iter().filter_map(|field| field_size_min(message, field)).collect();
    line(text, &format!("usize::from(flexible){}\n}}\n}}", sizes.concat()));
}

/// The statement that binds an ordinary field, or gives a tagged one its default for now.
fn read_field(message: &Message, field: &Field) -> String {
    let (name, default) = (&field.name, field.default_value());
    if field.tag.is_some() {
        return format!("let mut {name} = {default};");
    }
    let value = read_value(field);
    match field.versions.condition(message.versions) {
        Some(condition) => {
            format!("let {name} = if {condition} {{ {value} }} else {{ {default} }};")
        }
        None => format!("let {name} = {value};"),
    }
}

/// The expression that reads a field in a version that has it.
fn read_value(field: &Field) -> String {
    let Some(nullable) = field.nullable else { return read_typed(field, false) };
    match nullable.condition(field.versions) {
        None => read_typed(field, true),
        Some(condition) => {
            let (some, nullable) = (read_typed(field, false), read_typed(field, true));
            format!("if {condition} {{ {nullable} }} else {{ Some({some}) }}")
        }
    }
}

/// The expression that reads a value which may be null if `nullable`.
fn read_typed(field: &Field, nullable: bool) -> String {
    let path = &field.path;
    if !field.is_array {
        return match &field.kind {
            Kind::Struct(_) if nullable => format!(
                "if reader.is_present({path:?})? {{ Some({}) }} else {{ None }}",
                read_element(field)
            ),
            Kind::String | Kind::Bytes if nullable => {
                read_element(field).replacen('.', ".nullable_", 1)
            }
            Kind::Boolean
            | Kind::Int8
            | Kind::Int16
            | Kind::Int32
            | Kind::Int64
            | Kind::Uuid
            | Kind::String
            | Kind::Bytes
            | Kind::Struct(_) => read_element(field),
        };
    }
    let element = read_element(field);
    let element = element.strip_suffix('?').unwrap_or(&element);
    let prefix = if nullable { "nullable_" } else { "" };
    format!(
        "reader.{prefix}array({path:?}, flexible, {}, |reader| {element})?",
        element_size_min(field)
    )
}

/// The expression that reads one value or one element.
fn read_element(field: &Field) -> String {
    let path = &field.path;
    match &field.kind {
        Kind::Boolean => format!("reader.boolean({path:?})?"),
        Kind::Int8 => format!("reader.int8({path:?})?"),
        Kind::Int16 => format!("reader.int16({path:?})?"),
        Kind::Int32 => format!("reader.int32({path:?})?"),
        Kind::Int64 => format!("reader.int64({path:?})?"),
        Kind::Uuid => format!("reader.uuid({path:?})?"),
        Kind::String => format!("reader.string({path:?}, flexible)?"),
        Kind::Bytes => format!("reader.bytes({path:?}, flexible)?"),
        Kind::Struct(inner) => format!("{}::read(reader, version)?", inner.name),
    }
}

/// The statement that reads the tagged section.
fn tagged_section(message: &Message, structure: &Struct) -> String {
    let tagged = structure.tagged();
    let title = &message.title;
    if tagged.is_empty() {
        return format!("reader.skip_tagged_fields({title:?})?;");
    }
    let mut arms = String::new();
    for field in tagged {
        let tag = field.tag.unwrap_or_default();
        let guard = match field.versions.condition(message.versions) {
            Some(condition) => format!(" if {condition}"),
            None => String::new(),
        };
        let (name, value) = (&field.name, read_value(field));
        arms.push_str(&format!("{tag}{guard} => {name} = {value},\n"));
    }
    format!(
        "reader.tagged_fields({title:?}, |reader, tag| {{\nmatch tag {{\n{arms}_ => return Ok(false),\n}}\nOk(true)\n}})?;"
    )
}

/// ` + bytes` of the smallest value of a field, if it is an ordinary one.
fn field_size_min(message: &Message, field: &Field) -> Option<String> {
    if field.tag.is_some() {
        return None;
    }
    let size = match (&field.kind, field.is_array) {
        (_, true) => LENGTH_MIN.to_owned(),
        // A null struct is one byte.
        (Kind::Struct(_), false) if field.nullable.is_some() => "1".to_owned(),
        (_, false) => element_size_min(field),
    };
    Some(match field.versions.condition(message.versions) {
        Some(condition) => format!(" + if {condition} {{ {size} }} else {{ 0 }}"),
        None => format!(" + {size}"),
    })
}

/// Bytes of the smallest length in front of a blob or an array.
const LENGTH_MIN: &str = "length_bytes_min(flexible)";

/// Bytes of the smallest value or element.
fn element_size_min(field: &Field) -> String {
    match &field.kind {
        Kind::Boolean | Kind::Int8 => "1".into(),
        Kind::Int16 => "2".into(),
        Kind::Int32 => "4".into(),
        Kind::Int64 => "8".into(),
        Kind::Uuid => "16".into(),
        Kind::String => "string_bytes_min(flexible)".into(),
        Kind::Bytes => LENGTH_MIN.into(),
        Kind::Struct(inner) => format!("{}::size_min(version)", inner.name),
    }
}
