//! The tree against the published vectors of Certificate Transparency and against an independent implementation.

use std::convert::Infallible;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use sha2::Sha256;

use super::{Frontier, Hash, hashes_completed, leaf_hash};

/// Headers of different lengths, the empty one among them.
fn header(n: u64) -> Vec<u8> {
    n.to_be_bytes().repeat(usize::try_from(n % 5).unwrap())
}

/// A frontier of `size` leaves and what was stored with each of them.
fn grown(size: u64) -> (Frontier, Vec<Vec<Hash>>) {
    let mut frontier = Frontier::default();
    let stored = (1..=size).map(|n| frontier.push(leaf_hash(&header(n)))).collect();
    (frontier, stored)
}

#[test]
fn the_empty_root_is_the_hash_of_nothing() {
    let root = hex::encode(Frontier::default().root());
    assert_eq!(root, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

#[test]
fn the_roots_of_the_certificate_transparency_vectors_come_out() {
    let vectors = [
        ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        ("00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
        ("10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
        ("2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
        ("3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
        ("40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
        ("5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
        (
            "606162636465666768696a6b6c6d6e6f",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ),
    ];
    let mut frontier = Frontier::default();
    for (leaf, root) in vectors {
        frontier.push(leaf_hash(&hex::decode(leaf).unwrap()));
        assert_eq!(hex::encode(frontier.root()), root, "root of {} leaves", frontier.size());
    }
}

#[test]
fn every_root_equals_that_of_an_independent_implementation() {
    let mut frontier = Frontier::default();
    let mut independent = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    for n in 1..=300 {
        frontier.push(leaf_hash(&header(n)));
        independent.push(header(n));
        assert_eq!(frontier.root()[..], independent.root().as_bytes()[..], "root of {n} leaves");
    }
}

#[test]
fn a_leaf_is_stored_with_each_node_that_it_completes() {
    let (_, stored) = grown(8);
    let counts: Vec<usize> = stored.iter().map(Vec::len).collect();
    assert_eq!(counts, [1, 2, 1, 3, 1, 2, 1, 4]);
    assert_eq!(counts, (1..=8).map(hashes_completed).collect::<Vec<_>>());
    assert!((1..=8).zip(&stored).all(|(n, hashes)| hashes[0] == leaf_hash(&header(n))));
    assert_eq!(stored[7][3], grown(8).0.root());
}

#[test]
fn a_loaded_frontier_equals_the_grown_one() {
    let (_, stored) = grown(130);
    for size in 0..=130_u64 {
        let mut asked = 0;
        let loaded = Frontier::load(size, |leaf| {
            asked += 1;
            Ok::<_, Infallible>(stored[usize::try_from(leaf).unwrap() - 1].clone())
        });
        assert_eq!(loaded, Ok(grown(size).0), "frontier of {size} leaves");
        assert_eq!(asked, size.count_ones(), "rows read for {size} leaves");
    }
}

#[test]
fn loading_stops_at_the_first_failure() {
    let loaded = Frontier::load(3, |leaf| if leaf == 2 { Err("no such row") } else { Ok(vec![[0; 32]]) });
    assert_eq!(loaded, Err("no such row"));
}
