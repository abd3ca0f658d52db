//! A world in one process: the production brokers on virtual time, a disk and a network that fail,
//! clients that never stop asking, and checkers that never forget. Everything follows from a seed.
//!
//! What is simulated is only what the broker takes from outside (disk, clock, network, threads that
//! block); handlers, drivers, core and log are the code that production runs.

pub mod checkers;
pub mod coverage;
pub mod history;
pub mod network;
pub mod node;
pub mod options;
pub mod workload;
pub mod world;
