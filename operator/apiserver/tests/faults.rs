//! What can go wrong between a client and the server, and that kube's own watcher lives through it.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Client, ResourceExt};
use millrace_apiserver::request::Verb;
use millrace_apiserver::{ApiError, ApiServer, Fault, Faults, Rates, Rule};
use serde_json::json;

fn named(name: &str, value: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name}, "data": {"k": value}})).expect("JSON")
}

fn maps(client: Client) -> Api<ConfigMap> {
    Api::namespaced(client, "default")
}

async fn apply(api: &Api<ConfigMap>, name: &str, value: &str) -> kube::Result<ConfigMap> {
    let patch = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": value},
    });
    api.patch(name, &PatchParams::apply("test"), &Patch::Apply(patch)).await
}

#[tokio::test(start_paused = true)]
async fn a_rule_refuses_the_request_that_it_names() {
    let server = ApiServer::new(1);
    let faults = Faults::new(1);
    let api = maps(server.client_with("default", &faults));
    let refusal = ApiError::unavailable("not now");
    let rule = Rule::once(Verb::Create, "configmaps", Fault::Refuse(refusal)).after(1);
    faults.add(rule);
    api.create(&PostParams::default(), &named("a", "1")).await.expect("passes");
    let refused = api.create(&PostParams::default(), &named("b", "1")).await;
    assert!(matches!(refused, Err(kube::Error::Api(status)) if status.code == 503));
    api.create(&PostParams::default(), &named("b", "1")).await.expect("the rule is spent");
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_a_write_that_was_done() {
    let server = ApiServer::new(1);
    let faults = Faults::new(1);
    let api = maps(server.client_with("default", &faults));
    faults.add(Rule::once(Verb::Patch, "configmaps", Fault::LoseAnswer));
    assert!(matches!(apply(&api, "a", "1").await, Err(kube::Error::Service(_))));
    assert_eq!(api.get("a").await.expect("it is there").data, named("a", "1").data);
    // The same again changes nothing.
    let before = server.revision();
    apply(&api, "a", "1").await.expect("an answer");
    assert_eq!(server.revision(), before);
    let has_changed: Vec<bool> = faults.writes().iter().map(|write| write.has_changed).collect();
    assert_eq!(has_changed, [true, false]);
}

#[tokio::test(start_paused = true)]
async fn a_crash_comes_before_or_after_the_write() {
    for (is_after, left) in [(false, 1), (true, 2)] {
        let server = ApiServer::new(1);
        let faults = Faults::new(1);
        let api = maps(server.client_with("default", &faults));
        if is_after {
            faults.crash_after_write(2);
        } else {
            faults.crash_before_write(2);
        }
        let mut watch = watcher(api.clone(), watcher::Config::default()).boxed();
        while !matches!(watch.next().await, Some(Ok(watcher::Event::InitDone))) {}
        apply(&api, "a", "1").await.expect("before the crash");
        assert!(apply(&api, "b", "1").await.is_err());
        faults.crashed().await;
        assert!(api.get("a").await.is_err(), "a crashed client reads nothing");
        while watch.next().await.is_some_and(|event| event.is_ok()) {}
        let all = maps(server.client("default")).list(&ListParams::default()).await;
        assert_eq!(all.expect("others go on").items.len(), left);
    }
}

#[tokio::test(start_paused = true)]
async fn what_chance_brings_depends_on_the_seed_only() {
    let mut runs = Vec::new();
    for seed in [3, 3, 4] {
        let server = ApiServer::new(1);
        let faults = Faults::new(seed);
        faults.set_rates(Rates { error: 0.3, lost_answer: 0.2, ..Rates::default() });
        let api = maps(server.client_with("default", &faults));
        let mut results = Vec::new();
        for number in 0..50 {
            results.push(apply(&api, &format!("a{number}"), "1").await.is_ok());
        }
        runs.push((results, server.objects("", "configmaps")));
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0].0, runs[2].0);
    assert!(runs[0].0.contains(&true) && runs[0].0.contains(&false));
}

