//! The tidy test: who may import whom, and what every file has to be.
//!
//! The rules are those of `docs/architecture.md`. The scan is simple on purpose: it reads `crate::…` and the names
//! of packages in code without comments and tests, and does not expand macros. Each failure names the file and
//! what would be right.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What each module of `src/` may import from the others. A module imports only modules above it, so that no
/// circle can be allowed by accident.
const MODULES: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("config", &[]),
    ("explanations", &[]),
    ("index", &[]),
    ("merkle", &[]),
    ("profiles", &[]),
    ("query", &[]),
    ("randomness", &[]),
    ("shell", &[]),
    ("sqlite_file", &[]),
    ("background", &[]),
    ("tasks", &["background"]),
    ("room", &["tasks"]),
    ("token", &["index", "randomness"]),
    ("operations", &[]),
    ("event_log", &["merkle", "sqlite_file"]),
    ("sealing", &["randomness", "sqlite_file"]),
    ("telemetry", &["config", "event_log"]),
    ("feed", &[]),
    (
        "directory",
        &[
            "clock",
            "event_log",
            "feed",
            "index",
            "operations",
            "randomness",
            "sealing",
            "tasks",
            "telemetry",
            "token",
        ],
    ),
    ("as_of", &["directory", "tasks"]),
    ("directories", &["directory", "event_log", "feed", "room", "token"]),
    ("outbox", &["config", "directories", "directory", "event_log", "feed", "operations", "tasks"]),
    ("expiry", &["directories", "directory"]),
    ("silence", &["config", "directories", "directory", "operations"]),
    (
        "request_log",
        &[
            "background",
            "clock",
            "config",
            "directories",
            "directory",
            "query",
            "sealing",
            "telemetry",
            "token",
        ],
    ),
    (
        "reports",
        &[
            "directories",
            "directory",
            "event_log",
            "explanations",
            "feed",
            "outbox",
            "request_log",
            "sealing",
            "shell",
        ],
    ),
    (
        "http",
        &[
            "as_of",
            "config",
            "directories",
            "directory",
            "explanations",
            "index",
            "outbox",
            "profiles",
            "query",
            "reports",
            "request_log",
            "sealing",
            "silence",
            "telemetry",
            "token",
        ],
    ),
    (
        "app",
        &[
            "as_of",
            "clock",
            "config",
            "directories",
            "directory",
            "event_log",
            "expiry",
            "http",
            "index",
            "outbox",
            "randomness",
            "request_log",
            "room",
            "sealing",
            "silence",
            "tasks",
            "telemetry",
        ],
    ),
    ("offline", &["app", "config", "query", "reports", "tasks"]),
    ("cli", &["app", "config", "offline", "profiles", "shell", "telemetry"]),
    ("main", &["cli"]),
];

/// Which modules of `src/` may use a crate that stands for a whole world: HTTP, SQL, NATS.
const WORLDS: &[(&str, &[&str])] = &[
    ("actix_web", &["app", "http"]),
    ("anyhow", &["app", "cli", "offline"]),
    ("async_nats", &["config", "outbox"]),
    ("clap", &["cli", "config"]),
    ("rusqlite", &["event_log", "operations", "request_log", "sealing", "sqlite_file"]),
    ("ureq", &["cli"]),
];

/// What the inner packages may depend on: they cannot do I/O, because they have nothing to do it with.
const PACKAGES: &[(&str, &[&str])] = &[
    ("crates/scim", &["chrono", "percent-encoding", "serde", "serde_json", "thiserror", "unicase"]),
    ("crates/provisioning", &["chrono", "scim", "serde", "serde_json", "thiserror", "toml", "uuid"]),
    ("crates/page_checksums", &["crc32fast", "rusqlite"]),
    ("crates/write_ahead", &["rusqlite"]),
    (
        "projections",
        &[
            "hex",
            "page_checksums",
            "provisioning",
            "rusqlite",
            "scim",
            "serde_json",
            "sha2",
            "thiserror",
            "uuid",
            "write_ahead",
        ],
    ),
];

/// Names that say nothing.
const EMPTY_NAMES: &[&str] =
    &["util", "utils", "common", "helper", "helpers", "types", "models", "manager", "service"];

