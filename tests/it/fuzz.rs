//! Whatever text a client sends as a filter, a path or a PATCH, it is read or refused: no panic, and no time that
//! grows faster than the text.
//!
//! Seeds of `tests/fuzz` are mutated: bytes flipped, pieces cut, doubled, moved and taken from other seeds. What is
//! read must mean the same when it is printed and read again.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use muster::randomness::SeededRandomness;
use muster::sealing::{MasterKey, TextSeal};
use scim::attribute_path::AttributePath;
use scim::dialect::Notes;
use scim::filter::{parse, typed};
use scim::list::cursor::Cursor;
use scim::patch::members::split;
use scim::patch::{PatchPath, Target};
use scim::schemas::Schemas;
use scim::{ResourceType, dialect, json, patch};
use serde_json::json;

use crate::dice::Dice;
use crate::soak::Plan;

/// The longest text that mutations make.
const BYTES_MAX: usize = 4 * 1024;

/// Pieces that matter to some grammar.
const PIECES: [&str; 24] = [
    "\"",
    "\\",
    "\\u",
    "\\ud800",
    "(",
    ")",
    "[",
    "]",
    ".",
    ":",
    " and ",
    " or ",
    "not (",
    " eq ",
    " pr",
    "null",
    "-1e9",
    "{",
    "}",
    ",",
    "\u{0}",
    "ß",
    "𝄞",
    "urn:ietf:params:scim:schemas:core:2.0:User",
];

fn seeds(file: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(file);
    let text = fs::read_to_string(path).expect("the seeds can be read");
    text.lines().map(str::to_owned).collect()
}

/// A text made of seeds by one to six mutations.
fn mutated(seeds: &[String], dice: &mut Dice) -> Vec<u8> {
    let mut text = dice.choose(seeds).clone().into_bytes();
    for _ in 0..=dice.below(6) {
        let at = dice.below(text.len() + 1);
        let end = at + dice.below(text.len() - at + 1);
        match dice.below(7) {
            0 if at < text.len() => text[at] ^= 1 << dice.below(8),
            1 => drop(text.drain(at..end)),
            2 => {
                let piece = text[at..end].repeat(1 + dice.below(20));
                drop(text.splice(at..at, piece));
            }
            3 => text.truncate(at),
            4 => {
                let other = dice.choose(seeds).as_bytes();
                let from = dice.below(other.len() + 1);
                drop(text.splice(at.., other[from..].iter().copied()));
            }
            5 => text.reverse(),
            _ => drop(text.splice(at..at, dice.choose(&PIECES).bytes())),
        }
        text.truncate(BYTES_MAX);
    }
    text
}

/// Mutates the seeds of a file and gives each text to `read`.
fn fuzz(plan: &Plan, file: &str, read: impl Fn(&[u8]) -> bool) {
    let mut tally = plan.tally();
    let seeds = seeds(file);
    for seed in &seeds {
        read(seed.as_bytes());
    }
    for round in 0..plan.rounds {
        tally.rounds += 1;
        tally.acknowledged += u64::from(read(&mutated(&seeds, &mut plan.dice(round))));
    }
    // Mutations that destroy everything would test nothing but the first byte.
    assert!(tally.acknowledged * 100 > tally.rounds, "{} of {} are read", tally.acknowledged, tally.rounds);
    tally.finish();
}

fn read_filter(text: &str, schemas: &Schemas) -> bool {
    for resource_type in [ResourceType::User, ResourceType::Group] {
        let schema = schemas.of(resource_type);
        let rewritten = dialect::filter_text(text, schema, &mut Notes::new());
        if let Ok(filter) = parse::parse(&rewritten) {
            black_box(typed::check(&filter, schema).is_ok());
        }
    }
    let Ok(filter) = parse::parse(text) else { return false };
    let printed = filter.to_string();
    if printed.len() <= parse::FILTER_BYTES_MAX {
        assert_eq!(parse::parse(&printed).as_ref(), Ok(&filter), "{text:?} printed as {printed:?}");
    }
    true
}

fn read_patch(bytes: &[u8], schemas: &Schemas) -> bool {
    let Ok(body) = json::parse(bytes) else { return false };
    for resource_type in [ResourceType::User, ResourceType::Group] {
        let schema = schemas.of(resource_type);
        let mut body = body.clone();
        dialect::patch_body(&mut body, schema, &mut Notes::new());
        let again = body.clone();
        dialect::patch_body(&mut body, schema, &mut Notes::new());
        assert_eq!(body, again, "what was rewritten is in RFC form");
        let Ok(request) = patch::parse::parse(body, schema) else { continue };
        let Ok((own, _)) = split(request, schema) else { continue };
        let document =
            json!({"userName": "a", "displayName": "A", "emails": [{"value": "a@x", "type": "home"}]});
        let before =
            Target { attributes: document.as_object().expect("an object").clone(), external_id: None };
        let apply = || patch::apply::apply(&own, schema, before.clone());
        let outcome = apply();
        assert_eq!(outcome, apply(), "a PATCH has one outcome");
        assert!(
            outcome.is_ok_and(|it| it.before == before) || apply().is_err(),
            "what it was is handed back"
        );
    }
    true
}

