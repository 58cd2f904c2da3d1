//! Orders, by hand and at random.

use proptest::prelude::*;

use super::*;

fn ordered(refers_to: &[&[usize]]) -> Vec<Together> {
    let refers_to: Vec<RefersTo> = refers_to.iter().map(|set| set.iter().copied().collect()).collect();
    order(&refers_to)
}

#[track_caller]
fn check(refers_to: &[&[usize]], expected: &[&[usize]]) {
    assert_eq!(ordered(refers_to), expected);
}

#[test]
fn without_forward_references_nothing_moves() {
    check(&[], &[]);
    check(&[&[], &[], &[]], &[&[0], &[1], &[2]]);
    check(&[&[], &[0], &[0, 1], &[]], &[&[0], &[1], &[2], &[3]]);
}

#[test]
fn an_operation_that_refers_forward_waits_and_goes_next() {
    check(&[&[2], &[], &[], &[]], &[&[1], &[2], &[0], &[3]]);
    check(&[&[3], &[0], &[], &[]], &[&[2], &[3], &[0], &[1]]);
    check(&[&[1], &[2], &[3], &[]], &[&[3], &[2], &[1], &[0]]);
    check(&[&[2, 3], &[2], &[], &[]], &[&[2], &[1], &[3], &[0]]);
}

#[test]
fn a_circle_goes_together_in_the_place_of_its_last() {
    check(&[&[1], &[0]], &[&[0, 1]]);
    check(&[&[2], &[], &[0], &[0]], &[&[1], &[0, 2], &[3]]);
    check(&[&[0], &[]], &[&[0], &[1]]);
    check(&[&[1], &[2], &[0], &[4], &[3, 0]], &[&[0, 1, 2], &[3, 4]]);
    check(&[&[1, 4], &[0], &[], &[], &[]], &[&[2], &[3], &[4], &[0, 1]]);
}

#[test]
fn the_longest_chain_and_the_largest_circle_are_ordered() {
    const LENGTH: usize = 100_000;
    let mut refers_to: Vec<RefersTo> = (1..LENGTH).map(|next| RefersTo::from([next])).collect();
    refers_to.push(RefersTo::new());
    let chain = order(&refers_to);
    assert!(chain.iter().map(|together| together[0]).eq((0..LENGTH).rev()));
    refers_to[LENGTH - 1].insert(0);
    assert_eq!(order(&refers_to), [(0..LENGTH).collect::<Vec<_>>()]);
}

/// Which operations can be reached from which, by the plainest of algorithms.
fn reached(refers_to: &[RefersTo]) -> Vec<Vec<bool>> {
    let count = refers_to.len();
    let mut reached: Vec<Vec<bool>> =
        refers_to.iter().map(|set| (0..count).map(|other| set.contains(&other)).collect()).collect();
    for over in 0..count {
        for from in 0..count {
            for to in 0..count {
                reached[from][to] |= reached[from][over] && reached[over][to];
            }
        }
    }
    reached
}

proptest! {
    #[test]
    fn every_operation_comes_once_behind_what_it_refers_to_and_circles_together(
        refers_to in (1_usize..12).prop_flat_map(|count| {
            prop::collection::vec(prop::collection::btree_set(0..count, 0..3), count)
        })
    ) {
        let order = order(&refers_to);
        let flat: Vec<usize> = order.concat();
        let mut sorted = flat.clone();
        sorted.sort_unstable();
        prop_assert!(sorted.into_iter().eq(0..refers_to.len()));
        let turn: Vec<usize> = (0..refers_to.len())
            .map(|operation| order.iter().position(|together| together.contains(&operation)).unwrap())
            .collect();
        let reached = reached(&refers_to);
        for (from, set) in refers_to.iter().enumerate() {
            for to in set {
                prop_assert!(turn[*to] <= turn[from]);
            }
            for to in 0..refers_to.len() {
                let circle = from == to || (reached[from][to] && reached[to][from]);
                prop_assert_eq!(turn[from] == turn[to], circle);
            }
        }
        // Whoever reaches nothing that comes later keeps the client's order with everybody of that kind.
        let stays = |operation: usize| (operation..refers_to.len()).all(|later| !reached[operation][later]);
        let kept: Vec<usize> = flat.into_iter().filter(|operation| stays(*operation)).collect();
        prop_assert!(kept.is_sorted());
    }
}
