//! What a case works with: requests as plain HTTP, answers as code and JSON.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

/// What a case comes to: nothing, or what was otherwise.
pub type Checked = Result<(), String>;

/// A running case.
pub type Running<'a> = Pin<Box<dyn Future<Output = Checked> + Send + 'a>>;

/// One promise and how it is tried.
#[derive(Clone, Copy)]
pub struct Case {
    /// The promise.
    pub name: &'static str,
    /// Tries it.
    pub run: for<'a> fn(&'a Bench) -> Running<'a>,
}

/// A list of cases from functions of the same names.
macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        pub(super) const CASES: &[super::bench::Case] = &[
            $(super::bench::Case {
                name: stringify!($name),
                run: |bench| Box::pin($name(bench)),
            }),*
        ];
    };
}
pub(super) use cases;

/// A case's namespace on the server under test.
#[derive(Clone)]
pub struct Bench {
    client: Client,
    /// The namespace.
    pub namespace: String,
}

/// What the server answered.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status code.
    pub code: u16,
    /// The body.
    pub body: Value,
    /// The first `Warning` header; empty if there is none.
    pub warning: String,
}

impl Bench {
    /// A bench in a namespace that may not be there yet.
    pub fn new(client: Client, namespace: &str) -> Bench {
        Bench { client, namespace: namespace.to_owned() }
    }

    /// Makes the namespace; one of the same name from an earlier run is waited for to go.
    pub async fn make_namespace(&self) -> Checked {
        let body = json!({ "metadata": { "name": self.namespace } });
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let reply = self.post("/api/v1/namespaces", &body).await?;
            if reply.code == 201 {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(format!("namespace not made: {reply:?}"));
            }
            sleep(Duration::from_millis(500)).await;
        }
    }

    /// Takes the finalizers from what a case left behind, so that it can go with the namespace.
    pub async fn free_all(&self) -> Checked {
        let free = json!({ "metadata": { "finalizers": null } });
        for path in [self.gadgets(""), self.core("configmaps")] {
            let list = self.get(&path).await?.body;
            for item in list["items"].as_array().into_iter().flatten() {
                if !crate::object::finalizers(item).is_empty() {
                    let name = crate::object::name(item);
                    self.patch(&format!("{path}/{name}"), "merge", &free).await?;
                }
            }
        }
        Ok(())
    }

    /// Lets the namespace go, without waiting for it.
    pub async fn drop_namespace(&self) -> Checked {
        self.delete(&format!("/api/v1/namespaces/{}", self.namespace), &Value::Null).await?;
        Ok(())
    }

    /// The path of a resource of the core in this namespace.
    pub fn core(&self, rest: &str) -> String {
        format!("/api/v1/namespaces/{}/{rest}", self.namespace)
    }

    /// The path of a resource of a group in this namespace.
    pub fn group(&self, group_version: &str, rest: &str) -> String {
        format!("/apis/{group_version}/namespaces/{}/{rest}", self.namespace)
    }

    /// The path of the suite's own custom resource in this namespace.
    pub fn gadgets(&self, rest: &str) -> String {
        self.group("fidelity.millrace.io/v1", &format!("gadgets{rest}"))
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Result<Reply, String> {
        self.send("GET", path, "", &Value::Null).await
    }

    /// POST.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Reply, String> {
        self.send("POST", &managed(path), "application/json", body).await
    }

    /// PUT.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Reply, String> {
        self.send("PUT", &managed(path), "application/json", body).await
    }

    /// PATCH of a form: `merge`, `json`, `strategic-merge`.
    pub async fn patch(&self, path: &str, form: &str, body: &Value) -> Result<Reply, String> {
        let content_type = format!("application/{form}-patch+json");
        self.send("PATCH", &managed(path), &content_type, body).await
    }

    /// Server-side apply as a manager.
    pub async fn apply(&self, path: &str, manager: &str, body: &Value) -> Result<Reply, String> {
        let path = format!("{path}?fieldManager={manager}");
        self.send("PATCH", &path, "application/apply-patch+yaml", body).await
    }

    /// Server-side apply that takes what others own.
    pub async fn force(&self, path: &str, manager: &str, body: &Value) -> Result<Reply, String> {
        let path = format!("{path}?fieldManager={manager}&force=true");
        self.send("PATCH", &path, "application/apply-patch+yaml", body).await
    }

    /// DELETE with options.
    pub async fn delete(&self, path: &str, options: &Value) -> Result<Reply, String> {
        self.send("DELETE", path, "application/json", options).await
    }

    /// Any request.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: &Value,
    ) -> Result<Reply, String> {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let mut request = Request::builder().method(method).uri(path);
        if !content_type.is_empty() {
            request = request.header("content-type", content_type);
        }
        let request = request.body(Body::from(bytes)).map_err(|error| error.to_string())?;
        let response = self.client.send(request).await.map_err(|error| error.to_string())?;
        let code = response.status().as_u16();
        let warning = response.headers().get("warning").and_then(|value| value.to_str().ok());
        let warning = warning.unwrap_or_default().to_owned();
        let bytes = response.into_body().collect().await.map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&bytes.to_bytes()).into_owned();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Reply { code, body, warning })
    }

    /// Opens a watch; the path has its query.
    pub async fn watch(&self, path: &str) -> Result<Events, String> {
        let request = Request::get(path).body(Body::empty()).map_err(|error| error.to_string())?;
        let response = self.client.send(request).await.map_err(|error| error.to_string())?;
        let code = response.status().as_u16();
        Ok(Events { body: response.into_body(), rest: Vec::new(), code })
    }

    /// Asks until an answer is good, for what takes a server's controllers a while.
    pub async fn until(
        &self,
        path: &str,
        what: &str,
        is_good: impl Fn(&Reply) -> bool,
    ) -> Result<Reply, String> {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let reply = self.get(path).await?;
            if is_good(&reply) {
                return Ok(reply);
            }
            if Instant::now() > until {
                return Err(format!("{path}: not {what} within 60 s: {reply:?}"));
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}

/// A watch's events.
pub struct Events {
    body: Body,
    rest: Vec<u8>,
    code: u16,
}

impl Events {
    /// The HTTP status code.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The next event as its type and object; bookmarks that nobody asked for are skipped.
    pub async fn next(&mut self) -> Result<(String, Value), String> {
        loop {
            let line = self.line().await?.ok_or("the watch ended")?;
            let event: Value = serde_json::from_slice(&line).map_err(|error| error.to_string())?;
            let kind = event["type"].as_str().unwrap_or_default().to_owned();
            let annotations = &event["object"]["metadata"]["annotations"];
            if kind != "BOOKMARK" || annotations.is_object() {
                return Ok((kind, event["object"].clone()));
            }
        }
    }

    /// Whether the watch ends before it says anything more.
    pub async fn is_over(&mut self) -> Result<bool, String> {
        Ok(self.line().await?.is_none())
    }

    async fn line(&mut self) -> Result<Option<Vec<u8>>, String> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.rest.drain(..=end).collect();
                line.pop();
                return Ok(Some(line));
            }
            let frame = timeout(Duration::from_secs(30), self.body.frame()).await;
            match frame.map_err(|_| "no event within 30 s")? {
                None => return Ok(None),
                Some(Err(error)) => return Err(error.to_string()),
                Some(Ok(frame)) => {
                    let data: Bytes = frame.into_data().unwrap_or_default();
                    self.rest.extend_from_slice(&data);
                }
            }
        }
    }
}

