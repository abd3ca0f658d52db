//! The structs of a message and their default values.

use super::line;
use crate::model::{Field, Message, Struct, Versions};

/// All structs of `message`.
pub fn message(text: &mut String, message: &Message) {
    let mut is_root = true;
    message.root.walk(&mut |structure| {
        let what = if std::mem::take(&mut is_root) { "" } else { "Part of: " };
        let versions = range(message.versions);
        line(text, &format!("/// {what}{}, {versions}.", message.title));
        line(text, "#[derive(Clone, Debug, PartialEq)]");
        line(text, &format!("pub struct {} {{", structure.rust("'a")));
        for field in &structure.fields {
            line(text, &format!("/// {}", describe(field, message.versions)));
            line(text, &format!("pub {}: {},", field.name, field.rust("'a")));
        }
        line(text, "}");
        default(text, structure);
    });
    if let Some(record_type) = message.record_type {
        line(text, &format!("impl {} {{", message.root.rust("'_")));
        line(text, "/// The number in front of the key that tells what the record is.");
        line(text, &format!("pub const RECORD_TYPE: i16 = {record_type};\n}}"));
    }
}

fn default(text: &mut String, structure: &Struct) {
    line(text, &format!("impl Default for {} {{", structure.rust("'_")));
    line(text, "fn default() -> Self {\nSelf {");
    for field in &structure.fields {
        line(text, &format!("{}: {},", field.name, field.default_value()));
    }
    line(text, "}\n}\n}");
}

/// One sentence for the docs of a field.
fn describe(field: &Field, all: Versions) -> String {
    let mut sentence = if field.versions.covers(all) {
        format!("{}, all versions", wire(field))
    } else {
        format!("{}, {}", wire(field), range(field.versions))
    };
    if let Some(nullable) = field.nullable {
        match nullable.covers(field.versions) {
            true => sentence.push_str(", nullable"),
            false => sentence.push_str(&format!(", nullable in {}", range(nullable))),
        }
    }
    if let Some(tag) = field.tag {
        sentence.push_str(&format!(", tag {tag}"));
    }
    if let Some(default) = &field.default {
        sentence.push_str(&format!(", default {default}"));
    }
    sentence + "."
}

/// The type in the notation of the schemas.
fn wire(field: &Field) -> String {
    let kind = field.kind.name();
    if field.is_array { format!("`[]{kind}`") } else { format!("`{kind}`") }
}

fn range(versions: Versions) -> String {
    match versions {
        Versions { first, last } if first == last => format!("version {first}"),
        Versions { first, last } => format!("versions {first} to {last}"),
    }
}
