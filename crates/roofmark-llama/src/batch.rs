//! A batch of tokens in the layout that the C interface reads.

use llama_cpp_sys_2 as sys;

/// Tokens with their positions and sequences. The memory stays where it is while the batch lives.
#[derive(Default)]
pub struct Batch {
    tokens: Vec<sys::llama_token>,
    positions: Vec<sys::llama_pos>,
    counts: Vec<i32>,
    sequences: Vec<sys::llama_seq_id>,
    sequence_pointers: Vec<*mut sys::llama_seq_id>,
    outputs: Vec<i8>,
}

impl Batch {
    /// Forgets all tokens and keeps the memory.
    pub fn clear(&mut self) {
        self.tokens.clear();
        self.positions.clear();
        self.counts.clear();
        self.sequences.clear();
        self.outputs.clear();
    }

    /// Adds a token at `position` of `sequence`; `output` asks for its logits.
    pub fn push(&mut self, token: i32, position: i32, sequence: i32, output: bool) {
        self.tokens.push(token);
        self.positions.push(position);
        self.counts.push(1);
        self.sequences.push(sequence);
        self.outputs.push(i8::from(output));
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// The batch as the C interface takes it; valid until the next change of `self`.
    pub fn raw(&mut self) -> sys::llama_batch {
        self.sequence_pointers.clear();
        self.sequence_pointers.extend(self.sequences.iter_mut().map(std::ptr::from_mut));
        sys::llama_batch {
            n_tokens: i32::try_from(self.tokens.len()).unwrap_or(i32::MAX),
            token: self.tokens.as_mut_ptr(),
            embd: std::ptr::null_mut(),
            pos: self.positions.as_mut_ptr(),
            n_seq_id: self.counts.as_mut_ptr(),
            seq_id: self.sequence_pointers.as_mut_ptr(),
            logits: self.outputs.as_mut_ptr(),
        }
    }
}
