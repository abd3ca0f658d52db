//! Clusters: observe, validate, plan, execute, tell.

pub mod build;
pub mod execute;
pub mod observe;
pub mod plan;
pub mod problem;
pub mod reach;
pub mod reconcile;
pub mod seen;
pub mod status;
pub mod wanted;
