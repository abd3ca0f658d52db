//! `Encode` of a message, and `write` of each of its structs.

use super::{flexible, guarded, line};
use crate::model::{Field, Kind, Message, Struct};

/// `impl Encode` for the message itself.
pub fn message(text: &mut String, message: &Message) {
    let (title, versions) = (&message.title, message.versions);
    line(text, &format!("impl Encode for {} {{", message.root.rust("'_")));
    line(text, &format!("const NAME: &'static str = {title:?};"));
    line(text, "fn encode(&self, out: &mut Vec<u8>, version: i16) -> Result<(), EncodeError> {");
    line(text, &format!("if !({}..={}).contains(&version) {{", versions.first, versions.last));
    line(
        text,
        &format!(
            "return Err(EncodeError::Version {{ message: {title:?}, version, first: {}, last: {} }});",
            versions.first, versions.last
        ),
    );
    line(text, "}\nself.write(out, version)\n}\n}");
}

/// `write` of one struct.
pub fn structure(text: &mut String, message: &Message, structure: &Struct) {
    line(text, &format!("impl {} {{", structure.rust("'_")));
    line(text, "fn write(&self, out: &mut Vec<u8>, version: i16) -> Result<(), EncodeError> {");
    line(text, &flexible(message));
    for field in structure.fields.iter().filter(|field| field.tag.is_none()) {
        let condition = field.versions.condition(message.versions);
        line(text, &guarded(condition, &write_field(field)));
    }
    if message.flexible.is_some() {
        line(text, &format!("if flexible {{\n{}}}", tagged_section(message, structure)));
    }
    line(text, "Ok(())\n}\n}");
}

/// The statements that write a field in a version that has it.
fn write_field(field: &Field) -> String {
    let (name, path) = (&field.name, &field.path);
    // Null where it must not be is refused before anything of the field is written.
    let check = match field.nullable.map(|nullable| nullable.condition(field.versions)) {
        Some(Some(condition)) => format!(
            "if self.{name}.is_none() && !({condition}) {{ \
             return Err(EncodeError::Null {{ field: {path:?}, version }}); }}\n"
        ),
        Some(None) | None => String::new(),
    };
    let nullable = field.nullable.is_some();
    let write = match (&field.kind, field.is_array, nullable) {
        (_, true, true) => format!(
            "write::length(out, {path:?}, flexible, self.{name}.as_ref().map(Vec::len))?;\n\
             for element in self.{name}.iter().flatten() {{ {} }}",
            write_value(field, "element", true)
        ),
        (_, true, false) => format!(
            "write::length(out, {path:?}, flexible, Some(self.{name}.len()))?;\n\
             for element in &self.{name} {{ {} }}",
            write_value(field, "element", true)
        ),
        (Kind::String, false, true) => {
            format!("write::string(out, {path:?}, flexible, self.{name}.as_deref())?;")
        }
        (Kind::Bytes, false, true) => {
            format!("write::bytes(out, {path:?}, flexible, self.{name}.as_deref())?;")
        }
        (_, false, true) => format!(
            "match &self.{name} {{ Some(value) => {{ out.push(1); {} }} None => out.push(0xff) }}",
            write_value(field, "value", true)
        ),
        (_, false, false) => write_value(field, &format!("self.{name}"), false),
    };
    check + &write
}

/// The statement that writes the value of the expression `value`, a reference or not.
fn write_value(field: &Field, value: &str, is_reference: bool) -> String {
    let path = &field.path;
    match &field.kind {
        Kind::Boolean if is_reference => format!("out.push(u8::from(*{value}));"),
        Kind::Boolean => format!("out.push(u8::from({value}));"),
        Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => {
            format!("out.extend_from_slice(&{value}.to_be_bytes());")
        }
        Kind::Uuid => format!("out.extend_from_slice({value}.as_bytes());"),
        Kind::String if is_reference => {
            format!("write::string(out, {path:?}, flexible, Some({value}))?;")
        }
        Kind::Bytes if is_reference => {
            format!("write::bytes(out, {path:?}, flexible, Some({value}))?;")
        }
        Kind::String => format!("write::string(out, {path:?}, flexible, Some(&{value}))?;"),
        Kind::Bytes => format!("write::bytes(out, {path:?}, flexible, Some(&{value}))?;"),
        Kind::Struct(_) => format!("{value}.write(out, version)?;"),
    }
}

/// The statements that write the tagged section: only values that are not the default.
fn tagged_section(message: &Message, structure: &Struct) -> String {
    let mut count = String::new();
    let mut values = String::new();
    for field in structure.tagged() {
        let (name, path) = (&field.name, &field.path);
        let tag = field.tag.unwrap_or_default();
        let default = field.default_value();
        let mut present = match default.as_str() {
            "None" => format!("self.{name}.is_some()"),
            "Vec::new()" => format!("!self.{name}.is_empty()"),
            "false" => format!("self.{name}"),
            _ => format!("self.{name} != {default}"),
        };
        if let Some(condition) = field.versions.condition(message.versions) {
            present = format!("{condition} && {present}");
        }
        count.push_str(&format!(" + u32::from({present})"));
        values.push_str(&format!(
            "if {present} {{ write::tagged(out, {path:?}, {tag}, |out| {{ {}\nOk(()) }})?; }}\n",
            write_field(field)
        ));
    }
    if values.is_empty() {
        return "out.push(0);\n".into();
    }
    format!("write::unsigned_varint(out, 0{count});\n{values}")
}
