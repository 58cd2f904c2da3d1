//! The source as text: codes, test names, environment variables.
//!
//! A code is an argument where a function or closure takes one: every `fn` with a parameter `code: &'static str` and
//! every closure with a parameter `code` is a maker of errors, and the words among the arguments of its calls are
//! codes. So are `code: "…"` in a struct, `=> "…"` in a `fn code`, and the first word of a tuple that is bound to
//! `(code, …)`. Nothing has to be listed here when another maker is written.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::pages::{is_word, root};

/// Every file of the source with its text; without test modules if `code_only`.
fn files(code_only: bool) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for folder in ["crates", "projections", "src", "tests/it"] {
        collect(&root().join(folder), &mut found);
    }
    assert!(found.len() > 100, "{} files of source only", found.len());
    if !code_only {
        return found;
    }
    let is_code = |path: &Path| {
        let path = path.strip_prefix(root()).expect("it lies below the root");
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let of_tests = path.components().any(|part| part.as_os_str() == "tests");
        !of_tests && !stem.ends_with("tests") && stem != "testing"
    };
    found.retain(|(path, _)| is_code(path));
    for (_, text) in &mut found {
        if let Some(tests) = text.find("#[cfg(test)]\nmod tests {") {
            text.truncate(tests);
        }
    }
    found
}

fn collect(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("source is text");
            found.push((path, text));
        }
    }
}

/// Every stable code that some error is made with.
pub(super) fn error_codes() -> BTreeSet<String> {
    let files = files(true);
    let mut makers = BTreeSet::from(["new".to_owned()]);
    for (_, text) in &files {
        makers.extend(makers_in(text));
    }
    let mut codes = BTreeSet::new();
    for (_, text) in &files {
        let text = without_comments(text);
        for maker in &makers {
            for (at, _) in text.match_indices(&format!("{maker}(")) {
                let before = text[..at].chars().next_back();
                if !before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
                    codes.extend(argument_words(&text[at + maker.len()..]));
                }
            }
        }
        for (at, _) in text.match_indices("code: \"") {
            codes.extend(literal(&text[at + "code: ".len()..]));
        }
        for (at, _) in text.match_indices("fn code(") {
            let body = text[at..].split("\n    }\n").next().unwrap_or_default();
            codes.extend(body.match_indices("=> \"").filter_map(|(arm, _)| literal(&body[arm + 3..])));
        }
        for (at, _) in text.match_indices("let (code, ") {
            let statement = text[at..].split("};").next().unwrap_or_default();
            let tuples = statement.match_indices('"').filter_map(|(quote, _)| literal(&statement[quote..]));
            codes.extend(tuples);
        }
    }
    codes
}

/// Whether some text in the source begins with that code and a colon.
pub(super) fn begins_a_text(code: &str) -> bool {
    files(true).iter().any(|(_, text)| text.contains(&format!("\"{code}: ")))
}

/// The names of functions and closures of a file that take a code.
fn makers_in(text: &str) -> BTreeSet<String> {
    let mut makers = BTreeSet::new();
    for (at, _) in text.match_indices("fn ") {
        let Some((name, rest)) = text[at + 3..].split_once('(') else { continue };
        let parameters = rest.split_once(')').map_or(rest, |(parameters, _)| parameters);
        if parameters.contains("code: &'static str") {
            makers.insert(name.split('<').next().unwrap_or(name).trim().to_owned());
        }
    }
    for (at, _) in text.match_indices("= |") {
        let parameters = text[at + 3..].split('|').next().unwrap_or_default();
        let names_code = parameters
            .split(',')
            .any(|part| part.split(':').next().is_some_and(|name| name.trim() == "code"));
        let name = text[..at].trim_end().rsplit(' ').next().unwrap_or_default();
        if names_code && text[..at].trim_end().ends_with(&format!("let {name}")) {
            makers.insert(name.to_owned());
        }
    }
    makers
}

/// The words among the direct arguments of a call, whose opening parenthesis comes first.
fn argument_words(call: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut depth = 0_usize;
    let mut at = 0;
    let bytes = call.as_bytes();
    while at < bytes.len() {
        match bytes[at] {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            }
            b'"' => {
                let text = quoted(&call[at..]);
                if depth == 1 && is_word(text) {
                    words.push(text.to_owned());
                }
                at += text.len() + 1;
            }
            _ => {}
        }
        at += 1;
    }
    words
}

/// The literal that a text begins with, if it is a word.
fn literal(text: &str) -> Option<String> {
    let word = text.starts_with('"').then(|| quoted(text))?;
    is_word(word).then(|| word.to_owned())
}

/// What stands between a quote and the one that closes it.
fn quoted(text: &str) -> &str {
    let bytes = text.as_bytes();
    let mut end = 1;
    while end < bytes.len() && bytes[end] != b'"' {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    &text[1..end.min(bytes.len())]
}

/// The text without lines that are comments: they quote what they explain.
fn without_comments(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The names of all tests, in and beside the code: of functions under an attribute that makes them tests.
pub(super) fn test_names() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (_, text) in files(false) {
        let mut lines = text.lines().map(str::trim_start);
        while let Some(line) = lines.next() {
            if !line.starts_with("#[test]") && !line.starts_with("#[tokio::test") {
                continue;
            }
            let attributes = |line: &&str| line.starts_with('#') || line.starts_with("//");
            let function = lines.find(|line| !attributes(line)).unwrap_or_default();
            let name = function.split_once("fn ").and_then(|(_, rest)| rest.split('(').next());
            names.insert(name.expect("a test is a function").to_owned());
        }
    }
    assert!(names.len() > 300, "{} tests only", names.len());
    names
}

/// The environment variables that clap and `config` read.
pub(super) fn environment_variables() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (_, text) in files(true) {
        for marker in ["env = \"", "environment(\""] {
            for (at, _) in text.match_indices(marker) {
                names.insert(quoted(&text[at + marker.len() - 1..]).to_owned());
            }
        }
    }
    names
}

/// The names of metrics as they are scraped, from the test that encodes each of them.
pub(super) fn metrics() -> BTreeSet<String> {
    let path = root().join("src/telemetry/metrics.rs");
    let text = std::fs::read_to_string(path).expect("the metrics have a file of their own");
    let mut names = BTreeSet::new();
    for (at, _) in text.match_indices("muster_") {
        let end = text[at..].find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(text.len() - at);
        let name = &text[at..at + end];
        let name = name.strip_suffix("_count").or_else(|| name.strip_suffix("_bucket")).unwrap_or(name);
        names.insert(name.to_owned());
    }
    names
}
