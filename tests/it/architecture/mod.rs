//! Imports run in one direction and never in a cycle, and dangerous code is in one place.

mod imports;
mod links;
mod styles;

use std::fs;
use std::path::{Path, PathBuf};

use imports::Imports;

/// From the outermost layer to the innermost; a module may only import those after it.
const ORDER: [&str; 13] = [
    "testing", "main", "cli", "commands", "http", "auth", "usage", "signing", "store", "index", "ambient", "model",
    "error",
];

fn sources() -> Vec<(String, String)> {
    sources_in("src")
}

fn sources_in(folder: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut waiting: Vec<PathBuf> = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|end| end == "rs") {
            let name = path.strip_prefix(&root).unwrap().display().to_string();
            sources.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    assert!(sources.len() > 20);
    sources
}

fn module(file: &str) -> &str {
    file.split('/').next().unwrap().trim_end_matches(".rs")
}

/// Code without its comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|line| line.split("//").next().unwrap_or_default())
}

/// The modules after `crate::` (or, in `main.rs`, `keybearer::`) in this line, also in `crate::{a, b}`.
fn used(line: &str) -> Vec<&str> {
    let paths = line.split("crate::").skip(1).chain(line.split("keybearer::").skip(1));
    paths
        .flat_map(|rest| match rest.strip_prefix('{') {
            Some(list) => list.split([',', '}']).map(str::trim).collect(),
            None => vec![rest],
        })
        .map(|path| path.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default())
        .filter(|name| !name.is_empty())
        .collect()
}

#[test]
fn a_module_imports_only_modules_listed_to_its_right() {
    let place = |name: &str| ORDER.iter().position(|module| *module == name);
    for (file, text) in sources().iter().filter(|(file, _)| file != "lib.rs") {
        let own = place(module(file)).unwrap_or_else(|| panic!("{file} is in no module of the picture"));
        for name in code(text).flat_map(used) {
            let other = place(name).unwrap_or_else(|| panic!("{file} uses crate::{name}, which is not in the picture"));
            assert!(other >= own, "{file} uses {name}: an arrow to the left");
        }
    }
}

#[test]
fn no_files_import_each_other_in_a_cycle() {
    for (folder, top, imports_at_least) in [("src", "http", 200), ("benches", "verify", 50)] {
        let imports = Imports::read(folder);
        assert!(imports.of(top).count() > imports_at_least);
        assert_eq!(imports.cycle(), None);
    }
}

#[test]
fn modules_above_auth_import_only_auth_and_the_model() {
    let imports = Imports::read("src");
    for folder in ["cli", "commands", "http"] {
        for (file, target) in imports.of(folder) {
            assert!(target[0] != "store" && target[0] != "index", "{file} imports {}", target.join("/"));
        }
    }
    for (file, text) in sources().iter().filter(|(file, _)| !["auth", "usage", "store"].contains(&module(file))) {
        assert!(!code(text).any(|line| line.contains("crate::store")), "{file} imports the store");
    }
}

/// The store knows how to write, `auth` knows what may be written: callers, refusals and audit events
/// belong to the rules.
#[test]
fn the_store_contains_all_sql_and_no_rules() {
    let statements = ["SELECT ", "INSERT INTO", "UPDATE ", "DELETE FROM", "PRAGMA "];
    let rules = ["Authority", "Actor", "Caller", "Asking", "forbidden(", "is_admin(", "must_be", "NewEvent {"];
    for (file, text) in sources() {
        let text = text.split("#[cfg(test)]").next().unwrap();
        if file.starts_with("store/tables/") {
            let rule =
                code(text).find(|line| rules.iter().any(|word| line.contains(word)) || line.contains("conflict("));
            assert_eq!(rule, None, "{file}");
        } else if file.starts_with("store/") {
            let rule = code(text).find(|line| rules[..6].iter().any(|word| line.contains(word)));
            assert_eq!(rule, None, "{file}");
        } else {
            let sql = code(text).find(|line| statements.iter().any(|word| line.contains(&format!("\"{word}"))));
            assert_eq!(sql, None, "{file}");
        }
    }
}

/// The entrances to the server. What they share is in `http/` itself; `openapi` is above `api` and `oauth`.
const ENTRANCES: [&str; 4] = ["dashboard", "api", "gateway", "oauth"];

/// The names after `http::` or `super::`, also in `http::{a, b}`.
fn named_in_http(text: &str) -> Vec<String> {
    let code: String = code(text).map(str::trim).collect();
    let paths = code.split("http::").skip(1).chain(code.split("super::").skip(1));
    let names = paths.flat_map(|rest| match rest.strip_prefix('{') {
        Some(list) => list.split('}').next().unwrap_or_default().split(',').collect(),
        None => vec![rest],
    });
    names.map(|name| name.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()).collect()
}

