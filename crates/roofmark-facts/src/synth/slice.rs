//! Which layers a slice keeps: a part of the model with the full model's own mix of layer kinds.

use std::collections::BTreeMap;

/// Picks `keep` of the units whose kinds are `kinds`, in order, so that each kind keeps its share as
/// nearly as whole units can (largest remainder), spread evenly over the model.
#[must_use]
pub(super) fn choose<K: Ord>(kinds: &[K], keep: usize) -> Vec<usize> {
    let mut members: BTreeMap<&K, Vec<usize>> = BTreeMap::new();
    for (index, kind) in kinds.iter().enumerate() {
        members.entry(kind).or_default().push(index);
    }
    let groups: Vec<Vec<usize>> = members.into_values().collect();
    let mut chosen: Vec<usize> = shares(&groups, kinds.len(), keep)
        .into_iter()
        .zip(&groups)
        .flat_map(|(count, group)| {
            (0..count).map(move |nth| group[(2 * nth + 1) * group.len() / (2 * count)])
        })
        .collect();
    chosen.sort_unstable();
    chosen
}

/// How many of each group: one after another to the group that lacks most.
fn shares(groups: &[Vec<usize>], total: usize, keep: usize) -> Vec<usize> {
    let mut counts = vec![0; groups.len()];
    for taken in 1..=keep.min(total) {
        let lack = |&index: &usize| (taken * groups[index].len()) as i64 - (total * counts[index]) as i64;
        let open = (0..groups.len()).filter(|&index| counts[index] < groups[index].len());
        if let Some(index) = open.max_by_key(lack) {
            counts[index] += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(kinds: &str, keep: usize, expected: &str) {
        let kinds: Vec<char> = kinds.chars().collect();
        let chosen: String = choose(&kinds, keep).into_iter().map(|index| kinds[index]).collect();
        assert_eq!(chosen, expected);
    }

    #[test]
    fn shares_are_kept() {
        check("AAAABBABBABBABBABBABBABBABBAAAAA", 4, "ABBA");
        check("AAAAAAAABB", 5, "AAAAB");
        check("ABBBBBBBBB", 1, "B");
        check("AB", 9, "AB");
    }

    proptest! {
        #[test]
        fn no_share_is_off_by_more_than_one_unit_per_kind(kinds in prop::collection::vec(0u8..4, 1..100), keep in 1usize..100) {
            let chosen = choose(&kinds, keep);
            let keep = keep.min(kinds.len());
            prop_assert_eq!(chosen.len(), keep);
            prop_assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]));
            for kind in 0..4 {
                let fair = kinds.iter().filter(|&&other| other == kind).count() as f64 * keep as f64 / kinds.len() as f64;
                let found = chosen.iter().filter(|&&index| kinds[index] == kind).count() as f64;
                prop_assert!((found - fair).abs() <= 2.0, "{found} of {fair}");
            }
        }
    }
}
