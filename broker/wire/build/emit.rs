//! Writes the model as Rust text. One file per part of the output.

pub mod api_key;
mod decode;
mod encode;
pub mod samples;
mod types;

use std::fmt::Write;

use crate::model::{Message, Schema};

/// The text of `messages.rs`: one module for each schema.
pub fn messages(schemas: &[Schema]) -> String {
    let mut text = String::new();
    for schema in schemas {
        let titles: Vec<&str> = schema.messages.iter().map(|m| m.title.as_str()).collect();
        line(&mut text, &format!("/// {}.", titles.join(", ")));
        line(&mut text, &format!("pub mod {} {{", schema.module));
        line(&mut text, "use super::*;");
        for message in &schema.messages {
            message_text(&mut text, schema, message);
        }
        line(&mut text, "}");
    }
    text
}

fn message_text(text: &mut String, schema: &Schema, message: &Message) {
    types::message(text, message);
    message.root.walk(&mut |structure| {
        decode::structure(text, message, structure);
        if structure.name != message.root.name {
            decode::size_min(text, message, structure);
        }
        encode::structure(text, message, structure);
    });
    decode::message(text, message);
    encode::message(text, message);
    if let (Some(api), "Request") = (&schema.api, message.root.name.as_str()) {
        let response = schema.messages.iter().find(|other| other.root.name == "Response");
        let response = response.map(|response| response.root.rust("'a")).unwrap_or_default();
        line(text, &format!("impl crate::Request for {} {{", message.root.rust("'_")));
        line(text, &format!("const KEY: ApiKey = ApiKey::{};", api.name));
        line(text, &format!("type Response<'a> = {response};\n}}"));
    }
}

/// Appends a line.
fn line(text: &mut String, content: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{content}");
}

/// `body`, run only under `condition`.
fn guarded(condition: Option<String>, body: &str) -> String {
    match condition {
        Some(condition) => format!("if {condition} {{ {body} }}"),
        None => body.to_owned(),
    }
}

/// The line that sets `flexible` for `version`.
fn flexible(message: &Message) -> String {
    match message.flexible {
        Some(first) if first <= message.versions.first => "let flexible = true;".into(),
        Some(first) => format!("let flexible = version >= {first};"),
        None => "let flexible = false;".into(),
    }
}
