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

/// About so many of `all`, the first and the last among them.
fn sample<T: Clone>(all: &[T], count: usize) -> Vec<T> {
    if all.len() <= count {
        return all.to_vec();
    }
    (0..count).map(|number| all[number * (all.len() - 1) / (count - 1)].clone()).collect()
}
