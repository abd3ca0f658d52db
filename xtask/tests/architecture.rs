//! The invariants of absence in ARCHITECTURE.md: which crate may know which, what `core` may never
//! name, and that modules beside each other do not import in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Each crate of the workspace and the crates of ours that what it ships may depend on.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("millrace-types", &[]),
    ("millrace-crds", &[]),
    ("millrace-apiserver", &[]),
    ("millrace-wire", &["types"]),
    ("millrace-client", &["types", "wire"]),
    ("millrace-log", &["types", "wire"]),
    ("millrace-core", &["types", "wire", "log"]),
    ("millrace-server", &["types", "wire", "log", "core", "client", "crds"]),
    ("millrace-sim", &["types", "wire", "log", "core", "client", "server"]),
    ("millrace-peers", &[]),
    ("millrace-e2e", &["types", "wire", "client", "peers"]),
    ("millrace-e2e-cluster", &["peers", "e2e"]),
    ("millrace-bench", &["types", "wire", "client", "peers", "e2e"]),
    ("millrace-operator", &["types", "wire", "log", "core", "client", "crds"]),
    ("xtask", &["crds", "peers", "e2e", "e2e-cluster"]),
];

/// What `core` may not name, and why.
const IMPURE: &[(&str, &str)] = &[
    ("Instant", "a clock"),
    ("SystemTime", "a clock"),
    ("std::fs", "files"),
    ("std::io", "files"),
    ("std::net", "sockets"),
    ("std::thread", "threads"),
    ("std::process", "processes"),
    ("std::env", "the environment"),
    ("HashMap", "an order that differs between runs"),
    ("HashSet", "an order that differs between runs"),
    ("RandomState", "chance"),
    ("rand::rng", "chance"),
    ("thread_rng", "chance"),
    ("rand", "chance"),
    ("getrandom", "chance"),
    ("tokio", "a runtime"),
    ("async", "a runtime"),
    ("std::sync::Mutex", "threads"),
    ("std::sync::RwLock", "threads"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked"])
        .current_dir(root())
        .output()
        .expect("cargo metadata");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

#[test]
fn crates_know_only_those_below_them() {
    for package in packages() {
        let name = package["name"].as_str().expect("a name");
        let row = MAY_KNOW.iter().find(|(of, _)| *of == name);
        let (_, may_know) = row.unwrap_or_else(|| panic!("{name} has no row in MAY_KNOW"));
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let other = dependency["name"].as_str().expect("a name");
            // Tests may know all; what is shipped or run at build time may not.
            if dependency["kind"] == "dev" || dependency["path"].is_null() {
                continue;
            }
            let short = other.trim_start_matches("millrace-");
            assert!(may_know.contains(&short), "{name} depends on {other}, which is not below it");
        }
    }
}

#[test]
fn core_is_pure() {
    let mut found = Vec::new();
    for (path, text) in sources(&root().join("broker/core/src")) {
        for (number, line) in text.lines().enumerate() {
            for (word, why) in IMPURE {
                if names(line, word) {
                    let line_number = number + 1;
                    found.push(format!("{}:{line_number}: {word} is {why}", path.display()));
                }
            }
        }
    }
    assert!(found.is_empty(), "core decides only; it names\n{}", found.join("\n"));
}

#[test]
fn the_check_of_purity_sees_what_it_should() {
    let shown = shipped("use std::time::Instant; // Instant\n/* HashMap */ let a = \"tokio\";\n");
    assert!(names(&shown, "Instant") && !names(&shown, "HashMap") && !names(&shown, "tokio"));
    assert!(!names("let operand = brand;", "rand") && names("use rand::Rng;", "rand"));
    let tested = shipped("fn a() {}\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\nfn b() {}\n");
    assert!(!names(&tested, "std::fs") && tested.contains("fn b()"));
}

#[test]
fn modules_beside_each_other_do_not_import_in_a_circle() {
    let mut circles = Vec::new();
    for package in packages() {
        let manifest = package["manifest_path"].as_str().expect("a path");
        let src = Path::new(manifest).parent().expect("a folder").join("src");
        let name = package["name"].as_str().expect("a name");
        for (folder, circle) in circles_in(&src) {
            circles.push(format!("{name}, in {folder}: {}", circle.join(" -> ")));
        }
    }
    assert!(circles.is_empty(), "modules import each other:\n{}", circles.join("\n"));
}

/// The sources under a folder, without comments, texts and tests.
fn sources(dir: &Path) -> Vec<(PathBuf, String)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            all.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test(&path) {
            let text = shipped(&fs::read_to_string(&path).expect("a source"));
            all.push((path, text));
        }
    }
    all.sort();
    all
}

/// A file or folder named `tests` holds tests only, as `mod tests` does.
fn is_test(path: &Path) -> bool {
    path.iter().any(|part| part == "tests" || part == "tests.rs")
}

/// What of a source is shipped: comments and texts are blanked, `#[cfg(test)]` items dropped.
fn shipped(source: &str) -> String {
    let text = blanked(source);
    let mut kept = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("#[cfg(test)]") {
        kept.push_str(before);
        let end = end_of_item(after);
        // Line numbers stay as they are.
        kept.extend(after[..end].chars().filter(|c| *c == '\n'));
        rest = &after[end..];
    }
    kept.push_str(rest);
    kept
}

