//! A broker behind its doors, and clients that mean it ill.

mod connections;
mod console;
mod data_path;
mod describe;
mod disks;
mod fetching;
mod frames;
mod full_disk;
mod groups;
mod metadata;
mod ownership;
mod process;
mod records;
mod support;
mod verbs;
