//! Which layers a slice keeps: a part of the model with the full model's own mix of layer kinds.

use std::collections::BTreeMap;

/// Picks `keep` of the units whose kinds are `kinds`, in order, so that each kind keeps its share as
/// nearly as whole units can (largest remainder), spread evenly over the model.
///
/// A kind is a family and what distinguishes its members. Each family keeps at least one unit where
/// there is room for all of them: an engine may not run a hybrid that lost one of its mixers.
#[must_use]
pub(super) fn choose<F: Ord, K: Ord>(kinds: &[(F, K)], keep: usize) -> Vec<usize> {
    let mut members: BTreeMap<&(F, K), Vec<usize>> = BTreeMap::new();
    for (index, kind) in kinds.iter().enumerate() {
        members.entry(kind).or_default().push(index);
    }
    let keep = keep.min(kinds.len());
    let least = least_counts(&members, keep);
    let groups: Vec<Vec<usize>> = members.into_values().collect();
    let mut chosen: Vec<usize> = shares(&groups, least, kinds.len(), keep)
        .into_iter()
        .zip(&groups)
        .flat_map(|(count, group)| {
            (0..count).map(move |nth| group[(2 * nth + 1) * group.len() / (2 * count)])
        })
        .collect();
    chosen.sort_unstable();
    chosen
}

/// One unit for the largest group of each family; none where there are more families than units.
fn least_counts<F: Ord, K: Ord>(members: &BTreeMap<&(F, K), Vec<usize>>, keep: usize) -> Vec<usize> {
    let mut largest: BTreeMap<&F, (usize, usize)> = BTreeMap::new();
    for (place, ((family, _), group)) in members.iter().enumerate() {
        let best = largest.entry(family).or_insert((place, 0));
        if group.len() > best.1 {
            *best = (place, group.len());
        }
    }
    let mut counts = vec![0; members.len()];
    if largest.len() <= keep {
        for (place, _) in largest.into_values() {
            counts[place] = 1;
        }
    }
    counts
}

/// How many of each group: one after another to the group that lacks most.
fn shares(groups: &[Vec<usize>], mut counts: Vec<usize>, total: usize, keep: usize) -> Vec<usize> {
    for _ in counts.iter().sum()..keep {
        let lack = |&index: &usize| (keep * groups[index].len()) as i64 - (total * counts[index]) as i64;
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
        let kinds: Vec<(bool, char)> = kinds.chars().map(|kind| (kind.is_lowercase(), kind)).collect();
        let chosen: String = choose(&kinds, keep).into_iter().map(|index| kinds[index].1).collect();
        assert_eq!(chosen, expected);
    }

    #[test]
    fn shares_are_kept() {
        check("AAAABBABBABBABBABBABBABBABBAAAAA", 4, "ABBA");
        check("AAAAAAAABB", 5, "AAAAB");
        check("ABBBBBBBBB", 1, "B");
        check("AB", 9, "AB");
    }

    #[test]
    fn a_rare_family_is_not_lost() {
        check("AAAAAAAAAaAAAAAAAAAA", 4, "AaAA");
        check("AAAAAAAAAaAAAAAAAAAA", 1, "A");
    }

    proptest! {
        #[test]
        fn no_share_is_off_by_more_than_one_unit_per_kind(kinds in prop::collection::vec(0u8..4, 1..100), keep in 1usize..100) {
            let kinds: Vec<((), u8)> = kinds.into_iter().map(|kind| ((), kind)).collect();
            let chosen = choose(&kinds, keep);
            let keep = keep.min(kinds.len());
            prop_assert_eq!(chosen.len(), keep);
            prop_assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]));
            for kind in 0..4 {
                let fair = kinds.iter().filter(|other| other.1 == kind).count() as f64 * keep as f64 / kinds.len() as f64;
                let found = chosen.iter().filter(|&&index| kinds[index].1 == kind).count() as f64;
                prop_assert!((found - fair).abs() <= 2.0, "{found} of {fair}");
            }
        }
    }
}