#[test]
fn the_entrances_do_not_import_each_other() {
    let sources = sources();
    // A name that `http` re-exports from an entrance counts as that entrance.
    let (_, http) = sources.iter().find(|(file, _)| file == "http/mod.rs").unwrap();
    let re_exported = |entrance: &str| -> Vec<String> {
        let start = format!("pub use {entrance}::");
        let names = code(http).filter_map(|line| line.strip_prefix(&start)).map(|names| names.replace("::", ","));
        let names: String = names.collect();
        names.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned).collect()
    };
    for own in ENTRANCES {
        let folder = format!("http/{own}/");
        let files: Vec<_> = sources.iter().filter(|(file, _)| file.starts_with(&folder)).collect();
        assert!(!files.is_empty(), "there is no {folder}");
        for other in ENTRANCES.into_iter().filter(|other| *other != own) {
            let foreign = [vec![other.to_owned()], re_exported(other)].concat();
            for (file, text) in &files {
                let named = named_in_http(text);
                let import = named.iter().find(|name| !name.is_empty() && foreign.contains(name));
                assert!(import.is_none(), "{file} imports {import:?} of http/{other}");
            }
        }
    }
}

/// `<path>` of every `<start><path>"` in the text.
fn quoted<'a>(text: &'a str, start: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(start).skip(1).filter_map(|rest| rest.split('"').next())
}

#[test]
fn a_page_and_its_template_have_the_same_path() {
    let mut pages = 0;
    for (file, text) in sources() {
        for template in quoted(&text, "#[template(path = \"") {
            let page = format!("http/dashboard/{}.rs", template.strip_suffix(".html").unwrap());
            assert_eq!(file, page);
            pages += 1;
        }
    }
    assert!(pages > 10);
}

#[test]
fn dangerous_or_replaceable_code_is_in_one_place() {
    for (needle, places) in [
        ("rusqlite::", &["store/"][..]),
        ("refinery::", &["store/"]),
        ("tokio_postgres", &["store/"]),
        ("askama", &["http/"]),
        ("actix_", &["http/", "commands/serve"]),
        ("tonic::", &["http/gateway/grpc/"]),
        ("prost::", &["http/gateway/grpc/"]),
        (
            "unsafe ",
            &[
                "store/sqlite/announce.rs",
                "store/sqlite/data_sync.rs",
                "index/memory.rs",
                "http/connection/socket.rs",
                "auth/passwords/memory.rs",
                "ambient/streams.rs",
                "ambient/background.rs",
                "commands/serve/sockets.rs",
            ],
        ),
        ("argon2", &["auth/passwords/"]),
        ("jsonwebtoken", &["signing/"]),
        (
            "aws_lc_rs::",
            &["signing/", "http/tls.rs", "http/github_keys.rs", "ambient/constant_time.rs", "store/postgres/tls.rs"],
        ),
        ("clap", &["cli/", "commands/"]),
        ("SystemTime::now", &["ambient/clock.rs", "ambient/moment.rs"]),
        ("SysRng", &["ambient/entropy.rs"]),
        ("Command::new", &[]),
    ] {
        for (file, text) in sources() {
            let is_there = code(&text).any(|line| line.contains(needle));
            assert!(!is_there || places.iter().any(|place| file.starts_with(place)), "{needle} in {file}");
        }
    }
}

/// The compiler reports an unused item only if no other crate could use it.
#[test]
fn other_crates_see_only_the_testing_module() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let public: Vec<_> = lib.lines().filter(|line| line.starts_with("pub ")).collect();
    assert_eq!(public, ["pub mod testing;", "pub use cli::main;"]);
}

#[test]
fn a_type_name_has_one_meaning() {
    let mut found = std::collections::BTreeMap::<String, Vec<String>>::new();
    for (file, text) in sources().into_iter().filter(|(file, _)| !file.ends_with("tests.rs")) {
        let text = text.split("\n#[cfg(test)]").next().unwrap().to_owned();
        for item in syn::parse_file(&text).unwrap().items {
            let name = match item {
                syn::Item::Struct(item) => item.ident,
                syn::Item::Enum(item) => item.ident,
                syn::Item::Trait(item) => item.ident,
                syn::Item::Type(item) => item.ident,
                _ => continue,
            };
            found.entry(name.to_string()).or_default().push(file.clone());
        }
    }
    let twice: Vec<_> = found.iter().filter(|(_, files)| files.len() > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

#[test]
fn every_file_starts_with_a_comment_on_its_purpose() {
    let files = sources().into_iter().chain(sources_in("benches"));
    for (file, text) in files.filter(|(file, _)| !file.ends_with("tests.rs")) {
        assert!(text.starts_with("//! "), "{file}");
    }
}

/// The commands that `--help` lists.
fn commands() -> Vec<String> {
    let help = std::process::Command::new(env!("CARGO_BIN_EXE_keybearer")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    list.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn no_message_and_no_page_names_a_command_that_does_not_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = pages.chain(["README.md", "ARCHITECTURE.md", "SECURITY.md"].map(|name| root.join(name)));
    let pages = pages.filter(|path| path.extension().is_some_and(|end| end == "md"));
    let mut texts = sources();
    texts.extend(pages.map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap())));
    let commands = commands();
    assert!(commands.iter().any(|command| command == "serve"), "{commands:?}");
    for (file, text) in texts {
        for (at, _) in text.match_indices("keybearer ") {
            // As somebody would type it: in code, in brackets, or after a colon.
            let is_typed = ["`", "(", ": "].iter().any(|before| text[..at].ends_with(before));
            let word: String = text[at + 10..].chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
            let is_named = word.is_empty() || word.starts_with('-') || commands.contains(&word);
            assert!(!is_typed || is_named, "{file} names the command {word:?}");
        }
    }
}
