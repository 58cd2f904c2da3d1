//! Printing a filter and parsing what was printed.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::attribute_path::tests::any_path;

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        proptest::num::f64::NORMAL.prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ]
}

fn any_leaf() -> impl Strategy<Value = Filter> {
    let op = proptest::sample::select(CompareOp::ALL.to_vec());
    prop_oneof![
        3 => (any_path(), op, any_value()).prop_map(|(path, op, value)| Filter::Compare { path, op, value }),
        1 => any_path().prop_map(Filter::Present),
    ]
}

fn any_tree(leaf: BoxedStrategy<Filter>) -> BoxedStrategy<Filter> {
    leaf.prop_recursive(5, 48, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Filter::And),
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Filter::Or),
            inner.prop_map(|filter| Filter::Not(Box::new(filter))),
        ]
    })
    .boxed()
}

fn any_filter() -> BoxedStrategy<Filter> {
    let value_path = (any_path(), any_tree(any_leaf().boxed()))
        .prop_map(|(path, filter)| Filter::ValuePath { path, filter: Box::new(filter) });
    any_tree(prop_oneof![4 => any_leaf(), 1 => value_path].boxed())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn a_printed_filter_reads_back_the_same(filter in any_filter()) {
        let text = filter.to_string();
        prop_assume!(text.len() <= parse::FILTER_BYTES_MAX);
        prop_assert_eq!(parse::parse(&text), Ok(filter), "{}", text);
    }

    #[test]
    fn reading_any_text_ends_in_a_filter_or_an_error(text in "([a-z]{1,3}| |\"|\\\\|[(]|[)]|\\[|\\]|é|not|and|or|eq|pr|1){0,24}") {
        if let Ok(filter) = parse::parse(&text) {
            prop_assert_eq!(parse::parse(&filter.to_string()), Ok(filter));
        }
    }
}

#[test]
fn a_tree_prints_with_only_the_parentheses_it_needs() {
    for text in [
        "a eq 1 and b eq 2 or not (c pr and d pr)",
        "(a pr or b pr) and c pr",
        "(a pr and b pr) and c pr",
        r#"emails[type eq "work" and (value co "a" or value co "b")]"#,
        r#"a eq "\"\\\n" or b eq null"#,
    ] {
        assert_eq!(parse::parse(text).unwrap().to_string(), text);
    }
    assert_eq!(parse::parse("((a  PR)) AND(b Eq 1.50)").unwrap().to_string(), "a pr and b eq 1.5");
}

#[test]
fn equalities_are_found_where_a_filter_is_made_of_nothing_else() {
    let of = |text: &str| {
        let filter = parse::parse(text).unwrap();
        let pairs = filter.equalities()?;
        Some(pairs.iter().map(|(path, value)| (path.to_string(), (*value).clone())).collect::<Vec<_>>())
    };
    assert_eq!(of(r#"type eq "work""#), Some(vec![("type".to_owned(), json!("work"))]));
    assert_eq!(
        of(r#"type eq "work" and (primary eq true)"#),
        Some(vec![("type".to_owned(), json!("work")), ("primary".to_owned(), json!(true))])
    );
    for text in [r#"type eq "a" or type eq "b""#, r#"not (type eq "a")"#, r#"type ne "a""#, "type pr"] {
        assert_eq!(of(text), None, "{text}");
    }
}
