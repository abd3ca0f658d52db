//! A broker behind its doors, and clients that mean it ill.

mod connections;
mod frames;
mod process;
mod support;
