//! Builds GGUF files byte by byte, right or wrong, for the tests of the reader.

/// A file under construction: its keys and tensors may lie.
#[derive(Clone)]
pub struct Raw {
    pub magic: [u8; 4],
    pub version: [u8; 4],
    pub tensor_count: Option<u64>,
    pub key_count: Option<u64>,
    pub keys: Vec<Vec<u8>>,
    pub tensors: Vec<Vec<u8>>,
    pub align: usize,
    pub data: usize,
}

impl Default for Raw {
    fn default() -> Self {
        Self {
            magic: *b"GGUF",
            version: 3u32.to_le_bytes(),
            tensor_count: None,
            key_count: None,
            keys: Vec::new(),
            tensors: Vec::new(),
            align: 32,
            data: 0,
        }
    }
}

impl Raw {
    /// A small valid file: each kind of value, three tensors.
    pub fn valid() -> Self {
        let keys = vec![
            key("general.architecture", 8, &text(b"llama")),
            key("general.alignment", 4, &32u32.to_le_bytes()),
            key("u8", 0, &[1]),
            key("i16", 3, &[1, 0]),
            key("f64", 12, &1f64.to_le_bytes()),
            key("flag", 7, &[1]),
            key("tokens", 9, &array(8, 2, &[text(b"a"), text(b"\xff\xfe")].concat())),
            key("nested", 9, &array(9, 2, &[array(0, 2, &[1, 2]), array(0, 0, &[])].concat())),
        ];
        let tensors = vec![
            tensor("token_embd.weight", &[32, 4], 8, 0),
            tensor("blk.0.attn_q.weight", &[32, 2], 0, 160),
            tensor("output_norm.weight", &[32], 0, 416),
        ];
        Self { keys, tensors, data: 416 + 128, ..Self::default() }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut out = self.magic.to_vec();
        out.extend(self.version);
        out.extend(self.tensor_count.unwrap_or(self.tensors.len() as u64).to_le_bytes());
        out.extend(self.key_count.unwrap_or(self.keys.len() as u64).to_le_bytes());
        out.extend(self.keys.concat());
        out.extend(self.tensors.concat());
        out.resize(out.len().next_multiple_of(self.align), 0);
        out.resize(out.len() + self.data, 7);
        out
    }
}

/// A string with its length.
pub fn text(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u64).to_le_bytes(), bytes].concat()
}

/// A key with a value of type `kind`.
pub fn key(name: &str, kind: u32, value: &[u8]) -> Vec<u8> {
    [&text(name.as_bytes()), &kind.to_le_bytes()[..], value].concat()
}

/// The value of an array.
pub fn array(kind: u32, len: u64, elements: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes(), &len.to_le_bytes()[..], elements].concat()
}

/// A tensor info.
pub fn tensor(name: &str, dims: &[u64], kind: u32, offset: u64) -> Vec<u8> {
    let mut out = text(name.as_bytes());
    out.extend((dims.len() as u32).to_le_bytes());
    for dim in dims {
        out.extend(dim.to_le_bytes());
    }
    out.extend(kind.to_le_bytes());
    out.extend(offset.to_le_bytes());
    out
}
