//! The record: a header line and a body. `payload = header JSON + "\n" + body`, and those bytes are what is signed.

use crate::digest::Digest;
use crate::envelope::{RECORD, Sealed};
use crate::error::Error;
use crate::key::PublicKey;
use crate::observation::Observation;
use roofmark_facts::load_record::LoadRun;
use roofmark_facts::probe_record::ProbeRecord;
use roofmark_facts::records::Run;
use roofmark_facts::units::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Version of the header's form.
pub const FORMAT: &str = "roofmark-record/1";
/// Version of the form of a measurement's body.
pub const ENTRY: &str = "roofmark-entry/1";
/// Largest payload that is read or written, in bytes.
pub const LARGEST: usize = 64 << 20;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A bench of the embedded engine: an [`Entry`] of a [`Run`].
    Bench,
    /// A probe of the machine: an [`Entry`] of a [`ProbeRecord`].
    Probe,
    /// Requests against a server: an [`Entry`] of a [`LoadRun`].
    Load,
    /// A result of another tool: an [`Observation`].
    Import,
    /// A record of another ledger, in its own envelope.
    Foreign,
    /// Withdraws the record that the header points at: a [`Retraction`].
    Retraction,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Bench, Self::Probe, Self::Load, Self::Import, Self::Foreign, Self::Retraction];

    /// Its name in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bench => "bench",
            Self::Probe => "probe",
            Self::Load => "load",
            Self::Import => "import",
            Self::Foreign => "foreign",
            Self::Retraction => "retraction",
        }
    }
}

/// What every record says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`FORMAT`].
    pub format: String,
    /// Identity of the ledger it was written to.
    pub ledger: String,
    /// Place in that ledger, from 1.
    pub sequence: i64,
    /// Hash of the record before it; absent in the first.
    pub previous: Option<Digest>,
    /// When it was written: UTC, RFC 3339.
    pub recorded: String,
    /// What the body is.
    pub kind: Kind,
    /// Name and version of the program that wrote it.
    pub tool: String,
    /// Who signed.
    pub signer: PublicKey,
    /// Content of the record that this one corrects or withdraws.
    pub points_at: Option<Digest>,
}

/// A measurement of this program's own, and the kind of its record.
pub trait Measured: Serialize + DeserializeOwned {
    /// Kind of the record.
    const KIND: Kind;
}

impl Measured for Run {
    const KIND: Kind = Kind::Bench;
}

impl Measured for LoadRun {
    const KIND: Kind = Kind::Load;
}

impl Measured for ProbeRecord {
    const KIND: Kind = Kind::Probe;
}

/// The body of a measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry<R> {
    /// [`ENTRY`].
    pub format: String,
    /// What the run's own form does not carry.
    pub context: Context,
    /// What was observed.
    pub run: R,
    /// The statistics as they were published, byte for byte; an empty list for a probe, which has none.
    pub rows: Box<RawValue>,
}

/// Facts around a run. `None` is unknown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Context {
    /// SHA-256 over processor, cores, memory and hypervisor: tells machines apart without naming them.
    pub fingerprint: Option<Digest>,
    /// Driver of the accelerator, with version.
    pub driver: Option<String>,
    /// Power mode of the system.
    pub power_mode: Option<String>,
    /// Commit of the engine, where it reports one.
    pub commit: Option<String>,
    /// Options that the run was asked for with, without their values.
    pub flags: Vec<String>,
    /// Files of the model, in order; empty where its weights were made up.
    pub model_files: Vec<ModelFile>,
    /// Tensors by storage type, most bytes first.
    pub tensor_types: Vec<TensorTypes>,
}

/// A file of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// Name without its folder.
    pub name: String,
    /// Length.
    pub size: Bytes,
    /// SHA-256 of its bytes.
    pub sha256: Digest,
}

/// Tensors of one storage type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TensorTypes {
    /// Name of the type, such as `Q4_K`.
    pub kind: String,
    /// Tensors.
    pub tensors: u64,
    /// Their bytes.
    pub size: Bytes,
}

/// The body of a retraction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retraction {
    /// Content of the record that no longer counts; the header points at it too.
    pub retracts: Digest,
    /// Why.
    pub reason: String,
}

/// A body that is to become a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// What it is.
    pub kind: Kind,
    /// The text.
    pub body: String,
    /// Content of the record that it corrects or withdraws.
    pub points_at: Option<Digest>,
}

