//! What happens to a run from outside: kills, silence, power cuts, full disks, races. After each fault the fleet is on one
//! release, the next command works, and nothing is left behind.
//!
//! `scripts/test.sh` runs a sample of each table; `scripts/faults.sh` sets `FAULTS=full`, runs all of it, and makes
//! docs/reliability.md of the rows.

mod fleet;
mod hosts;
mod journal;
mod killed;
mod rivals;
mod rows;

/// Whether every row of the tables is run, or a sample.
fn full() -> bool {
    std::env::var_os("FAULTS").is_some_and(|value| value == "full")
}

/// All of `all`, or about `few` of them, the first and the last among them.
fn sample<T: Clone>(all: &[T], few: usize) -> Vec<T> {
    if full() || all.len() <= few {
        return all.to_vec();
    }
    (0..few).map(|number| all[number * (all.len() - 1) / (few - 1)].clone()).collect()
}