#[tokio::test(start_paused = true)]
async fn caches_lag_and_stand_still() {
    let server = ApiServer::new(1);
    let api = maps(server.client("default"));
    server.set_cache_lag(Duration::from_secs(5));
    apply(&api, "a", "1").await.expect("a write");
    let any = ListParams::default().match_any();
    assert_eq!(api.list(&any).await.expect("a list").items.len(), 0);
    assert_eq!(api.list(&ListParams::default()).await.expect("a list").items.len(), 1);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(api.list(&any).await.expect("a list").items.len(), 1);
    server.set_cache_lag(Duration::ZERO);
    server.freeze_cache();
    let mut watch = watcher(api.clone(), watcher::Config::default()).default_backoff().boxed();
    apply(&api, "b", "1").await.expect("a write");
    let init = async {
        loop {
            if let Some(Ok(watcher::Event::InitDone)) = watch.next().await {
                return;
            }
        }
    };
    init.await;
    apply(&api, "c", "1").await.expect("a write");
    let silent = tokio::time::timeout(Duration::from_secs(30), watch.next()).await;
    assert!(silent.is_err(), "a cache that stands still shows nothing: {silent:?}");
    server.thaw_cache();
    let event = watch.next().await.expect("an event").expect("no error");
    assert!(matches!(event, watcher::Event::Apply(map) if map.name_any() == "c"));
}

/// A store fed by kube's watcher through faulty watches ends up with what is there.
async fn converges(seed: u64, rates: Rates, config: watcher::Config) {
    let server = ApiServer::new(seed);
    let faults = Faults::new(seed);
    faults.set_rates(rates);
    let watched = maps(server.client_with("default", &faults));
    let (store, writer) = reflector::store();
    let stream = reflector(writer, watcher(watched, config)).default_backoff();
    let task = tokio::spawn(stream.for_each(|_| async {}));
    let api = maps(server.client("default"));
    for round in 0..60_u32 {
        let name = format!("m{}", round * 7 % 11);
        if round % 3 == 2 {
            // It may be gone already.
            let _ = api.delete(&name, &DeleteParams::default()).await;
        } else {
            apply(&api, &name, &round.to_string()).await.expect("a write");
        }
        if round % 20 == 19 {
            server.compact();
        }
        tokio::time::sleep(Duration::from_millis(u64::from(round % 5) * 100)).await;
    }
    faults.set_rates(Rates::default());
    tokio::time::sleep(Duration::from_secs(600)).await;
    let versions = |all: Vec<ConfigMap>| -> BTreeMap<String, Option<String>> {
        all.into_iter().map(|map| (map.name_any(), map.resource_version())).collect()
    };
    let seen = versions(store.state().iter().map(|map| (**map).clone()).collect());
    let there = versions(api.list(&ListParams::default()).await.expect("a list").items);
    assert_eq!(seen, there, "seed {seed}");
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_watcher_converges_through_cuts_repeats_and_410() {
    let rates = Rates {
        error: 0.1,
        unreachable: 0.1,
        watch_repeat: 0.2,
        watch_cut: 0.2,
        watch_gone: 0.1,
        delay_max: Duration::from_millis(300),
        ..Rates::default()
    };
    for seed in 0..20 {
        converges(seed, rates, watcher::Config::default()).await;
        converges(seed, rates, watcher::Config::default().streaming_lists()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_from_a_forgotten_version_is_told_so() {
    let server = ApiServer::new(1);
    let api = maps(server.client("default"));
    apply(&api, "a", "1").await.expect("a write");
    server.compact();
    let mut watch = api.watch(&Default::default(), "1").await.expect("a watch").boxed();
    let event = watch.next().await.expect("an event").expect("an event");
    assert!(matches!(event, kube::core::WatchEvent::Error(status) if status.code == 410));
    assert!(watch.next().await.is_none());
    let page = ListParams::default().limit(1);
    apply(&api, "b", "1").await.expect("a write");
    let first = api.list(&page).await.expect("a page");
    apply(&api, "c", "1").await.expect("a write");
    server.compact();
    let token = first.metadata.continue_.expect("more pages");
    let late = api.list(&page.continue_token(&token)).await;
    assert!(matches!(late, Err(kube::Error::Api(status)) if status.code == 410));
}
