//! Watches: events in order, resuming, selectors, initial events, an end.

use serde_json::{Value, json};

use super::bench::{Bench, Checked, Events, cases, code, config_map, same, version};
use crate::object::name;

cases![
    a_watch_shows_each_change_once_and_in_order,
    a_watch_goes_on_from_a_version,
    a_watch_without_version_begins_with_what_is_there,
    initial_events_end_with_a_bookmark,
    a_watch_by_labels_shows_objects_come_and_go,
    a_watch_ends_at_its_time,
];

async fn make(bench: &Bench, name: &str, value: &str) -> Result<Value, String> {
    let body = config_map(name, &json!({"k": value}));
    let reply = bench.post(&bench.core("configmaps"), &body).await?;
    code("create", &reply, 201)?;
    Ok(reply.body)
}

async fn next(events: &mut Events, expected: (&str, &str)) -> Result<Value, String> {
    loop {
        let (kind, object) = events.next().await?;
        // A whole cluster puts a config map of its own into each namespace.
        if name(&object) == "kube-root-ca.crt" {
            continue;
        }
        same("event", &(kind.as_str(), name(&object)), &expected)?;
        return Ok(object);
    }
}

async fn a_watch_shows_each_change_once_and_in_order(bench: &Bench) -> Checked {
    let path = bench.core("configmaps");
    let list = bench.get(&path).await?.body;
    let mut events =
        bench.watch(&format!("{path}?watch=true&resourceVersion={}", version(&list))).await?;
    let made = make(bench, "a", "1").await?;
    let patch = json!({"data": {"k": "2"}});
    let patched = bench.patch(&bench.core("configmaps/a"), "merge", &patch).await?.body;
    // A write that changes nothing is no event.
    bench.patch(&bench.core("configmaps/a"), "merge", &patch).await?;
    bench.delete(&bench.core("configmaps/a"), &Value::Null).await?;
    same("added", &next(&mut events, ("ADDED", "a")).await?, &made)?;
    same("modified", &next(&mut events, ("MODIFIED", "a")).await?, &patched)?;
    let deleted = next(&mut events, ("DELETED", "a")).await?;
    same("last state", &deleted["data"], &json!({"k": "2"}))?;
    let number = |object: &Value| version(object).parse::<u64>().unwrap_or(0);
    same("newer", &(number(&deleted) > number(&patched)), &true)
}

async fn a_watch_goes_on_from_a_version(bench: &Bench) -> Checked {
    let first = make(bench, "a", "1").await?;
    make(bench, "b", "1").await?;
    bench.delete(&bench.core("configmaps/a"), &Value::Null).await?;
    let path = format!("{}?watch=1&resourceVersion={}", bench.core("configmaps"), version(&first));
    let mut events = bench.watch(&path).await?;
    next(&mut events, ("ADDED", "b")).await?;
    next(&mut events, ("DELETED", "a")).await?;
    Ok(())
}

async fn a_watch_without_version_begins_with_what_is_there(bench: &Bench) -> Checked {
    make(bench, "a", "1").await?;
    let mut events = bench.watch(&format!("{}?watch=true", bench.core("configmaps"))).await?;
    next(&mut events, ("ADDED", "a")).await?;
    make(bench, "b", "1").await?;
    next(&mut events, ("ADDED", "b")).await?;
    Ok(())
}

async fn initial_events_end_with_a_bookmark(bench: &Bench) -> Checked {
    make(bench, "a", "1").await?;
    let path = format!(
        "{}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan\
         &allowWatchBookmarks=true",
        bench.core("configmaps")
    );
    let mut events = bench.watch(&path).await?;
    next(&mut events, ("ADDED", "a")).await?;
    let bookmark = next(&mut events, ("BOOKMARK", "")).await?;
    let annotation = &bookmark["metadata"]["annotations"]["k8s.io/initial-events-end"];
    same("annotation", annotation, &json!("true"))?;
    same("kind", &bookmark["kind"], &json!("ConfigMap"))?;
    make(bench, "b", "1").await?;
    next(&mut events, ("ADDED", "b")).await?;
    let path = format!("{}?watch=true&sendInitialEvents=true", bench.core("configmaps"));
    same("match is needed", &bench.watch(&path).await?.code(), &422)
}

async fn a_watch_by_labels_shows_objects_come_and_go(bench: &Bench) -> Checked {
    let path = format!("{}?watch=true&labelSelector=seen", bench.core("configmaps"));
    let made = make(bench, "a", "1").await?;
    let mut events = bench.watch(&format!("{path}&resourceVersion={}", version(&made))).await?;
    let label = |value: Value| json!({"metadata": {"labels": {"seen": value}}});
    let one = bench.core("configmaps/a");
    bench.patch(&one, "merge", &label(json!("yes"))).await?;
    bench.patch(&one, "merge", &label(json!("again"))).await?;
    let last = bench.patch(&one, "merge", &label(Value::Null)).await?.body;
    bench.patch(&one, "merge", &label(json!("back"))).await?;
    next(&mut events, ("ADDED", "a")).await?;
    next(&mut events, ("MODIFIED", "a")).await?;
    let gone = next(&mut events, ("DELETED", "a")).await?;
    same("last shown state", &gone["metadata"]["labels"], &json!({"seen": "again"}))?;
    same("version", &version(&gone), &version(&last))?;
    next(&mut events, ("ADDED", "a")).await?;
    Ok(())
}

async fn a_watch_ends_at_its_time(bench: &Bench) -> Checked {
    let list = bench.get(&bench.gadgets("")).await?.body;
    let path = format!(
        "{}?watch=true&timeoutSeconds=1&resourceVersion={}",
        bench.gadgets(""),
        version(&list)
    );
    let mut events = bench.watch(&path).await?;
    same("ends", &events.is_over().await?, &true)
}
