//! Two files are the same if every value of every row is.

use super::*;
use crate::testing::Place;

const META: &str = "CREATE TABLE meta (one INTEGER PRIMARY KEY, revision INTEGER, root BLOB) STRICT;
                    INSERT INTO meta VALUES (1, 7, zeroblob(32));
                    CREATE TABLE t (a TEXT, b ANY, PRIMARY KEY (a)) STRICT;";

fn digests(sql: &str) -> (Position, BTreeMap<String, String>) {
    let place = Place::new();
    let path = place.file("view.db");
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    page_checksums::open(&path, flags).unwrap().execute_batch(&format!("{META} {sql}")).unwrap();
    tables_at(&path).unwrap()
}

#[track_caller]
fn check(a: &str, b: &str, differing: &[&str]) {
    assert_eq!(compare(&digests(a).1, &digests(b).1), differing);
}

#[test]
fn the_same_rows_have_the_same_digest_in_whatever_order_they_came() {
    check("INSERT INTO t VALUES ('x', 1), ('y', 2)", "INSERT INTO t VALUES ('y', 2), ('x', 1)", &[]);
    check("INSERT INTO t VALUES ('x', 1); CREATE INDEX i ON t (b)", "INSERT INTO t VALUES ('x', 1)", &[]);
}

#[test]
fn every_value_and_its_type_count() {
    check("INSERT INTO t VALUES ('x', 1)", "", &["t"]);
    check("INSERT INTO t VALUES ('x', 1)", "INSERT INTO t VALUES ('x', 2)", &["t"]);
    check("INSERT INTO t VALUES ('x', 1)", "INSERT INTO t VALUES ('x', 1.0)", &["t"]);
    check("INSERT INTO t VALUES ('x', '')", "INSERT INTO t VALUES ('x', NULL)", &["t"]);
    check("INSERT INTO t VALUES ('x', 'y')", "INSERT INTO t VALUES ('x', x'79')", &["t"]);
    check("INSERT INTO t VALUES ('a', 'bc')", "INSERT INTO t VALUES ('ab', 'c')", &["t"]);
}

#[test]
fn a_table_on_one_side_only_differs() {
    check("", "CREATE TABLE u (a INTEGER PRIMARY KEY)", &["u"]);
    check("CREATE TABLE b (a INTEGER PRIMARY KEY); CREATE TABLE a (a INTEGER PRIMARY KEY)", "", &["a", "b"]);
}

#[test]
fn the_position_is_that_of_the_rows() {
    assert_eq!(digests("").0, Position { revision: provisioning::Revision(7), root: [0; 32] });
}