/// A path with a manager, as all writes of the suite are told apart from those of the server.
fn managed(path: &str) -> String {
    let sign = if path.contains('?') { '&' } else { '?' };
    format!("{path}{sign}fieldManager=fidelity")
}

/// Compares two things.
pub fn same<T: PartialEq + Debug>(what: &str, actual: &T, expected: &T) -> Checked {
    if actual == expected {
        return Ok(());
    }
    Err(format!("{what}: got {actual:?}, expected {expected:?}"))
}

/// Compares a reply's code.
pub fn code(what: &str, reply: &Reply, expected: u16) -> Checked {
    if reply.code == expected {
        return Ok(());
    }
    Err(format!("{what}: got {} instead of {expected}: {}", reply.code, reply.body))
}

/// Compares a refusal's code, reason and message.
pub fn refusal(what: &str, reply: &Reply, expected: (u16, &str, &str)) -> Checked {
    let text = |key: &str| reply.body[key].as_str().unwrap_or_default();
    same(what, &(reply.code, text("reason"), text("message")), &expected)
}

/// The `resourceVersion` of an object.
pub fn version(object: &Value) -> &str {
    crate::object::meta(object, "resourceVersion")
}

/// A config map.
pub fn config_map(name: &str, data: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": name },
        "data": data,
    })
}

/// A custom resource of the suite's own kind.
pub fn gadget(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "fidelity.millrace.io/v1",
        "kind": "Gadget",
        "metadata": { "name": name },
        "spec": spec,
    })
}
