//! End to end: the real binary against real SSH hosts with their own Docker engines, under load.
//!
//! `scripts/test.sh` prepares the lab and runs these one at a time: they share the hosts.

mod app;
mod lab;
mod load;
mod stagecraft;

mod bad_input;
mod commands;
mod deploy_hosts;
mod deploy_local;
mod failing;
mod faults;
mod fidelity;
mod gates;
mod images;
mod releases;
mod routes;
mod shop;
