//! The catalog: machines, models, prices and engine support, each number with its source.
//!
//! The data files are part of the binary. A user's own file of the same form can be laid over them
//! with [`Catalog::extended`]; reading that file is the caller's business.

mod read;

use crate::config::ConfigError;
use crate::machine::{Machine, Source};
use crate::names::Index;
use crate::profile::Profile;
use crate::quant::Quant;
use crate::shape::Shape;
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

/// Everything that is known without measuring.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Machines.
    pub machines: Vec<Machine>,
    /// Names that stand for several machines.
    pub families: Vec<Family>,
    /// Models.
    pub models: Vec<Model>,
    /// Dated prices of machines.
    pub prices: Vec<Price>,
    /// Dated prices of model use over the network.
    pub api_prices: Vec<ApiPrice>,
    /// Dated prices of electricity.
    pub tariffs: Vec<Tariff>,
    /// Which engine runs on which class of machine.
    pub support: Vec<Support>,
    /// Questions about engines that are asked often, answered with evidence.
    pub answers: Vec<Answer>,
    /// Where names lead.
    pub(crate) index: Index,
}

/// A name for several machines, such as "M5 Max".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Family {
    /// Name as people know it.
    pub name: String,
    /// Other spellings, lower case.
    pub aliases: Vec<String>,
    /// Slugs of the machines.
    pub members: Vec<String>,
}

/// A model of the catalog.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Catalog name, lower case.
    pub slug: String,
    /// Name as its maker writes it.
    pub name: String,
    /// Maker.
    pub maker: String,
    /// Month of release.
    pub released: String,
    /// Other spellings, lower case.
    pub aliases: Vec<String>,
    /// Parameters as stated, in 10^9.
    pub params_b: f64,
    /// Parameters used per token as stated, in 10^9.
    pub active_b: Option<f64>,
    /// Where the shape comes from.
    pub source: Source,
    /// Layers and dimensions.
    pub shape: Shape,
}

impl Model {
    /// What the model costs to run in `quant`.
    #[must_use]
    pub fn profile(&self, quant: &Quant) -> Profile {
        Profile::from_shape(&self.slug, &self.shape, quant)
    }
}

/// A price of a machine at a date.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Price {
    /// Machine slug.
    pub machine: String,
    /// Amount in `currency`.
    pub amount: f64,
    /// ISO code.
    pub currency: String,
    /// `new` or `used`.
    pub condition: String,
    /// Date of the price.
    pub date: String,
    /// Somebody's claim, not an offer.
    pub claim: bool,
    /// What the price includes.
    pub note: Option<String>,
    /// Where it was seen.
    pub source: Source,
}

/// A price of tokens at a date.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApiPrice {
    /// Model slug.
    pub model: String,
    /// US dollars per million input tokens.
    pub input_usd_per_m: f64,
    /// US dollars per million output tokens.
    pub output_usd_per_m: f64,
    /// Date of the price.
    pub date: String,
    /// Caveats.
    pub note: Option<String>,
    /// Where it was seen.
    pub source: Source,
}

/// A price of electricity at a date.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tariff {
    /// Country or region.
    pub region: String,
    /// Amount per kilowatt-hour in `currency`.
    pub amount_per_kwh: f64,
    /// ISO code.
    pub currency: String,
    /// Date of the price.
    pub date: String,
    /// Somebody's claim, not a tariff.
    pub claim: bool,
    /// What the price includes.
    pub note: Option<String>,
    /// Where it was seen.
    pub source: Source,
}

/// One dated piece of evidence that an engine runs, or does not, on a class of machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Support {
    /// Engine.
    pub engine: String,
    /// Class of machines, coarser than [`Machine::class`].
    pub machine_class: String,
    /// `native`, `plugin`, `experimental` or `none`.
    pub status: String,
    /// Date of the evidence.
    pub since: String,
    /// Backend.
    pub backend: Option<String>,
    /// Caveats.
    pub note: Option<String>,
    /// The evidence.
    pub source: Source,
}

/// A question about engines with its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The question.
    pub question: String,
    /// The answer.
    pub answer: String,
    /// When it held.
    pub date: String,
    /// The evidence.
    pub sources: Vec<Source>,
}

/// Why catalog text could not be read. Completes "failed to …".
#[derive(Clone, Debug, thiserror::Error)]
pub enum CatalogError {
    /// Not TOML, or not of the catalog's form.
    #[error("read catalog {file}: {message}")]
    Form {
        /// Which file.
        file: String,
        /// What the parser says.
        message: String,
    },
    /// An entry names a source that the file does not have.
    #[error("read catalog {file}: `{entry}` names the source `{source_id}`, which the file does not list")]
    Source {
        /// Which file.
        file: String,
        /// The entry.
        entry: String,
        /// The missing source.
        source_id: String,
    },
    /// A fact of a machine has a name or value that cannot be.
    #[error("read catalog {file}: machine `{machine}` has `{fact}` = {value}")]
    Fact {
        /// Which file.
        file: String,
        /// The machine.
        machine: String,
        /// The fact.
        fact: String,
        /// Its value.
        value: f64,
    },
    /// A model has neither a configuration nor a known model to copy.
    #[error("read catalog {file}: model `{model}` has no [model.config] and no known `like`")]
    NoShape {
        /// Which file.
        file: String,
        /// The model.
        model: String,
    },
    /// A model's configuration gives no shape.
    #[error("read catalog {file}: model `{model}`: {error}")]
    Config {
        /// Which file.
        file: String,
        /// The model.
        model: String,
        /// What is wrong with it.
        error: ConfigError,
    },
}

const FILES: &[(&str, &str)] = &[
    ("machines.toml", include_str!("../data/machines.toml")),
    ("models_a.toml", include_str!("../data/models_a.toml")),
    ("models_b.toml", include_str!("../data/models_b.toml")),
    ("prices.toml", include_str!("../data/prices.toml")),
    ("engines.toml", include_str!("../data/engines.toml")),
];

impl Catalog {
    /// The catalog that is part of the program.
    ///
    /// # Panics
    /// Never in a build that passed its tests: they read every embedded file.
    #[must_use]
    pub fn builtin() -> &'static Self {
        static CATALOG: OnceLock<Catalog> = OnceLock::new();
        CATALOG.get_or_init(|| Self::read_embedded().expect("the embedded catalog is read by a test"))
    }

    fn read_embedded() -> Result<Self, CatalogError> {
        FILES.iter().try_fold(Self::default(), |catalog, (file, text)| catalog.extended(file, text))
    }

    /// This catalog with the entries of `text` laid over it: a machine, model or family of the same
    /// name is replaced, everything else is added. `file` names the text in errors.
    ///
    /// # Errors
    /// [`CatalogError`] names the file and the entry.
    pub fn extended(mut self, file: &str, text: &str) -> Result<Self, CatalogError> {
        read::merge(&mut self, file, text)?;
        self.index = Index::of(&self);
        Ok(self)
    }

    /// The machine with this slug.
    #[must_use]
    pub fn machine(&self, slug: &str) -> Option<&Machine> {
        self.machines.iter().find(|machine| machine.slug == slug)
    }

    /// The model with this slug.
    #[must_use]
    pub fn model(&self, slug: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.slug == slug)
    }
}