/// Where the item ends: behind its closing brace, or its semicolon if that comes first.
fn end_of_item(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return at + 1,
            '}' => depth = depth.saturating_sub(1),
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The source with comments, texts and single characters replaced by spaces.
fn blanked(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &source[at..];
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(raw) = rest.strip_prefix("r#\"") {
            raw.find("\"#").map_or(rest.len(), |end| end + 5)
        } else if rest.starts_with('"') {
            text_length(rest)
        } else if rest.starts_with("'\\") || (rest.starts_with('\'') && is_character(rest)) {
            rest[2..].find('\'').map_or(1, |end| end + 3)
        } else {
            let c = rest.chars().next().expect("a character");
            out.push(c);
            at += c.len_utf8();
            continue;
        };
        out.extend(rest[..skip].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        at += skip;
    }
    out
}

fn text_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// A quote, one character, a quote; otherwise it is a lifetime.
fn is_character(rest: &str) -> bool {
    rest.chars().nth(2) == Some('\'')
}

/// Whether a line names a word or path, not as a part of another word.
fn names(line: &str, word: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// Circles of imports between modules of one folder: the folder and the circle.
fn circles_in(src: &Path) -> Vec<(String, Vec<String>)> {
    // Edges between siblings, by the path of the module that holds them.
    let mut edges: BTreeMap<Vec<String>, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for (path, text) in sources(src) {
        let from = module_of(src, &path);
        for to in imports(&text, &from) {
            let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
            if let (Some(mine), Some(theirs)) = (from.get(shared), to.get(shared)) {
                // Only modules count: the import's path may end in a type or a function.
                let folder = src.join(to[..shared].join("/"));
                if folder.join(format!("{theirs}.rs")).exists() {
                    let siblings = edges.entry(from[..shared].to_vec()).or_default();
                    siblings.entry(mine.clone()).or_default().insert(theirs.clone());
                }
            }
        }
    }
    let mut circles = Vec::new();
    for (folder, siblings) in edges {
        if let Some(circle) = circle_of(&siblings) {
            circles.push((format!("crate::{}", folder.join("::")), circle));
        }
    }
    circles
}

/// `src/group/offsets/commit.rs` is `group`, `offsets`, `commit`; the crate's root is empty.
fn module_of(src: &Path, path: &Path) -> Vec<String> {
    let inner = path.strip_prefix(src).expect("a path below src").with_extension("");
    let mut parts: Vec<String> =
        inner.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if matches!(parts.last().map(String::as_str), Some("lib" | "main" | "mod")) {
        parts.pop();
    }
    parts
}

/// The paths that start at `crate::` or `super::` in a source, as modules from the crate's root.
fn imports(text: &str, from: &[String]) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for (start, mut base) in [("crate::", Vec::new()), ("super::", parent(from))] {
        for (at, _) in text.match_indices(start) {
            if text[..at].ends_with([':', '_']) || text[..at].ends_with(char::is_alphanumeric) {
                continue;
            }
            let mut rest = &text[at + start.len()..];
            let mut here = base.clone();
            while let Some(further) = rest.strip_prefix("super::") {
                here.pop();
                rest = further;
            }
            // `crate::{a::b, c}` names a and c; anything deeper stays with its first words.
            let ends = |c: char| !(c.is_alphanumeric() || c == '_' || c == ':');
            if let Some(list) = rest.strip_prefix('{') {
                let list = list.split_once("};").map_or("", |(list, _)| list);
                for item in top_level_items(list) {
                    let path = item.split(ends).next().unwrap_or("");
                    all.push(joined(&here, path));
                }
            } else {
                all.push(joined(&here, rest.split(ends).next().unwrap_or("")));
            }
        }
        base.clear();
    }
    all
}

fn parent(from: &[String]) -> Vec<String> {
    from.split_last().map_or(Vec::new(), |(_, rest)| rest.to_vec())
}

fn top_level_items(list: &str) -> Vec<&str> {
    let (mut items, mut depth, mut from) = (Vec::new(), 0_i32, 0);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(list[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    items.push(list[from..].trim());
    items
}

fn joined(base: &[String], path: &str) -> Vec<String> {
    let words = path.split("::").filter(|word| !word.is_empty()).map(str::to_owned);
    base.iter().cloned().chain(words).collect()
}

/// The first circle found by walking depth first.
fn circle_of(edges: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn walk(
        at: &str,
        edges: &BTreeMap<String, BTreeSet<String>>,
        path: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> Option<Vec<String>> {
        if let Some(start) = path.iter().position(|seen| seen == at) {
            return Some([&path[start..], &[at.to_owned()]].concat());
        }
        if !done.insert(at.to_owned()) {
            return None;
        }
        path.push(at.to_owned());
        let next = edges.get(at).into_iter().flatten();
        let circle = next.into_iter().find_map(|next| walk(next, edges, path, done));
        path.pop();
        circle
    }
    let mut done = BTreeSet::new();
    edges.keys().find_map(|start| walk(start, edges, &mut Vec::new(), &mut done))
}

#[test]
fn the_check_of_circles_sees_what_it_should() {
    let edges = |rows: &[(&str, &str)]| {
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in rows {
            edges.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        edges
    };
    assert_eq!(circle_of(&edges(&[("a", "b"), ("b", "c"), ("a", "c")])), None);
    let circle = circle_of(&edges(&[("z", "a"), ("a", "b"), ("b", "c"), ("c", "a")]));
    assert_eq!(circle.expect("a circle"), ["a", "b", "c", "a"]);
    let from = ["group".to_owned(), "offsets".to_owned()];
    let found = imports("use crate::{raft::Node, log};\nuse super::state::{A, B};", &from);
    let words: Vec<String> = found.iter().map(|path| path.join("::")).collect();
    assert_eq!(words, ["raft::Node", "log", "group::state::"].map(|p| p.trim_end_matches("::")));
}
