//! The same small cases for any API server: what holds against a real one must hold here.
//!
//! Each case runs in a namespace of its own and speaks plain HTTP through the client, so that codes,
//! bodies and the order of events are compared, not what a client library makes of them.

mod apply;
mod bench;
mod built_in;
mod custom;
mod deletes;
mod lists;
mod objects;
mod owners;
mod patches;
mod rules;
mod watches;

use std::time::Duration;

use bench::{Bench, Checked};
use kube::Client;

/// What became of one case.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The promise.
    pub name: &'static str,
    /// What was otherwise, if anything was.
    pub difference: Option<String>,
}

/// Whether the server under test runs the controllers that collect garbage and empty namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Controllers {
    /// It does, as a whole cluster.
    Run,
    /// It is an API server alone: cases that need them are left out.
    Absent,
}

/// Runs all cases one after the other.
///
/// # Errors
/// If the suite's own definition of a custom resource cannot be made.
pub async fn run(client: Client, controllers: Controllers) -> Result<Vec<Outcome>, String> {
    let mut outcomes = Vec::new();
    custom::define(&Bench::new(client.clone(), "default")).await?;
    let all: [(&[bench::Case], bool); 10] = [
        (objects::CASES, false),
        (lists::CASES, false),
        (watches::CASES, false),
        (patches::CASES, false),
        (apply::CASES, false),
        (custom::CASES, false),
        (rules::CASES, false),
        (built_in::CASES, false),
        (deletes::CASES, false),
        (owners::CASES, true),
    ];
    for (cases, needs_controllers) in all {
        if needs_controllers && controllers == Controllers::Absent {
            continue;
        }
        for case in cases {
            let difference = one(&client, case).await.err();
            outcomes.push(Outcome { name: case.name, difference });
        }
    }
    custom::undefine(&Bench::new(client, "default")).await?;
    Ok(outcomes)
}

async fn one(client: &Client, case: &bench::Case) -> Checked {
    let namespace = format!("fidelity-{}", case.name.replace('_', "-"));
    let namespace: String = namespace.chars().take(60).collect();
    let namespace = namespace.trim_end_matches('-');
    let bench = Bench::new(client.clone(), namespace);
    bench.make_namespace().await?;
    let result = tokio::time::timeout(Duration::from_secs(90), (case.run)(&bench)).await;
    bench.free_all().await?;
    bench.drop_namespace().await?;
    result.unwrap_or_else(|_| Err("took more than 90 s".to_owned()))
}
