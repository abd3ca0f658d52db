//! Refusals of custom resources: each rule of a schema, in the server's words.

use serde_json::{Value, json};

use super::bench::{Bench, Checked, cases, code, gadget, refusal, same};

cases![
    values_are_held_to_the_schema,
    several_refusals_stand_in_one_list,
    rules_in_cel_are_held,
    changes_are_held_to_rules_about_the_old_value,
    unchanged_bad_values_are_let_be,
];

const HEAD: &str = "Gadget.fidelity.millrace.io \"a\" is invalid: ";

async fn values_are_held_to_the_schema(bench: &Bench) -> Checked {
    let mut differences = Vec::new();
    for (spec, expected) in softly().into_iter().chain(hard()) {
        let reply = bench.post(&bench.gadgets(""), &gadget("a", &spec)).await?;
        let message = format!("{HEAD}{expected}");
        differences.extend(refusal(&spec.to_string(), &reply, (422, "Invalid", &message)).err());
    }
    same("differences", &differences, &Vec::new())
}

/// Refusals after which rules are run all the same.
fn softly() -> Vec<(Value, String)> {
    let rows = [
        (
            json!({"count": -3}),
            "spec.count: Invalid value: -3: spec.count in body should be greater \
                                than or equal to 0",
        ),
        (
            json!({"size": 101}),
            "spec.size: Invalid value: 101: spec.size in body should be less \
                                than or equal to 100",
        ),
        (
            json!({"count": 4}),
            "spec.count: Invalid value: 4: spec.count in body should be a \
                               multiple of 3",
        ),
        (
            json!({"name": "UP"}),
            "spec.name: Invalid value: \"UP\": spec.name in body should match \
                                 '^[a-z]+$'",
        ),
        (
            json!({"name": "a"}),
            "spec.name: Invalid value: \"a\": spec.name in body should be at \
                                least 2 chars long",
        ),
        (
            json!({"words": []}),
            "spec.words: Invalid value: 0: spec.words in body should have at \
                                least 1 items",
        ),
        (
            json!({"items": [{"name": "a"}, {"name": "a"}]}),
            "spec.items[1]: Duplicate value: {\"name\":\"a\"}",
        ),
        (json!({"tags": ["a", "a"]}), "spec.tags[1]: Duplicate value: \"a\""),
        (
            json!({"ratio": 0}),
            "spec.ratio: Invalid value: 0: spec.ratio in body should be greater \
                               than 0",
        ),
    ];
    rows.map(|(spec, expected)| (spec, expected.to_owned())).to_vec()
}

/// Refusals after which no rule is run, as is said.
fn hard() -> Vec<(Value, String)> {
    const TAIL: &str = "<nil>: Invalid value: null: some validation rules were not checked because \
        the object was invalid; correct the existing errors to complete validation";
    let rows = [
        (
            json!({"count": "x"}),
            "spec.count: Invalid value: \"string\": spec.count in body must be \
                                 of type integer: \"string\"",
        ),
        (
            json!({"color": "green"}),
            "spec.color: Unsupported value: \"green\": supported values: \
                                     \"blue\", \"red\"",
        ),
        (json!({"name": "abcdefghi"}), "spec.name: Too long: may not be more than 8 bytes"),
        (
            json!({"words": ["a", "b", "c", "d"]}),
            "spec.words: Too many: 4: must have at most 3 items",
        ),
        (
            json!({"words": "a"}),
            "spec.words: Invalid value: \"string\": spec.words in body must be \
                                 of type array: \"string\"",
        ),
        (
            json!({"words": [1]}),
            "spec.words[0]: Invalid value: \"integer\": spec.words[0] in body \
                                 must be of type string: \"integer\"",
        ),
        (json!({"items": [{"value": "x"}]}), "spec.items[0].name: Required value"),
        (
            json!({"labels": {"x": 1}}),
            "spec.labels.x: Invalid value: \"integer\": spec.labels.x in \
                                       body must be of type string: \"integer\"",
        ),
        (
            json!({"either": true}),
            "spec.either: Invalid value: \"boolean\": spec.either in body \
                                   must be of type integer,string: \"boolean\"",
        ),
        (
            json!({"plain": []}),
            "spec.plain: Invalid value: \"array\": spec.plain in body must be of \
                                type object: \"array\"",
        ),
    ];
    rows.map(|(spec, expected)| (spec, format!("[{expected}, {TAIL}]"))).to_vec()
}

