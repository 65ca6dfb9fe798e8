//! Structured control flow: the blocks of a region in loops and in between.
//!
//! In WebAssembly control leaves a block forwards, and goes back to the start of a loop. So the
//! blocks are put into an order in which every edge leads forwards, except those to the header of a
//! loop around them. A loop is a strongly connected component of the graph; without its header, its
//! blocks are ordered the same way again.
//!
//! A loop may be entered elsewhere than at its header: where the region can be entered, or because
//! the guest's code is irreducible. Such an edge goes through the header, which dispatches it.

use super::region::Region;
use crate::guest::Guest;
use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

/// A part of a structured region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A block.
    Block(usize),
    /// A loop.
    Loop(Loop),
}

/// A loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loop {
    /// The block that every iteration begins with.
    pub header: usize,
    /// Other blocks of the loop that are entered from outside, by way of the header.
    pub dispatch: Vec<usize>,
    /// Its contents: the header, and what follows.
    pub items: Vec<Item>,
}

impl Item {
    /// The block that it starts with.
    pub fn first(&self) -> usize {
        match self {
            Self::Block(block) => *block,
            Self::Loop(inner) => inner.header,
        }
    }
}

/// The blocks of a region in order, and the loops that each is in.
pub struct Structure {
    /// The whole region.
    pub items: Vec<Item>,
    /// For each block, the headers of the loops around it, the innermost last.
    pub loops: Vec<Vec<usize>>,
}

impl Structure {
    /// Puts the blocks of a region in order.
    pub fn new<G: Guest>(region: &Region<G>) -> Self {
        let count = region.blocks.len();
        let mut graph = Graph {
            // What a call returns to follows it, too.
            successors: region
                .blocks
                .iter()
                .map(|block| block.successors().chain(block.returns()).collect())
                .collect(),
            predecessors: vec![Vec::new(); count],
            loops: vec![Vec::new(); count],
        };
        for (block, successors) in graph.successors.iter().enumerate() {
            for &successor in successors {
                graph.predecessors[successor].push(block);
            }
        }
        let entered: BTreeSet<usize> = region.entries.iter().copied().collect();
        let nodes: Vec<usize> = (0..count).collect();
        let items = graph.order(&nodes, &entered);
        Self { items, loops: graph.loops }
    }

    /// Whether an edge leads back to the header of a loop that it comes from.
    pub fn is_back(&self, from: usize, to: usize) -> bool {
        self.loops[from].contains(&to)
    }

    /// All blocks, in an order in which edges lead forwards or back.
    pub fn in_order(&self) -> Vec<usize> {
        blocks(&self.items)
    }
}

/// The blocks of items, in order.
pub fn blocks(items: &[Item]) -> Vec<usize> {
    let one = |item: &Item| match item {
        Item::Block(block) => vec![*block],
        Item::Loop(inner) => blocks(&inner.items),
    };
    items.iter().flat_map(one).collect()
}

/// How often control came to a loop's header from outside of the loop.
pub fn times_entered<G: Guest>(region: &Region<G>, inside: &[usize], header: usize) -> u64 {
    let outside = region.blocks.iter().enumerate().filter(|(from, block)| {
        !inside.contains(from) && block.successors().any(|to| to == header)
    });
    outside.map(|(_, block)| block.count).sum()
}

struct Graph {
    successors: Vec<Vec<usize>>,
    predecessors: Vec<Vec<usize>>,
    loops: Vec<Vec<usize>>,
}

impl Graph {
    /// The items that some blocks make, of which `entered` are entered from elsewhere.
    fn order(&mut self, nodes: &[usize], entered: &BTreeSet<usize>) -> Vec<Item> {
        let components = Components::of(&self.successors, nodes);
        components.into_iter().map(|component| self.item(component, entered)).collect()
    }

    fn item(&mut self, mut component: Vec<usize>, entered: &BTreeSet<usize>) -> Item {
        if let [block] = component[..]
            && !self.successors[block].contains(&block)
        {
            return Item::Block(block);
        }
        component.sort_unstable();
        let inside: BTreeSet<usize> = component.iter().copied().collect();
        let from_outside =
            |block: &usize| self.predecessors[*block].iter().any(|from| !inside.contains(from));
        // Where the guest enters it is the header; where only the runtime does comes after that.
        let header = component.iter().copied().find(|block| from_outside(block));
        let header = header.unwrap_or(component[0]);
        let dispatch: Vec<usize> = component
            .iter()
            .copied()
            .filter(|block| *block != header && (entered.contains(block) || from_outside(block)))
            .collect();
        component.iter().for_each(|block| self.loops[*block].push(header));
        component.retain(|block| *block != header);
        let entered = dispatch.iter().copied().collect();
        let mut items = vec![Item::Block(header)];
        items.extend(self.order(&component, &entered));
        Item::Loop(Loop { header, dispatch, items })
    }
}

