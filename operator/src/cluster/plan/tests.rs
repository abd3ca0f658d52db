//! Plans as people read them: what happens to a cluster, step by step, in a world that does what
//! Kubernetes would.

mod addresses;
mod changes;
mod restarts;
mod volumes;
mod world;
