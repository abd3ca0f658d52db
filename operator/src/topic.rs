//! Topics: compared as a whole for each cluster, changed in batches, told one by one.

pub mod owner;
pub mod plan;
pub mod status;
pub mod sync;
pub mod told;
pub mod verdict;
pub mod wanted;
