//! A service without a port.

use std::{process::ExitCode, time::Duration};

use anyhow::Result;
use tokio::time::interval;

use crate::settings::{self, Stop};

const EVERY: Duration = Duration::from_secs(1);

/// Prints a line each second until it is asked to stop.
pub async fn work() -> Result<ExitCode> {
    let mut stop = Stop::listen()?;
    let (version, mut tick) = (settings::version(), interval(EVERY));
    for count in 1_u64.. {
        tokio::select! {
            _ = tick.tick() => println!("{version} has worked {count}"),
            () = stop.asked() => break,
        }
    }
    println!("{version} stops");
    Ok(ExitCode::SUCCESS)
}