#[test]
fn any_text_is_a_filter_or_refused() {
    let schemas = Schemas::standard();
    let plan = Plan::of("fuzz_filter", 50_000, 20_000_000);
    fuzz(&plan, "filters.txt", |bytes| read_filter(&String::from_utf8_lossy(bytes), &schemas));
}

#[test]
fn any_text_is_a_path_or_refused() {
    let plan = Plan::of("fuzz_path", 100_000, 50_000_000);
    fuzz(&plan, "paths.txt", |bytes| {
        let text = String::from_utf8_lossy(bytes);
        if let Ok(path) = AttributePath::parse(&text) {
            assert_eq!(AttributePath::parse(&path.to_string()), Ok(path), "{text:?}");
        }
        PatchPath::parse(&text).is_ok()
    });
}

#[test]
fn any_bytes_are_a_patch_or_refused() {
    let schemas = Schemas::standard();
    let plan = Plan::of("fuzz_patch", 100_000, 20_000_000);
    fuzz(&plan, "patches.txt", |bytes| read_patch(bytes, &schemas));
}

#[test]
fn any_text_is_a_cursor_or_refused() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let randomness = SeededRandomness::new(1);
    let master =
        MasterKey::load_or_create(&folder.path().join("key"), &randomness).expect("a key can be made");
    let seal = TextSeal::new(&master);
    let plan = Plan::of("fuzz_cursor", 100_000, 20_000_000);
    fuzz(&plan, "cursors.txt", |bytes| {
        let text = String::from_utf8_lossy(bytes);
        // Nothing that was not sealed here opens.
        assert_eq!(seal.open(&text, b"a list"), None, "{text:?}");
        let bytes = hex::decode(text.as_bytes()).unwrap_or_default();
        let Some(cursor) = Cursor::from_bytes(&bytes) else { return false };
        assert_eq!(cursor.to_bytes().as_slice(), bytes, "a cursor has one form");
        true
    });
}

/// Texts of about that many bytes on which a careless reader goes back and forth.
fn hard_texts(bytes: usize) -> Vec<(&'static str, String)> {
    let of = |piece: &str, rest: &str| piece.repeat(bytes / piece.len()) + rest;
    vec![
        ("and", of("title pr and ", "title pr")),
        ("or and", of("a eq 1 or b eq 2 and ", "c pr")),
        ("blanks", format!("title{}pr", of(" ", ""))),
        ("escapes", format!("title eq \"{}\"", of("\\u00df", ""))),
        ("an open string", format!("title eq \"{}", of("\\\\", ""))),
        ("a long urn", format!("urn{}:title pr", of(":a", ""))),
        ("a long name", format!("{} pr", of("a", ""))),
        ("digits", format!("level eq {}", of("9", ""))),
        ("brackets in a row", of("emails[type eq \"x\"] or ", "title pr")),
        ("groups in a row", of("not (title pr) and ", "title pr")),
        ("opening only", of("(", "")),
        ("bare words", of("title eq x and ", "title eq x")),
    ]
}

/// The least of several measurements: what else runs on the machine only adds to it.
fn least(mut work: impl FnMut()) -> Duration {
    let measure = |work: &mut dyn FnMut()| {
        let began = Instant::now();
        for _ in 0..20 {
            work();
        }
        began.elapsed()
    };
    (0..15).map(|_| measure(&mut work)).min().expect("it was measured")
}

#[test]
fn the_time_to_read_grows_with_the_text_and_no_faster() {
    const SHORT: usize = 2_400;
    const LONGER: usize = 4;
    // Twice what is linear: caches and allocations are not.
    const FACTOR_MAX: u32 = 8;
    let plan = Plan::of("fuzz_time", 1, 1);
    let mut tally = plan.tally();
    let schemas = Schemas::standard();
    for ((name, short), (_, long)) in hard_texts(SHORT).into_iter().zip(hard_texts(SHORT * LONGER)) {
        tally.rounds += 1;
        tally.acknowledged += u64::from(read_filter(&long, &schemas));
        black_box(PatchPath::parse(&long).is_ok());
        // Times are only worth something in an optimised build on a machine that does nothing else.
        if plan.soaks {
            let time = |text: &str| {
                least(|| {
                    black_box(read_filter(text, &schemas));
                    black_box(PatchPath::parse(text).is_ok());
                })
            };
            let (short, long) = (time(&short), time(&long));
            assert!(
                long < short * FACTOR_MAX,
                "{name}: {short:?} for {SHORT} bytes, {long:?} for four times as many"
            );
        }
    }
    tally.finish();
}