/// Longer files are two files. Tests may be longer.
const FILE_LINES_MAX: usize = 600;
/// A map that is longer is not read.
const MAP_LINES_MAX: usize = 150;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below these folders with one of these endings, by its path in the repo.
fn files(folders: &[&str], endings: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            if path.is_dir() {
                folders.push(path);
            } else if endings.contains(&ending) {
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn rust_files() -> Vec<(String, String)> {
    files(&["src", "crates", "projections/src", "benches", "tests", "examples"], &["rs"])
}

fn is_test(file: &str) -> bool {
    file.starts_with("tests/") || file.contains("/tests/") || file.ends_with("/tests.rs")
}

/// The names of other modules that a file of `src/` imports. The binary sees the library from outside.
fn imports(file: &str, text: &str) -> BTreeSet<String> {
    let code = code(text);
    imported_from_crate(&if module_of(file) == "main" { code.replace("muster::", "crate::") } else { code })
}

/// The code of a file without its comments and its inline tests.
fn code(text: &str) -> String {
    let tested = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    tested.lines().map(|line| line.split("//").next().unwrap_or_default().to_owned() + "\n").collect()
}

/// The top-level module of `src/` that a file belongs to.
fn module_of(file: &str) -> &str {
    let below = file.strip_prefix("src/").expect("a file of src/");
    below.split('/').next().unwrap_or_default().trim_end_matches(".rs")
}

/// The names that directly follow `crate::` in code, also inside braces.
fn imported_from_crate(code: &str) -> BTreeSet<String> {
    let mut imported = BTreeSet::new();
    for (at, prefix) in code.match_indices("crate::") {
        if code[..at].ends_with(is_word) {
            continue;
        }
        let after = &code[at + prefix.len()..];
        match after.strip_prefix('{') {
            Some(group) => imported.extend(heads_of_group(group)),
            None => imported.extend(head(after)),
        }
    }
    imported
}

/// The first name of each member of a use group whose brace was just opened.
fn heads_of_group(group: &str) -> BTreeSet<String> {
    let mut heads = BTreeSet::new();
    let mut depth = 0;
    let mut member = true;
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => member = true,
            _ if member && is_word(character) => {
                heads.extend(head(&group[at..]));
                member = false;
            }
            _ => {}
        }
    }
    heads
}