/// Strongly connected components (Tarjan), in topological order.
struct Components<'a> {
    successors: &'a [Vec<usize>],
    /// Of blocks that take part: 0, or the order of the first visit + 1.
    visited: Vec<Option<usize>>,
    lowest: Vec<usize>,
    stack: Vec<usize>,
    on_stack: Vec<bool>,
    next: usize,
    found: Vec<Vec<usize>>,
}

impl<'a> Components<'a> {
    fn of(successors: &'a [Vec<usize>], nodes: &[usize]) -> Vec<Vec<usize>> {
        let count = successors.len();
        let mut search = Self {
            successors,
            visited: vec![None; count],
            lowest: vec![0; count],
            stack: Vec::new(),
            on_stack: vec![false; count],
            next: 1,
            found: Vec::new(),
        };
        nodes.iter().for_each(|&node| search.visited[node] = Some(0));
        // Last blocks first, so that first blocks come first where nothing else decides.
        for &node in nodes.iter().rev() {
            if search.visited[node] == Some(0) {
                search.visit(node);
            }
        }
        search.found.reverse();
        search.found
    }

    fn begin(&mut self, node: usize) -> (usize, usize) {
        self.visited[node] = Some(self.next);
        self.lowest[node] = self.next;
        self.next += 1;
        self.stack.push(node);
        self.on_stack[node] = true;
        (node, 0)
    }

    /// Visits a node and all that it leads to, without recursion.
    fn visit(&mut self, root: usize) {
        let mut path = vec![self.begin(root)];
        while let Some((node, index)) = path.last_mut() {
            let node = *node;
            if let Some(&successor) = self.successors[node].get(*index) {
                *index += 1;
                match self.visited[successor] {
                    None => {}
                    Some(0) => path.push(self.begin(successor)),
                    Some(order) if self.on_stack[successor] => {
                        self.lowest[node] = self.lowest[node].min(order);
                    }
                    Some(_) => {}
                }
                continue;
            }
            path.pop();
            if let Some(&(parent, _)) = path.last() {
                self.lowest[parent] = self.lowest[parent].min(self.lowest[node]);
            }
            if self.visited[node] == Some(self.lowest[node]) {
                self.close(node);
            }
        }
    }

    fn close(&mut self, root: usize) {
        let mut component = Vec::new();
        while let Some(node) = self.stack.pop() {
            self.on_stack[node] = false;
            component.push(node);
            if node == root {
                break;
            }
        }
        self.found.push(component);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::region::Block;
    use crate::plan::toy::Toy;

    /// A region of empty blocks with these edges.
    fn structure(edges: &[&[usize]], entries: &[usize]) -> Structure {
        let block = |successors: &&[usize]| Block::<Toy> {
            indirect: successors.to_vec(),
            ..Block::default()
        };
        let blocks = edges.iter().map(block).collect();
        Structure::new(&Region { blocks, entries: entries.to_vec(), ..Region::default() })
    }

    fn shape(items: &[Item]) -> alloc::string::String {
        let one = |item: &Item| match item {
            Item::Block(block) => alloc::format!("{block}"),
            Item::Loop(inner) => alloc::format!("{:?}({})", inner.dispatch, shape(&inner.items)),
        };
        items.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_diamond_is_in_order() {
        assert_eq!(shape(&structure(&[&[2, 1], &[3], &[3], &[]], &[0]).items), "0 1 2 3");
    }

    #[test]
    fn loops_are_nested() {
        // 0 -> 1 -> 2 -> 2, 2 -> 1, 1 -> 3
        let structure = structure(&[&[1], &[3, 2], &[2, 1], &[]], &[0]);
        assert_eq!(shape(&structure.items), "0 [](1 [](2)) 3");
        assert_eq!(structure.loops[2], [1, 2]);
        assert!(structure.is_back(2, 1) && structure.is_back(2, 2) && !structure.is_back(1, 2));
    }

    #[test]
    fn entries_in_a_loop_go_through_its_header() {
        let structure = structure(&[&[1], &[3, 2], &[2, 1], &[]], &[0, 2]);
        assert_eq!(shape(&structure.items), "0 [2](1 [](2)) 3");
    }

    #[test]
    fn a_loop_with_two_ways_in_has_one_header() {
        // 0 -> 1, 0 -> 2, 1 <-> 2
        assert_eq!(shape(&structure(&[&[1, 2], &[2], &[1]], &[0]).items), "0 [2](1 2)");
    }
}
