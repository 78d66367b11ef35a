//! The style sheet and the pages agree on their classes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::links::templates;

fn asset(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("static").join(name)).unwrap()
}

fn is_part_of_a_name(c: char) -> bool {
    c.is_ascii_lowercase() || c == '-'
}

/// The text without what is between two marks.
fn without(text: &str, start: &str, end: &str) -> String {
    let mut parts = text.split(start);
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |kept, part| kept + " " + part.split_once(end).map_or("", |(_, rest)| rest))
}

/// The classes that the style sheet selects.
fn styled() -> BTreeSet<String> {
    let css = without(&asset("app.css"), "/*", "*/");
    let names = css.split('.').skip(1).map(|rest| rest.chars().take_while(|c| is_part_of_a_name(*c)).collect());
    names.filter(|name: &String| !name.is_empty()).collect()
}

/// The classes in the attributes of the templates.
fn written() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (_, text) in templates() {
        for rest in text.split(" class=\"").skip(1) {
            // The attribute ends at the first quote that is outside of a tag of the template.
            let value = without(rest, "{%", "%}");
            found.extend(value.split('"').next().unwrap().split_whitespace().map(str::to_owned));
        }
    }
    found
}

#[test]
fn every_class_of_the_style_sheet_is_used_and_every_used_one_is_styled() {
    let (styled, written, script) = (styled(), written(), asset("app.js"));
    assert!(styled.len() > 50 && styled.contains("button"), "{styled:?}");
    let in_script = |name: &String| script.split(|c: char| !is_part_of_a_name(c)).any(|word| word == name);
    let unused: Vec<_> = styled.iter().filter(|name| !written.contains(*name) && !in_script(name)).collect();
    assert_eq!(unused, Vec::<&String>::new(), "the style sheet selects what no page has");
    let plain: Vec<_> = written.difference(&styled).collect();
    assert_eq!(plain, Vec::<&String>::new(), "a page has what the style sheet does not select");
}

/// Five sizes of text, none in between; only fields on phones are larger, so that iOS does not zoom in.
#[test]
fn text_has_five_sizes() {
    let css = without(&asset("app.css"), "/*", "*/");
    let sizes = ["--label", "--small", "--text", "--figure", "--title"].map(|size| format!("var({size})"));
    let mut declared = 0;
    for declaration in css.split([';', '{', '}']).map(str::trim) {
        let Some((name, value)) = declaration.split_once(':') else { continue };
        if !["font", "font-size"].contains(&name.trim()) {
            continue;
        }
        declared += 1;
        let is_known = value.trim() == "inherit" || sizes.iter().any(|size| value.contains(size));
        assert!(is_known || value.trim().starts_with("1rem"), "{declaration}");
    }
    assert!(declared > 20, "{declared}");
}
