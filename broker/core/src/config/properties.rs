//! Reads the syntax of `server.properties`, which is that of Java's `Properties.load`.
//!
//! ```text
//! # comment          ! comment
//! key=value          key: value         key value
//! long.key = one \
//!            two                      continued; spaces at the start of a line do not count
//! path=C:\\data      tab=\t            letter=\u00e9
//! ```
//! Differs from Java: the text is UTF-8 instead of ISO-8859-1.

use std::iter::Peekable;
use std::str::Chars;

/// One `key=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// The key, unescaped.
    pub name: String,
    /// The value, unescaped; empty if there is none.
    pub value: String,
    /// The line that it starts on, from 1.
    pub line: usize,
}

/// Why a text cannot be read as properties.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PropertiesError {
    /// `\u` without four hexadecimal digits behind it.
    #[error("line {line}: \\u must be followed by four hexadecimal digits of a character")]
    Escape {
        /// The line that the key starts on, from 1.
        line: usize,
    },
    /// A value without a key.
    #[error("line {line}: there is no name before the value")]
    NoName {
        /// The line, from 1.
        line: usize,
    },
}

/// Reads all properties, in their order; of a key that stands twice, the later one is meant.
///
/// # Errors
/// Names the first line that cannot be read.
pub fn parse(text: &str) -> Result<Vec<Property>, PropertiesError> {
    let mut properties = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, first)) = lines.next() {
        let line = index + 1;
        let first = trim_start(first);
        if first.is_empty() || first.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = first.to_owned();
        while is_continued(&logical) {
            logical.pop();
            let Some((_, next)) = lines.next() else { break };
            logical.push_str(trim_start(next));
        }
        properties.push(split(&logical, line)?);
    }
    Ok(properties)
}

/// White space of the format; not the same set as Unicode's.
const SPACES: [char; 3] = [' ', '\t', '\u{c}'];

fn trim_start(line: &str) -> &str {
    line.trim_start_matches(SPACES)
}

/// A line goes on if it ends in an odd number of backslashes: an even one escapes itself.
fn is_continued(line: &str) -> bool {
    line.chars().rev().take_while(|character| *character == '\\').count() % 2 == 1
}

fn split(logical: &str, line: usize) -> Result<Property, PropertiesError> {
    let mut characters = logical.chars().peekable();
    let mut name = String::new();
    while let Some(&character) = characters.peek() {
        if SPACES.contains(&character) || matches!(character, '=' | ':') {
            break;
        }
        name.push(unescaped(&mut characters, line)?);
    }
    if name.is_empty() {
        return Err(PropertiesError::NoName { line });
    }
    // Between key and value: spaces, at most one sign, spaces.
    skip_spaces(&mut characters);
    if characters.next_if(|character| matches!(character, '=' | ':')).is_some() {
        skip_spaces(&mut characters);
    }
    let mut value = String::new();
    while characters.peek().is_some() {
        value.push(unescaped(&mut characters, line)?);
    }
    Ok(Property { name, value, line })
}

fn skip_spaces(characters: &mut Peekable<Chars<'_>>) {
    while characters.next_if(|character| SPACES.contains(character)).is_some() {}
}

/// Takes one character, or the one that an escape stands for.
fn unescaped(characters: &mut Peekable<Chars<'_>>, line: usize) -> Result<char, PropertiesError> {
    let character = characters.next().unwrap_or('\\');
    if character != '\\' {
        return Ok(character);
    }
    Ok(match characters.next() {
        Some('t') => '\t',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('f') => '\u{c}',
        Some('u') => {
            let mut code = 0;
            for _ in 0..4 {
                let digit = characters.next().and_then(|digit| digit.to_digit(16));
                code = code * 16 + digit.ok_or(PropertiesError::Escape { line })?;
            }
            char::from_u32(code).ok_or(PropertiesError::Escape { line })?
        }
        Some(other) => other,
        None => '\\',
    })
}

#[cfg(test)]
mod tests {
    use super::{PropertiesError, parse};

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str, usize)]) {
        let parsed = parse(text).unwrap();
        let listed: Vec<_> = parsed
            .iter()
            .map(|property| (property.name.as_str(), property.value.as_str(), property.line))
            .collect();
        assert_eq!(listed, expected);
    }

    #[test]
    fn keys_end_at_a_sign_or_a_space() {
        check(
            "a=1\nb:2\nc 3\nd = 4\ne\n",
            &[("a", "1", 1), ("b", "2", 2), ("c", "3", 3), ("d", "4", 4), ("e", "", 5)],
        );
        check("a==b", &[("a", "=b", 1)]);
        check("listeners=PLAINTEXT://:9092", &[("listeners", "PLAINTEXT://:9092", 1)]);
        check("a=b  ", &[("a", "b  ", 1)]);
    }

    #[test]
    fn comments_and_empty_lines_are_left_out() {
        check("# x=1\n  ! y=2\n\n   \na=1#2", &[("a", "1#2", 5)]);
    }

    #[test]
    fn a_backslash_at_the_end_goes_on_in_the_next_line() {
        check("a=1,\\\n   2,\\\n  3\nb=4", &[("a", "1,2,3", 1), ("b", "4", 4)]);
        check("a=1\\\\\nb=2", &[("a", "1\\", 1), ("b", "2", 2)]);
        check("a=1\\", &[("a", "1", 1)]);
    }

    #[test]
    fn escapes_stand_for_their_characters() {
        check("a\\ b\\=c=\\t\\u00e9\\\\\\q", &[("a b=c", "\té\\q", 1)]);
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_line() {
        assert_eq!(parse("\na=\\u12"), Err(PropertiesError::Escape { line: 2 }));
        assert_eq!(parse("a=\\ud800"), Err(PropertiesError::Escape { line: 1 }));
        assert_eq!(parse("=x"), Err(PropertiesError::NoName { line: 1 }));
    }
}
