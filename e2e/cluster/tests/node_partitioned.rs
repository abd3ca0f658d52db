//! A node is cut off and reached again: its broker, which has run all the while, stays the only one
//! that writes to its volume, and nothing that was acknowledged is lost.

use anyhow::Result;
use millrace_e2e_cluster::away::ride_out;
use millrace_e2e_cluster::namespace::check_with_operator;
use millrace_e2e_cluster::node::{self, Fault};

const TEST: &str = "node_partitioned";

#[test]
fn nobody_else_writes_while_a_node_is_cut_off() -> Result<()> {
    if std::env::var_os("MILLRACE_E2E_CLUSTER").is_some() && !node::can_break(TEST) {
        return Ok(());
    }
    check_with_operator(TEST, |namespace| ride_out(namespace, Fault::cut_off))
}
