//! How far a tool has come: a bar on a terminal, else nothing.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lcnode_storage::examine::Progress;

/// Runs `work`, showing its progress on standard error if that is a terminal. The bar is gone afterwards.
pub fn shown<T>(work: impl FnOnce(&mut dyn FnMut(Progress)) -> T) -> T {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let plain = ProgressStyle::default_bar();
    let template = "{msg} [{bar:40}] {percent}% {eta} left";
    bar.set_style(plain.clone().template(template).unwrap_or(plain).progress_chars("=> "));
    bar.enable_steady_tick(Duration::from_millis(200));
    let result = work(&mut |progress: Progress| {
        if bar.message() != progress.doing {
            bar.reset();
            bar.set_message(progress.doing);
        }
        bar.set_length(progress.total);
        bar.set_position(progress.done);
    });
    bar.finish_and_clear();
    result
}