async fn several_refusals_stand_in_one_list(bench: &Bench) -> Checked {
    let spec = json!({"count": -3, "name": "UP"});
    let reply = bench.post(&bench.gadgets(""), &gadget("a", &spec)).await?;
    code("refused", &reply, 422)?;
    let causes = reply.body["details"]["causes"].as_array().cloned().unwrap_or_default();
    let mut fields: Vec<(&str, &str)> = causes
        .iter()
        .map(|one| {
            (one["field"].as_str().unwrap_or_default(), one["reason"].as_str().unwrap_or_default())
        })
        .collect();
    fields.sort_unstable();
    let expected = vec![("spec.count", "FieldValueInvalid"), ("spec.name", "FieldValueInvalid")];
    same("causes", &fields, &expected)?;
    let message = reply.body["message"].as_str().unwrap_or_default();
    same("in brackets", &message.starts_with(&format!("{HEAD}[")), &true)?;
    let details = (&reply.body["details"]["kind"], &reply.body["details"]["group"]);
    same("details", &details, &(&json!("Gadget"), &json!("fidelity.millrace.io")))
}

async fn rules_in_cel_are_held(bench: &Bench) -> Checked {
    let spec = json!({"size": 5, "limit": 3});
    let reply = bench.post(&bench.gadgets(""), &gadget("a", &spec)).await?;
    let message = format!("{HEAD}spec: Invalid value: size must not exceed limit");
    refusal("spec", &reply, (422, "Invalid", &message))?;
    let reply =
        bench.post(&bench.gadgets(""), &gadget("a", &json!({"size": 3, "limit": 3}))).await?;
    code("good", &reply, 201)
}

async fn changes_are_held_to_rules_about_the_old_value(bench: &Bench) -> Checked {
    let spec = json!({
        "storage": "1Gi", "fixed": "x", "items": [{"name": "i", "value": "v"}],
    });
    code("create", &bench.post(&bench.gadgets(""), &gadget("a", &spec)).await?, 201)?;
    let rows = [
        (json!({"storage": "2Gi"}), None),
        (
            json!({"storage": "1500Mi"}),
            Some("spec.storage: Invalid value: \"1500Mi\": storage can only grow"),
        ),
        (json!({"storage": null}), Some("spec.storage: Invalid value: storage cannot be removed")),
        (json!({"fixed": "y"}), Some("spec.fixed: Invalid value: \"y\": was x")),
        (
            json!({"items": [{"name": "i", "value": "fixed"}]}),
            Some("spec.items[0].value: Invalid value: \"fixed\": is fixed"),
        ),
        // Another item has no old value.
        (json!({"items": [{"name": "j", "value": "fixed"}]}), None),
    ];
    for (change, expected) in rows {
        let reply = bench.patch(&bench.gadgets("/a"), "merge", &json!({"spec": change})).await?;
        match expected {
            None => code(&change.to_string(), &reply, 200)?,
            Some(text) => {
                let message = format!("{HEAD}{text}");
                refusal(&change.to_string(), &reply, (422, "Invalid", &message))?;
            }
        }
    }
    Ok(())
}

async fn unchanged_bad_values_are_let_be(bench: &Bench) -> Checked {
    // A schema that became stricter is out of reach here: what is good stays good.
    let made = bench.post(&bench.gadgets(""), &gadget("a", &json!({"size": 1}))).await?;
    let reply = bench.put(&bench.gadgets("/a"), &made.body).await?;
    same("put", &reply.body, &made.body)?;
    same("none", &reply.body["spec"].get("name"), &None::<&Value>)
}
