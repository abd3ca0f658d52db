//! Where nothing changes, the operator looks and writes nothing.

use anyhow::{Result, ensure};
use millrace_e2e_cluster::cluster::shop;
use millrace_e2e_cluster::namespace::{Namespace, check_with_operator};
use millrace_e2e_cluster::{operator, wait};
use serde_json::json;

/// How many looks at topics, and so how long, nothing may be written.
const LOOKS: f64 = 4.0;

fn looks(of: &str) -> Result<f64> {
    operator::figure(&format!("millrace_operator_reconciles_total{{of=\"{of}\",outcome=\"done\"}}"))
}

fn body(namespace: &Namespace) -> Result<()> {
    shop(namespace, &json!({}))?;
    wait::until("the clusters of earlier tests gone", wait::MAX, || {
        let known = operator::figure("millrace_operator_clusters")?;
        Ok(if known < 1.5 { Ok(()) } else { Err(format!("{known} clusters")) })
    })?;
    let writes = || operator::figure("millrace_operator_writes_total");
    // An event of becoming ready may come a moment after that was told.
    wait::until("no writes", wait::MAX, || {
        let (before, clusters, topics) = (writes()?, looks("cluster")?, looks("topics")?);
        // A change that is none of the operator's business has it look at all of the cluster.
        let note = format!("note={topics}");
        namespace.kubectl(&["annotate", "service", "shop-bootstrap", "--overwrite", &note])?;
        wait::until("looks", wait::MAX, || {
            let so_far = looks("topics")? - topics;
            let is_done = so_far >= LOOKS && looks("cluster")? > clusters;
            Ok(if is_done { Ok(()) } else { Err(format!("{so_far} looks")) })
        })?;
        let more = writes()? - before;
        Ok(if more < 0.5 { Ok(()) } else { Err(format!("{more} writes")) })
    })?;
    let service = namespace.get("service", "shop-bootstrap")?;
    ensure!(service["metadata"]["annotations"]["note"].is_string(), "it took the note away");
    Ok(())
}

#[test]
fn nothing_is_written_when_nothing_changed() -> Result<()> {
    check_with_operator("idle", body)
}
