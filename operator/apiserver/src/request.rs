//! A request as the server understands it: verb, resource, object, options.

use std::collections::BTreeMap;

use http::Method;
use serde_json::Value;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Read one object.
    Get,
    /// Read many.
    List,
    /// Follow changes.
    Watch,
    /// Make an object.
    Create,
    /// Replace an object.
    Update,
    /// Change an object in part, or apply it.
    Patch,
    /// Remove an object.
    Delete,
    /// Remove many.
    DeleteCollection,
}

/// What a URL names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The API group; empty for the core.
    pub group: String,
    /// The version.
    pub version: String,
    /// The resource's name; empty for discovery.
    pub plural: String,
    /// The namespace; empty for all, or for a resource without.
    pub namespace: String,
    /// The object; empty for the collection.
    pub name: String,
    /// `status`, `scale`, `eviction`, or empty.
    pub subresource: String,
}

/// A parsed request.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is asked for.
    pub verb: Verb,
    /// Of what.
    pub target: Target,
    /// The URL's query.
    pub query: BTreeMap<String, String>,
    /// The body's type.
    pub content_type: String,
    /// The client's name, as its user agent begins.
    pub user_agent: String,
    /// The body.
    pub body: Value,
}

impl Verb {
    /// Whether it may change something.
    pub fn is_write(self) -> bool {
        match self {
            Verb::Get | Verb::List | Verb::Watch => false,
            Verb::Create | Verb::Update | Verb::Patch | Verb::Delete | Verb::DeleteCollection => {
                true
            }
        }
    }

    /// The verb of a method on an object or a collection.
    pub fn of(method: &Method, is_collection: bool, is_watch: bool) -> Option<Verb> {
        match *method {
            Method::GET if is_watch => Some(Verb::Watch),
            Method::GET if is_collection => Some(Verb::List),
            Method::GET => Some(Verb::Get),
            Method::POST => Some(Verb::Create),
            Method::PUT => Some(Verb::Update),
            Method::PATCH => Some(Verb::Patch),
            Method::DELETE if is_collection => Some(Verb::DeleteCollection),
            Method::DELETE => Some(Verb::Delete),
            _ => None,
        }
    }
}

impl Target {
    /// Reads a URL's path; `None` if it is none of the API.
    pub fn read(path: &str) -> Option<Target> {
        let parts: Vec<String> =
            path.split('/').filter(|part| !part.is_empty()).map(decoded).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let (namespace, rest) = match rest {
            // A namespace's own endpoints look like the head of a namespaced path.
            ["namespaces", _] | ["namespaces", _, "status" | "finalize"] if group.is_empty() => {
                ("", rest)
            }
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
            rest => ("", rest),
        };
        let (plural, name, subresource) = match rest {
            [] => ("", "", ""),
            [plural] => (*plural, "", ""),
            [plural, name] => (*plural, *name, ""),
            [plural, name, subresource] => (*plural, *name, *subresource),
            _ => return None,
        };
        let [group, version, plural, namespace, name, subresource] =
            [group, version, plural, namespace, name, subresource].map(str::to_owned);
        Some(Target { group, version, plural, namespace, name, subresource })
    }
}

impl Request {
    /// A query parameter; empty if it is not there.
    pub fn option(&self, name: &str) -> &str {
        self.query.get(name).map(String::as_str).unwrap_or_default()
    }

    /// Whether a query parameter says yes.
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.option(name), "true" | "1")
    }

    /// Whether nothing is to be kept.
    pub fn is_dry_run(&self) -> bool {
        self.option("dryRun") == "All" || self.body["dryRun"][0] == "All"
    }
}

/// Reads a URL's query.
pub fn read_query(query: &str) -> BTreeMap<String, String> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(&key.replace('+', " ")), decoded(&value.replace('+', " ")))
        })
        .collect()
}

/// Undoes percent encoding.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let hex = text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[at], hex) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{Target, read_query};

    #[test]
    fn reads_paths() {
        let rows = [
            ("/api/v1/namespaces/a", ["", "v1", "namespaces", "", "a", ""]),
            ("/api/v1/namespaces/a/status", ["", "v1", "namespaces", "", "a", "status"]),
            ("/api/v1/namespaces/a/pods", ["", "v1", "pods", "a", "", ""]),
            ("/api/v1/pods", ["", "v1", "pods", "", "", ""]),
            (
                "/apis/apps/v1/namespaces/a/statefulsets/b/scale",
                ["apps", "v1", "statefulsets", "a", "b", "scale"],
            ),
            ("/apis/apps/v1", ["apps", "v1", "", "", "", ""]),
        ];
        for (path, expected) in rows {
            let target = Target::read(path).expect(path);
            let read = [
                &target.group,
                &target.version,
                &target.plural,
                &target.namespace,
                &target.name,
                &target.subresource,
            ];
            assert_eq!(read.map(String::as_str), expected, "{path}");
        }
        assert_eq!(Target::read("/version"), None);
        assert_eq!(read_query("&labelSelector=a%3Db+c&x")["labelSelector"], "a=b c");
    }
}
