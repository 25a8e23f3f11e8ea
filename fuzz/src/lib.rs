//! Inputs that are nearly right: a real one with some bytes changed and its end cut off.

/// A change of a seed: which bytes become what, and how much of the end is lost (in 1/65,536 of its length).
pub type Change = (Vec<(u16, u8)>, u16);

/// `seed` after `change`.
#[must_use]
pub fn changed(seed: &[u8], (bytes, lost): &Change) -> Vec<u8> {
    let mut out = seed.to_vec();
    for (place, byte) in bytes {
        let place = usize::from(*place) * seed.len() / (1 << 16);
        out[place] = *byte;
    }
    out.truncate(seed.len() - usize::from(*lost) * seed.len() / (1 << 16));
    out
}
