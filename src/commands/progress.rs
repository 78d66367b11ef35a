//! Progress bars, which are shown only on a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar for pages of a database, whose number is not known yet.
pub fn pages(what: &'static str) -> ProgressBar {
    styled(ProgressBar::new(0), "{msg} {wide_bar} {percent}% {eta}").with_message(what)
}

pub fn set(bar: &ProgressBar, done: u64, all: u64) {
    bar.set_length(all);
    bar.set_position(done);
}

pub fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}
