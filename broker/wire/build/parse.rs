//! Reads the notation of `schema/*.txt`.
//!
//! ```text
//! # a comment
//! ListOffsets request versions 1-11 flexible 6+     one message; `never flexible` is possible
//!   timeout_ms int32 10+ default 60000              name, type, versions, then any of
//!   topics [] 1+ nullable 2-3                       `nullable VERSIONS`, `tag NUMBER`, `default VALUE`
//!     name string 1+                                fields of the array's element
//!   leader {} 10+ tag 0                             a single struct
//!   replicas []int32 1+                             an array of a primitive
//! ```
//!
//! A file `NN-Name.txt` holds the request and the response of API NN; `advertised N+` in the first
//! line is the oldest version for ApiVersions where that is older than what can be read. Any other
//! file holds records: `Name key TYPE versions ...`, `Name value versions ...`. `3+` means from
//! version 3 to the last of the message. Types: boolean, int8 to int64, uuid, string, bytes,
//! records. A field's default is zero or empty unless given.

use crate::model::{Api, Field, Kind, Message, Schema, Struct, Versions};

/// Reads one file; `stem` is its name without `.txt`.
pub fn schema(stem: &str, text: &str) -> Result<Schema, String> {
    let mut lines: Vec<Line> = Vec::new();
    for (index, text) in text.lines().enumerate() {
        if !text.trim().is_empty() && !text.starts_with('#') {
            lines.push(Line::new(index + 1, text));
        }
    }
    let mut rest = lines.as_slice();
    let mut messages = Vec::new();
    let mut advertised = None;
    while let Some((head, below)) = rest.split_first() {
        if head.depth != 0 {
            return Err(head.error("a field outside of a message"));
        }
        let (message, after) = message(head, below)?;
        advertised =
            advertised.or(head.after("advertised").map(|from| head.number(from)).transpose()?);
        messages.push(message);
        rest = after;
    }
    let api = match stem.split_once('-') {
        Some((key, name)) => {
            let key = key.parse().map_err(|_| format!("{key:?} is not the number of an API"))?;
            check_pair(&messages)?;
            Some(Api { key, name: name.into(), advertised })
        }
        None => None,
    };
    let module = snake(api.as_ref().map_or(stem, |api| &api.name));
    Ok(Schema { module, api, messages })
}

/// Both directions of an API share their versions, and become flexible together.
fn check_pair(messages: &[Message]) -> Result<(), String> {
    match messages {
        [request, response]
            if request.versions == response.versions && request.flexible == response.flexible =>
        {
            Ok(())
        }
        _ => Err("expected a request and a response with the same versions".into()),
    }
}

/// One line, cut into words.
struct Line<'t> {
    number: usize,
    depth: usize,
    words: Vec<&'t str>,
}

impl<'t> Line<'t> {
    fn new(number: usize, text: &'t str) -> Line<'t> {
        let indent = text.len() - text.trim_start().len();
        Line { number, depth: indent / 2, words: text.split_whitespace().collect() }
    }

    fn error(&self, what: &str) -> String {
        format!("line {}: {what}: {}", self.number, self.words.join(" "))
    }

    /// The word at `position`.
    fn word(&self, position: usize) -> Result<&'t str, String> {
        self.words.get(position).copied().ok_or_else(|| self.error("too few words"))
    }

    /// The word after the word `key`.
    fn after(&self, key: &str) -> Option<&'t str> {
        let position = self.words.iter().position(|word| *word == key)?;
        self.words.get(position + 1).copied()
    }

    fn number(&self, text: &str) -> Result<i16, String> {
        text.trim_end_matches('+').parse().map_err(|_| self.error("not a version"))
    }

    /// `3+`, `3-5` or `3`; an open end is `last`.
    fn versions(&self, text: &str, last: i16) -> Result<Versions, String> {
        if let Some(first) = text.strip_suffix('+') {
            return Ok(Versions { first: self.number(first)?, last });
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        Ok(Versions { first: self.number(first)?, last: self.number(last)? })
    }
}

