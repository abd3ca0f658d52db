//! Produce and Fetch by hand: the two messages whose size is that of the data itself.
//!
//! The generated codec reads and writes them too, and is what these are tested against; it wants
//! the records of a Fetch response in memory, where these leave them in their files.

pub mod fetch;
pub mod produce;
