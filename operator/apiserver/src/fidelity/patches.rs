//! Patches: merge, JSON, strategic.

use serde_json::{Value, json};

use super::bench::{Bench, Checked, cases, code, config_map, gadget, refusal, same, version};

cases![
    a_merge_patch_changes_what_it_names,
    a_merge_patch_conflicts_only_where_it_names_a_version,
    a_json_patch_changes_what_it_points_at,
    a_json_patch_that_does_not_fit_is_refused,
    a_strategic_patch_merges_lists_by_their_key,
    custom_resources_take_no_strategic_patch,
    a_patch_that_changes_nothing_keeps_the_version,
    generation_counts_changes_of_the_spec_only,
];

async fn a_merge_patch_changes_what_it_names(bench: &Bench) -> Checked {
    let body = config_map("a", &json!({"k": "1", "l": "2"}));
    bench.post(&bench.core("configmaps"), &body).await?;
    let patch = json!({"data": {"k": null, "m": "3"}, "metadata": {"labels": {"x": "y"}}});
    let reply = bench.patch(&bench.core("configmaps/a"), "merge", &patch).await?;
    code("patch", &reply, 200)?;
    same("data", &reply.body["data"], &json!({"l": "2", "m": "3"}))?;
    same("labels", &reply.body["metadata"]["labels"], &json!({"x": "y"}))?;
    let other = json!({"metadata": {"name": "b"}});
    let reply = bench.patch(&bench.core("configmaps/a"), "merge", &other).await?;
    code("another name", &reply, 400)
}

async fn a_merge_patch_conflicts_only_where_it_names_a_version(bench: &Bench) -> Checked {
    let path = bench.core("configmaps/a");
    let made = bench.post(&bench.core("configmaps"), &config_map("a", &json!({"k": "1"}))).await?;
    let patch = json!({"data": {"k": "2"}});
    code("blind", &bench.patch(&path, "merge", &patch).await?, 200)?;
    let mut versioned = json!({"data": {"k": "3"}});
    versioned["metadata"]["resourceVersion"] = json!(version(&made.body));
    let reply = bench.patch(&path, "merge", &versioned).await?;
    same("old version", &(reply.code, reply.body["reason"].clone()), &(409, json!("Conflict")))
}

async fn a_json_patch_changes_what_it_points_at(bench: &Bench) -> Checked {
    let mut body = config_map("a", &json!({"k": "1"}));
    body["metadata"]["annotations"] = json!({"l/m": "2", "n": "3"});
    bench.post(&bench.core("configmaps"), &body).await?;
    let patch = json!([
        {"op": "test", "path": "/data/k", "value": "1"},
        {"op": "replace", "path": "/data/k", "value": "9"},
        {"op": "remove", "path": "/metadata/annotations/l~1m"},
        {"op": "add", "path": "/metadata/labels", "value": {"x": "y"}},
    ]);
    let reply = bench.patch(&bench.core("configmaps/a"), "json", &patch).await?;
    code("patch", &reply, 200)?;
    same("data", &reply.body["data"], &json!({"k": "9"}))?;
    same("annotations", &reply.body["metadata"]["annotations"], &json!({"n": "3"}))?;
    // What is to be replaced need not be there.
    let patch = json!([{"op": "replace", "path": "/data/none", "value": "2"}]);
    let reply = bench.patch(&bench.core("configmaps/a"), "json", &patch).await?;
    same("replace", &(reply.code, reply.body["data"]["none"].clone()), &(200, json!("2")))
}

async fn a_json_patch_that_does_not_fit_is_refused(bench: &Bench) -> Checked {
    bench.post(&bench.core("configmaps"), &config_map("a", &json!({"k": "1"}))).await?;
    for operation in [
        json!([{"op": "test", "path": "/data/k", "value": "2"}]),
        json!([{"op": "replace", "path": "/none/none", "value": "2"}]),
        json!([{"op": "remove", "path": "/data/none"}]),
    ] {
        let reply = bench.patch(&bench.core("configmaps/a"), "json", &operation).await?;
        let message = "the server rejected our request due to an error in our request";
        refusal(&operation.to_string(), &reply, (422, "Invalid", message))?;
    }
    Ok(())
}

async fn a_strategic_patch_merges_lists_by_their_key(bench: &Bench) -> Checked {
    let body = json!({
        "metadata": { "name": "a" },
        "spec": {
            "clusterIP": "None",
            "ports": [{"name": "x", "port": 1}, {"name": "y", "port": 2}],
        },
    });
    bench.post(&bench.core("services"), &body).await?;
    let patch =
        json!({"spec": {"ports": [{"port": 2, "name": "z"}, {"port": 1, "$patch": "delete"}]}});
    let reply = bench.patch(&bench.core("services/a"), "strategic-merge", &patch).await?;
    code("patch", &reply, 200)?;
    let expected = json!([{"name": "z", "port": 2, "protocol": "TCP", "targetPort": 2}]);
    same("ports", &reply.body["spec"]["ports"], &expected)
}

async fn custom_resources_take_no_strategic_patch(bench: &Bench) -> Checked {
    bench.post(&bench.gadgets(""), &gadget("a", &json!({"size": 1}))).await?;
    let reply = bench.patch(&bench.gadgets("/a"), "strategic-merge", &json!({})).await?;
    let message = "the body of the request was in an unknown format - accepted media types \
                   include: application/json-patch+json, application/merge-patch+json, \
                   application/apply-patch+yaml, application/apply-patch+cbor";
    same("code", &reply.code, &415)?;
    let text = reply.body["message"].as_str().unwrap_or_default();
    same("message", &message.starts_with(text), &true)
}

async fn a_patch_that_changes_nothing_keeps_the_version(bench: &Bench) -> Checked {
    let made = bench.post(&bench.gadgets(""), &gadget("a", &json!({"size": 1}))).await?;
    for patch in [
        json!({}),
        json!({"spec": {"size": 1}}),
        json!({"spec": {"unknown": 1}}),
        json!({"metadata": {"labels": {"none": null}}}),
    ] {
        let reply = bench.patch(&bench.gadgets("/a"), "merge", &patch).await?;
        same(&patch.to_string(), &version(&reply.body), &version(&made.body))?;
    }
    Ok(())
}

async fn generation_counts_changes_of_the_spec_only(bench: &Bench) -> Checked {
    bench.post(&bench.gadgets(""), &gadget("a", &json!({"size": 1}))).await?;
    let rows = [
        ("/a", json!({"metadata": {"labels": {"x": "y"}}}), 1),
        ("/a", json!({"metadata": {"annotations": {"x": "y"}}}), 1),
        ("/a/status", json!({"status": {"phase": "Ready"}}), 1),
        ("/a", json!({"spec": {"size": 2}}), 2),
        ("/a", json!({"spec": {"size": 2}}), 2),
        ("/a", json!({"metadata": {"generation": 9}, "spec": {"size": 3}}), 3),
    ];
    for (path, patch, expected) in rows {
        let reply = bench.patch(&bench.gadgets(path), "merge", &patch).await?;
        code("patch", &reply, 200)?;
        same(&patch.to_string(), &reply.body["metadata"]["generation"], &json!(expected))?;
    }
    let reply = bench.patch(&bench.gadgets("/none"), "merge", &json!({})).await?;
    refusal(
        "missing",
        &reply,
        (404, "NotFound", "gadgets.fidelity.millrace.io \"none\" not found"),
    )?;
    same("status", &Value::from(reply.code), &json!(404))
}