impl Draft {
    /// A measurement of this program's own.
    ///
    /// # Errors
    /// The entry cannot be written as JSON.
    pub fn entry<R: Measured>(entry: &Entry<R>) -> Result<Self, Error> {
        Ok(Self { kind: R::KIND, body: to_json(entry)?, points_at: None })
    }

    /// A result of another tool, by `kind`.
    ///
    /// # Errors
    /// The observation cannot be written as JSON.
    pub fn observation(kind: Kind, observation: &Observation) -> Result<Self, Error> {
        Ok(Self { kind, body: to_json(observation)?, points_at: None })
    }

    /// The withdrawal of the record with this content.
    ///
    /// # Errors
    /// Never for a reason that is text.
    pub fn retraction(retracts: Digest, reason: &str) -> Result<Self, Error> {
        let body = to_json(&Retraction { retracts, reason: reason.to_owned() })?;
        Ok(Self { kind: Kind::Retraction, body, points_at: Some(retracts) })
    }

    /// A record of another ledger.
    #[must_use]
    pub fn foreign(sealed: &Sealed) -> Self {
        Self { kind: Kind::Foreign, body: sealed.to_line(RECORD), points_at: None }
    }

    /// The same, as the correction of an earlier record.
    #[must_use]
    pub fn correcting(self, content: Digest) -> Self {
        Self { points_at: Some(content), ..self }
    }

    /// Identity of the content: the same in every ledger.
    ///
    /// # Errors
    /// A foreign body that is no genuine record.
    pub fn content(&self) -> Result<Digest, Error> {
        match self.kind {
            Kind::Foreign => Ok(Record::open(self.foreign_sealed()?)?.content),
            _ => Ok(Digest::of(self.body.as_bytes())),
        }
    }

    fn foreign_sealed(&self) -> Result<Sealed, Error> {
        Sealed::from_line(RECORD, &self.body, "a record of another ledger")
    }
}

fn to_json(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::malformed("the new record", error.to_string()))
}

/// A stored record, read.
#[derive(Clone, Debug)]
pub struct Record {
    /// What it says of itself.
    pub header: Header,
    /// Its body, as stored.
    pub body: String,
    /// Identity of the content.
    pub content: Digest,
    /// The bytes with their signature.
    pub sealed: Sealed,
}

impl Record {
    /// Reads the header of a payload. The signature is not checked here.
    ///
    /// # Errors
    /// The payload is too long, has no header of a known form, or names another signer than its envelope.
    pub fn open(sealed: Sealed) -> Result<Self, Error> {
        let refuse = |reason: String| Error::malformed("a record", reason);
        if sealed.payload.len() > LARGEST {
            return Err(refuse(format!("{} bytes, at most {LARGEST} are read", sealed.payload.len())));
        }
        let (head, body) =
            sealed.payload.split_once('\n').ok_or_else(|| refuse("it has no header line".into()))?;
        let header: Header =
            serde_json::from_str(head).map_err(|error| refuse(format!("header: {error}")))?;
        if header.format != FORMAT {
            return Err(refuse(format!("format \"{}\" is not known, wanted \"{FORMAT}\"", header.format)));
        }
        if header.signer != sealed.signer {
            return Err(refuse("the header names another signer than the envelope".into()));
        }
        let body = body.to_owned();
        let content =
            Draft { kind: header.kind, body: body.clone(), points_at: header.points_at }.content()?;
        Ok(Self { header, body, content, sealed })
    }

    /// The record of another ledger that this one holds.
    ///
    /// # Errors
    /// The inner envelope is not genuine.
    pub fn inner(&self) -> Result<Option<Self>, Error> {
        if self.header.kind != Kind::Foreign {
            return Ok(None);
        }
        let inner = Self::open(Sealed::from_line(RECORD, &self.body, "a record of another ledger")?)?;
        match inner.header.kind {
            Kind::Foreign => {
                Err(Error::malformed("a record of another ledger", "it holds yet another ledger's"))
            }
            _ => Ok(Some(inner)),
        }
    }
}

/// The signed text of a record.
pub(crate) fn payload(header: &Header, body: &str) -> Result<String, Error> {
    let payload = format!("{}\n{body}", to_json(header)?);
    if payload.len() > LARGEST {
        let reason = format!("{} bytes, at most {LARGEST} are kept", payload.len());
        return Err(Error::malformed("the new record", reason));
    }
    Ok(payload)
}
