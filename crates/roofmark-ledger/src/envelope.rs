//! Signed envelopes in the form of DSSE (Dead Simple Signing Envelope, v1): the signature covers the
//! type of the payload and exactly its bytes.

use crate::digest::Digest;
use crate::error::Error;
use crate::key::{PublicKey, Signature, Signer};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// Type of a record.
pub const RECORD: &str = "application/vnd.roofmark.record.v1";
/// Type of the list that a bundle begins with.
pub const MANIFEST: &str = "application/vnd.roofmark.bundle.v1";

/// A payload with the signature over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The signed text.
    pub payload: String,
    /// Who signed.
    pub signer: PublicKey,
    /// The signature, in base64.
    pub signature: String,
}

/// The interchange form: JSON on one line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Line {
    payload_type: String,
    payload: String,
    signatures: [LineSignature; 1],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LineSignature {
    keyid: PublicKey,
    sig: String,
}

impl Sealed {
    /// Signs `payload` as a `kind`.
    #[must_use]
    pub fn seal(kind: &str, payload: String, signer: &Signer) -> Self {
        let signature = STANDARD.encode(signer.sign(&encoding(kind, &payload)).0);
        Self { payload, signer: signer.public(), signature }
    }

    /// Digest of the payload: what the next record of a chain names.
    #[must_use]
    pub fn hash(&self) -> Digest {
        Digest::of(self.payload.as_bytes())
    }

    /// Whether the signature is the signer's over this payload as a `kind`.
    #[must_use]
    pub fn is_genuine(&self, kind: &str) -> bool {
        let signature = STANDARD.decode(&self.signature).ok().and_then(|bytes| bytes.try_into().ok());
        signature.is_some_and(|bytes| self.signer.verifies(&encoding(kind, &self.payload), &Signature(bytes)))
    }

    /// One line of JSON, without a line end.
    #[must_use]
    pub fn to_line(&self, kind: &str) -> String {
        let line = Line {
            payload_type: kind.to_owned(),
            payload: STANDARD.encode(&self.payload),
            signatures: [LineSignature { keyid: self.signer, sig: self.signature.clone() }],
        };
        serde_json::to_string(&line).unwrap_or_default()
    }

    /// Reads a line and checks its signature.
    ///
    /// # Errors
    /// Anything but the one spelling that [`Self::to_line`] gives, another type, or a signature that does not fit.
    pub fn from_line(kind: &str, line: &str, what: &str) -> Result<Self, Error> {
        let refuse = |reason: String| Error::malformed(what, reason);
        let read: Line = serde_json::from_str(line)
            .map_err(|error| refuse(format!("it is not a signed envelope: {error}")))?;
        if read.payload_type != kind {
            return Err(refuse(format!(
                "payloadType is \"{}\", wanted \"{kind}\"",
                brief(&read.payload_type)
            )));
        }
        let payload = STANDARD.decode(&read.payload).map_err(|error| refuse(format!("payload: {error}")))?;
        let payload = String::from_utf8(payload).map_err(|_| refuse("payload: it is not UTF-8".into()))?;
        let [LineSignature { keyid, sig }] = read.signatures;
        let sealed = Self { payload, signer: keyid, signature: sig };
        if sealed.to_line(kind) != line {
            return Err(refuse("it is not in canonical spelling".into()));
        }
        if !sealed.is_genuine(kind) {
            return Err(refuse(format!(
                "the signature of key {} does not fit the payload",
                keyid.fingerprint()
            )));
        }
        Ok(sealed)
    }
}

/// DSSE's pre-authentication encoding.
fn encoding(kind: &str, payload: &str) -> Vec<u8> {
    format!("DSSEv1 {} {kind} {} {payload}", kind.len(), payload.len()).into_bytes()
}

fn brief(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed() -> Sealed {
        Sealed::seal(RECORD, "{\"a\":1}\n{}".into(), &Signer::from_seed(&[1; 32]))
    }

    #[test]
    fn a_line_reads_back_to_the_same_bytes() {
        let line = sealed().to_line(RECORD);
        assert_eq!(Sealed::from_line(RECORD, &line, "line 1").unwrap(), sealed());
        assert!(
            Sealed::from_line(MANIFEST, &line, "line 1").unwrap_err().to_string().contains("payloadType")
        );
    }

    #[test]
    fn every_flipped_bit_of_a_line_is_found() {
        let line = sealed().to_line(RECORD).into_bytes();
        for at in 0..line.len() {
            for bit in 0..8 {
                let mut bad = line.clone();
                bad[at] ^= 1 << bit;
                let found = String::from_utf8(bad)
                    .map_or(true, |text| Sealed::from_line(RECORD, &text, "line").is_err());
                assert!(found, "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn the_signed_bytes_are_those_of_the_specification() {
        assert_eq!(
            encoding("http://example.com/HelloWorld", "hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }
}
