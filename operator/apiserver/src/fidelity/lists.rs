//! Lists: selectors, pages, versions.

use serde_json::{Value, json};

use super::bench::{Bench, Checked, cases, code, config_map, refusal, same, version};
use crate::object::name;

cases![
    selectors_choose,
    a_list_comes_in_pages_of_one_version,
    a_list_of_an_exact_version_shows_the_past,
    a_version_of_the_future_is_refused,
    bad_selectors_are_refused,
];

async fn make(bench: &Bench, name: &str, labels: &Value) -> Result<Value, String> {
    let mut body = config_map(name, &json!({}));
    body["metadata"]["labels"] = labels.clone();
    let reply = bench.post(&bench.core("configmaps"), &body).await?;
    code("create", &reply, 201)?;
    Ok(reply.body)
}

fn names(list: &Value) -> Vec<&str> {
    let all = list["items"].as_array().into_iter().flatten();
    // A whole cluster puts a config map of its own into each namespace.
    all.map(name).filter(|name| *name != "kube-root-ca.crt").collect()
}

async fn selectors_choose(bench: &Bench) -> Checked {
    make(bench, "a", &json!({"app": "x", "tier": "web"})).await?;
    make(bench, "b", &json!({"app": "y"})).await?;
    make(bench, "c", &json!({})).await?;
    let rows: [(&str, &[&str]); 8] = [
        ("labelSelector=app%3Dx", &["a"]),
        ("labelSelector=app", &["a", "b"]),
        ("labelSelector=%21app", &["c"]),
        ("labelSelector=app%20in%20%28x%2Cy%29%2Ctier%21%3Dweb", &["b"]),
        ("labelSelector=app%21%3Dx", &["b", "c"]),
        ("fieldSelector=metadata.name%3Db", &["b"]),
        ("fieldSelector=metadata.name%21%3Db", &["a", "c"]),
        ("", &["a", "b", "c"]),
    ];
    for (query, expected) in rows {
        let reply = bench.get(&format!("{}?{query}", bench.core("configmaps"))).await?;
        same(query, &names(&reply.body).as_slice(), &expected)?;
    }
    let all = bench.get("/api/v1/configmaps?labelSelector=tier%3Dweb").await?;
    same("in all namespaces", &names(&all.body), &vec!["a"])?;
    same("kind", &all.body["kind"], &json!("ConfigMapList"))
}

async fn a_list_comes_in_pages_of_one_version(bench: &Bench) -> Checked {
    for name in ["a", "b", "c", "d", "e"] {
        make(bench, name, &json!({"paged": "yes"})).await?;
    }
    let path = format!("{}?labelSelector=paged&limit=2", bench.core("configmaps"));
    let first = bench.get(&path).await?.body;
    same("first", &names(&first), &vec!["a", "b"])?;
    // What comes later is not on later pages.
    make(bench, "c2", &json!({"paged": "yes"})).await?;
    let token = first["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
    let second = bench.get(&format!("{path}&continue={token}")).await?.body;
    same("second", &names(&second), &vec!["c", "d"])?;
    same("version", &version(&second), &version(&first))?;
    let token = second["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
    let last = bench.get(&format!("{path}&continue={token}")).await?.body;
    same("last", &names(&last), &vec!["e"])?;
    same("end", &last["metadata"].get("continue").is_none(), &true)
}

async fn a_list_of_an_exact_version_shows_the_past(bench: &Bench) -> Checked {
    let first = make(bench, "a", &json!({"past": "yes"})).await?;
    let second = make(bench, "b", &json!({"past": "yes"})).await?;
    let path = format!("{}?labelSelector=past", bench.core("configmaps"));
    let exact = format!("{path}&resourceVersion={}&resourceVersionMatch=Exact", version(&first));
    same("exact", &names(&bench.get(&exact).await?.body), &vec!["a"])?;
    // "Not older" than the first could be answered without the second, by a cache that lags.
    let newer = format!("{path}&resourceVersion={}", version(&second));
    let newer = bench.get(&newer).await?.body;
    same("not older", &names(&newer), &vec!["a", "b"])
}

async fn a_version_of_the_future_is_refused(bench: &Bench) -> Checked {
    let path = format!("{}?resourceVersion=999999999", bench.core("configmaps"));
    // Clients may ask again and again before they believe it.
    let asked = tokio::time::timeout(std::time::Duration::from_secs(20), bench.get(&path)).await;
    let Ok(reply) = asked else { return Ok(()) };
    let reply = reply?;
    same("code", &(reply.code, reply.body["reason"].clone()), &(504, json!("Timeout")))?;
    let cause = &reply.body["details"]["causes"][0]["reason"];
    same("cause", cause, &json!("ResourceVersionTooLarge"))
}

async fn bad_selectors_are_refused(bench: &Bench) -> Checked {
    let path = format!("{}?fieldSelector=data.k%3D1", bench.core("configmaps"));
    let reply = bench.get(&path).await?;
    code("field", &reply, 400)?;
    let path = format!("{}?fieldSelector=spec.size%3D1", bench.gadgets(""));
    let reply = bench.get(&path).await?;
    refusal("custom", &reply, (400, "BadRequest", "field label not supported: spec.size"))?;
    let path = format!("{}?labelSelector=a%20b", bench.core("configmaps"));
    code("label", &bench.get(&path).await?, 400)
}