fn head(path: &str) -> Option<String> {
    let name: String = path.chars().take_while(|character| is_word(*character)).collect();
    (!name.is_empty()).then_some(name)
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Whether code uses a crate of that name.
fn uses_crate(code: &str, name: &str) -> bool {
    let path = format!("{name}::");
    code.match_indices(&path).any(|(at, _)| !code[..at].ends_with(|before| is_word(before) || before == ':'))
}

#[track_caller]
fn assert_none(rule: &str, violations: &[String]) {
    assert!(violations.is_empty(), "{rule}:\n  {}", violations.join("\n  "));
}

#[test]
fn modules_import_only_what_stands_above_them() {
    let order: BTreeMap<&str, usize> =
        MODULES.iter().enumerate().map(|(place, (module, _))| (*module, place)).collect();
    let circles = MODULES.iter().flat_map(|(module, allowed)| {
        let order = &order;
        let below = allowed.iter().filter(|import| order.get(*import) >= order.get(module));
        below.map(move |import| {
            format!("{module} may not be allowed to import {import}, which stands below it")
        })
    });
    assert_none("MODULES of this test", &circles.collect::<Vec<_>>());

    let mut violations = Vec::new();
    for (file, text) in files(&["src"], &["rs"]).iter().filter(|(file, _)| !is_test(file)) {
        let module = module_of(file);
        if module == "lib" {
            continue;
        }
        let Some((_, allowed)) = MODULES.iter().find(|(known, _)| *known == module) else {
            violations.push(format!("{file}: module {module} is not in MODULES of this test"));
            continue;
        };
        for import in imports(file, text) {
            if order.contains_key(import.as_str()) && import != module && !allowed.contains(&import.as_str())
            {
                violations.push(format!("{file}: {module} may not import {import}"));
            }
        }
    }
    assert_none("import direction (docs/architecture.md)", &violations);
}

#[test]
fn every_allowed_import_is_used() {
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (file, text) in files(&["src"], &["rs"]).iter().filter(|(file, _)| !is_test(file)) {
        used.entry(module_of(file).to_owned()).or_default().extend(imports(file, text));
    }
    let stale = MODULES.iter().flat_map(|(module, allowed)| {
        let used = &used;
        let idle = allowed
            .iter()
            .filter(move |import| !used.get(*module).is_some_and(|used| used.contains(**import)));
        idle.map(move |import| format!("{module} does not import {import} any more"))
    });
    assert_none("MODULES of this test allows too much", &stale.collect::<Vec<_>>());
}

#[test]
fn http_sql_and_nats_stay_in_their_rooms() {
    let mut violations = Vec::new();
    for (file, text) in files(&["src"], &["rs"]).iter().filter(|(file, _)| !is_test(file)) {
        let (module, code) = (module_of(file), code(text));
        for (world, allowed) in WORLDS {
            if uses_crate(&code, world) && !allowed.contains(&module) {
                violations.push(format!("{file}: only {} may use {world}", allowed.join(", ")));
            }
        }
    }
    assert_none("crates that stand for a whole world", &violations);
}

#[test]
fn inner_packages_depend_on_nothing_that_does_io() {
    let mut violations = Vec::new();
    for (package, allowed) in PACKAGES {
        let manifest = fs::read_to_string(root().join(package).join("Cargo.toml")).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        for name in manifest["dependencies"].as_table().unwrap().keys() {
            if !allowed.contains(&name.as_str()) {
                violations.push(format!("{package}/Cargo.toml: {name} is not among {}", allowed.join(", ")));
            }
        }
    }
    assert_none("dependencies", &violations);
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent = rust_files().into_iter().filter(|(_, text)| !text.starts_with("//!"));
    let silent: Vec<String> = silent.map(|(file, _)| format!("{file}: does not begin with //!")).collect();
    assert_none("every file opens with what it is for, what it promises and what it does not know", &silent);
}

#[test]
fn files_are_short_enough_to_be_read() {
    let lengths = rust_files().into_iter().filter(|(file, _)| !is_test(file));
    let lengths = lengths.map(|(file, text)| (file, text.lines().count()));
    let long = lengths.filter(|(_, lines)| *lines > FILE_LINES_MAX);
    let long: Vec<String> = long.map(|(file, lines)| format!("{file}: {lines} lines")).collect();
    assert_none(&format!("more than {FILE_LINES_MAX} lines; can the wall move?"), &long);
}

#[test]
fn names_say_something() {
    let empty = rust_files().into_iter().filter(|(file, _)| {
        file.trim_end_matches(".rs")
            .split('/')
            .any(|name| name.split('_').any(|word| EMPTY_NAMES.contains(&word)))
    });
    let empty: Vec<String> = empty.map(|(file, _)| file).collect();
    assert_none(&format!("a name with one of {}", EMPTY_NAMES.join(", ")), &empty);
}

#[test]
fn nothing_is_left_unfinished() {
    // Put together, so that this file does not find itself.
    let marks =
        [["TO", "DO"], ["FIX", "ME"], ["XX", "X"], ["todo", "!("], ["unimplemented", "!("], ["#[ig", "nore"]]
            .map(|halves| halves.concat());
    let mut unfinished = Vec::new();
    for (file, text) in rust_files() {
        for (number, line) in text.lines().enumerate() {
            let found = marks.iter().find(|mark| line.contains(mark.as_str()));
            unfinished.extend(found.map(|mark| format!("{file}:{}: {mark}", number + 1)));
        }
    }
    assert_none("finish it, or write a decision or an issue", &unfinished);
}

#[test]
fn no_file_names_a_place_on_somebodys_machine() {
    // Put together, so that this file does not find itself.
    let places = [["/ho", "me/"].concat(), ["/ro", "ot/"].concat(), format!("{}/", root().display())];
    let folders = [
        "src",
        "crates",
        "projections",
        "migrations",
        "tests",
        "examples",
        "benches",
        "docs",
        "tools",
        ".ci",
        ".config",
    ];
    let endings = ["rs", "md", "toml", "json", "sql", "py", "txt", ""];
    let mut found = Vec::new();
    for (file, text) in files(&folders, &endings) {
        found.extend(
            places.iter().filter(|place| text.contains(*place)).map(|place| format!("{file}: {place}")),
        );
    }
    assert_none("paths of a machine", &found);
}

#[test]
fn the_docs_are_there_and_the_map_is_short() {
    let expected = [
        "README.md",
        "CHANGELOG.md",
        "docs/architecture.md",
        "docs/decisions/README.md",
        "docs/errors.md",
        "docs/events.md",
        "docs/operations.md",
        "docs/scim-conformance.md",
        "migrations/README.md",
        "tests/wire/README.md",
    ];
    let missing = expected.iter().filter(|file| !root().join(file).is_file());
    assert_none("missing", &missing.map(|file| (*file).to_owned()).collect::<Vec<_>>());
    let map = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let lines = map.lines().count();
    assert!(
        lines <= MAP_LINES_MAX,
        "docs/architecture.md has {lines} lines, at most {MAP_LINES_MAX} are read"
    );
}

#[test]
fn the_scan_finds_what_is_imported() {
    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let found: Vec<String> = imported_from_crate(&code(text)).into_iter().collect();
        assert_eq!(found, expected, "{text}");
    }
    check("use crate::config::Config;", &["config"]);
    check("use crate::{clock, directory::{Directory, open}, http};", &["clock", "directory", "http"]);
    check("fn f() -> crate::merkle::Tree { crate::clock::now() }", &["clock", "merkle"]);
    check("// crate::http::x\nuse other_crate::config;", &[]);
    check("use crate::clock;\n#[cfg(test)]\nmod tests {\n use crate::http;\n}", &["clock"]);
    assert!(uses_crate("use rusqlite::Connection;", "rusqlite"));
    assert!(!uses_crate("use my_rusqlite::Connection; use crate::rusqlite::X;", "rusqlite"));
}
