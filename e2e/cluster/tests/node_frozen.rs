//! A node freezes and goes on: the broker is on the same volume again, and nothing that was
//! acknowledged is lost. What wakes up late, the operator itself perhaps, does no harm.

use anyhow::Result;
use millrace_e2e_cluster::away::ride_out;
use millrace_e2e_cluster::namespace::check_with_operator;
use millrace_e2e_cluster::node::{self, Fault};

const TEST: &str = "node_frozen";

#[test]
fn nothing_is_lost_when_a_node_freezes() -> Result<()> {
    if std::env::var_os("MILLRACE_E2E_CLUSTER").is_some() && !node::can_break(TEST) {
        return Ok(());
    }
    check_with_operator(TEST, |namespace| ride_out(namespace, Fault::freeze))
}
