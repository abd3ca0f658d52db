//! The harness of the tests on a real Kubernetes cluster.
//!
//! `cargo xtask e2e` makes the cluster ([`engine`], [`kind`]), installs the chart and runs the tests
//! of `tests`, one promise a file. A test gets a namespace of its own ([`namespace`]), speaks to
//! Kubernetes as its users do, through kubectl ([`kubectl`]), waits for conditions ([`wait`]), lets
//! clients that others wrote write, read and describe inside and outside of the cluster ([`inside`],
//! [`records`], [`described`]), and breaks nodes ([`node`]) and the operator ([`operator`]). What a failed test leaves behind is in a folder
//! ([`evidence`]).
//!
//! Started without a cluster, each test says that it is left out.

pub mod away;
pub mod cluster;
pub mod described;
pub mod engine;
pub mod evidence;
pub mod helm;
pub mod inside;
pub mod kind;
pub mod kubectl;
pub mod namespace;
pub mod node;
pub mod operator;
pub mod records;
pub mod wait;
