//! In which order, and which together, the operations of a bulk request are carried out.
//!
//! What an operation refers to must exist before it. Nothing else moves: an operation that refers to a later one
//! waits until that has been carried out, and goes next; all others keep the client's order, which may mean more
//! than the references say (a name is given up before somebody else takes it). Operations that refer to each other
//! in a circle are one transaction, in the place of the last of them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::references::RefersTo;

/// Operations that are carried out together, by their index, ascending; nearly always one.
pub type Together = Vec<usize>;

/// The order for operations of which each refers to those in its set.
pub fn order(refers_to: &[RefersTo]) -> Vec<Together> {
    let circles = circles(refers_to);
    let mut circle_of = vec![0; refers_to.len()];
    for (number, circle) in circles.iter().enumerate() {
        for operation in circle {
            circle_of[*operation] = number;
        }
    }
    let mut awaited = vec![0_usize; circles.len()];
    let mut waiting: Vec<Vec<usize>> = vec![Vec::new(); circles.len()];
    for (operation, referents) in refers_to.iter().enumerate() {
        let own = circle_of[operation];
        for referent in referents.iter().map(|referent| circle_of[*referent]).filter(|other| *other != own) {
            awaited[own] += 1;
            waiting[referent].push(own);
        }
    }
    let place = |circle: usize| Reverse((circles[circle].last().copied(), circle));
    let mut ready: BinaryHeap<_> =
        (0..circles.len()).filter(|circle| awaited[*circle] == 0).map(place).collect();
    let mut order = Vec::with_capacity(circles.len());
    while let Some(Reverse((_, circle))) = ready.pop() {
        for next in &waiting[circle] {
            awaited[*next] -= 1;
            if awaited[*next] == 0 {
                ready.push(place(*next));
            }
        }
        order.push(circles[circle].clone());
    }
    order
}

/// The strongly connected components (Tarjan's algorithm, without recursion: a chain may be as long as a request).
fn circles(refers_to: &[RefersTo]) -> Vec<Together> {
    let mut search = Search { refers_to, visits: vec![None; refers_to.len()], ..Search::default() };
    for operation in 0..refers_to.len() {
        if search.visits[operation].is_none() {
            search.from(operation);
        }
    }
    search.circles
}

/// When an operation was met.
#[derive(Debug, Clone, Copy)]
struct Visit {
    number: usize,
    /// The earliest visit that can be reached from here and is not closed.
    low: usize,
    /// Its circle is known.
    closed: bool,
}

#[derive(Debug, Default)]
struct Search<'r> {
    refers_to: &'r [RefersTo],
    visits: Vec<Option<Visit>>,
    visited: usize,
    /// Visited operations whose circle is not known yet.
    open: Vec<usize>,
    circles: Vec<Together>,
}

impl Search<'_> {
    fn from(&mut self, start: usize) {
        let refers_to = self.refers_to;
        self.visit(start);
        let mut way = vec![(start, refers_to[start].iter())];
        while let Some((operation, referents)) = way.last_mut() {
            let operation = *operation;
            if let Some(referent) = referents.next().copied() {
                match self.visits[referent] {
                    None => {
                        self.visit(referent);
                        way.push((referent, refers_to[referent].iter()));
                    }
                    Some(visit) if !visit.closed => self.lower(operation, visit.number),
                    Some(_) => {}
                }
                continue;
            }
            way.pop();
            self.leave(operation, way.last().map(|(before, _)| *before));
        }
    }

    fn visit(&mut self, operation: usize) {
        self.visits[operation] = Some(Visit { number: self.visited, low: self.visited, closed: false });
        self.visited += 1;
        self.open.push(operation);
    }

    fn lower(&mut self, operation: usize, low: usize) {
        if let Some(visit) = &mut self.visits[operation] {
            visit.low = visit.low.min(low);
        }
    }

    /// Everything behind an operation has been visited: it may be where a circle was entered.
    fn leave(&mut self, operation: usize, before: Option<usize>) {
        let Some(Visit { number, low, .. }) = self.visits[operation] else { return };
        if let Some(before) = before {
            self.lower(before, low);
        }
        if low < number {
            return;
        }
        let start = self.open.iter().rposition(|open| *open == operation).unwrap_or_default();
        let mut circle = self.open.split_off(start);
        for closed in &circle {
            if let Some(visit) = &mut self.visits[*closed] {
                visit.closed = true;
            }
        }
        circle.sort_unstable();
        self.circles.push(circle);
    }
}

#[cfg(test)]
mod tests;
