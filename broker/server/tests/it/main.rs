//! A broker behind its doors, and clients that mean it ill.

mod connections;
mod data_path;
mod disks;
mod frames;
mod groups;
mod metadata;
mod process;
mod support;
