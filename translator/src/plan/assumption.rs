//! Which assumption blocks begin with: see [`Guest::Assumption`].

use super::region::{Block, Region};
use crate::guest::{AssumptionUse, Guest};
use alloc::vec;
use alloc::vec::Vec;

/// What is known of the state at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known<A> {
    /// Nothing leads there yet.
    Unreached,
    /// The same holds on all ways that lead there.
    Always(A),
    /// It differs, or is not known on one of them.
    Varies,
}

impl<A: Copy + PartialEq> Known<A> {
    fn meet(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unreached, known) | (known, Self::Unreached) => known,
            _ if self == other => self,
            _ => Self::Varies,
        }
    }
}

/// Notes for each block what holds when control comes to it from other blocks, where it needs that:
/// when control comes from outside, it has to be checked.
pub fn find_assumptions<G: Guest>(region: &mut Region<G>) {
    let is_concerned = |block: &Block<G>| uses(block).next().is_some();
    if !region.blocks.iter().any(is_concerned) {
        return;
    }
    let needed = needed(&region.blocks);
    let known = known(&region.blocks);
    for (block, (needed, known)) in region.blocks.iter_mut().zip(needed.into_iter().zip(known)) {
        block.assumption = match known {
            Known::Always(assumption) if needed => Some(assumption),
            _ => None,
        };
    }
}

/// What the instructions of a block have to do with an assumption, but for those that ignore it.
fn uses<G: Guest>(
    block: &Block<G>,
) -> impl DoubleEndedIterator<Item = AssumptionUse<G::Assumption>> {
    let uses = block.insns.iter().map(G::assumption_use);
    uses.filter(|use_| *use_ != AssumptionUse::Ignores)
}

/// Forwards data flow: what holds where blocks begin.
fn known<G: Guest>(blocks: &[Block<G>]) -> Vec<Known<G::Assumption>> {
    let mut known = vec![Known::Unreached; blocks.len()];
    loop {
        let before = known.clone();
        for (number, block) in blocks.iter().enumerate() {
            let last_set = uses(block).rev().find_map(|use_| match use_ {
                AssumptionUse::Sets(set) => Some(set.map_or(Known::Varies, Known::Always)),
                _ => None,
            });
            let after = last_set.unwrap_or(known[number]);
            block.successors().for_each(|to| known[to] = known[to].meet(after));
        }
        if known == before {
            return known;
        }
    }
}

/// Backwards data flow: which blocks, or those that follow, need what holds where they begin.
fn needed<G: Guest>(blocks: &[Block<G>]) -> Vec<bool> {
    let mut needed = vec![false; blocks.len()];
    loop {
        let before = needed.clone();
        for (number, block) in blocks.iter().enumerate().rev() {
            needed[number] = match uses(block).next() {
                Some(first) => first == AssumptionUse::Needs,
                None => block.successors().any(|to| needed[to]),
            };
        }
        if needed == before {
            return needed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::toy::{Toy, decode};

    /// Assumes a number.
    const fn set(number: u8) -> [u8; 2] {
        [0x20, number]
    }

    /// Needs an assumption.
    const NEEDS: [u8; 1] = [0x21];
    const OTHER: [u8; 1] = [0];

    fn block(code: &[&[u8]], next: Option<usize>, taken: Option<usize>) -> Block<Toy> {
        Block { insns: decode(&code.concat()), next, taken, ..Block::default() }
    }

    fn assumptions(blocks: Vec<Block<Toy>>) -> Vec<Option<u8>> {
        let mut region = Region { blocks, entries: vec![0], ..Region::default() };
        find_assumptions(&mut region);
        region.blocks.iter().map(|block| block.assumption).collect()
    }

    #[test]
    fn an_assumption_goes_as_far_as_it_is_needed() {
        let loop_ = vec![
            block(&[&set(7)], Some(1), None),
            block(&[&NEEDS], Some(2), None),
            block(&[&OTHER, &[0x10, 0]], Some(3), Some(1)),
            block(&[&OTHER], None, None),
        ];
        assert_eq!(assumptions(loop_), [None, Some(7), Some(7), None]);
    }

    #[test]
    fn where_two_differ_nothing_is_assumed() {
        let joined = vec![
            block(&[&set(7)], Some(2), None),
            block(&[&set(8)], Some(2), None),
            block(&[&NEEDS, &set(9)], Some(3), None),
            block(&[&NEEDS], None, None),
        ];
        assert_eq!(assumptions(joined), [None, None, None, Some(9)]);
    }

    #[test]
    fn what_is_set_to_an_unknown_value_is_not_assumed() {
        let blocks =
            vec![block(&[&set(7), &set(0xff)], Some(1), None), block(&[&NEEDS], None, None)];
        assert_eq!(assumptions(blocks), [None, None]);
    }
}
