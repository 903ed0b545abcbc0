//! Signals end the program in the original's words.

use tokio::signal::unix::{SignalKind, signal};

/// Waits for a signal, says so and exits: 0 on TERM, 1 on the others.
pub async fn exit_on_signal() {
    let (name, code) = match first_signal().await {
        Ok(caught) => caught,
        Err(e) => {
            tracing::warn!(error = %e, "signals are not watched");
            return;
        }
    };
    println!("\nGot signal [{name}] to exit.");
    std::process::exit(code);
}

async fn first_signal() -> std::io::Result<(&'static str, i32)> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut quit = signal(SignalKind::quit())?;
    Ok(tokio::select! {
        _ = hangup.recv() => ("hangup", 1),
        _ = interrupt.recv() => ("interrupt", 1),
        _ = terminate.recv() => ("terminated", 0),
        _ = quit.recv() => ("quit", 1),
    })
}