/// The message that `head` opens, and the lines after its fields.
fn message<'l, 't>(
    head: &Line<'t>,
    below: &'l [Line<'t>],
) -> Result<(Message, &'l [Line<'t>]), String> {
    let (subject, role) = (head.word(0)?, head.word(1)?);
    let (title, root, java) = match role {
        "request" => (format!("{subject} request"), "Request", format!("{subject}RequestData")),
        "response" => (format!("{subject} response"), "Response", format!("{subject}ResponseData")),
        "key" | "value" => (subject.to_owned(), subject, subject.to_owned()),
        _ => return Err(head.error("neither request, response, key nor value")),
    };
    let range = head.after("versions").ok_or_else(|| head.error("no versions"))?;
    let versions = head.versions(range, i16::MAX)?;
    let flexible = match head.after("flexible") {
        Some(from) => Some(head.number(from)?),
        None if head.words.contains(&"never") => None,
        None => return Err(head.error("neither `flexible N+` nor `never flexible`")),
    };
    let record_type = if role == "key" { Some(head.number(head.word(2)?)?) } else { None };
    let (root, rest) = structure(root.to_owned(), &title, versions, 1, below)?;
    let mut stray = None;
    root.walk(&mut |structure| {
        let tagged = structure.fields.iter().filter(|field| field.tag.is_some());
        let is_early = |field: &&Field| flexible.is_none_or(|from| field.versions.first < from);
        stray = stray.take().or(tagged.filter(is_early).map(|field| field.path.clone()).next());
    });
    if let Some(path) = stray {
        return Err(format!("{path} is tagged in a version that is not flexible"));
    }
    Ok((Message { title, java, record_type, versions, flexible, root }, rest))
}

/// The struct whose fields stand at `depth`, and the lines after them.
fn structure<'l, 't>(
    name: String,
    path: &str,
    outer: Versions,
    depth: usize,
    lines: &'l [Line<'t>],
) -> Result<(Struct, &'l [Line<'t>]), String> {
    let mut fields = Vec::new();
    let mut rest = lines;
    while let Some((line, below)) = rest.split_first() {
        if line.depth < depth {
            break;
        }
        if line.depth > depth {
            return Err(line.error("indented too deep"));
        }
        let (field, after) = field(&name, path, outer, line, below)?;
        fields.push(field);
        rest = after;
    }
    Ok((Struct { name, fields }, rest))
}

/// The field on `line`, and the lines after those that belong to it.
fn field<'l, 't>(
    owner: &str,
    path: &str,
    outer: Versions,
    line: &Line<'t>,
    below: &'l [Line<'t>],
) -> Result<(Field, &'l [Line<'t>]), String> {
    let name = line.word(0)?;
    let path = format!("{path}.{name}");
    let versions = line
        .versions(line.word(2)?, outer.last)?
        .cut(outer)
        .ok_or_else(|| line.error("in no version of its message"))?;
    let nullable = match line.after("nullable") {
        Some(text) => line.versions(text, outer.last)?.cut(versions),
        None => None,
    };
    let tag = match line.after("tag") {
        Some(text) => Some(text.parse().map_err(|_| line.error("not a tag"))?),
        None => None,
    };
    let (is_array, primitive) = match line.word(1)?.strip_prefix("[]") {
        Some(element) => (true, element),
        None => (false, line.word(1)?),
    };
    let (kind, rest) = match primitive {
        "" | "{}" => {
            let singular = if is_array { singular(name) } else { name };
            let inner = format!("{owner}{}", camel(singular));
            let (inner, rest) = structure(inner, &path, versions, line.depth + 1, below)?;
            (Kind::Struct(inner), rest)
        }
        "boolean" => (Kind::Boolean, below),
        "int8" => (Kind::Int8, below),
        "int16" => (Kind::Int16, below),
        "int32" => (Kind::Int32, below),
        "int64" => (Kind::Int64, below),
        "uuid" => (Kind::Uuid, below),
        "string" => (Kind::String, below),
        "bytes" | "records" => (Kind::Bytes, below),
        _ => return Err(line.error("unknown type")),
    };
    let default = line.after("default").map(str::to_owned);
    let name = name.to_owned();
    Ok((Field { name, path, kind, is_array, versions, nullable, tag, default }, rest))
}

/// `topics` is an array of `topic`.
fn singular(name: &str) -> &str {
    name.strip_suffix('s').unwrap_or(name)
}

/// `list_offsets` becomes `ListOffsets`.
fn camel(name: &str) -> String {
    name.split('_')
        .flat_map(|word| {
            let mut letters = word.chars();
            letters.next().into_iter().flat_map(char::to_uppercase).chain(letters)
        })
        .collect()
}

/// `ListOffsets` becomes `list_offsets`.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}
