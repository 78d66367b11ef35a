//! Progress bars, which are shown only on a terminal.

use indicatif::{ProgressBar, ProgressStyle};

const ROWS: &str = "{msg} {wide_bar} {human_pos}/{human_len} {eta}";

/// A bar for `length` rows.
pub fn rows(what: &'static str, length: u64) -> ProgressBar {
    ProgressBar::new(length).with_style(style(ROWS)).with_message(what)
}

/// A count of lines, whose number is not known.
pub fn lines(what: &'static str) -> ProgressBar {
    ProgressBar::new_spinner().with_style(style("{msg} {human_pos} lines")).with_message(what)
}

/// A bar for pages of a database, whose number is not known yet; `set` tells it.
pub fn pages(what: &'static str) -> ProgressBar {
    ProgressBar::new(0).with_style(style("{msg} {wide_bar} {percent}% {eta}")).with_message(what)
}

pub fn set(bar: &ProgressBar, done: u64, all: u64) {
    bar.set_length(all);
    bar.set_position(done);
}

/// Turns a spinner into a bar for `length` rows.
pub fn begin_rows(bar: &ProgressBar, what: &'static str, length: u64) {
    bar.set_style(style(ROWS));
    bar.set_length(length);
    bar.set_message(what);
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
