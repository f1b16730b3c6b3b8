//! Which tasks are ordered by dependencies, for many pairs at once.

use super::graph::Graph;

/// Tasks whose reach is computed together: 64 bits in each of 32 words.
const BLOCK: usize = 2048;
const WORDS: usize = BLOCK / 64;

/// For each pair (earlier phase first) whether the second depends on the first, directly or through
/// others. Time is pairs plus, for each block of 2,048 different first tasks, one pass over the graph.
pub(super) fn ordered(graph: &Graph, pairs: &[(u32, u32)]) -> Vec<bool> {
    let mut answers = vec![false; pairs.len()];
    let mut by_first: Vec<usize> = (0..pairs.len()).collect();
    by_first.sort_unstable_by_key(|&pair| pairs[pair].0);
    let mut firsts: Vec<u32> = by_first.iter().map(|&pair| pairs[pair].0).collect();
    firsts.dedup();
    let mut rows = Vec::new();
    let mut next = 0;
    for block in firsts.chunks(BLOCK) {
        fill(graph, block, &mut rows);
        while let Some(&pair) = by_first.get(next) {
            let (first, second) = pairs[pair];
            let Ok(column) = block.binary_search(&first) else { break };
            answers[pair] = rows[second as usize * WORDS + column / 64] >> (column % 64) & 1 == 1;
            next += 1;
        }
    }
    answers
}

/// Sets for every task the bits of those of `block` that it depends on, or is.
fn fill(graph: &Graph, block: &[u32], rows: &mut Vec<u64>) {
    rows.clear();
    rows.resize(graph.depends_on.len() * WORDS, 0);
    for (column, &task) in block.iter().enumerate() {
        rows[task as usize * WORDS + column / 64] |= 1 << (column % 64);
    }
    for task in &graph.order {
        let to = task.index() * WORDS;
        for dependency in &graph.depends_on[task.index()] {
            let from = dependency.index() * WORDS;
            for word in 0..WORDS {
                rows[to + word] |= rows[from + word];
            }
        }
    }
}
