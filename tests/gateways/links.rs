//! The index of `docs/gateways` names every file there, and nothing that is not there.

use std::collections::BTreeSet;
use std::path::Path;

use super::home::documented;

/// The relative targets of a page's links.
fn links(page: &str) -> BTreeSet<String> {
    let targets = page.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    targets.filter(|target| !target.is_empty() && !target.contains("://")).map(str::to_owned).collect()
}

#[test]
fn every_file_is_linked_and_every_link_has_its_file() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/gateways");
    let there: BTreeSet<String> =
        std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let mut linked = links(&documented("README.md"));
    for page in there.iter().filter(|name| name.ends_with(".md")) {
        for link in links(&documented(page)) {
            assert!(directory.join(&link).exists(), "{page} links {link}");
            linked.insert(link);
        }
        assert!(
            page == "README.md" || links(&documented("README.md")).contains(page),
            "README.md does not link {page}"
        );
    }
    let unlinked: Vec<_> = there.iter().filter(|name| *name != "README.md" && !linked.contains(*name)).collect();
    assert!(unlinked.is_empty(), "no page links {unlinked:?}");
}
