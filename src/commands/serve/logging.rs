//! What the server logs, and how: text on a terminal, JSON lines otherwise. `RUST_LOG` sets the level of our own lines.
//! Libraries log only at WARN and above, because their more verbose lines contain whole requests, with keys and
//! passwords.

use std::ffi::OsStr;
use std::io::{self, IsTerminal};
use std::panic::PanicHookInfo;

use tracing::Metadata;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::ambient::log;
use crate::error::Result;

const OURS: &str = "keybearer";
/// The most verbose level at which libraries log.
const CEILING: LevelFilter = LevelFilter::WARN;
/// Modules that log ERROR when a client garbles a request or cuts it off, which any stranger can do endlessly; off by
/// default.
const OF_CLIENTS: [&str; 3] = ["actix_http::h1::dispatcher", "actix_http::h1::decoder", "actix_http::h2::dispatcher"];
/// The target of messages about `RUST_LOG` itself and of panics, which are always printed.
const ALWAYS: &str = module_path!();

pub fn start() -> Result<()> {
    log::start()?;
    let wish = Wish::of(std::env::var_os("RUST_LOG").as_deref());
    let targets = wish.targets;
    let is_printed = move |line: &Metadata<'_>| {
        let is_wished = targets.would_enable(line.target(), line.level());
        line.target() == ALWAYS || is_wished && (is_ours(line.target()) || *line.level() <= CEILING)
    };
    let filter = filter_fn(is_printed);
    let lines = tracing_subscriber::fmt::layer().with_writer(|| log::LogLine);
    // If a subscriber is already set, as in a test, it stays.
    let _ = if io::stderr().is_terminal() {
        let lines = lines.with_target(false);
        tracing_subscriber::registry().with(lines.with_filter(filter)).try_init()
    } else {
        let lines = lines.json().flatten_event(true);
        tracing_subscriber::registry().with(lines.with_filter(filter)).try_init()
    };
    std::panic::set_hook(Box::new(panicked));
    if let Some(notice) = wish.notice {
        tracing::warn!("{notice}");
    }
    Ok(())
}

/// Logs a panic like every other line: a reader of stderr that has stopped must not block the thread that panics.
fn panicked(info: &PanicHookInfo<'_>) {
    let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
    let place = info.location().map(ToString::to_string);
    tracing::error!(thread, place, "panicked: {}", info.payload_as_str().unwrap_or("without a message"));
}

fn is_ours(target: &str) -> bool {
    target.strip_prefix(OURS).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// What `RUST_LOG` asks for, and a notice if not all of it is granted.
struct Wish {
    targets: Targets,
    notice: Option<String>,
}

impl Wish {
    fn of(text: Option<&OsStr>) -> Self {
        // These levels also apply to what the text does not set, because it may be meant for another program.
        let silent = OF_CLIENTS.map(|target| (target, LevelFilter::OFF));
        let usual = || Targets::from_iter(silent).with_default(LevelFilter::INFO);
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            return Wish { targets: usual(), notice: None };
        };
        let shown: String = text.to_string_lossy().escape_debug().take(200).collect();
        match text.to_str().and_then(directives) {
            Some(directives) => {
                let is_beyond = |(target, level): &(&str, LevelFilter)| *level > CEILING && !is_ours(target);
                let is_usual = |(target, level): &(&str, LevelFilter)| target.is_empty() && *level <= LevelFilter::INFO;
                let notice = directives.iter().any(|one| is_beyond(one) && !is_usual(one)).then(|| {
                    format!(
                        "RUST_LOG={shown}: libraries log only at warn and above. More verbose lines would \
                         put whole requests, including keys and passwords, in this log"
                    )
                });
                Wish { targets: directives.into_iter().fold(usual(), with), notice }
            }
            None => Wish {
                targets: usual(),
                notice: Some(format!(
                    "RUST_LOG={shown}: this cannot be read, so the level is info. Write levels (error, warn, info, \
                     debug, trace, off) or module=level, separated by commas"
                )),
            },
        }
    }
}

fn with(targets: Targets, (target, level): (&str, LevelFilter)) -> Targets {
    if target.is_empty() { targets.with_default(level) } else { targets.with_target(target, level) }
}

/// Parses `level`, `module` and `module=level`, separated by commas; spans, fields and patterns are not supported.
/// Without a module the target is empty.
fn directives(text: &str) -> Option<Vec<(&str, LevelFilter)>> {
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    words
        .map(|word| {
            let (target, level) = match word.split_once('=') {
                Some((target, level)) => (target.trim(), level.trim().parse().ok()?),
                None => word.parse().map_or((word, LevelFilter::TRACE), |level| ("", level)),
            };
            let is_module = target.bytes().all(|b| b.is_ascii_alphanumeric() || b"_:-.".contains(&b));
            is_module.then_some((target, level))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tracing::Level;

    fn wish(text: &str) -> Wish {
        Wish::of(Some(OsStr::new(text)))
    }

    fn most(wish: &Wish, target: &str) -> Option<Level> {
        [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR]
            .into_iter()
            .find(|level| wish.targets.would_enable(target, level))
    }

    #[test]
    fn rust_log_is_a_level_and_levels_of_modules() {
        for (text, level, of_http) in [
            ("", Some(Level::INFO), Some(Level::INFO)),
            (" , ", Some(Level::INFO), Some(Level::INFO)),
            ("warn", Some(Level::WARN), Some(Level::WARN)),
            ("DEBUG", Some(Level::DEBUG), Some(Level::DEBUG)),
            ("off", None, None),
            ("=trace", Some(Level::TRACE), Some(Level::TRACE)),
            ("error,keybearer::http=debug,", Some(Level::ERROR), Some(Level::DEBUG)),
            ("keybearer::http", Some(Level::INFO), Some(Level::TRACE)),
        ] {
            let wish = wish(text);
            assert_eq!((most(&wish, "keybearer::store"), most(&wish, "keybearer::http")), (level, of_http), "{text}");
        }
    }

    #[test]
    fn malformed_requests_are_logged_only_on_request() {
        let of_dispatcher = |text: &str| most(&wish(text), "actix_http::h1::dispatcher");
        assert_eq!(of_dispatcher("debug"), None);
        assert_eq!(of_dispatcher("actix_http=warn"), None);
        assert_eq!(of_dispatcher("actix_http::h1::dispatcher=error"), Some(Level::ERROR));
        assert_eq!(most(&wish("debug"), "actix_http::h1::service"), Some(Level::DEBUG));
    }

    #[test]
    fn an_unsupported_log_filter_gets_a_notice() {
        for (text, says) in [
            ("info", None),
            ("warn,actix_http=error,keybearer=trace", None),
            ("trace", Some("only at warn")),
            ("actix_http::h1=trace", Some("only at warn")),
            ("keybearer_not=debug", Some("only at warn")),
            ("actix_http[span]=trace", Some("cannot be read")),
            ("[{key=.*}]=trace", Some("cannot be read")),
            ("info=info=info", Some("cannot be read")),
            ("keybearer=loud", Some("cannot be read")),
        ] {
            let notice = wish(text).notice;
            match says {
                None => assert_eq!(notice, None, "{text}"),
                Some(says) => {
                    assert!(notice.as_ref().is_some_and(|notice| notice.contains(says)), "{text}: {notice:?}")
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_accepted_as_a_log_filter(text in ".{0,60}") {
            let wish = wish(&text);
            prop_assert!(wish.notice.is_none_or(|notice| !notice.contains('\n')));
        }
    }
}
