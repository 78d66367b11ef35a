//! Which file imports which, read from the syntax tree of each.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};

use super::sources_in;

/// A module by its path from the crate's root.
type Module = Vec<String>;

/// The files of a folder with what each imports from others. A file that names what its own parent defines is not counted:
/// a folder and its files are one thing to whoever stands outside.
pub struct Imports(BTreeMap<Module, BTreeSet<Module>>);

impl Imports {
    pub fn read(folder: &str) -> Self {
        let files: BTreeMap<Module, syn::File> = sources_in(folder)
            .into_iter()
            .filter(|(file, _)| file != "main.rs" && !file.ends_with("tests.rs"))
            .map(|(file, text)| {
                (module(&file), syn::parse_file(&text).unwrap_or_else(|error| panic!("{file}: {error}")))
            })
            .collect();
        let re_exports: BTreeMap<(Module, String), Module> = files.iter().flat_map(re_exports).collect();
        let imports = files.iter().map(|(own, file)| {
            let mut paths = Paths::default();
            paths.visit_file(file);
            let targets = paths.0.into_iter().filter_map(|path| target(own, path, &files, &re_exports));
            (own.clone(), targets.filter(|target| !own.starts_with(target)).collect())
        });
        Imports(imports.collect())
    }

    /// The files of which each imports the next, and the last the first.
    pub fn cycle(&self) -> Option<Vec<String>> {
        let mut done = BTreeSet::new();
        self.0.keys().find_map(|module| self.cycle_from(module, &mut Vec::new(), &mut done))
    }

    fn cycle_from(&self, at: &Module, path: &mut Vec<Module>, done: &mut BTreeSet<Module>) -> Option<Vec<String>> {
        if let Some(start) = path.iter().position(|module| module == at) {
            return Some(path[start..].iter().map(|module| module.join("/")).collect());
        }
        if done.contains(at) {
            return None;
        }
        path.push(at.clone());
        let found = self.0.get(at).into_iter().flatten().find_map(|next| self.cycle_from(next, path, done));
        path.pop();
        done.insert(at.clone());
        found
    }

    pub fn of<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = (String, &'a Module)> {
        let within = self.0.iter().filter(move |(module, _)| module.first().is_some_and(|first| first == folder));
        within.flat_map(|(module, targets)| targets.iter().map(|target| (module.join("/"), target)))
    }
}

fn module(file: &str) -> Module {
    let path = file.trim_end_matches(".rs").trim_end_matches("/mod");
    path.split('/').filter(|name| *name != "lib").map(str::to_owned).collect()
}

/// Every path outside tests, as it is written.
#[derive(Default)]
struct Paths(Vec<Vec<String>>);

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let is_test = item.attrs.iter().any(|attribute| attribute.path().is_ident("cfg"));
        if !is_test {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let mut named = Vec::new();
        leaves(&item.tree, &[], &mut named);
        self.0.extend(named.into_iter().map(|(_, path)| path));
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.0.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }
}

/// The paths of a `use`, each as it is written, with the name that it has from there on.
fn leaves(tree: &syn::UseTree, before: &[String], found: &mut Vec<(String, Vec<String>)>) {
    let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
    match tree {
        syn::UseTree::Path(path) => leaves(&path.tree, &with(&path.ident), found),
        syn::UseTree::Name(name) => found.push((name.ident.to_string(), with(&name.ident))),
        syn::UseTree::Rename(name) => found.push((name.rename.to_string(), with(&name.ident))),
        syn::UseTree::Glob(_) => found.push(("*".to_owned(), before.to_vec())),
        syn::UseTree::Group(group) => group.items.iter().for_each(|tree| leaves(tree, before, found)),
    }
}

/// Names that a module takes from one of its own and hands on, with where they come from.
fn re_exports((own, file): (&Module, &syn::File)) -> Vec<((Module, String), Module)> {
    let mut paths = Vec::new();
    for item in &file.items {
        if let syn::Item::Use(item) = item
            && !matches!(item.vis, syn::Visibility::Inherited)
        {
            leaves(&item.tree, &[], &mut paths);
        }
    }
    paths.into_iter().map(|(name, path)| ((own.clone(), name), path)).collect()
}

/// The file that a path leads to; `None`: out of the crate, or to the file itself.
fn target(
    own: &Module,
    mut path: Vec<String>,
    files: &BTreeMap<Module, syn::File>,
    re_exports: &BTreeMap<(Module, String), Module>,
) -> Option<Module> {
    let mut at = own.clone();
    match path.first()?.as_str() {
        "crate" => at.clear(),
        "self" => {}
        "super" => drop(at.pop()),
        // A module of this file, by its name alone.
        name if files.contains_key(&[&at[..], &[name.to_owned()]].concat()) => path.insert(0, String::new()),
        _ => return None,
    }
    let mut rest = path.into_iter().skip(1).peekable();
    while rest.next_if(|name| name == "super").is_some() {
        at.pop();
    }
    for name in rest {
        let inner = [&at[..], std::slice::from_ref(&name)].concat();
        if files.contains_key(&inner) {
            at = inner;
        } else {
            let from = re_exports.get(&(at.clone(), name));
            let origin = from.and_then(|from| target(&at, from.clone(), files, re_exports));
            // What a folder hands on from another one counts as its own.
            let origin = origin.filter(|origin| origin.first() == at.first());
            return origin.or(Some(at)).filter(|found| found != own && !found.is_empty());
        }
    }
    Some(at).filter(|at| at != own && !at.is_empty())
}
