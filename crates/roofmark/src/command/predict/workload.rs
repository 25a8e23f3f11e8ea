//! Workloads of `predict`: prompts, and batches of equal or different depths.

use super::PredictArgs;
use anyhow::{Result, ensure};

/// Most sequences of one batch.
const MOST_SEQUENCES: u32 = 4096;

/// So many sequences of one depth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depths {
    count: u32,
    depth: u32,
}

/// A batch and the prompt of each of its sequences.
pub(super) struct Workload {
    /// Tokens in the cache of each sequence.
    pub depths: Vec<f64>,
    /// Prompt tokens of each.
    pub prompt: f64,
}

/// Every combination that the options name.
pub(super) fn all(args: &PredictArgs) -> Result<Vec<Workload>> {
    for (option, values) in [("--batch", &args.batch), ("--prompt", &args.prompt)] {
        ensure!(!values.contains(&0), "{option} is 0, expected at least 1");
    }
    let most = args.batch.iter().max().copied().unwrap_or(1);
    ensure!(most <= MOST_SEQUENCES, "--batch is {most}, expected at most {MOST_SEQUENCES}");
    let prompts = args.prompt.iter().map(|prompt| f64::from(*prompt));
    let batches = batches(args)?;
    let with = |depths: &Vec<f64>| {
        let depths = depths.clone();
        prompts.clone().map(move |prompt| Workload { depths: depths.clone(), prompt })
    };
    Ok(batches.iter().flat_map(with).collect())
}

fn batches(args: &PredictArgs) -> Result<Vec<Vec<f64>>> {
    if args.depths.is_empty() {
        let equal = |depth: &u32| {
            let depth = f64::from(*depth);
            args.batch.iter().map(move |batch| vec![depth; *batch as usize])
        };
        return Ok(args.depth.iter().flat_map(equal).collect());
    }
    let sequences: u64 = args.depths.iter().map(|group| u64::from(group.count)).sum();
    ensure!(
        args.batch == [1] || args.batch.iter().all(|batch| u64::from(*batch) == sequences),
        "--depths names {sequences} sequences, but --batch is {:?}: leave --batch out",
        args.batch
    );
    ensure!(
        sequences <= u64::from(MOST_SEQUENCES),
        "--depths names {sequences} sequences, expected at most {MOST_SEQUENCES}"
    );
    let each = |group: &Depths| vec![f64::from(group.depth); group.count as usize];
    Ok(vec![args.depths.iter().flat_map(each).collect()])
}

/// Reads a count of tokens: `4096`, or `4k` for as many.
pub fn tokens(text: &str) -> Result<u32, String> {
    let lower = text.trim().to_lowercase();
    let (digits, unit) = match lower.strip_suffix('k') {
        Some(digits) => (digits, 1024),
        None => (lower.as_str(), 1),
    };
    let count = digits.parse::<u32>().ok().and_then(|number| number.checked_mul(unit));
    count.ok_or_else(|| "expected tokens, such as 4096 or 4k".to_owned())
}

/// Reads `DEPTH` or `COUNTxDEPTH`.
pub fn depths(text: &str) -> Result<Depths, String> {
    let (count, depth) = text.split_once(['x', 'X']).unwrap_or(("1", text));
    let count = count.trim().parse::<u32>().ok().filter(|count| *count > 0);
    let count = count.ok_or_else(|| "expected a depth such as 4k, or 6x4k for six sequences".to_owned())?;
    Ok(Depths { count, depth: tokens(depth)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depths_are_read_as_people_write_them() {
        for (text, expected) in [
            ("512", Some((1, 512))),
            ("4k", Some((1, 4096))),
            ("6x1K", Some((6, 1024))),
            ("0x1k", None),
            ("x", None),
            ("4M", None),
            ("9999999k", None),
        ] {
            let expected = expected.map(|(count, depth)| Depths { count, depth });
            assert_eq!(depths(text).ok(), expected, "{text}");
        }
    }
}
