//! What a person, or the machine that runs a job, does to end a run early.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::Exit;

/// The first Ctrl-C, SIGTERM or SIGHUP lets the run put everything back; the second ends at once, and `resume` goes on.
pub fn by_the_user() -> CancellationToken {
    let cancel = CancellationToken::new();
    let token = cancel.clone();
    tokio::spawn(async move {
        let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hang_up)] =
            [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal)
        else {
            return;
        };
        let mut signals = [&mut interrupt, &mut terminate, &mut hang_up];
        any(&mut signals).await;
        eprintln!("cancelled: putting everything back; once more ends at once, and `stagecraft resume` goes on");
        token.cancel();
        any(&mut signals).await;
        std::process::exit(Exit::Cancelled as i32);
    });
    cancel
}

async fn any(signals: &mut [&mut Signal; 3]) {
    let [interrupt, terminate, hang_up] = signals;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
}
