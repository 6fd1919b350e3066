//! Ctrl-C, and a request of the system to end.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::context::Failure;

/// Whether the operator wants it to end.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// From now on signals are requests.
    pub fn listen() -> Result<Self, Failure> {
        let (sender, receiver) = watch::channel(false);
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            // Nobody listens any more at the end.
            let _ = sender.send(true);
            sender.closed().await;
        });
        Ok(Self(receiver))
    }

    /// Returns when it is wanted.
    pub async fn wanted(&mut self) {
        if self.0.wait_for(|wanted| *wanted).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
